//! Addresses and routes: all of one namespace in one send.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cnm::apply::{KernelError, Refusal};
use cnm::plan::Op;
use cnm::state::{Key, Ns, Object, Route as Way};
use ipnet::IpNet;
use linux::rtnl::addr::{AddrAdd, addr_add, addr_del};
use linux::rtnl::route::{Route, route_add, route_del, route_replace};
use linux::rtnl::{Change, Rtnl};

use super::mark::{PROTOCOL, ROUTE_PROTOCOL};
use super::refusal::{no_device, refusal_in, refused, unsupported};
use super::{Shared, lock};

/// How long addresses are waited for. A link that is down does not use its own.
const USED: Duration = Duration::from_millis(200);
/// How long the kernel's worker is left alone.
const PAUSE: Duration = Duration::from_micros(50);

impl Shared {
    /// Does the operations in order. They are sent together, so that those
    /// behind one that is refused are tried as well; the first is reported.
    pub(super) fn addressing(&self, ns: Ns, ops: &[Op]) -> Result<(), KernelError> {
        let first = ops.first();
        let failed = |Refusal { errno, text }| {
            let op = first.expect("a step has operations");
            KernelError::refused(op, errno, text)
        };
        match ns {
            _ if first.is_none() => Ok(()),
            Ns::Host => self.change(&mut *self.rtnl().map_err(failed)?, ns, ops),
            Ns::Sandbox(sandbox) => {
                let inside = self.inside(&sandbox).map_err(failed)?;
                self.change(&mut lock(&inside.rtnl), ns, ops)
            }
        }
    }

    fn change(&self, rtnl: &mut Rtnl, ns: Ns, ops: &[Op]) -> Result<(), KernelError> {
        let mut links = BTreeMap::new();
        let changes: Vec<_> = ops
            .iter()
            .map(|op| {
                let link = link_of(op).ok_or_else(unsupported)?;
                let index = match links.get(link) {
                    Some(index) => *index,
                    None => self.index(rtnl, ns, link)?,
                };
                links.insert(link, index);
                change(op, index.ok_or_else(no_device)?)
            })
            .collect();
        let sent: Vec<_> = changes.iter().map_while(|change| change.as_ref().ok()).cloned().collect();
        let outcomes = rtnl.apply_each(&sent);
        let refuse = |op: &Op, Refusal { errno, text }: Refusal| KernelError::refused(op, errno, text);
        let outcomes = outcomes.map_err(|error| refuse(&ops[0], refused(error)))?;
        for (op, outcome) in ops.iter().zip(&outcomes) {
            outcome.as_ref().map_err(|error| refuse(op, refusal_in(error)))?;
        }
        if let Some((op, refusal)) =
            changes.into_iter().zip(ops).find_map(|(change, op)| Some((op, change.err()?)))
        {
            return Err(refuse(op, refusal));
        }
        let until = Instant::now() + USED;
        ops.iter().try_for_each(|op| wait_until_used(rtnl, op, until).map_err(|refusal| refuse(op, refusal)))
    }

    /// The number of a link. On the host only ours are found.
    fn index(&self, rtnl: &mut Rtnl, ns: Ns, name: &str) -> Result<Option<u32>, Refusal> {
        let link = rtnl.link_by_name(name).map_err(refused)?;
        Ok(link.filter(|link| ns != Ns::Host || self.mark.is_on(link)).map(|link| link.index))
    }
}

/// Waits for an IPv6 address. The kernel lists it at once, but takes packets for it
/// only after a worker of its own has passed: a first one would be lost.
fn wait_until_used(rtnl: &mut Rtnl, op: &Op, until: Instant) -> Result<(), Refusal> {
    let (Op::Create { .. }, Key::Addr(_, _, net @ IpNet::V6(_))) = (op, op.key()) else { return Ok(()) };
    while !rtnl.is_local(net.addr()).map_err(refused)? && Instant::now() < until {
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// The link that an operation is about.
fn link_of(op: &Op) -> Option<&str> {
    let (Op::Create { object, .. } | Op::Delete { object, .. } | Op::Change { to: object, .. }) = op;
    match (op.key(), object) {
        (Key::Addr(_, link, _), _) => Some(link),
        (Key::Route(..), Object::Route(way)) => Some(&way.link),
        _ => None,
    }
}

fn change(op: &Op, index: u32) -> Result<Change, Refusal> {
    match (op, op.key()) {
        (Op::Create { .. }, Key::Addr(_, _, net)) => {
            Ok(addr_add(&AddrAdd { protocol: PROTOCOL, ..AddrAdd::new(index, *net) }))
        }
        (Op::Delete { .. }, Key::Addr(_, _, net)) => Ok(addr_del(index, *net)),
        (Op::Create { object: Object::Route(way), .. }, Key::Route(_, net)) => {
            Ok(route_add(&route(*net, way, index)))
        }
        (Op::Change { to: Object::Route(way), .. }, Key::Route(_, net)) => {
            Ok(route_replace(&route(*net, way, index)))
        }
        (Op::Delete { object: Object::Route(way), .. }, Key::Route(_, net)) => {
            Ok(route_del(&route(*net, way, index)))
        }
        _ => Err(unsupported()),
    }
}

fn route(destination: IpNet, way: &Way, index: u32) -> Route {
    Route { via: way.via, protocol: ROUTE_PROTOCOL, ..Route::on_link(destination, index) }
}
