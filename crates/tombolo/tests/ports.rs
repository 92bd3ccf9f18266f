//! Published ports, with packets, and what must stay closed.

use std::net::{IpAddr, TcpListener, UdpSocket};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::{Machine, OUTSIDE, OUTSIDE6, Place, WIRE, WIRE6, udp};

fn machine() -> Result<Machine> {
    Machine::start(env!("CARGO_BIN_EXE_tombolo"))
}

/// Starts a container that does nothing; tests open its sockets.
fn run(machine: &Machine, name: &str, options: &str) -> Result<()> {
    machine.docker(&format!("run -d --name {name} {options} busybox sleep 1000")).ok()?;
    Ok(())
}

#[track_caller]
fn saw(seen: IpAddr, expected: &str) -> Result<()> {
    ensure!(seen.to_string() == expected, "the server saw {seen}, not {expected}");
    Ok(())
}

#[test]
fn everybody_reaches_a_published_port_and_the_server_sees_who() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create other").ok()?;
    run(&machine, "web", "-p 80:8080 -p 90:9090/udp")?;
    run(&machine, "near", "")?;
    run(&machine, "far", "--network other")?;
    let tcp = machine.listen(Place::In("web"), "0.0.0.0:8080")?;
    let datagrams = machine.datagrams(Place::In("web"), "0.0.0.0:9090")?;
    let of = |container: &str, network: &str| machine.address(container, network);
    let (web, near, far) = (of("web", "bridge")?, of("near", "bridge")?, of("far", "other")?);
    let gateway = "172.17.0.1";
    let elsewhere = [
        (Place::Outside, WIRE, OUTSIDE),
        (Place::Host, WIRE, WIRE),
        (Place::Host, gateway, gateway),
        (Place::Host, "127.0.0.1", gateway),
        (Place::In("far"), WIRE, &far),
        (Place::In("far"), gateway, &far),
    ];
    // Back through the bridge it came from: the answer has to come by the host, unless the
    // host sees bridged frames, too.
    let hairpin = |seen| {
        [
            (Place::In("near"), WIRE, seen),
            (Place::In("near"), gateway, seen),
            (Place::In("web"), WIRE, gateway),
            (Place::In("web"), gateway, gateway),
        ]
    };
    for (is_bridge_filtered, seen) in [("1", near.as_str()), ("0", gateway)] {
        let setting = "/proc/sys/net/bridge/bridge-nf-call-iptables";
        machine.sh(&format!("echo {is_bridge_filtered} > {setting}")).ok()?;
        for way in elsewhere.iter().chain(&hairpin(seen)) {
            go(&machine, way, &tcp, &datagrams).with_context(|| format!("filtered {is_bridge_filtered}"))?;
        }
    }
    saw(machine.tcp(Place::In("near"), &format!("{web}:8080"), &tcp)?, &near)
}

