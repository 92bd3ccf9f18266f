//! Ports that come and go while a container runs, with packets.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::{Machine, OUTSIDE, Place, WIRE, udp, until};

fn machine() -> Result<Machine> {
    Machine::start(env!("CARGO_BIN_EXE_tombolo"))
}

/// Starts a container that does nothing; tests open its sockets.
fn run(machine: &Machine, name: &str, options: &str) -> Result<()> {
    machine.docker(&format!("run -d --name {name} {options} busybox sleep 1000")).ok()?;
    Ok(())
}

/// Both ends of a connection.
fn stream(
    machine: &Machine,
    from: Place<'_>,
    to: &str,
    server: &TcpListener,
) -> Result<(TcpStream, TcpStream)> {
    let to: SocketAddr = to.parse()?;
    let client = machine.at(from, move || TcpStream::connect_timeout(&to, Duration::from_secs(10)))??;
    let (serving, _) = until("a connection at the server", || server.accept().ok())?;
    serving.set_nonblocking(false)?;
    for end in [&client, &serving] {
        end.set_read_timeout(Some(Duration::from_secs(10)))?;
    }
    Ok((client, serving))
}

/// Whether both ends still hear each other.
fn lives((client, serving): &mut (TcpStream, TcpStream)) -> Result<()> {
    let mut heard = [0; 4];
    client.write_all(b"ping")?;
    serving.read_exact(&mut heard)?;
    serving.write_all(b"pong")?;
    client.read_exact(&mut heard)?;
    ensure!(&heard == b"pong");
    Ok(())
}

#[test]
fn ports_come_and_go_while_others_are_used() -> Result<()> {
    let machine = machine()?;
    run(&machine, "web", "-p 8080:80 -p 8081:80 -p 53:53/udp -p 54:53/udp")?;
    let tcp = machine.listen(Place::In("web"), "0.0.0.0:80")?;
    let datagrams = machine.datagrams(Place::In("web"), "0.0.0.0:53")?;
    let mut kept = [
        stream(&machine, Place::Outside, &format!("{WIRE}:8080"), &tcp)?,
        stream(&machine, Place::Host, "127.0.0.1:8080", &tcp)?,
        stream(&machine, Place::Host, "[::1]:8080", &tcp)?,
    ];
    let client = |port| machine.sender(Place::Outside, &format!("{WIRE}:{port}"));
    let (goes, stays) = (client(53)?, client(54)?);
    udp(&goes, &datagrams)?;
    udp(&stays, &datagrams)?;

    machine
        .tombolo("update --publish-add 8082:80 --publish-add 127.0.0.1:83:80 --publish-rm 8081/tcp --publish-rm 53/udp web")
        .ok()?;
    for place in [(Place::Outside, format!("{WIRE}:8082")), (Place::Host, "[::1]:8082".to_owned())] {
        machine.tcp(place.0, &place.1, &tcp)?;
    }
    machine.tcp(Place::Host, "127.0.0.1:83", &tcp)?;
    machine.no_tcp(Place::Outside, &format!("{WIRE}:83"))?;
    for place in [(Place::Outside, format!("{WIRE}:8081")), (Place::Host, "[::1]:8081".to_owned())] {
        machine.no_tcp(place.0, &place.1)?;
    }
    for (number, ends) in kept.iter_mut().enumerate() {
        lives(ends).with_context(|| format!("stream {number}"))?;
    }
    udp(&stays, &datagrams).context("the flow of another port")?;
    datagrams.set_read_timeout(Some(Duration::from_millis(500)))?;
    ensure!(udp(&goes, &datagrams).is_err(), "a flow of a port that is published no longer");

    let shown = machine.docker("port web").ok()?;
    ensure!(shown.contains("80/tcp -> 0.0.0.0:8082") && !shown.contains("8081"), "{shown}");
    let shown = machine.inspect("web")?;
    let asked = shown["HostConfig"]["PortBindings"].to_string();
    ensure!(asked.contains("8082") && !asked.contains("8081"), "{asked}");
    machine.listen(Place::Host, "0.0.0.0:8081").context("a port that was given back is free")?;
    machine.agree()?;

    machine.kill_engine()?;
    machine.start_engine()?;
    lives(&mut kept[0]).context("after the engine's restart")?;
    machine.tcp(Place::Outside, &format!("{WIRE}:8082"), &tcp)?;
    drop(tcp);
    machine.docker("restart -t 0 web").ok()?;
    let tcp = machine.listen(Place::In("web"), "0.0.0.0:80")?;
    for port in [8080, 8082] {
        machine.tcp(Place::Outside, &format!("{WIRE}:{port}"), &tcp)?;
    }
    machine.no_tcp(Place::Outside, &format!("{WIRE}:8081"))
}

