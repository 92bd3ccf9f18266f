//! Which address a server sees of each kind of client, by TCP and UDP: their own, but for those whose
//! answers would not come back.

use std::net::{IpAddr, TcpListener, UdpSocket};

use anyhow::{Context, Result, ensure};
use testkit::{FAR, FAR6, LAN, LAN6, Machine, OUTSIDE, OUTSIDE6, PEER, PEER6, Place, WIRE, WIRE6, udp};

const GATEWAY: &str = "10.8.0.1";
const GATEWAY6: &str = "fd08::1";

struct Site {
    machine: Machine,
    tcp: TcpListener,
    datagrams: [UdpSocket; 2],
}

impl Site {
    /// A container `web` on a network of both families, a neighbour, one on another network.
    fn new() -> Result<Self> {
        let machine = Machine::start(env!("CARGO_BIN_EXE_tombolo"))?;
        machine.lay_lan()?;
        for (name, number) in [("net", 8), ("other", 9)] {
            let pools = format!("--subnet 10.{number}.0.0/24 --ipv6 --subnet fd0{number}::/64");
            machine.docker(&format!("network create {pools} {name}")).ok()?;
        }
        let run = |words: &str| machine.docker(&format!("run -d {words} busybox sleep 1000")).ok();
        run("--name web --network net -p 8080:80 -p 5353:53/udp")?;
        run("--name near --network net")?;
        run("--name far --network other")?;
        let tcp = machine.listen(Place::In("web"), "[::]:80")?;
        let datagrams = ["10.8.0.2:53", "[fd08::2]:53"];
        let datagrams = datagrams.map(|at| machine.datagrams(Place::In("web"), at));
        let [v4, v6] = datagrams;
        Ok(Self { machine, tcp, datagrams: [v4?, v6?] })
    }

    /// Sends from a place to the published ports at an address of the host.
    fn check(&self, (from, to, seen): (Place<'_>, &str, &str)) -> Result<()> {
        let is_v6 = to.contains(':');
        let at = |port: u16| if is_v6 { format!("[{to}]:{port}") } else { format!("{to}:{port}") };
        let is = |protocol: &str, found: IpAddr| -> Result<()> {
            ensure!(found.to_string() == seen, "{from:?} to {to} by {protocol}: seen as {found}, not {seen}");
            Ok(())
        };
        is("tcp", self.machine.tcp(from, &at(8080), &self.tcp)?)?;
        // The engine carries connections to ::1, not datagrams.
        if to == "::1" {
            return Ok(());
        }
        let client = self.machine.sender(from, &at(5353))?;
        let found = udp(&client, &self.datagrams[usize::from(is_v6)]);
        is("udp", found.with_context(|| format!("{from:?} to {to} by udp"))?)
    }
}

#[test]
fn servers_see_their_clients() -> Result<()> {
    let site = Site::new()?;
    // Answers to neighbours on one bridge have to come by the host.
    for family in ["", "6"] {
        let setting = format!("/proc/sys/net/bridge/bridge-nf-call-ip{family}tables");
        site.machine.sh(&format!("test ! -e {setting} || echo 0 > {setting}")).ok()?;
    }
    let near = Place::In("near");
    let (far, web) = (Place::In("far"), Place::In("web"));
    for row in [
        // A neighbour on the wire, on a private network, behind a router.
        (Place::Outside, WIRE, OUTSIDE),
        (Place::Outside, WIRE6, OUTSIDE6),
        (Place::Peer, LAN, PEER),
        (Place::Peer, LAN6, PEER6),
        (Place::Far, WIRE, FAR),
        (Place::Far, WIRE6, FAR6),
        // The host, by an address of a wire, its unique local one, and loopback ones.
        (Place::Host, WIRE, WIRE),
        (Place::Host, WIRE6, WIRE6),
        (Place::Host, LAN, LAN),
        (Place::Host, LAN6, LAN6),
        (Place::Host, "127.0.0.1", GATEWAY),
        (Place::Host, "::1", GATEWAY6),
        // A container of another network, a neighbour, and the server itself.
        (far, WIRE, "10.9.0.2"),
        (far, WIRE6, "fd09::2"),
        (near, WIRE, GATEWAY),
        (near, WIRE6, GATEWAY6),
        (web, WIRE, GATEWAY),
        (web, WIRE6, GATEWAY6),
    ] {
        site.check(row)?;
    }
    Ok(())
}
