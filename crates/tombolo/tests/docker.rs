//! Docker's own command line against our socket: the walk-through, word for word.

use anyhow::{Result, ensure};
use testkit::{Machine, OUTSIDE, WIRE};

fn machine() -> Result<Machine> {
    Machine::start(env!("CARGO_BIN_EXE_tombolo"))
}

const ADDRESS: &str = "'{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}'";

#[test]
fn the_walk_through() -> Result<()> {
    let machine = machine()?;
    machine.docker("run -d --name web -p 80:8080 busybox httpd -f -p 8080 -h /var/www").ok()?;
    let address = machine.docker(&format!("inspect -f {ADDRESS} web")).ok()?;
    ensure!(address.starts_with("172.17.0."), "{address}");
    let page = machine.docker(&format!("run --rm busybox curl -sS http://{address}:8080/")).ok()?;
    ensure!(page.contains("It works"), "{page}");

    machine.docker("network create site").ok()?;
    machine.docker("network connect site web").ok()?;
    let page = machine.docker("run --rm --network site busybox curl -sS http://web:8080/").ok()?;
    ensure!(page.contains("It works"), "{page}");
    let page = machine.sh(&format!("curl -sS --max-time 5 http://{WIRE}/")).ok()?;
    ensure!(page.contains("It works"), "{page}");
    let page = machine.outside(&format!("curl -sS --max-time 5 http://{WIRE}/")).ok()?;
    ensure!(page.contains("It works"), "{OUTSIDE} got {page}");
    let page = machine.sh("curl -sS --max-time 5 http://127.0.0.1/").ok()?;
    ensure!(page.contains("It works"), "{page}");

    let links = machine.sh("ip -o link").ok()?;
    ensure!(links.contains(" p0: ") && links.matches(": veth").count() == 2, "{links}");
    let bridges = machine.sh("brctl show").ok()?;
    ensure!(bridges.contains("p0") && bridges.contains("veth"), "{bridges}");
    let rules = machine.sh("nft list ruleset").ok()?;
    ensure!(rules.contains(&format!("tcp . 80 : {address} . 8080")), "{rules}");
    let resolver = machine.docker("run --rm --network site busybox cat /etc/resolv.conf").ok()?;
    ensure!(resolver.contains("nameserver 127.0.0.11"), "{resolver}");
    let mounts = machine.docker("run --rm busybox mount").ok()?;
    ensure!(mounts.lines().any(|line| line.starts_with("overlay on / ")), "{mounts}");

    machine.docker("run -d --name other busybox sleep 1000").ok()?;
    let graph = |name: &str, key: &str| {
        machine.docker(&format!("inspect -f '{{{{.GraphDriver.Data.{key}}}}}' {name}")).ok()
    };
    let lower = |name: &str| -> Result<String> {
        let all = graph(name, "LowerDir")?;
        Ok(all.rsplit(':').next().unwrap_or_default().to_owned())
    };
    ensure!(lower("web")? == lower("other")?, "one image, one lower directory");
    ensure!(graph("web", "UpperDir")? != graph("other", "UpperDir")?, "two writable layers");
    machine.docker("rm -f web other").ok()?;
    machine.docker("network rm site").ok()?;
    machine.stop_engine()?;
    let left = machine.leftovers();
    ensure!(left.is_empty(), "{left:#?}");
    Ok(())
}
