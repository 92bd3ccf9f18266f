//! What must not grow: work beside thousands of ports and hundreds of networks.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use linux::netns::Netns;
use rustix::net::sockopt::set_socket_linger;
use serde_json::json;

use crate::{
    engine::{Engine, FIRST_PORT, Publish},
    work::{Joiners, Rounds, Work, connect, time},
};

/// How many connections a round makes.
const CONNECTIONS: u16 = 500;
/// How many networks are created before and after the others that are measured.
const EDGE: usize = 20;

impl Work {
    /// New connections from the host through one after the other of so many published ports.
    pub(crate) fn connections(&mut self, ports: u16, rounds: Rounds) {
        let mut ways = BTreeMap::new();
        self.alternate(&format!("connections, {ports} ports"), rounds, |engine, figures| {
            let who = engine.who;
            let way = match ways.entry(who.to_string()) {
                Entry::Occupied(place) => place.into_mut(),
                Entry::Vacant(place) => place.insert(Way::open(engine, ports)?),
            };
            let mut took = way.connect_often()?;
            took.sort_unstable();
            for one in &took {
                figures.took(&format!("new connection, {ports} ports"), who, *one);
            }
            figures.took(&format!("p99 of new connections, {ports} ports"), who, took[took.len() * 99 / 100]);
            Ok(())
        });
    }

    /// Joins a container to a network while another has that many ports.
    pub(crate) fn beside_ports(&mut self, ports: u16, rounds: Rounds) {
        let mut joiners = Joiners::default();
        self.alternate(&format!("beside {ports} ports"), rounds, |engine, figures| {
            let is_first = joiners.is_empty_for(engine);
            let container = joiners.of(engine)?;
            if is_first {
                engine
                    .client
                    .post("/networks/create", &json!({ "Name": "bench", "CheckDuplicate": true }))?;
                let crowded = engine.create("bridge", Publish::Single(ports))?;
                engine.start(&crowded)?;
            }
            connect(engine, figures, &container, "bench", &format!(", {ports} ports there"))
        });
    }

    /// Creates so many networks; the first and the last of them are measured.
    pub(crate) fn many_networks(&mut self, count: usize) {
        self.alternate(&format!("{count} networks"), Rounds { tombolo: 1, docker: 0 }, |engine, figures| {
            for number in 0..count {
                let create = json!({ "Name": format!("bench{number}"), "CheckDuplicate": true });
                let took = time(|| engine.client.post("/networks/create", &create))?;
                let there = match number {
                    _ if number < EDGE => 0,
                    _ if number + EDGE >= count => count - EDGE,
                    _ => continue,
                };
                figures.took(&format!("network create, {there} there"), engine.who, took);
            }
            Ok(())
        });
    }
}

/// A listener in a container, and where it is published.
#[derive(Debug)]
struct Way {
    listener: TcpListener,
    host: Netns,
    address: IpAddr,
    ports: u16,
}

impl Way {
    fn open(engine: &mut Engine, ports: u16) -> Result<Self> {
        let container = engine.create("bridge", Publish::Single(ports))?;
        engine.start(&container)?;
        let bridge = engine.client.get("/networks/bridge")?;
        let gateway =
            bridge["IPAM"]["Config"][0]["Gateway"].as_str().context("a bridge without a gateway")?;
        let listener =
            engine.inside(&container)?.enter(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 1)))??;
        Ok(Self { listener, host: engine.netns()?, address: gateway.parse()?, ports })
    }

    /// How long each of many connections took, until the client was told that it is there.
    fn connect_often(&self) -> Result<Vec<Duration>> {
        let often = || (0..CONNECTIONS).map(|number| self.connect(number)).collect::<Result<Vec<_>>>();
        self.host.enter(often)?
    }

    fn connect(&self, number: u16) -> Result<Duration> {
        // Steps of a large prime: one port is not the other's neighbour.
        let port = FIRST_PORT + u16::try_from(u32::from(number) * 7919 % u32::from(self.ports))?;
        let started = Instant::now();
        let client = TcpStream::connect(SocketAddr::new(self.address, port))?;
        let took = started.elapsed();
        // It ends at once: nothing waits for stragglers.
        set_socket_linger(&client, Some(Duration::ZERO))?;
        drop(self.listener.accept()?);
        Ok(took)
    }
}