#[test]
fn a_stopped_container_publishes_at_its_next_start() -> Result<()> {
    let machine = machine()?;
    machine.docker("create --name web -p 8000-8009:8000-8009 busybox sleep 1000").ok()?;
    machine.tombolo("update --publish-rm 8004-8005 --publish-add 90:9000 web").ok()?;
    machine.no_tcp(Place::Host, "127.0.0.1:90")?;
    machine.docker("start web").ok()?;
    let shown = machine.inspect("web")?["NetworkSettings"]["Ports"].clone();
    let ports: Vec<&str> = shown
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, bindings)| !bindings.is_null())
        .map(|(port, _)| port.as_str())
        .collect();
    ensure!(ports.len() == 9 && !ports.contains(&"8004/tcp") && ports.contains(&"9000/tcp"), "{shown}");
    // A range that loses its middle while it is used.
    let server = machine.listen(Place::In("web"), "0.0.0.0:8008")?;
    let mut kept = stream(&machine, Place::Outside, &format!("{WIRE}:8008"), &server)?;
    machine.tombolo("update --publish-rm 8007 web").ok()?;
    lives(&mut kept)?;
    machine.no_tcp(Place::Outside, &format!("{WIRE}:8007"))?;
    machine.tcp(Place::Outside, &format!("{WIRE}:8008"), &server)?;
    machine.tombolo("update --publish-rm 8000-8010 --publish-rm :9000 web").ok()?;
    ensure!(machine.docker("port web").ok()?.is_empty());
    machine.agree()
}

#[test]
fn a_free_port_stays_when_others_come_beside_it() -> Result<()> {
    let machine = machine()?;
    run(&machine, "web", "-p 81")?;
    let bound =
        || -> Result<serde_json::Value> { Ok(machine.inspect("web")?["NetworkSettings"]["Ports"].clone()) };
    let before = bound()?["81/tcp"].clone();
    machine.tombolo("update --publish-add 80 --publish-add 82 web").ok()?;
    ensure!(bound()?["81/tcp"] == before, "{before} {}", bound()?);
    let other = bound()?["82/tcp"].clone();
    let port = before[0]["HostPort"].as_str().context("a port")?.to_owned();
    machine.tombolo(&format!("update --publish-rm {port}/tcp web")).ok()?;
    ensure!(bound()?["81/tcp"].is_null() && bound()?["82/tcp"] == other, "{}", bound()?);
    Ok(())
}

#[test]
fn what_cannot_be_published_changes_nothing() -> Result<()> {
    let machine = machine()?;
    run(&machine, "other", "-p 85:85")?;
    run(&machine, "web", "-p 80:80")?;
    run(&machine, "joined", "--network container:web")?;
    run(&machine, "bare", "--network host")?;
    let stranger = machine.listen(Place::Host, "0.0.0.0:86")?;
    let before = machine.inspect("web")?["HostConfig"].clone();
    let table = [
        (
            "web",
            r#"{"PublishAdd":{"80/tcp":[{"HostPort":"85"}]}}"#,
            500,
            "Bind for 0.0.0.0:85 failed: port is already allocated",
        ),
        (
            "web",
            r#"{"PublishAdd":{"80/tcp":[{"HostPort":"86"}]}}"#,
            500,
            "failed to bind host port 0.0.0.0:86/tcp: address already in use",
        ),
        (
            "web",
            r#"{"PublishAdd":{"80/icmp":[{"HostPort":"86"}]}}"#,
            400,
            "invalid port specification: \"80/icmp\"",
        ),
        ("web", r#"{"PublishAdd":{"80/tcp":[{"HostPort":"x"}]}}"#, 400, "invalid port specification: \"x\""),
        ("web", r#"{"PublishRemove":["80/icmp"]}"#, 400, "invalid port specification: \"80/icmp\""),
        ("web", r#"{"PublishRemove":["81/tcp"]}"#, 400, "port 81/tcp is not published"),
        (
            "web",
            r#"{"PublishRemove":["80/tcp"],"PublishAdd":{"80/tcp":[{"HostPort":"85"}]}}"#,
            500,
            "port is already allocated",
        ),
        (
            "joined",
            r#"{"PublishAdd":{"80/tcp":[{"HostPort":"87"}]}}"#,
            400,
            "conflicting options: port publishing and the container type network mode",
        ),
    ];
    for (name, body, status, text) in table {
        let answer = machine.call("POST", &format!("/containers/{name}/update"), body)?;
        ensure!(
            answer.status == status && answer.message().contains(text),
            "{body}: {} {}",
            answer.status,
            answer.body
        );
    }
    drop(stranger);
    ensure!(machine.inspect("web")?["HostConfig"] == before);
    let server = machine.listen(Place::In("web"), "0.0.0.0:80")?;
    ensure!(machine.tcp(Place::Outside, &format!("{WIRE}:80"), &server)?.to_string() == OUTSIDE);
    let answer = machine.call(
        "POST",
        "/containers/bare/update",
        r#"{"PublishAdd":{"80/tcp":[{"HostPort":"87"}]}}"#,
    )?;
    ensure!(
        answer.ok()?["Warnings"] == json!(["Published ports are discarded when using host network mode"])
    );
    machine.agree()
}
