//! What names lead to besides one's own container: the host, those who are well, and the host's servers
//! on the default network.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testkit::{
    Machine, Place,
    dns::{self, A, AAAA, PTR, Said, ask, ask_at},
    until,
};

/// A machine whose host asks a server at 127.0.0.53, which knows one name.
fn machine(flags: &[&str]) -> Result<Machine> {
    let machine = Machine::without_engine(env!("CARGO_BIN_EXE_tombolo"), flags)?;
    dns::serve(&machine, "127.0.0.53", "known.example.test", [192, 0, 2, 7].into())?;
    let path = machine.root().join("resolv.conf").display().to_string();
    let text = "nameserver 127.0.0.53\\nnameserver 198.51.100.2\\n";
    machine.sh(&format!("printf '{text}' > {path} && mount --bind {path} /etc/resolv.conf")).ok()?;
    machine.start_engine()?;
    machine.load_busybox()?;
    Ok(machine)
}

fn found(records: &[&str]) -> Said {
    Said { code: 0, records: records.iter().map(|record| (*record).to_owned()).collect() }
}

const NO_SUCH_NAME: Said = Said { code: 3, records: Vec::new() };

/// Waits until a question is answered so.
fn until_said(machine: &Machine, container: &str, name: &str, records: &[&str]) -> Result<()> {
    until(&format!("{name} is {records:?}"), || {
        ask(machine, container, name, A).is_ok_and(|said| said == found(records)).then_some(())
    })
}

#[test]
fn who_is_not_well_is_left_out_while_others_are() -> Result<()> {
    let machine = machine(&[])?;
    machine.docker("network create --subnet 10.5.0.0/24 site").ok()?;
    let check = "--health-interval 50ms --health-retries 1 --health-cmd 'test -e /well'";
    for (name, check) in [("one", check), ("two", check), ("client", "")] {
        machine
            .docker(&format!(
                "run -d --name {name} --network site --network-alias all {check} busybox sleep 1000"
            ))
            .ok()?;
    }
    ensure!(ask(&machine, "client", "all", A)? == found(&["10.5.0.4"]), "who has no test is well");
    ensure!(ask(&machine, "client", "one", A)? == found(&["10.5.0.2"]), "nobody else has the name");
    machine.docker("exec one touch /well").ok()?;
    until_said(&machine, "client", "all", &["10.5.0.2", "10.5.0.4"])?;
    machine.docker("exec two touch /well").ok()?;
    until_said(&machine, "client", "all", &["10.5.0.2", "10.5.0.3", "10.5.0.4"])?;
    machine.docker("exec one rm /well").ok()?;
    until_said(&machine, "client", "all", &["10.5.0.3", "10.5.0.4"])?;
    machine.kill_engine()?;
    machine.start_engine()?;
    ensure!(ask(&machine, "client", "all", A)? == found(&["10.5.0.3", "10.5.0.4"]), "a new engine knows");
    machine.docker("restart -t 0 two").ok()?;
    ensure!(ask(&machine, "client", "two", A)? == found(&["10.5.0.3"]));
    until_said(&machine, "client", "all", &["10.5.0.3", "10.5.0.4"])?;
    machine.docker("network disconnect site client").ok()?;
    machine.docker("exec two rm /well").ok()?;
    until_said(&machine, "one", "all", &["10.5.0.2", "10.5.0.3"])
}

#[test]
fn the_host_is_found_where_a_network_leads_out() -> Result<()> {
    let machine = machine(&[])?;
    machine.docker("network create --subnet 10.5.0.0/24 site").ok()?;
    machine.docker("network create --internal closed").ok()?;
    machine.docker("run -d --name web --network site busybox sleep 1000").ok()?;
    machine.docker("run -d --name apart --network closed busybox sleep 1000").ok()?;
    machine
        .docker("run -d --name plain --add-host host.docker.internal:host-gateway busybox sleep 1000")
        .ok()?;
    ensure!(ask(&machine, "web", "host.docker.internal", A)? == found(&["10.5.0.1"]));
    ensure!(ask(&machine, "web", "host.docker.internal", AAAA)? == found(&[]));
    ensure!(ask(&machine, "apart", "host.docker.internal", A)? == NO_SUCH_NAME);
    let mut server = machine.start_sh("busybox httpd -f -p 10.5.0.1:8080 -h /etc")?;
    let page = until("the host answers", || {
        let page = machine.docker("exec web curl -sS --max-time 5 http://host.docker.internal:8080/hostname");
        (page.code == 0).then_some(page)
    });
    server.kill()?;
    server.wait()?;
    page?;
    machine.docker("exec plain ping -c 1 host.docker.internal").ok()?;
    Ok(())
}

