//! The presets of networks as truth tables: who answers whom, by TCP, UDP and echo requests, over
//! IPv4 and IPv6, and that names are resolved in all of them.

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use testkit::{FAR, FAR6, LAN, LAN6, Machine, PEER, PEER6, Place, WIRE, WIRE6, dns};

/// How long an answer is waited for that must not come.
const DOUBT: Duration = Duration::from_millis(900);
/// What the host's name server knows.
const KNOWN: &str = "known.example";

const HOST: Place<'static> = Place::Host;
const A: Place<'static> = Place::In("c-a");
const B: Place<'static> = Place::In("c-b");
const C: Place<'static> = Place::In("c-c");
const D: Place<'static> = Place::In("c-d");

/// A machine with `c-a` and `c-b` on a network with the preset, `c-c` and `c-d` on an ordinary one. `c-b` and
/// `c-c` publish port 80, as 8002 and 8003; everybody serves it.
struct Site {
    machine: Machine,
    _servers: Vec<TcpListener>,
}

/// What a packet is sent as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tcp,
    Udp,
    Echo,
}

/// A row of the table: who sends to which addresses, IPv4 and IPv6, and whether an answer comes. No
/// port means port 80, and an echo request as well.
type Row<'a> = (Place<'a>, [&'a str; 2], Option<u16>, bool);

impl Site {
    fn new(options: &str) -> Result<Self> {
        let machine = Machine::without_engine(env!("CARGO_BIN_EXE_tombolo"), &[])?;
        let path = machine.root().join("resolv.conf").display().to_string();
        let bind = format!("echo nameserver 127.0.0.53 > {path} && mount --bind {path} /etc/resolv.conf");
        machine.sh(&bind).ok()?;
        dns::serve(&machine, "127.0.0.53", KNOWN, Ipv4Addr::new(203, 0, 113, 7))?;
        machine.lay_lan()?;
        machine.start_engine()?;
        machine.load_busybox()?;
        let create = |name: &str, options: &str, number: u8| {
            let pools = format!("--subnet 10.{number}.0.0/24 --ipv6 --subnet fd0{number}::/64");
            machine.docker(&format!("network create {pools} {options} {name}")).ok()
        };
        create("net", options, 8)?;
        create("plain", "", 9)?;
        let publish = |port: u16| format!("-p {port}:80 -p {port}:80/udp");
        for (name, network, ports) in [
            ("c-a", "net", ""),
            ("c-b", "net", &publish(8002)),
            ("c-c", "plain", &publish(8003)),
            ("c-d", "plain", ""),
        ] {
            machine
                .docker(&format!("run -d --name {name} --network {network} {ports} busybox sleep 1000"))
                .ok()?;
        }
        let places = [HOST, Place::Peer, Place::Far, A, B, C, D];
        let servers = places.map(|place| serve(&machine, place)).into_iter().collect::<Result<_>>()?;
        Ok(Self { machine, _servers: servers })
    }

    /// Sends all, and compares with the table.
    fn check(&self, rows: &[Row<'_>]) -> Result<()> {
        let mut probes = Vec::new();
        for (from, addresses, port, expected) in rows {
            for to in addresses {
                let kinds = [Some(Kind::Tcp), Some(Kind::Udp), port.is_none().then_some(Kind::Echo)];
                let kinds = kinds.into_iter().flatten();
                probes.extend(kinds.map(|kind| (*from, *to, port.unwrap_or(80), kind, *expected)));
            }
        }
        for some in probes.chunks(8) {
            thread::scope(|scope| {
                let begin = |probe| scope.spawn(move || self.probe(probe));
                let all: Vec<_> = some.iter().copied().map(begin).collect();
                all.into_iter().try_for_each(|probe| probe.join().expect("a probe does not panic"))
            })?;
        }
        // By the resolver: a neighbour's name, and what the host's server knows.
        ensure!(dns::ask(&self.machine, "c-a", "c-b", dns::A)?.records == ["10.8.0.3"]);
        ensure!(dns::ask(&self.machine, "c-a", KNOWN, dns::A)?.records == ["203.0.113.7"]);
        Ok(())
    }

    fn probe(&self, (from, to, port, kind, expected): (Place<'_>, &str, u16, Kind, bool)) -> Result<()> {
        let at = if to.contains(':') { format!("[{to}]:{port}") } else { format!("{to}:{port}") };
        let most = if expected { Duration::from_secs(10) } else { DOUBT };
        let found = match kind {
            Kind::Tcp => {
                let address = at.parse()?;
                self.machine.at(from, move || TcpStream::connect_timeout(&address, most).is_ok())?
            }
            Kind::Udp => asks(&self.machine.sender(from, &at)?, most)?,
            Kind::Echo => self.machine.pings(from, to)?,
        };
        if found != expected {
            bail!("{from:?} to {at} by {kind:?}: answered {found}, expected {expected}");
        }
        Ok(())
    }
}

/// Listens at port 80 and says back what datagrams come.
fn serve(machine: &Machine, place: Place<'_>) -> Result<TcpListener> {
    let datagrams = machine.datagrams(place, "[::]:80")?;
    datagrams.set_read_timeout(None)?;
    thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((len, peer)) = datagrams.recv_from(&mut buffer) {
            drop(datagrams.send_to(&buffer[..len], peer));
        }
    });
    machine.listen(place, "[::]:80").with_context(|| format!("{place:?}"))
}

/// Whether a datagram is answered.
fn asks(socket: &UdpSocket, most: Duration) -> Result<bool> {
    socket.set_read_timeout(Some(most))?;
    Ok(socket.send(b"question").is_ok() && socket.recv(&mut [0; 16]).is_ok())
}

const WIRES: [&str; 2] = [WIRE, WIRE6];
const LANS: [&str; 2] = [LAN, LAN6];
const GATEWAY: [&str; 2] = ["10.8.0.1", "fd08::1"];
const TO_A: [&str; 2] = ["10.8.0.2", "fd08::2"];
const TO_B: [&str; 2] = ["10.8.0.3", "fd08::3"];
const TO_D: [&str; 2] = ["10.9.0.3", "fd09::3"];
const TO_PEER: [&str; 2] = [PEER, PEER6];
const TO_FAR: [&str; 2] = [FAR, FAR6];

/// Everybody gets in by what is published and by nothing else, whatever the egress; the host gets in.
fn ingress() -> Vec<Row<'static>> {
    vec![
        (HOST, TO_A, None, true),
        (HOST, WIRES, Some(8002), true),
        (Place::Peer, LANS, Some(8002), true),
        (Place::Peer, TO_A, None, false),
        (Place::Far, WIRES, Some(8002), true),
        (Place::Far, TO_B, None, false),
        (C, WIRES, Some(8002), true),
        (D, TO_A, None, false),
    ]
}

