//! Flows of datagrams that the kernel remembers from before a change.
//!
//! A client that sends without pause keeps its flow: its packets go where the
//! first one went, even after the port leads elsewhere or nowhere. Streams need
//! nothing of the kind; they end by themselves.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use cnm::Proto;
use cnm::apply::Refusal;
use cnm::nft::{Set, Value};
use cnm::plan::Op;
use cnm::state::{Key, Object};
use linux::conntrack::{Filter, Flow};

use super::refusal::refused;
use super::{Shared, lock};

/// Ports that lead to a sandbox, or did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Door {
    /// The host's address; all of the host's if there is none.
    address: Option<IpAddr>,
    first: u16,
    last: u16,
    /// Where it leads; the port is the same as outside if there is none.
    to: (IpAddr, Option<u16>),
}

impl Door {
    /// Of an element for datagrams.
    fn new(set: Set, key: &[Value], data: &[Value]) -> Option<Self> {
        let to = match data {
            [Value::Addr(address)] => (*address, None),
            [Value::Addr(address), Value::Port(port)] => (*address, Some(*port)),
            _ => return None,
        };
        let (address, first, last) = match (set, key) {
            (Set::Publish(_), [Value::Proto(Proto::Udp), Value::Port(port)]) => (None, *port, *port),
            (Set::PublishAddr(_), [Value::Addr(address), Value::Proto(Proto::Udp), Value::Port(port)]) => {
                (Some(*address), *port, *port)
            }
            (Set::Range(_, Proto::Udp), [Value::Ports(first, last)]) => (None, *first, *last),
            _ => return None,
        };
        Some(Self { address, first, last, to })
    }

    /// Whether a flow came to this door.
    fn was_entered_by(&self, flow: &Flow, local: &BTreeSet<IpAddr>) -> bool {
        let destination = flow.original.destination;
        let here =
            self.address.map_or_else(|| local.contains(&destination.ip()), |own| own == destination.ip());
        here && (self.first..=self.last).contains(&destination.port())
    }

    /// Whether a flow leads to where the door does.
    fn leads(&self, flow: &Flow) -> bool {
        let (address, port) = self.to;
        flow.reply.source == SocketAddr::new(address, port.unwrap_or(flow.original.destination.port()))
    }
}

impl Shared {
    /// Forgets flows of datagrams that go elsewhere than these operations say.
    pub(super) fn forget_flows(&self, ops: &[Op]) -> Result<(), Refusal> {
        let closed: Vec<_> = ops.iter().filter_map(|op| door(op, old(op)?)).collect();
        let opened: Vec<_> = ops.iter().filter_map(|op| door(op, new(op)?)).collect();
        if closed.is_empty() && opened.is_empty() {
            return Ok(());
        }
        let addresses = self.rtnl()?.addr_list().map_err(refused)?;
        let local = addresses.iter().map(|addr| addr.net.addr()).collect();
        let stale = |flow: &Flow| {
            let entered = |door: &&Door| door.was_entered_by(flow, &local);
            // A port that goes from one element to another leads where it did.
            match opened.iter().find(entered) {
                Some(door) => !door.leads(flow),
                None => closed.iter().filter(entered).any(|door| door.leads(flow)),
            }
        };
        let mut conntrack = lock(&self.conntrack);
        let datagrams = Filter { protocol: Some(Proto::Udp.number()), ..Filter::default() };
        for flow in conntrack.flow_list(&datagrams).map_err(refused)?.iter().filter(|flow| stale(flow)) {
            conntrack.flow_del(&flow.original).map_err(refused)?;
        }
        Ok(())
    }
}

fn door(op: &Op, object: &Object) -> Option<Door> {
    match (op.key(), object) {
        (Key::Publish(set, key), Object::Element(data)) => Door::new(*set, key, data),
        _ => None,
    }
}

fn old(op: &Op) -> Option<&Object> {
    match op {
        Op::Delete { object, .. } | Op::Change { from: object, .. } => Some(object),
        Op::Create { .. } => None,
    }
}

fn new(op: &Op) -> Option<&Object> {
    match op {
        Op::Create { object, .. } | Op::Change { to: object, .. } => Some(object),
        Op::Delete { .. } => None,
    }
}
