//! What Linux refuses, and what it deletes unasked.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;

use super::FakeKernel;
use crate::{
    Family, Proto,
    nft::{Set, Type, Value},
    state::{
        Bond, Bridge, Key, Lower, LowerKind, Ns, Object, Route, State, Upper, Veth, can_become, carriers,
        provides, veth_name,
    },
};

/// An errno(3) and the kernel's words.
type Refused = (i32, &'static str);

const ENOENT: Refused = (2, "No such file or directory");
const ESRCH: Refused = (3, "No such process");
const EEXIST: Refused = (17, "File exists");
const ENODEV: Refused = (19, "No such device");
const EINVAL: Refused = (22, "Invalid argument");
const ERANGE: Refused = (34, "Numerical result out of range");
const EOPNOTSUPP: Refused = (95, "Operation not supported");
const EADDRINUSE: Refused = (98, "Address already in use");
const EADDRNOTAVAIL: Refused = (99, "Cannot assign requested address");
const ENETDOWN: Refused = (100, "Network is down");
const ENETUNREACH: Refused = (101, "Nexthop has invalid gateway");
const EHOSTUNREACH: Refused = (113, "No route to host");

/// The longest name of a link, in bytes (IFNAMSIZ without the zero).
const LINK_NAME: usize = 15;

/// What the kernel says of an object that is not there.
pub(super) const fn missing(key: &Key) -> Refused {
    match key {
        Key::Bridge(_) | Key::Lower(_) | Key::Veth(_) | Key::Upper(_) => ENODEV,
        Key::Addr(..) => EADDRNOTAVAIL,
        Key::Route(..) => ESRCH,
        Key::Sysctl(_)
        | Key::Port { .. }
        | Key::Table
        | Key::Guard(..)
        | Key::Netns(_)
        | Key::LinkSysctl(..)
        | Key::Publish(..) => ENOENT,
    }
}

/// Takes away what the kernel takes away when an object goes.
pub(super) fn vanish_with(state: &mut State, key: &Key, object: &Object) {
    let mut gone = BTreeSet::from_iter(provides(key, object));
    let mut vanished = Vec::new();
    for (key, object) in state.iter_mut() {
        let lost: Vec<_> =
            carriers(key, object).into_iter().filter(|(carrier, _)| gone.contains(carrier)).collect();
        let inside = matches!(object,
            Object::Veth(Veth { peer: (ns, _), .. }) | Object::Upper(Upper { place: (ns, _), .. })
                if lost_namespace(&lost, *ns));
        if inside || lost.iter().any(|(_, bond)| *bond == Bond::Vanishes) {
            gone.extend(provides(key, object));
            vanished.push(key.clone());
        } else if let (Object::Veth(veth), false) = (object, lost.is_empty()) {
            veth.master = None;
        }
    }
    vanished.iter().for_each(|key| drop(state.remove(key)));
    if let Key::Addr(ns, link, net) = key {
        let leans = |key: &Key, object: &Object| match (key, object) {
            (Key::Route(on, _), Object::Route(route)) => {
                on == ns && route.link == *link && route.via.is_some_and(|via| net.contains(&via))
            }
            _ => false,
        };
        state.retain(|key, object| !leans(key, object));
    }
}

fn lost_namespace(lost: &[(crate::state::Carrier, Bond)], ns: Ns) -> bool {
    let Ns::Sandbox(sandbox) = ns else { return false };
    lost.iter().any(|(carrier, _)| *carrier == crate::state::Carrier::Netns(sandbox))
}

impl FakeKernel {
    pub(super) fn may_create(&self, key: &Key, object: &Object) -> Result<(), Refused> {
        if self.ours.contains_key(key) && !key.is_kept() {
            return Err(EEXIST);
        }
        match (key, object) {
            (Key::Sysctl(_), Object::Sysctl)
            | (Key::Table, Object::Table(_))
            | (Key::Netns(_), Object::Netns(_)) => Ok(()),
            (Key::Port { proto, address, first, last }, Object::Port) => {
                self.port_is_free(*proto, *address, (*first, *last))
            }
            (Key::Guard(set, key) | Key::Publish(set, key), Object::Element(data)) => {
                self.element_fits(*set, key, data)
            }
            (Key::Bridge(name), Object::Bridge(_)) => self.link_name_is_free(Ns::Host, name),
            (Key::Veth(endpoint), Object::Veth(veth)) => {
                self.link_name_is_free(Ns::Host, &veth_name(endpoint))?;
                self.link_name_is_free(veth.peer.0, &veth.peer.1)?;
                self.master_exists(veth)
            }
            (Key::Lower(name), Object::Lower(lower)) => {
                self.link_name_is_free(Ns::Host, name)?;
                match &lower.kind {
                    LowerKind::Vlan { on, .. } => self.lower_exists(on),
                    LowerKind::Dummy => Ok(()),
                }
            }
            (Key::Upper(_), Object::Upper(upper)) => {
                self.link_name_is_free(upper.place.0, &upper.place.1)?;
                self.lower_exists(&upper.lower)
            }
            (Key::LinkSysctl(ns, link, _), Object::LinkSysctl(_)) => {
                self.link_is_up(*ns, link).map(drop).ok_or(ENOENT)
            }
            (Key::Addr(ns, link, net), Object::Addr) => self.address_fits(*ns, link, *net),
            (Key::Route(ns, _), Object::Route(route)) => self.gateway_is_reachable(*ns, route),
            _ => Err(EINVAL),
        }
    }

    pub(super) fn may_change(&self, key: &Key, to: &Object) -> Result<(), Refused> {
        let from = self.ours.get(key).ok_or_else(|| missing(key))?;
        if !can_become(from, to) {
            return Err(EOPNOTSUPP);
        }
        match (key, to) {
            (Key::Veth(_), Object::Veth(veth)) => self.master_exists(veth),
            (Key::Route(ns, _), Object::Route(route)) => self.gateway_is_reachable(*ns, route),
            _ => Ok(()),
        }
    }

    fn port_is_free(&self, proto: Proto, address: IpAddr, (first, last): (u16, u16)) -> Result<(), Refused> {
        let clash = |other: IpAddr| {
            Family::of(&other) == Family::of(&address)
                && (other == address || other.is_unspecified() || address.is_unspecified())
        };
        let strangers = self
            .ports
            .iter()
            .any(|(of, on, port)| *of == proto && clash(*on) && (first..=last).contains(port));
        let ours = self.ours.keys().any(|key| {
            matches!(key, Key::Port { proto: of, address: on, first: low, last: high }
                if *of == proto && clash(*on) && *low <= last && first <= *high)
        });
        if strangers || ours { Err(EADDRINUSE) } else { Ok(()) }
    }

    fn element_fits(&self, set: Set, key: &[Value], data: &[Value]) -> Result<(), Refused> {
        if !self.ours.contains_key(&Key::Table) {
            return Err(ENOENT);
        }
        let typed = |types: &[Type], values: &[Value]| {
            types.len() == values.len() && types.iter().zip(values).all(|(kind, value)| is_of(*kind, value))
        };
        let exact = !key.iter().any(|value| matches!(value, Value::Ports(..) | Value::Net(_)));
        if !typed(set.key(), key) || !typed(set.data(), data) || exact == set.is_interval() {
            return Err(EINVAL);
        }
        let overlaps = |other: &Key| {
            matches!(other, Key::Guard(of, other) | Key::Publish(of, other)
                if *of == set && intervals_overlap(other, key))
        };
        if set.is_interval() && self.ours.keys().any(overlaps) { Err(EEXIST) } else { Ok(()) }
    }

    fn link_name_is_free(&self, ns: Ns, name: &str) -> Result<(), Refused> {
        if name.len() > LINK_NAME {
            return Err(ERANGE);
        }
        if name.is_empty() {
            return Err(EINVAL);
        }
        self.ns_exists(ns)?;
        let taken = ns == Ns::Host && self.links.contains(name) || self.link_is_up(ns, name).is_some();
        if taken { Err(EEXIST) } else { Ok(()) }
    }

    fn ns_exists(&self, ns: Ns) -> Result<(), Refused> {
        match ns {
            Ns::Host => Ok(()),
            Ns::Sandbox(sandbox) if self.ours.contains_key(&Key::Netns(sandbox)) => Ok(()),
            Ns::Sandbox(_) => Err(EINVAL),
        }
    }

    /// Whether a link of ours is up; `None` if there is none.
    fn link_is_up(&self, ns: Ns, name: &str) -> Option<bool> {
        self.ours.iter().find_map(|(key, object)| match (key, object) {
            (Key::Bridge(bridge), Object::Bridge(Bridge { up, .. })) => {
                (ns == Ns::Host && bridge == name).then_some(*up)
            }
            (Key::Veth(endpoint), Object::Veth(Veth { peer, up, .. })) => {
                let outside = ns == Ns::Host && veth_name(endpoint) == name;
                (outside || peer.0 == ns && peer.1 == name).then_some(*up)
            }
            (Key::Lower(lower), Object::Lower(Lower { up, .. })) => {
                (ns == Ns::Host && lower == name).then_some(*up)
            }
            (Key::Upper(_), Object::Upper(Upper { place, up, .. })) => {
                (place.0 == ns && place.1 == name).then_some(*up)
            }
            _ => None,
        })
    }

    fn master_exists(&self, veth: &Veth) -> Result<(), Refused> {
        let bridge = |name: &String| self.ours.contains_key(&Key::Bridge(name.clone()));
        if veth.master.iter().all(bridge) { Ok(()) } else { Err(ENODEV) }
    }

    /// Whether a link can be made on this one: a stranger's, or one that was made for that.
    fn lower_exists(&self, name: &str) -> Result<(), Refused> {
        let ours = self.ours.contains_key(&Key::Lower(name.to_owned()));
        if ours || self.links.contains(name) { Ok(()) } else { Err(ENODEV) }
    }

    fn address_fits(&self, ns: Ns, link: &str, net: IpNet) -> Result<(), Refused> {
        self.link_is_up(ns, link).ok_or(ENODEV)?;
        let twice = |key: &Key| {
            matches!(key, Key::Addr(on, of, other)
                if *on == ns && of == link && other.addr() == net.addr() && net.addr().is_ipv6())
        };
        if self.ours.keys().any(twice) { Err(EEXIST) } else { Ok(()) }
    }

    fn gateway_is_reachable(&self, ns: Ns, route: &Route) -> Result<(), Refused> {
        if !self.link_is_up(ns, &route.link).ok_or(ENODEV)? {
            return Err(ENETDOWN);
        }
        let Some(via) = route.via else { return Ok(()) };
        let reached = |key: &Key| matches!(key, Key::Addr(on, link, net) if *on == ns && *link == route.link && net.contains(&via));
        match via {
            _ if self.ours.keys().any(reached) => Ok(()),
            IpAddr::V4(_) => Err(ENETUNREACH),
            IpAddr::V6(_) => Err(EHOSTUNREACH),
        }
    }
}

const fn is_of(kind: Type, value: &Value) -> bool {
    match (kind, value) {
        (Type::Ifname, Value::Ifname(_))
        | (Type::InetProto, Value::Proto(_))
        | (Type::InetService, Value::Port(_) | Value::Ports(..)) => true,
        (Type::Ipv4Addr, Value::Addr(address)) => address.is_ipv4(),
        (Type::Ipv6Addr, Value::Addr(address)) => address.is_ipv6(),
        (Type::Ipv4Addr, Value::Net(net)) => matches!(net, IpNet::V4(_)),
        (Type::Ipv6Addr, Value::Net(net)) => matches!(net, IpNet::V6(_)),
        _ => false,
    }
}

fn intervals_overlap(a: &[Value], b: &[Value]) -> bool {
    match (a, b) {
        ([Value::Ports(first, last)], [Value::Ports(low, high)]) => first <= high && low <= last,
        ([Value::Net(a)], [Value::Net(b)]) => a.contains(b) || b.contains(a),
        _ => false,
    }
}
