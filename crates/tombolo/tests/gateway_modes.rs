//! How endpoints are reached from elsewhere in each gateway mode, with packets.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{Machine, OUTSIDE, OUTSIDE6, Place, WIRE, WIRE6};

const MODE4: &str = "com.docker.network.bridge.gateway_mode_ipv4";
const MODE6: &str = "com.docker.network.bridge.gateway_mode_ipv6";
const TRUSTED: &str = "com.docker.network.bridge.trusted_host_interfaces";

/// Which of the things that may be reached are, from one place.
#[derive(Clone, Copy, Debug)]
struct Reach {
    /// The container's own address, at its published port, at another port, and by ping.
    published: bool,
    other: bool,
    ping: bool,
    /// The published port of the host.
    host: bool,
}

fn machine() -> Result<Machine> {
    Machine::start(env!("CARGO_BIN_EXE_tombolo"))
}

/// A network of both families, with a container `web` that publishes 8080 as 80.
fn serve(machine: &Machine, options: &str) -> Result<()> {
    let subnets = "--ipv6 --subnet 10.9.0.0/24 --subnet fd00:9::/64";
    machine.docker(&format!("network create {subnets} {options} net")).ok()?;
    machine.docker("run -d --name web --network net -p 80:8080 busybox sleep 1000").ok()?;
    machine.docker("network create --ipv6 --subnet 10.8.0.0/24 --subnet fd00:8::/64 other").ok()?;
    machine.docker("run -d --name far --network other busybox sleep 1000").ok()?;
    Ok(())
}

