//! What comes late: addresses of the host, ports that others still hold, containers that others need.

use anyhow::{Context, Result, ensure};
use testkit::{Machine, Place, until};

/// An address that the machine's wire may get.
const LATE: &str = "198.51.100.77";
const LATE6: &str = "2001:db8::77";

fn machine() -> Result<Machine> {
    Machine::start(env!("CARGO_BIN_EXE_tombolo"))
}

fn add(machine: &Machine) -> Result<()> {
    machine
        .sh(&format!("ip addr add {LATE}/24 dev wire && ip -6 addr add {LATE6}/64 dev wire nodad"))
        .ok()?;
    Ok(())
}

fn running(machine: &Machine, container: &str) -> Result<()> {
    let status = || {
        let shown = machine.inspect(container).ok()?;
        (shown["State"]["Status"] == "running").then_some(())
    };
    until("a container to run", status).with_context(|| format!("{container}\n{}", machine.engine_log()))
}

#[test]
fn a_port_waits_for_its_address() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create --ipv6 site").ok()?;
    let ports = format!("-p {LATE}:8080:80 -p [{LATE6}]:8080:80");
    let refused = machine.docker(&format!("run -d --name slip --network site {ports} busybox sleep 1000"));
    let text = "8080/tcp: cannot assign requested address";
    ensure!(refused.code == 125 && refused.stderr.contains(text), "{refused:?}");
    let waits = "run -d --name web --restart unless-stopped --network site";
    let said = machine.docker(&format!("{waits} {ports} busybox sleep 1000"));
    let warning = format!("does not have the address of {LATE}:8080/tcp yet");
    ensure!(said.stderr.contains(&warning), "{said:?}");
    said.ok()?;
    machine.agree()?;
    let refused = machine.tombolo(&format!("update --publish-add {LATE}:8080:80 web"));
    ensure!(refused.code == 0, "it has it already: {refused:?}");

    let reached = || -> Result<()> {
        let server = machine.listen(Place::In("web"), "[::]:80")?;
        machine.tcp(Place::Outside, &format!("{LATE}:8080"), &server)?;
        machine.tcp(Place::Outside, &format!("[{LATE6}]:8080"), &server)?;
        machine.tcp(Place::Host, &format!("{LATE}:8080"), &server)?;
        Ok(())
    };
    add(&machine)?;
    reached().context("when the address came")?;
    ensure!(machine.docker("start slip").code != 0, "its port is taken");
    machine.sh(&format!("ip addr del {LATE}/24 dev wire; ip addr del {LATE6}/64 dev wire")).ok()?;
    machine.kill_engine()?;
    machine.start_engine()?;
    machine.agree()?;
    machine.tombolo("network check").ok().context("without the address")?;
    machine.cut_power()?;
    machine.start_engine()?;
    running(&machine, "web")?;
    add(&machine)?;
    reached().context("after a boot")?;
    machine.agree()
}

#[test]
fn a_boot_waits_for_what_is_needed_and_tries_again() -> Result<()> {
    let machine = machine()?;
    let always = "run -d --restart always";
    let late = machine.root().join("late").display().to_string();
    let mount = format!("--mount type=bind,src={late},dst=/late");
    machine.sh(&format!("mkdir {late}")).ok()?;
    machine.docker(&format!("{always} --name zz-stack {mount} -p 8080:80 busybox sleep 1000")).ok()?;
    machine
        .docker(&format!("{always} --name aa-joins --network container:zz-stack busybox sleep 1000"))
        .ok()?;
    machine.docker(&format!("{always} --name bb-links --link zz-stack:store busybox sleep 1000")).ok()?;
    machine.cut_power()?;
    // A file system comes late, and a service of the host has the port for a while.
    machine.sh(&format!("rmdir {late}")).ok()?;
    let holder = machine.listen(Place::Host, "0.0.0.0:8080")?;
    machine.start_engine()?;
    until("a start that fails", || {
        machine.engine_log().contains("cannot start with the engine").then_some(())
    })?;
    machine.sh(&format!("mkdir {late}")).ok()?;
    for container in ["zz-stack", "aa-joins", "bb-links"] {
        running(&machine, container)?;
    }
    let hosts = machine.docker("exec bb-links cat /etc/hosts").ok()?;
    ensure!(hosts.contains("store"), "{hosts}");
    let server = machine.listen(Place::In("aa-joins"), "0.0.0.0:80")?;
    machine.tcp(Place::Outside, &format!("{}:8080", testkit::WIRE), &server)?;
    drop(holder);
    machine.tombolo("network check --repair").ok()?;
    machine.agree()
}

#[test]
fn addresses_stay_whatever_starts_first() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create --ipv6 --subnet 10.5.0.0/24 --subnet fd05::/64 site").ok()?;
    let names: Vec<String> = (0..10).map(|number| format!("c{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        let address = if number % 2 == 0 { format!("--ip 10.5.0.{}", 100 + number) } else { String::new() };
        let run =
            format!("run -d --restart always --name {name} --network site {address} busybox sleep 1000");
        machine.docker(&run).ok()?;
    }
    let all = || -> Result<Vec<String>> {
        let shown = |name: &String| {
            let endpoint = machine.inspect(name)?["NetworkSettings"]["Networks"]["site"].clone();
            let fields = ["IPAddress", "GlobalIPv6Address", "MacAddress"];
            Ok(fields.map(|field| endpoint[field].to_string()).join(" "))
        };
        names.iter().map(shown).collect()
    };
    let before = all()?;
    for round in 0..2 {
        machine.cut_power()?;
        machine.start_engine()?;
        // They start side by side: who is first is another each time.
        for name in &names {
            running(&machine, name)?;
        }
        let after = all()?;
        ensure!(after == before, "round {round}: {after:?}, not {before:?}");
    }
    for order in ["c9 c0 c5 c1 c8 c2 c7 c3 c6 c4", "c3 c1 c4 c0 c5 c9 c2 c6 c8 c7"] {
        machine.docker(&format!("stop -t 0 {order}")).ok()?;
        machine.docker("run --rm --network site busybox true").ok()?;
        machine.docker(&format!("start {order}")).ok()?;
        ensure!(all()? == before, "{order}");
    }
    machine.agree()
}
