//! Names inside containers.

use std::{
    io::ErrorKind,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use testkit::{
    Machine, Place,
    dns::{self, A, AAAA, PTR, Said, ask},
};

/// A machine whose resolver knows `known.example.test` at 192.0.2.7.
fn machine() -> Result<Machine> {
    let machine = Machine::without_engine(env!("CARGO_BIN_EXE_tombolo"), &[])?;
    serve_names(&machine)?;
    Ok(machine)
}

/// Gives the machine that resolver and an engine; returns how often the resolver is asked.
fn serve_names(machine: &Machine) -> Result<Arc<AtomicUsize>> {
    let asked = dns::serve(machine, "127.0.0.53", "known.example.test", [192, 0, 2, 7].into())?;
    let root = machine.root().display().to_string();
    machine.sh(&format!("echo nameserver 127.0.0.53 > {root}/resolv.conf && mount --bind {root}/resolv.conf /etc/resolv.conf")).ok()?;
    machine.start_engine()?;
    machine.load_busybox()?;
    Ok(asked)
}

fn found(records: &[&str]) -> Said {
    Said { code: 0, records: records.iter().map(|record| (*record).to_owned()).collect() }
}

const WHERE_IS_WEB: &[u8] = b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03web\x00\x00\x01\x00\x01";
const NO_SUCH_NAME: Said = Said { code: 3, records: Vec::new() };

#[test]
fn containers_find_one_another() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create site").ok()?;
    machine.docker("network create other").ok()?;
    machine
        .docker("run -d --name web --network site --network-alias www --hostname Front busybox sleep 1000")
        .ok()?;
    machine.docker("network connect other web").ok()?;
    machine.docker("run -d --name client --network site busybox sleep 1000").ok()?;
    let address = machine.address("web", "site")?;
    let short = machine.docker("inspect -f '{{slice .Id 0 12}}' web").ok()?;
    for name in ["web", "WEB", "web.", "www", "front", "web.site", "www.SITE", &short] {
        ensure!(ask(&machine, "client", name, A)? == found(&[&address]), "{name}");
        ensure!(ask(&machine, "client", name, AAAA)? == found(&[]), "{name}");
    }
    ensure!(ask(&machine, "client", &dns::reverse(&address), PTR)? == found(&["web.site"]));
    for name in ["web.other", "nobody", "nobody.site", "nobody.example.test"] {
        ensure!(ask(&machine, "client", name, A)? == NO_SUCH_NAME, "{name}");
    }
    ensure!(ask(&machine, "client", "known.example.test", A)? == found(&["192.0.2.7"]));
    let page = machine.docker("exec client curl -sS --max-time 5 http://web:1/");
    ensure!(
        page.stderr.contains("Connection refused") || page.stderr.contains("Couldn't connect"),
        "{page:?}"
    );

    machine.docker("rename web shop").ok()?;
    ensure!(ask(&machine, "client", "shop", A)? == found(&[&address]));
    ensure!(ask(&machine, "client", "web", A)? == NO_SUCH_NAME);
    ensure!(ask(&machine, "client", &dns::reverse(&address), PTR)? == found(&["shop.site"]));
    machine.agree()?;
    machine.docker("stop -t 0 shop").ok()?;
    ensure!(ask(&machine, "client", "shop", A)? == NO_SUCH_NAME, "it is not there");
    Ok(())
}

#[test]
fn what_is_asked_often_is_asked_once_of_the_hosts_server() -> Result<()> {
    let machine = Machine::without_engine(env!("CARGO_BIN_EXE_tombolo"), &[])?;
    let asked = serve_names(&machine)?;
    machine.docker("network create site").ok()?;
    machine.docker("run -d --name web --network site busybox sleep 1000").ok()?;
    for _ in 0..50 {
        ensure!(ask(&machine, "web", "known.example.test", A)? == found(&["192.0.2.7"]));
    }
    ensure!(asked.load(Ordering::SeqCst) == 1, "{asked:?} times for 100 questions");
    ensure!(ask(&machine, "web", "nobody.example.test", A)? == NO_SUCH_NAME);
    ensure!(asked.load(Ordering::SeqCst) == 3, "that there is none is not kept, as nobody said how long");
    Ok(())
}

#[test]
fn the_hosts_servers_are_followed() -> Result<()> {
    let machine = machine()?;
    dns::serve(&machine, "127.0.0.54", "known.example.test", [192, 0, 2, 8].into())?;
    machine.docker("network create site").ok()?;
    machine.docker("run -d --name web --network site busybox sleep 1000").ok()?;
    machine.docker("run -d --name plain busybox sleep 1000").ok()?;
    let plain = || machine.docker("exec plain cat /etc/resolv.conf").ok();
    let before = plain()?;
    ensure!(ask(&machine, "web", "known.example.test", A)? == found(&["192.0.2.7"]));
    let path = machine.root().join("resolv.conf").display().to_string();
    machine.sh(&format!("printf 'nameserver 127.0.0.54\nsearch new.test\n' > {path}")).ok()?;
    let changed = Instant::now();
    testkit::until("the new server is asked", || {
        let said = ask(&machine, "web", "known.example.test", A);
        said.is_ok_and(|said| said == found(&["192.0.2.8"])).then_some(())
    })?;
    ensure!(changed.elapsed() < Duration::from_secs(1), "after {:?}", changed.elapsed());
    ensure!(plain()? == before, "the file of a container that runs stays, as with Docker");
    machine.docker("restart -t 0 plain").ok()?;
    ensure!(plain()?.contains("\nsearch new.test\n"), "{}", plain()?);
    Ok(())
}