/// Checks one family from one place.
fn check(machine: &Machine, from: Place<'_>, v6: bool, expected: Reach) -> Result<()> {
    let text = |address: &str, port: u16| {
        if v6 { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
    };
    let (any, own, host) = if v6 { ("::", "fd00:9::2", WIRE6) } else { ("0.0.0.0", "10.9.0.2", WIRE) };
    let (web, other) = (
        machine.listen(Place::In("web"), &text(any, 8080))?,
        machine.listen(Place::In("web"), &text(any, 9090))?,
    );
    for (to, server, is_reached) in [
        (text(own, 8080), &web, expected.published),
        (text(own, 9090), &other, expected.other),
        (text(host, 80), &web, expected.host),
    ] {
        match is_reached {
            true => drop(machine.tcp(from, &to, server)?),
            false => machine.no_tcp(from, &to)?,
        }
    }
    let answered = machine.pings(from, own)?;
    ensure!(answered == expected.ping, "{from:?} ping {own}: {answered}");
    Ok(())
}

fn check_both(machine: &Machine, from: Place<'_>, expected: Reach) -> Result<()> {
    for v6 in [false, true] {
        check(machine, from, v6, expected).with_context(|| format!("IPv6 {v6}, expected {expected:?}"))?;
    }
    Ok(())
}

/// Whom a neighbour sees when the container connects to it.
fn seen_outside(machine: &Machine) -> Result<(String, String)> {
    let v4 = machine.listen(Place::Outside, "0.0.0.0:7000")?;
    let seen4 = machine.tcp(Place::In("web"), &format!("{OUTSIDE}:7000"), &v4)?.to_string();
    let v6 = machine.listen(Place::Outside, "[::]:7001")?;
    let seen6 = machine.tcp(Place::In("web"), &format!("[{OUTSIDE6}]:7001"), &v6)?.to_string();
    Ok((seen4, seen6))
}

fn ports(machine: &Machine) -> Result<Value> {
    Ok(machine.inspect("web")?["NetworkSettings"]["Ports"]["8080/tcp"].clone())
}

#[test]
fn nat_leads_through_published_ports_only() -> Result<()> {
    let machine = machine()?;
    serve(&machine, "")?;
    let closed = Reach { published: false, other: false, ping: false, host: true };
    check_both(&machine, Place::Outside, closed)?;
    check_both(&machine, Place::In("far"), closed)?;
    check_both(&machine, Place::Host, Reach { published: true, other: true, ping: true, host: true })?;
    ensure!(seen_outside(&machine)? == (WIRE.to_owned(), WIRE6.to_owned()));
    Ok(())
}

#[test]
fn unprotected_is_nat_and_all_ports_by_the_own_address() -> Result<()> {
    let machine = machine()?;
    serve(&machine, &format!("-o {MODE4}=nat-unprotected -o {MODE6}=nat-unprotected"))?;
    let open = Reach { published: true, other: true, ping: true, host: true };
    check_both(&machine, Place::Outside, open)?;
    check_both(&machine, Place::In("far"), open)?;
    ensure!(seen_outside(&machine)? == (WIRE.to_owned(), WIRE6.to_owned()));
    Ok(())
}

#[test]
fn routed_opens_published_ports_at_the_own_address_and_none_of_the_host() -> Result<()> {
    let machine = machine()?;
    serve(&machine, &format!("-o {MODE4}=routed -o {MODE6}=routed"))?;
    let routed = Reach { published: true, other: false, ping: true, host: false };
    check_both(&machine, Place::Outside, routed)?;
    check_both(&machine, Place::In("far"), routed)?;
    ensure!(seen_outside(&machine)? == ("10.9.0.2".to_owned(), "fd00:9::2".to_owned()));
    let open = json!([{"HostIp": "0.0.0.0", "HostPort": ""}, {"HostIp": "::", "HostPort": ""}]);
    ensure!(ports(&machine)? == open, "{}", ports(&machine)?);
    // No port of the host is taken, however many want the same one.
    machine.docker("run -d --name web2 --network net -p 80:8080 busybox sleep 1000").ok()?;
    let host = machine.listen(Place::Host, "0.0.0.0:80").context("the host's own")?;
    machine.tcp(Place::Outside, &format!("{WIRE}:80"), &host)?;
    let web2 = machine.listen(Place::In("web2"), "0.0.0.0:8080")?;
    machine.tcp(Place::Outside, "10.9.0.3:8080", &web2)?;
    machine.docker("rm -f web2").ok()?;
    machine.no_tcp(Place::Outside, "10.9.0.3:8080")
}

#[test]
fn each_family_has_a_mode_of_its_own() -> Result<()> {
    let machine = machine()?;
    serve(&machine, &format!("-o {MODE6}=routed"))?;
    check(
        &machine,
        Place::Outside,
        false,
        Reach { published: false, other: false, ping: false, host: true },
    )?;
    check(&machine, Place::Outside, true, Reach { published: true, other: false, ping: true, host: false })?;
    ensure!(seen_outside(&machine)? == (WIRE.to_owned(), "fd00:9::2".to_owned()));
    let mixed = json!([{"HostIp": "::", "HostPort": ""}, {"HostIp": "0.0.0.0", "HostPort": "80"}]);
    ensure!(ports(&machine)? == mixed, "{}", ports(&machine)?);
    let shown = machine.network("net")?;
    ensure!(shown["Options"] == json!({MODE6: "routed"}), "{}", shown["Options"]);
    Ok(())
}

#[test]
fn trusted_interfaces_lead_to_published_ports() -> Result<()> {
    let machine = machine()?;
    serve(&machine, &format!("-o {TRUSTED}=nowhere0:wire"))?;
    check_both(&machine, Place::Outside, Reach { published: true, other: false, ping: false, host: true })?;
    check_both(&machine, Place::In("far"), Reach { published: false, other: false, ping: false, host: true })
}

#[test]
fn isolated_has_no_way_to_the_host() -> Result<()> {
    let machine = machine()?;
    let modes = format!("--internal -o {MODE4}=isolated -o {MODE6}=isolated");
    machine
        .docker(&format!("network create --ipv6 --subnet 10.9.0.0/24 --subnet fd00:9::/64 {modes} net"))
        .ok()?;
    for name in ["web", "near"] {
        machine.docker(&format!("run -d --name {name} --network net busybox sleep 1000")).ok()?;
    }
    let bridge = machine.sh("ip -br addr show type bridge | grep br-").ok()?;
    ensure!(bridge.split_whitespace().count() == 2, "the bridge has an address: {bridge}");
    // The lowest address is no gateway's.
    ensure!(machine.address("web", "net")? == "10.9.0.1" && machine.address("near", "net")? == "10.9.0.2");
    let server = machine.listen(Place::In("web"), "[::]:80")?;
    machine.tcp(Place::In("near"), "10.9.0.1:80", &server)?;
    machine.tcp(Place::In("near"), "[fd00:9::1]:80", &server)?;
    machine.no_tcp(Place::Host, "10.9.0.1:80")?;
    machine.no_tcp(Place::In("near"), &format!("{WIRE}:80"))?;
    let shown = machine.network("net")?;
    ensure!(shown["IPAM"]["Config"][0].get("Gateway").is_none(), "{}", shown["IPAM"]);
    Ok(())
}

#[test]
fn the_gateway_decides_which_mode_counts() -> Result<()> {
    let machine = machine()?;
    machine.docker(&format!("network create --subnet 10.9.0.0/24 -o {MODE4}=routed routed")).ok()?;
    machine.docker("network create --subnet 10.8.0.0/24 plain").ok()?;
    machine.docker("run -d --name web --network plain -p 80:8080 busybox sleep 1000").ok()?;
    let server = machine.listen(Place::In("web"), "0.0.0.0:8080")?;
    machine.tcp(Place::Outside, &format!("{WIRE}:80"), &server)?;
    machine.docker("network connect --gw-priority 1 routed web").ok()?;
    machine.no_tcp(Place::Outside, &format!("{WIRE}:80"))?;
    machine.tcp(Place::Outside, "10.9.0.2:8080", &server)?;
    ensure!(ports(&machine)? == json!([{"HostIp": "0.0.0.0", "HostPort": ""}]), "{}", ports(&machine)?);
    machine.docker("network disconnect routed web").ok()?;
    machine.tcp(Place::Outside, &format!("{WIRE}:80"), &server)?;
    Ok(())
}

#[test]
fn what_does_not_go_together_is_refused() -> Result<()> {
    let machine = machine()?;
    let refused = [
        (
            format!(r#""Options":{{"{MODE4}":"isolated"}}"#),
            "gateway mode 'isolated' can only be used for an internal network",
        ),
        (format!(r#""Options":{{"{MODE6}":"open"}}"#), "unknown gateway mode"),
        (format!(r#""Options":{{"{TRUSTED}":"a/b"}}"#), "not names of links"),
    ];
    for (body, text) in refused {
        let answer = machine.call("POST", "/networks/create", &format!(r#"{{"Name":"net",{body}}}"#))?;
        ensure!(answer.status == 400 && answer.message().contains(text), "{} {}", answer.status, answer.body);
    }
    Ok(())
}
