//! Who reaches published ports: lists of sources and the default, with packets.

use std::net::TcpListener;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::{FAR, LAN, LAN6, Machine, PEER, Place, WIRE, WIRE6, udp, until};

const BINARY: &str = env!("CARGO_BIN_EXE_tombolo");

/// A container that publishes port 80 as 8080; another one of another network.
fn serve(machine: &Machine, network: &str, options: &str) -> Result<TcpListener> {
    machine.lay_lan()?;
    machine.docker(&format!("network create --ipv6 {network} net")).ok()?;
    machine.tombolo(&format!("run -d --name web --network net {options} busybox sleep 1000")).ok()?;
    machine.docker("run -d --name near --network net busybox sleep 1000").ok()?;
    machine.docker("run -d --name other busybox sleep 1000").ok()?;
    machine.listen(Place::In("web"), "[::]:80")
}

/// Checks that exactly these places reach a port of the host by both families.
fn check(machine: &Machine, server: &TcpListener, port: u16, reached: &[Place<'_>]) -> Result<()> {
    let others =
        [Place::Host, Place::Peer, Place::Outside, Place::Far, Place::In("near"), Place::In("other")];
    for place in others {
        let addresses = match place {
            Place::Peer => vec![LAN.to_owned(), format!("[{LAN6}]")],
            // The default network has no IPv6.
            Place::In("other") => vec![WIRE.to_owned()],
            Place::Host | Place::Outside | Place::Far | Place::In(_) => {
                vec![WIRE.to_owned(), format!("[{WIRE6}]")]
            }
        };
        for address in addresses {
            let to = format!("{address}:{port}");
            match reached.contains(&place) {
                true => drop(machine.tcp(place, &to, server)?),
                false => machine.no_tcp(place, &to)?,
            }
        }
    }
    Ok(())
}

const HOST: Place<'static> = Place::Host;
const NEAR: Place<'static> = Place::In("near");
const OTHER: Place<'static> = Place::In("other");

#[test]
fn a_list_lets_in_who_is_on_it() -> Result<()> {
    let machine = Machine::start(BINARY)?;
    let list = "--publish-allow 192.168.77.0/24 --publish-allow fd77::/64";
    let server = serve(&machine, "", &format!("-p 8080:80 -p 53:53/udp {list} --publish-allow 53/udp=wire"))?;
    check(&machine, &server, 8080, &[HOST, NEAR, Place::Peer])?;
    machine.tcp(HOST, "127.0.0.1:8080", &server)?;
    machine.tcp(HOST, "[::1]:8080", &server)?;
    let dropped = machine.sh("nft list chain inet tombolo sources_ipv4").ok()?;
    let counts =
        dropped.lines().find(|line| line.contains("not from an allowed source")).context("a rule")?;
    ensure!(!counts.contains("packets 0"), "{counts}");
    // The port that is named has the link besides.
    let datagrams = machine.datagrams(Place::In("web"), "0.0.0.0:53")?;
    udp(&machine.sender(Place::Far, &format!("{WIRE}:53"))?, &datagrams)?;
    udp(&machine.sender(Place::Peer, &format!("{LAN}:53"))?, &datagrams)?;
    let labels = machine.inspect("web")?["Config"]["Labels"].clone();
    let shown = json!({"tombolo.publish.allow": "192.168.77.0/24,fd77::/64,53/udp=wire"});
    ensure!(labels == shown, "{labels}");
    Ok(())
}

#[test]
fn why_and_exposure_and_rules_know_the_list() -> Result<()> {
    let machine = Machine::start(BINARY)?;
    let _server = serve(&machine, "", "-p 8080:80 --publish-allow 192.168.77.0/24,wg0")?;
    let why = |from: &str| machine.tombolo(&format!("network why --format json {from} {WIRE}:8080")).stdout;
    for (from, reason) in [
        ("outside", "not-allowed"),
        (FAR, "not-allowed"),
        (&format!("{FAR}@wg0"), "reachable"),
        (PEER, "reachable"),
        ("other", "not-allowed"),
        ("near", "reachable"),
        ("host", "reachable"),
    ] {
        let said: serde_json::Value = serde_json::from_str(&why(from))?;
        ensure!(said["Reason"] == reason, "{from}: {said:#}");
    }
    let exposure: serde_json::Value =
        serde_json::from_str(&machine.tombolo("network exposure --format json").stdout)?;
    let published = exposure["Exposures"].as_array().context("a list")?;
    let published = published.iter().find(|it| it["Address"] == "0.0.0.0").context("a port")?;
    ensure!(published["Sources"] == json!(["192.168.77.0/24", "wg0"]), "{published:#}");
    ensure!(published["Wire"] == false && published["Host"] == true, "{published:#}");
    let text = machine.tombolo("network exposure").stdout;
    ensure!(text.contains("host, same network, from 192.168.77.0/24, from wg0"), "{text}");
    let rules = machine.tombolo("network rules net").ok()?;
    ensure!(rules.contains("published ports that only some sources reach"), "{rules}");
    ensure!(rules.contains("\"wg0\" . "), "{rules}");
    machine.sh(&format!("{BINARY} network rules | nft -c -f -")).ok()?;
    Ok(())
}

#[test]
fn a_list_changes_while_the_container_runs() -> Result<()> {
    let machine = Machine::start(BINARY)?;
    let server = serve(&machine, "", "-p 8080:80")?;
    check(&machine, &server, 8080, &[HOST, NEAR, OTHER, Place::Peer, Place::Outside, Place::Far])?;
    let plan = machine.tombolo("update --plan --publish-allow 80=lan web").ok()?;
    ensure!(plan.contains("add element inet tombolo limited4"), "{plan}");
    machine.tombolo("update --publish-allow 80=lan web").ok()?;
    check(&machine, &server, 8080, &[HOST, NEAR, Place::Peer])?;
    machine.kill_engine()?;
    machine.start_engine()?;
    check(&machine, &server, 8080, &[HOST, NEAR, Place::Peer])?;
    machine.docker("restart -t 0 web").ok()?;
    machine.no_tcp(Place::Outside, &format!("{WIRE}:8080"))?;
    machine.tombolo("update --publish-allow '' web").ok()?;
    check(&machine, &server, 8080, &[HOST, NEAR, OTHER, Place::Peer, Place::Outside, Place::Far])?;
    let wrong = machine.tombolo("update --publish-allow 10.0.0.1/8 web");
    let text = "invalid tombolo.publish.allow: invalid source 10.0.0.1/8: it should be 10.0.0.0/8";
    ensure!(wrong.code != 0 && wrong.stderr.contains(text), "{}", wrong.stderr);
    Ok(())
}

#[test]
fn labels_and_options_of_networks_and_endpoints_are_lists_too() -> Result<()> {
    let machine = Machine::start(BINARY)?;
    let server = serve(&machine, "-o tombolo.publish.allow=lan", "-p 8080:80")?;
    check(&machine, &server, 8080, &[HOST, NEAR, Place::Peer])?;
    machine.docker("rm -f web").ok()?;
    let option = "--network name=net,driver-opt=tombolo.publish.allow=wire";
    machine.docker(&format!("run -d --name web {option} -p 8080:80 busybox sleep 1000")).ok()?;
    let server = machine.listen(Place::In("web"), "[::]:80")?;
    check(&machine, &server, 8080, &[HOST, NEAR, Place::Outside, Place::Far])?;
    machine.docker("rm -f web").ok()?;
    let label = "--label tombolo.publish.allow=80=203.0.113.0/24,80=2001:db8:f::2";
    machine.docker(&format!("run -d --name web --network net {label} -p 8080:80 busybox sleep 1000")).ok()?;
    let server = machine.listen(Place::In("web"), "[::]:80")?;
    check(&machine, &server, 8080, &[HOST, NEAR, Place::Far])?;
    for (body, text) in [
        (r#"{"Image":"busybox","Cmd":["true"],"Labels":{"tombolo.publish.allow":"a b"}}"#, "invalid source"),
        (
            r#"{"Image":"busybox","Cmd":["true"],"Labels":{"tombolo.publish.allow":"x=lan"}}"#,
            "invalid ports \"x\" of an allow-list",
        ),
    ] {
        let answer = machine.call("POST", "/containers/create", body)?;
        ensure!(answer.status == 400 && answer.message().contains(text), "{} {}", answer.status, answer.body);
    }
    Ok(())
}

#[test]
fn the_default_is_the_engines_or_the_networks() -> Result<()> {
    let machine = Machine::start_with(BINARY, &["--publish-default", "localhost"])?;
    let server = serve(&machine, "-o tombolo.publish.default=lan", "-p 8080:80 -p 0.0.0.0:8081:81")?;
    let ports = machine.inspect("web")?["NetworkSettings"]["Ports"]["80/tcp"].clone();
    ensure!(ports[0]["HostIp"] == "0.0.0.0", "{ports}");
    // Who is private, and who is on a network that the host is on.
    let local = [HOST, NEAR, OTHER, Place::Peer, Place::Outside];
    check(&machine, &server, 8080, &local)?;
    // That of a neighbour is not, until the host is on its network, and after that.
    let near_far = "203.0.113.200/24 dev wire";
    machine.sh(&format!("ip addr add {near_far} noprefixroute")).ok()?;
    let is_local = |count: &str| {
        let listed = machine.sh("nft list set inet tombolo local4 | grep -c 203.0.113.0/24");
        (listed.stdout == count).then_some(())
    };
    until("the host's networks to be known", || is_local("1"))?;
    machine.tcp(Place::Far, &format!("{WIRE}:8080"), &server)?;
    machine.sh(&format!("ip addr del {near_far}")).ok()?;
    until("the host's networks to be known", || is_local("0"))?;
    machine.no_tcp(Place::Far, &format!("{WIRE}:8080"))?;
    let open = machine.listen(Place::In("web"), "[::]:81")?;
    machine.tcp(Place::Far, &format!("{WIRE}:8081"), &open)?;
    machine.docker("run -d --name shy -p 9090:90 busybox sleep 1000").ok()?;
    let ports = machine.inspect("shy")?["NetworkSettings"]["Ports"]["90/tcp"].clone();
    let loopback = [("127.0.0.1", "9090"), ("::1", "9090")];
    ensure!(ports == json!(loopback.map(|(ip, port)| json!({"HostIp": ip, "HostPort": port}))), "{ports}");
    let shy = machine.listen(Place::In("shy"), "0.0.0.0:90")?;
    machine.tcp(HOST, "127.0.0.1:9090", &shy)?;
    machine.tcp(HOST, "[::1]:9090", &shy)?;
    for place in [HOST, Place::Peer, Place::Far, OTHER] {
        machine.no_tcp(place, &format!("{WIRE}:9090"))?;
    }
    Ok(())
}