#[test]
fn any_egress_leads_everywhere_but_into_other_networks() -> Result<()> {
    let site = Site::new("-o tombolo.egress=any -o tombolo.peers=any")?;
    site.check(&ingress())?;
    site.check(&[
        (A, TO_B, None, true),
        (A, WIRES, Some(8002), true),
        (A, WIRES, Some(8003), true),
        (A, TO_D, None, false),
        (A, GATEWAY, None, true),
        (A, TO_PEER, None, true),
        (A, TO_FAR, None, true),
    ])
}

#[test]
fn the_internet_is_what_is_not_local() -> Result<()> {
    let site = Site::new("-o tombolo.egress=internet")?;
    site.check(&ingress())?;
    site.check(&[
        (A, TO_B, None, true),
        (A, WIRES, Some(8002), true),
        (A, WIRES, Some(8003), true),
        (A, TO_D, None, false),
        (A, GATEWAY, None, false),
        (A, WIRES, None, false),
        (A, LANS, None, false),
        (A, TO_PEER, None, false),
        (A, TO_FAR, None, true),
    ])
}

#[test]
fn no_egress_is_ingress_only() -> Result<()> {
    let site = Site::new("-o tombolo.egress=none")?;
    site.check(&ingress())?;
    site.check(&[
        (A, TO_B, None, true),
        (A, WIRES, Some(8002), false),
        (A, WIRES, Some(8003), false),
        (A, TO_D, None, false),
        (A, GATEWAY, None, false),
        (A, WIRES, None, false),
        (A, TO_PEER, None, false),
        (A, TO_FAR, None, false),
    ])?;
    let machine = &site.machine;
    let counted = machine.sh("nft list chain inet tombolo forward | grep 'without egress'").ok()?;
    ensure!(!counted.contains("packets 0"), "{counted}");
    let why = machine.tombolo(&format!("network why --format json c-a {FAR}:80")).stdout;
    ensure!(why.contains("\"egress\""), "{why}");
    // The network is changed while its containers run.
    machine.tombolo("network update --opt tombolo.egress=internet net").ok()?;
    site.check(&[(A, TO_FAR, None, true), (A, TO_PEER, None, false)])
}

#[test]
fn isolated_peers_meet_at_published_ports() -> Result<()> {
    let site = Site::new("-o tombolo.peers=isolated")?;
    site.check(&ingress())?;
    site.check(&[
        (A, TO_B, None, false),
        (A, WIRES, Some(8002), true),
        (A, WIRES, Some(8003), true),
        (A, TO_D, None, false),
        (A, GATEWAY, None, true),
        (A, TO_PEER, None, true),
        (A, TO_FAR, None, true),
    ])
}

#[test]
fn presets_go_together() -> Result<()> {
    let site = Site::new("-o tombolo.egress=internet -o tombolo.peers=isolated")?;
    site.check(&ingress())?;
    site.check(&[
        (A, TO_B, None, false),
        (A, WIRES, Some(8002), true),
        (A, GATEWAY, None, false),
        (A, TO_PEER, None, false),
        (A, TO_FAR, None, true),
    ])?;
    for (options, text) in [
        ("-o tombolo.egress=some", "(not any, internet or none)"),
        ("--internal -o tombolo.egress=internet", "an internal network leads nowhere"),
        ("-o tombolo.peers=isolated -o com.docker.network.bridge.enable_icc=true", "contradict each other"),
    ] {
        let refused = site.machine.docker(&format!("network create {options} wrong"));
        ensure!(refused.code != 0 && refused.stderr.contains(text), "{}", refused.stderr);
    }
    Ok(())
}