/// Goes one way by both protocols.
fn go(
    machine: &Machine,
    (from, to, expected): &(Place<'_>, &str, &str),
    tcp: &TcpListener,
    datagrams: &UdpSocket,
) -> Result<()> {
    let seen = machine.tcp(*from, &format!("{to}:80"), tcp).with_context(|| format!("{from:?} {to}"))?;
    saw(seen, expected).with_context(|| format!("{from:?} {to}, tcp"))?;
    let client = machine.sender(*from, &format!("{to}:90"))?;
    let seen = udp(&client, datagrams).with_context(|| format!("{from:?} {to}, udp"))?;
    saw(seen, expected).with_context(|| format!("{from:?} {to}, udp"))
}

#[test]
fn what_is_not_published_stays_closed() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create other").ok()?;
    machine.docker("network create --internal closed").ok()?;
    machine.docker("network create -o com.docker.network.bridge.enable_icc=false strangers").ok()?;
    run(&machine, "web", "-p 80:8080 -p 127.0.0.1:81:8080")?;
    run(&machine, "far", "--network other")?;
    run(&machine, "inside", "--network closed")?;
    run(&machine, "inside2", "--network closed")?;
    run(&machine, "one", "--network strangers -p 82:8080")?;
    run(&machine, "two", "--network strangers")?;
    let web = machine.address("web", "bridge")?;
    let tcp = machine.listen(Place::In("web"), "0.0.0.0:8080")?;
    saw(machine.tcp(Place::Host, "127.0.0.1:81", &tcp)?, "172.17.0.1")?;
    saw(machine.tcp(Place::Host, &format!("{web}:8080"), &tcp)?, "172.17.0.1")?;
    let one = machine.address("one", "strangers")?;
    let server = machine.listen(Place::In("one"), "0.0.0.0:8080")?;
    machine.tcp(Place::Outside, &format!("{WIRE}:82"), &server)?;
    machine
        .tcp(Place::In("two"), &format!("{WIRE}:82"), &server)
        .context("icc is not about published ports")?;
    machine.sh("ip netns exec outside ip route add 127.0.0.9 via 198.51.100.1 2>&1 || true").ok()?;
    let closed = [
        (Place::Outside, format!("{web}:8080")),
        (Place::Outside, format!("{WIRE}:81")),
        (Place::Outside, format!("{WIRE}:8080")),
        (Place::In("far"), format!("{web}:8080")),
        (Place::In("far"), "172.17.0.1:81".to_owned()),
        (Place::In("two"), format!("{one}:8080")),
        (Place::In("inside"), format!("{web}:8080")),
        (Place::In("inside"), format!("{WIRE}:80")),
        (Place::In("inside"), format!("{OUTSIDE}:80")),
    ];
    for (from, to) in closed {
        machine.no_tcp(from, &to)?;
    }
    let inner = machine.address("inside2", "closed")?;
    let server = machine.listen(Place::In("inside2"), "0.0.0.0:80")?;
    machine.tcp(Place::In("inside"), &format!("{inner}:80"), &server)?;
    machine.no_tcp(Place::Outside, &format!("{inner}:80"))?;
    let outside = machine.listen(Place::Outside, "0.0.0.0:80")?;
    saw(machine.tcp(Place::In("far"), &format!("{OUTSIDE}:80"), &outside)?, WIRE)
}

#[test]
fn ranges_addresses_and_chosen_ports() -> Result<()> {
    let machine = machine()?;
    machine.sh("ip addr add 198.51.100.10/24 dev wire").ok()?;
    run(&machine, "range", "-p 8000-8010:9000-9010")?;
    run(&machine, "first", &format!("-p {WIRE}:82:80"))?;
    run(&machine, "second", "-p 198.51.100.10:82:80")?;
    run(&machine, "any", "-p 80")?;
    run(&machine, "all", "-P --expose 80 --expose 90/udp")?;
    run(&machine, "one-of", "-p 8005-8015:80")?;
    for (from, to) in [(8000, 9000), (8007, 9007), (8010, 9010)] {
        let server = machine.listen(Place::In("range"), &format!("0.0.0.0:{to}"))?;
        saw(machine.tcp(Place::Outside, &format!("{WIRE}:{from}"), &server)?, OUTSIDE)?;
    }
    machine.no_tcp(Place::Outside, &format!("{WIRE}:8011"))?;
    let (first, second) = (
        machine.listen(Place::In("first"), "0.0.0.0:80")?,
        machine.listen(Place::In("second"), "0.0.0.0:80")?,
    );
    machine.tcp(Place::Outside, &format!("{WIRE}:82"), &first)?;
    machine.tcp(Place::Outside, "198.51.100.10:82", &second)?;
    machine.no_tcp(Place::Host, "127.0.0.1:82")?;
    for (container, port) in [("any", "80/tcp"), ("all", "80/tcp"), ("all", "90/udp")] {
        let bound = machine.inspect(container)?["NetworkSettings"]["Ports"][port][0]["HostPort"].clone();
        let bound: u16 = bound.as_str().unwrap_or_default().parse()?;
        ensure!(bound >= 32768, "{container} {port}: {bound}");
        if port == "80/tcp" {
            let server = machine.listen(Place::In(container), "0.0.0.0:80")?;
            machine.tcp(Place::Outside, &format!("{WIRE}:{bound}"), &server)?;
        }
    }
    let chosen = machine.docker("port one-of").ok()?;
    ensure!(chosen.contains("0.0.0.0:8011"), "the first that is free: {chosen}");
    Ok(())
}