#[test]
fn on_the_default_network_the_hosts_servers_are_followed() -> Result<()> {
    let machine = machine(&[])?;
    dns::serve(&machine, "127.0.0.54", "known.example.test", [192, 0, 2, 8].into())?;
    machine.docker("run -d --name web busybox sleep 1000").ok()?;
    let file = machine.docker("exec web cat /etc/resolv.conf").ok()?;
    ensure!(file.contains("\nnameserver 127.0.0.11\nnameserver 198.51.100.2\n"), "{file}");
    ensure!(ask(&machine, "web", "known.example.test", A)? == found(&["192.0.2.7"]));
    let address = machine.address("web", "bridge")?;
    for (name, kind) in [("web", A), ("host.docker.internal", A), (&dns::reverse(&address), PTR)] {
        ensure!(ask(&machine, "web", name, kind)? == NO_SUCH_NAME, "{name} is asked of the host's server");
    }
    let path = machine.root().join("resolv.conf").display().to_string();
    machine.sh(&format!("echo nameserver 127.0.0.54 > {path}")).ok()?;
    let changed = Instant::now();
    until_said(&machine, "web", "known.example.test", &["192.0.2.8"])?;
    ensure!(changed.elapsed() < Duration::from_secs(1), "after {:?}", changed.elapsed());
    machine.docker("network create site").ok()?;
    machine.docker("network connect site web").ok()?;
    ensure!(ask(&machine, "web", "web", A)? == found(&[&machine.address("web", "site")?]));
    machine.docker("network disconnect site web").ok()?;
    ensure!(ask(&machine, "web", "web", A)? == NO_SUCH_NAME);
    machine.agree()?;
    Ok(())
}

#[test]
fn the_default_network_can_have_dockers_files() -> Result<()> {
    let machine = machine(&["--dns-follow-host=false"])?;
    machine.docker("run -d --name web busybox sleep 1000").ok()?;
    let file = machine.docker("exec web cat /etc/resolv.conf").ok()?;
    let expected =
        "\nnameserver 198.51.100.2\n\n# Based on host file: '/etc/resolv.conf' (legacy)\n# Overrides: []";
    ensure!(file.ends_with(expected), "{file}");
    let listens = machine.docker("exec web cat /proc/net/udp").ok()?;
    ensure!(listens.lines().count() == 1, "no resolver: {listens}");
    Ok(())
}

#[test]
fn the_host_asks_for_names_of_networks() -> Result<()> {
    const SERVER: (Place<'_>, &str) = (Place::Host, "127.0.0.60:53");
    let machine = machine(&["--dns-host=127.0.0.60"])?;
    let say = |name: &str, kind: u16| ask_at(&machine, SERVER, name, kind);
    let refused = Said { code: 5, records: Vec::new() };
    ensure!(say("web.site.tombolo.internal", A)? == NO_SUCH_NAME, "nobody runs");
    ensure!(say("web.site", A)? == refused, "there is no such network, and nobody else is asked");
    machine.docker("network create --subnet 10.5.0.0/24 site").ok()?;
    ensure!(say("web.site", A)? == NO_SUCH_NAME);
    machine.docker("run -d --name web --network site --network-alias '*.app' busybox sleep 1000").ok()?;
    machine.docker("run -d --name plain busybox sleep 1000").ok()?;
    for name in ["web.site", "WEB.Site.", "x.app.site", "web.site.tombolo.internal"] {
        ensure!(say(name, A)? == found(&["10.5.0.2"]), "{name}");
        ensure!(say(name, AAAA)? == found(&[]), "{name}");
    }
    ensure!(say(&dns::reverse("10.5.0.2"), PTR)? == found(&["web.site"]));
    ensure!(say(&dns::reverse("10.5.0.9"), PTR)? == NO_SUCH_NAME);
    for name in ["web", "plain.bridge", "known.example.test", "example.site.test"] {
        ensure!(say(name, A)? == refused, "{name}");
    }
    machine.kill_engine()?;
    machine.start_engine()?;
    ensure!(say("web.site", A)? == found(&["10.5.0.2"]));
    machine.docker("stop -t 0 web").ok()?;
    ensure!(say("web.site", A)? == NO_SUCH_NAME);
    Ok(())
}

#[test]
fn names_of_other_networks_are_found_where_that_is_wanted() -> Result<()> {
    for (flags, seen) in [(&[][..], NO_SUCH_NAME), (&["--dns-across-networks"][..], found(&["10.5.0.2"]))] {
        let machine = machine(flags)?;
        machine.docker("network create --subnet 10.5.0.0/24 site").ok()?;
        machine.docker("network create other").ok()?;
        machine.docker("run -d --name web --network site busybox sleep 1000").ok()?;
        machine.docker("run -d --name client --network other busybox sleep 1000").ok()?;
        ensure!(ask(&machine, "client", "web.site", A)? == seen, "{flags:?}");
        for name in ["web", "nobody.site", "web.other"] {
            ensure!(ask(&machine, "client", name, A)? == NO_SUCH_NAME, "{name}");
        }
    }
    Ok(())
}
