//! The resolver of containers, as Debian's `dig` sees it.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use testkit::{Machine, Place, dns};

/// A machine whose host's server knows one name, with a network and containers on it.
fn machine() -> Result<Machine> {
    let machine = Machine::without_engine(env!("CARGO_BIN_EXE_tombolo"), &[])?;
    dns::serve(&machine, "127.0.0.53", "known.example.test", [192, 0, 2, 7].into())?;
    let path = machine.root().join("resolv.conf").display().to_string();
    machine
        .sh(&format!("echo nameserver 127.0.0.53 > {path} && mount --bind {path} /etc/resolv.conf"))
        .ok()?;
    machine.start_engine()?;
    machine.load_busybox()?;
    machine.docker("network create --subnet 10.5.0.0/24 site").ok()?;
    machine.docker("run -d --name web --network site --network-alias all busybox sleep 1000").ok()?;
    Ok(machine)
}

/// What dig says in a container's stack, with one blank where there are several.
fn dig(machine: &Machine, container: &str, words: &str) -> Result<String> {
    let shown = machine.inspect(container)?;
    let key = shown["NetworkSettings"]["SandboxKey"].as_str().unwrap_or_default();
    let said =
        machine.sh(&format!("nsenter --net={key} dig -r +tries=1 +time=5 @127.0.0.11 {words}")).ok()?;
    let lines = said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

const OURS: &str = "flags: qr rd ra; QUERY: 1, ANSWER: 1,";
const EMPTY: &str = "flags: qr rd ra; QUERY: 1, ANSWER: 0,";

#[test]
fn dig_gets_what_the_standards_say() -> Result<()> {
    let machine = machine()?;
    let address = "\nweb. 5 IN A 10.5.0.2\n";
    for (words, expected) in [
        ("web A", &["status: NOERROR", OURS, address][..]),
        ("+tcp web A", &["status: NOERROR", OURS, address]),
        ("+tcp +keepopen web A web A", &["status: NOERROR", OURS, address]),
        ("web.site A", &["status: NOERROR", OURS, "\nweb.site. 5 IN A 10.5.0.2\n"]),
        ("WeB A", &["status: NOERROR", OURS, "\n;WeB. IN A\n", " 5 IN A 10.5.0.2\n"]),
        ("web AAAA", &["status: NOERROR", EMPTY]),
        ("web MX", &["status: NOERROR", EMPTY]),
        ("web TXT", &["status: NOERROR", EMPTY]),
        ("web HTTPS", &["status: NOERROR", EMPTY]),
        ("web SRV", &["status: NOERROR", EMPTY]),
        ("+tcp web ANY", &["status: NOERROR", EMPTY]),
        ("-x 10.5.0.2", &["status: NOERROR", OURS, "\n2.0.5.10.in-addr.arpa. 5 IN PTR web.site.\n"]),
        ("-x 10.5.0.99", &["status: NXDOMAIN"]),
        ("+bufsize=1232 web A", &["EDNS: version: 0, flags:; udp: 4096"]),
        ("+norec web A", &["flags: qr ra; QUERY: 1, ANSWER: 1,"]),
        ("+dnssec web A", &["status: NOERROR", OURS]),
        ("+opcode=status web A", &["status: NOTIMP"]),
        ("-c CH version.bind TXT", &["status: REFUSED"]),
        ("known.example.test A", &["status: NOERROR", "\nknown.example.test. 60 IN A 192.0.2.7\n"]),
        ("+tcp known.example.test A", &["status: NOERROR", "IN A 192.0.2.7\n"]),
        ("nobody.example.test A", &["status: NXDOMAIN"]),
        ("nobody A", &["status: NXDOMAIN"]),
    ] {
        let said = dig(&machine, "web", words)?;
        for part in expected {
            ensure!(said.contains(part), "{words}: no {part:?} in\n{said}");
        }
    }
    let plain = dig(&machine, "web", "+noedns web A")?;
    ensure!(plain.contains("status: NOERROR") && !plain.contains("EDNS"), "{plain}");
    Ok(())
}

#[test]
fn names_that_several_have_are_turned() -> Result<()> {
    let machine = machine()?;
    machine.docker("run -d --name two --network site --network-alias all busybox sleep 1000").ok()?;
    let mut first = BTreeSet::new();
    for _ in 0..4 {
        let said = dig(&machine, "web", "+short all A")?;
        ensure!(said.lines().count() == 2, "{said}");
        first.extend(said.lines().next().map(str::to_owned));
    }
    ensure!(first.len() == 2, "always {first:?} first");
    Ok(())
}

#[test]
fn single_labels_stay_here_where_dots_are_wanted() -> Result<()> {
    let machine = machine()?;
    machine.docker("run -d --name dots --network site --dns-option ndots:2 busybox sleep 1000").ok()?;
    let said = dig(&machine, "dots", "nobody A")?;
    ensure!(said.contains("status: NOERROR") && said.contains(EMPTY), "{said}");
    ensure!(dig(&machine, "dots", "nobody MX")?.contains("status: NXDOMAIN"), "only addresses are meant");
    ensure!(dig(&machine, "dots", "nobody.example A")?.contains("status: NXDOMAIN"));
    ensure!(dig(&machine, "dots", "web A")?.contains("IN A 10.5.0.2"));
    Ok(())
}

#[test]
fn a_server_of_ones_own_is_asked_from_an_internal_network() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create --internal closed").ok()?;
    machine.docker("run -d --name shut --network closed --dns 127.0.0.99 busybox sleep 1000").ok()?;
    let inside = machine.datagrams(Place::In("shut"), "127.0.0.99:53")?;
    let client = machine.sender(Place::In("shut"), "127.0.0.11:53")?;
    client.send(b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01x\x01y\x00\x00\x01\x00\x01")?;
    let mut query = [0; 512];
    let (len, _) = inside.recv_from(&mut query)?;
    ensure!(query[..len].windows(4).any(|part| part == b"\x01x\x01y"), "the question came");
    Ok(())
}