#[test]
fn a_thousand_ports_are_one_element() -> Result<()> {
    let machine = machine()?;
    run(&machine, "big", "-p 20000-20999:20000-20999")?;
    let map = machine.sh("nft -j list map inet tombolo range4_tcp").ok()?;
    let map: serde_json::Value = serde_json::from_str(&map)?;
    let elements = map["nftables"][1]["map"]["elem"].as_array().map(Vec::len);
    ensure!(elements == Some(1), "{map:#}");
    for port in [20000, 20777, 20999] {
        let server = machine.listen(Place::In("big"), &format!("0.0.0.0:{port}"))?;
        saw(machine.tcp(Place::Outside, &format!("{WIRE}:{port}"), &server)?, OUTSIDE)?;
    }
    let refused = machine.docker("run -d --name late -p 20500:80 busybox sleep 1000");
    ensure!(
        refused.stderr.contains("Bind for 0.0.0.0:20500 failed: port is already allocated"),
        "{refused:?}"
    );
    machine.docker("rm -f big").ok()?;
    machine.docker("start late").ok()?;
    Ok(())
}

#[test]
fn a_port_that_is_taken_leaves_the_container_created() -> Result<()> {
    let machine = machine()?;
    run(&machine, "web", "-p 80:8080 -p 127.0.0.1:85:85")?;
    let stranger = machine.listen(Place::Host, "0.0.0.0:81")?;
    let strange_datagrams = machine.datagrams(Place::Host, "127.0.0.1:83")?;
    let table = [
        ("80:80", "Bind for 0.0.0.0:80 failed: port is already allocated"),
        ("127.0.0.1:80:80", "Bind for 127.0.0.1:80 failed: port is already allocated"),
        ("85:80", "Bind for 0.0.0.0:85 failed: port is already allocated"),
        ("79-80:79-80", "Bind for 0.0.0.0:80 failed: port is already allocated"),
        ("81:80", "failed to bind host port 0.0.0.0:81/tcp: address already in use"),
        ("83:80/udp", "failed to bind host port 0.0.0.0:83/udp: address already in use"),
        ("192.0.2.9:99:80", "failed to bind host port 192.0.2.9:99/tcp: cannot assign requested address"),
    ];
    for (publish, text) in table {
        let refused = machine.docker(&format!("run -d --name late -p {publish} busybox sleep 1000"));
        ensure!(refused.code == 125 && refused.stderr.contains(text), "{publish}: {refused:?}");
        let shown = machine.inspect("late")?;
        ensure!(shown["State"]["Status"] == "created", "{publish}: {shown:#}");
        ensure!(shown["State"]["Error"].as_str().is_some_and(|error| error.contains(text)), "{shown:#}");
        ensure!(shown["NetworkSettings"]["Ports"] == json!({}), "{shown:#}");
        machine.agree()?;
        machine.docker("rm late").ok()?;
    }
    drop((stranger, strange_datagrams));
    run(&machine, "late", "-p 81:80 -p 83:80/udp -p 80:80/udp")?;
    machine.docker("rm -f web late").ok()?;
    machine.listen(Place::Host, "0.0.0.0:80")?;
    Ok(())
}

#[test]
fn datagrams_follow_a_container_that_was_replaced() -> Result<()> {
    let machine = machine()?;
    run(&machine, "keeper", "")?;
    run(&machine, "old", "-p 53:53/udp")?;
    let clients: Vec<UdpSocket> = [Place::Outside, Place::Host]
        .map(|place| machine.sender(place, &format!("{WIRE}:53")))
        .into_iter()
        .collect::<Result<_>>()?;
    let server = machine.datagrams(Place::In("old"), "0.0.0.0:53")?;
    for client in &clients {
        udp(client, &server)?;
    }
    drop(server);
    machine.docker("rm -f old").ok()?;
    // Another address, so that a flow that was left would lead nowhere.
    run(&machine, "other", "")?;
    run(&machine, "new", "-p 53:53/udp")?;
    let server = machine.datagrams(Place::In("new"), "0.0.0.0:53")?;
    for client in &clients {
        udp(client, &server).context("the same client, the same port")?;
    }
    Ok(())
}