#[test]
fn paused_containers_are_answered_for() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create site").ok()?;
    machine.docker("run -d --name web --network site busybox sleep 1000").ok()?;
    machine.docker("run -d --name client --network site busybox sleep 1000").ok()?;
    let address = machine.address("web", "site")?;
    machine.docker("pause web").ok()?;
    ensure!(ask(&machine, "client", "web", A)? == found(&[&address]));
    ensure!(ask(&machine, "client", &dns::reverse(&address), PTR)? == found(&["web.site"]));
    machine.docker("unpause web").ok()?;
    ensure!(ask(&machine, "web", "client", A)? == found(&[&machine.address("client", "site")?]));
    Ok(())
}

#[test]
fn several_containers_may_have_one_alias() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create --ipv6 --subnet 10.5.0.0/24 --subnet fd05::/64 site").ok()?;
    for name in ["one", "two", "three"] {
        machine
            .docker(&format!("run -d --name {name} --network site --network-alias all busybox sleep 1000"))
            .ok()?;
    }
    ensure!(ask(&machine, "one", "all", A)? == found(&["10.5.0.2", "10.5.0.3", "10.5.0.4"]));
    ensure!(ask(&machine, "one", "all", AAAA)? == found(&["fd05::2", "fd05::3", "fd05::4"]));
    machine.docker("network disconnect site two").ok()?;
    ensure!(ask(&machine, "one", "all", A)? == found(&["10.5.0.2", "10.5.0.4"]));
    Ok(())
}

#[test]
fn a_container_may_serve_port_53_itself() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create site").ok()?;
    machine.docker("run -d --name names --network site busybox sleep 1000").ok()?;
    machine.docker("run -d --name client --network site busybox sleep 1000").ok()?;
    let address = machine.address("names", "site")?;
    let udp = machine.datagrams(Place::In("names"), "0.0.0.0:53")?;
    let tcp = machine.listen(Place::In("names"), "0.0.0.0:53")?;
    let client = machine.address("client", "site")?;
    let seen = testkit::udp(&machine.sender(Place::In("client"), &format!("{address}:53"))?, &udp)?;
    ensure!(seen.to_string() == client);
    let seen = machine.tcp(Place::In("client"), &format!("{address}:53"), &tcp)?;
    ensure!(seen.to_string() == client);
    ensure!(ask(&machine, "names", "client", A)? == found(&[&client]), "its own resolver still answers");
    Ok(())
}

#[test]
fn internal_networks_ask_nobody() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create --internal closed").ok()?;
    machine.docker("network create open").ok()?;
    machine.docker("run -d --name web --network closed busybox sleep 1000").ok()?;
    let address = machine.address("web", "closed")?;
    ensure!(ask(&machine, "web", "web", A)? == found(&[&address]));
    ensure!(ask(&machine, "web", "known.example.test", A)? == NO_SUCH_NAME);
    machine.docker("network connect open web").ok()?;
    ensure!(ask(&machine, "web", "known.example.test", A)? == found(&["192.0.2.7"]));
    machine.docker("network disconnect open web").ok()?;
    ensure!(ask(&machine, "web", "known.example.test", A)? == NO_SUCH_NAME);
    Ok(())
}

#[test]
fn a_server_of_the_containers_own_is_asked_from_inside() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create site").ok()?;
    machine.docker("run -d --name web --network site --dns 127.0.0.99 busybox sleep 1000").ok()?;
    let inside = machine.datagrams(Place::In("web"), "127.0.0.99:53")?;
    let client = machine.sender(Place::In("web"), "127.0.0.11:53")?;
    client.send(b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01x\x01y\x00\x00\x01\x00\x01")?;
    let mut query = [0; 512];
    let (len, _) = inside.recv_from(&mut query)?;
    ensure!(query[..len].windows(4).any(|part| part == b"\x01x\x01y"), "the question came");
    Ok(())
}

#[test]
fn names_are_answered_again_after_the_engine_was_killed() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create site").ok()?;
    machine.docker("run -d --name web --network site busybox sleep 1000").ok()?;
    machine.docker("run -d --name client --network site busybox sleep 1000").ok()?;
    let address = machine.address("web", "site")?;
    let client = machine.sender(Place::In("client"), "127.0.0.11:53")?;
    for _ in 0..2 {
        machine.kill_engine()?;
        client.set_read_timeout(Some(Duration::from_millis(300)))?;
        client.send(WHERE_IS_WEB)?;
        let unheard = client.recv(&mut [0; 512]).expect_err("nobody is there");
        ensure!(
            unheard.kind() == ErrorKind::WouldBlock,
            "a client that is refused does not ask again: {unheard}"
        );
        machine.start_engine()?;
        client.set_read_timeout(Some(Duration::from_secs(5)))?;
        client.send(WHERE_IS_WEB)?;
        ensure!(client.recv(&mut [0; 512])? > WHERE_IS_WEB.len(), "the second try, from the same port");
        ensure!(ask(&machine, "client", "web", A)? == found(&[&address]));
        ensure!(ask(&machine, "client", "known.example.test", A)? == found(&["192.0.2.7"]));
    }
    Ok(())
}
