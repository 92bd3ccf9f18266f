//! The difference of two states, in an order that works.

#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::{IpNet, Ipv4Net};

use crate::state::{Bond, Carrier, Key, Ns, Object, State, can_become, carriers, provides};

/// What takes the kernel from one state to another.
///
/// `Display` prints what a person would type, one line for each operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub steps: Vec<Step>,
}

/// What the kernel is asked at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// One nftables transaction: all or nothing.
    Firewall(Vec<Op>),
    /// Addresses and routes of one network stack, sent together and done in this
    /// order until one fails.
    Addressing(Ns, Vec<Op>),
    Single(Box<Op>),
}

impl Step {
    /// The operations, in order.
    pub fn ops(&self) -> &[Op] {
        match self {
            Self::Firewall(ops) | Self::Addressing(_, ops) => ops,
            Self::Single(op) => std::slice::from_ref(&**op),
        }
    }
}

/// One change of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    Create { key: Key, object: Object },
    Change { key: Key, from: Object, to: Object },
    Delete { key: Key, object: Object },
}

impl Op {
    /// The object's identity.
    pub fn key(&self) -> &Key {
        match self {
            Self::Create { key, .. } | Self::Change { key, .. } | Self::Delete { key, .. } => key,
        }
    }
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Splits off what nobody waits for: the deletion of bridges, if all the plan does is to delete.
    /// The kernel takes tens of milliseconds for one (it waits for all processors), and nothing
    /// that is left leads to it by then.
    pub fn split_reaping(self) -> (Self, Self) {
        if !self.ops().all(|op| matches!(op, Op::Delete { .. })) {
            return (self, Self::default());
        }
        let is_bridge = |step: &Step| matches!(step.ops(), [op] if matches!(op.key(), Key::Bridge(_)));
        let (reaping, changes) = self.steps.into_iter().partition(is_bridge);
        (Self { steps: changes }, Self { steps: reaping })
    }

    /// All operations, in order.
    pub fn ops(&self) -> impl Iterator<Item = &Op> {
        self.steps.iter().flat_map(Step::ops)
    }
}

/// What leads from one state to the other: deletions backwards, then creations
/// and changes forwards, grouped as far as the kernel can take them at once.
///
/// What vanishes with something else is not deleted on its own. What is kept
/// ([`Key::is_kept`]) is never deleted.
pub fn plan(from: &State, to: &State) -> Plan {
    let fate = fates(from, to);
    let deleted = from.iter().rev().filter(|(key, _)| fate.get(key) == Some(&Fate::Deleted));
    let deletions = deleted.map(|(key, object)| Op::Delete { key: key.clone(), object: object.clone() });
    let additions = to.iter().filter_map(|(key, object)| match from.get(key) {
        Some(old) if !fate.contains_key(key) => {
            (old != object).then(|| Op::Change { key: key.clone(), from: old.clone(), to: object.clone() })
        }
        Some(_) | None => Some(Op::Create { key: key.clone(), object: object.clone() }),
    });
    Plan { steps: steps(deletions.chain(additions)) }
}

/// How an object of the old state goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Deleted,
    /// The kernel deletes it with its carrier.
    Vanishes,
}

/// Who goes, and how. Carriers come before what they carry, hence one pass.
fn fates<'a>(from: &'a State, to: &State) -> BTreeMap<&'a Key, Fate> {
    let mut fates = BTreeMap::new();
    let mut gone = BTreeSet::new();
    for (key, object) in from {
        let stays = key.is_kept() || to.get(key).is_some_and(|new| can_become(object, new));
        let fate = match bond(key, object, &gone) {
            Some(Bond::Vanishes) => Fate::Vanishes,
            Some(Bond::Rides) => Fate::Deleted,
            None if stays => continue,
            None => Fate::Deleted,
        };
        fates.insert(key, fate);
        gone.extend(provides(key, object));
    }
    fates
}

/// What binds an object to those that go, the stronger bond first.
fn bond(key: &Key, object: &Object, gone: &BTreeSet<Carrier>) -> Option<Bond> {
    let bonds = carriers(key, object).into_iter().filter(|(carrier, _)| gone.contains(carrier));
    let strongest = bonds.map(|(_, bond)| bond).min_by_key(|bond| *bond == Bond::Rides);
    strongest.or_else(|| leans_on(key, object, gone).then_some(Bond::Rides))
}

/// Whether a route's gateway was reached through an address that goes.
fn leans_on(key: &Key, object: &Object, gone: &BTreeSet<Carrier>) -> bool {
    let (Key::Route(ns, _), Object::Route(route)) = (key, object) else { return false };
    let Some(via) = route.via else { return false };
    let lowest = Carrier::Addr(*ns, route.link.clone(), IpNet::V4(Ipv4Net::default()));
    let of_link = gone.range(lowest..).map_while(|carrier| match carrier {
        Carrier::Addr(on, link, net) if on == ns && *link == route.link => Some(net),
        Carrier::Table | Carrier::Netns(_) | Carrier::Link(..) | Carrier::Addr(..) => None,
    });
    of_link.into_iter().any(|net| net.contains(&via))
}

/// Groups neighbours that the kernel takes at once.
fn steps(ops: impl Iterator<Item = Op>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for op in ops {
        match (steps.last_mut(), alone(op)) {
            (Some(Step::Firewall(ops)), Step::Firewall(more)) => ops.extend(more),
            (Some(Step::Addressing(last, ops)), Step::Addressing(ns, more)) if *last == ns => {
                ops.extend(more)
            }
            (_, step) => steps.push(step),
        }
    }
    steps
}

fn alone(op: Op) -> Step {
    match op.key() {
        Key::Table | Key::Guard(..) | Key::Publish(..) => Step::Firewall(vec![op]),
        Key::Addr(ns, ..) | Key::Route(ns, _) => Step::Addressing(*ns, vec![op]),
        Key::Sysctl(_)
        | Key::Port { .. }
        | Key::Netns(_)
        | Key::Bridge(_)
        | Key::Lower(_)
        | Key::Veth(_)
        | Key::Upper(_)
        | Key::LinkSysctl(..) => Step::Single(Box::new(op)),
    }
}