#[test]
fn ipv6_is_published_too() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create --ipv6 both").ok()?;
    machine.docker("network create --ipv6 --ipv4=false only").ok()?;
    run(&machine, "web", "--network both -p 80:80 -p 90:90/udp")?;
    run(&machine, "six", "--network only -p 81:80")?;
    let tcp = machine.listen(Place::In("web"), "[::]:80")?;
    let datagrams = machine.datagrams(Place::In("web"), "[::]:90")?;
    saw(machine.tcp(Place::Outside, &format!("{WIRE}:80"), &tcp)?, OUTSIDE)?;
    saw(machine.tcp(Place::Outside, &format!("[{WIRE6}]:80"), &tcp)?, OUTSIDE6)?;
    saw(udp(&machine.sender(Place::Outside, &format!("[{WIRE6}]:90"))?, &datagrams)?, OUTSIDE6)?;
    machine.tcp(Place::Host, &format!("[{WIRE6}]:80"), &tcp)?;
    machine.tcp(Place::Host, "127.0.0.1:80", &tcp)?;
    machine.tcp(Place::Host, "[::1]:80", &tcp)?;
    let server = machine.listen(Place::In("six"), "[::]:80")?;
    saw(machine.tcp(Place::Outside, &format!("[{WIRE6}]:81"), &server)?, OUTSIDE6)?;
    machine.tcp(Place::Host, "[::1]:81", &server)?;
    machine.tcp(Place::Host, "127.0.0.1:81", &server)?;
    machine.tcp(Place::Outside, &format!("{WIRE}:81"), &server)?;
    Ok(())
}

#[test]
fn the_hosts_ipv6_leads_to_containers_without() -> Result<()> {
    let machine = machine()?;
    run(&machine, "web", "-p 80:80")?;
    let tcp = machine.listen(Place::In("web"), "0.0.0.0:80")?;
    for from in ["[::1]:80".to_owned(), format!("[{WIRE6}]:80")] {
        saw(machine.tcp(Place::Host, &from, &tcp)?, "172.17.0.1")?;
    }
    machine.tcp(Place::Outside, &format!("[{WIRE6}]:80"), &tcp)?;
    machine.kill_engine()?;
    machine.start_engine()?;
    machine.tcp(Place::Host, "[::1]:80", &tcp)?;
    machine.docker("rm -f web").ok()?;
    machine.no_tcp(Place::Host, "[::1]:80")
}

#[test]
fn sctp_is_mapped() -> Result<()> {
    let machine = machine()?;
    run(&machine, "web", "-p 85:8080/sctp")?;
    let map = machine.sh("nft list map inet tombolo publish4").ok()?;
    ensure!(map.contains("sctp . 85 : 172.17.0.2 . 8080"), "{map}");
    ensure!(machine.docker("port web").ok()?.contains("8080/sctp -> 0.0.0.0:85"));
    Ok(())
}

#[test]
fn an_internal_network_publishes_nothing() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create --internal closed").ok()?;
    machine.docker("network create open").ok()?;
    run(&machine, "web", "--network closed -p 80:80")?;
    ensure!(machine.docker("port web").ok()?.is_empty(), "nothing is published");
    machine.no_tcp(Place::Outside, &format!("{WIRE}:80"))?;
    machine.docker("network connect open web").ok()?;
    let tcp = machine.listen(Place::In("web"), "0.0.0.0:80")?;
    saw(machine.tcp(Place::Outside, &format!("{WIRE}:80"), &tcp)?, OUTSIDE)?;
    machine.agree()
}
