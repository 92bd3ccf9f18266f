//! Where two states differ, object by object.

use std::{fmt, net::IpAddr};

use crate::{
    Model, NetworkId,
    nft::{Tuple, Value},
    state::{Bridge, Key, Netns, Ns, Object, Route, Scope, State, Upper, Veth, kernel_state_of},
};

/// How an object differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Differs {
    /// It should be there.
    Missing,
    /// It is there and should be otherwise.
    Changed,
    /// It carries our mark and should not be there.
    Unwanted,
}

/// One object that is not as it should be.
///
/// `Display` is a sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub key: Key,
    pub is: Option<Object>,
    pub should: Option<Object>,
}

/// Where what is there differs from what should be. There is none if and only if
/// the plan from one to the other is empty.
pub fn differences(observed: &State, wanted: &State) -> Vec<Difference> {
    let should = wanted.iter().filter(|(key, object)| observed.get(key) != Some(object));
    let should = should.map(|(key, object)| Difference {
        key: key.clone(),
        is: observed.get(key).cloned(),
        should: Some(object.clone()),
    });
    let unwanted = observed.iter().filter(|(key, _)| !key.is_kept() && !wanted.contains_key(key));
    let unwanted =
        unwanted.map(|(key, object)| Difference { key: key.clone(), is: Some(object.clone()), should: None });
    should.chain(unwanted).collect()
}

impl Difference {
    /// How it differs.
    pub const fn differs(&self) -> Differs {
        match (&self.is, &self.should) {
            (None, _) => Differs::Missing,
            (Some(_), Some(_)) => Differs::Changed,
            (Some(_), None) => Differs::Unwanted,
        }
    }

    /// Whether it is about a network, or about a sandbox on it. What nobody wants is
    /// about the network whose bridge or pool it names.
    pub fn concerns(&self, model: &Model, id: &NetworkId) -> bool {
        let sandboxes = model.endpoints_of_network(id).filter_map(|endpoint| endpoint.sandbox().copied());
        let scope = Scope { networks: [*id].into(), sandboxes: sandboxes.collect() };
        if self.should.is_some() {
            return kernel_state_of(model, &scope).contains_key(&self.key);
        }
        let Some(network) = model.network(id) else { return false };
        let link = network.bridge().map(|config| config.link.as_str());
        let of_pool = |address: &IpAddr| network.ipam.all().any(|subnet| subnet.pool.contains(address));
        let names = |value: &Value| match value {
            Value::Ifname(name) => link == Some(name.as_str()),
            Value::Addr(address) => of_pool(address),
            Value::Net(net) => of_pool(&net.addr()),
            Value::Proto(_) | Value::Port(_) | Value::Ports(..) => false,
        };
        let data = match &self.is {
            Some(Object::Element(data)) => data.as_slice(),
            _ => &[],
        };
        match &self.key {
            Key::Guard(_, key) | Key::Publish(_, key) => key.iter().chain(data).any(names),
            Key::Bridge(name) => link == Some(name.as_str()),
            Key::Lower(name) => network.upper().is_some_and(|config| config.parent.name() == name),
            Key::Upper(_) => match (&self.is, network.upper()) {
                (Some(Object::Upper(upper)), Some(config)) => upper.lower == config.parent.name(),
                _ => false,
            },
            Key::Addr(ns, name, net) => {
                link == Some(name.as_str()) && *ns == Ns::Host || of_pool(&net.addr())
            }
            Key::Netns(sandbox)
            | Key::Route(Ns::Sandbox(sandbox), _)
            | Key::LinkSysctl(Ns::Sandbox(sandbox), ..) => scope.sandboxes.contains(sandbox),
            Key::Veth(_) => match &self.is {
                Some(Object::Veth(veth)) => veth.master.as_deref() == link,
                _ => false,
            },
            Key::Sysctl(_)
            | Key::Port { .. }
            | Key::Table
            | Key::LinkSysctl(Ns::Host, ..)
            | Key::Route(Ns::Host, _) => false,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, is, should } = self;
        match (is, should) {
            (None, _) if let Key::Sysctl(sysctl) = key => write!(f, "setting {} is not 1", sysctl.path()),
            (None, _) if matches!(key, Key::Port { .. }) => write!(f, "{key} is not reserved"),
            (None, _) => write!(f, "{key} is missing"),
            (Some(_), None) => write!(f, "{key} carries our mark and nobody wants it"),
            (Some(is), Some(should)) => {
                write!(f, "{key} is otherwise: {}", Otherwise(is, should))
            }
        }
    }
}

/// What is otherwise of an object: only that.
struct Otherwise<'a>(&'a Object, &'a Object);

impl fmt::Display for Otherwise<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (Object::Bridge(is), Object::Bridge(should)) => f.write_str(&bridge(is, should).join(", ")),
            (Object::Veth(is), Object::Veth(should)) => f.write_str(&veth(is, should).join(", ")),
            (Object::Lower(is), Object::Lower(should)) => {
                let parts = [
                    differ("kind", &is.kind, &should.kind, |kind| format!("{kind:?}")),
                    differ("link", &is.up, &should.up, up),
                ];
                f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
            }
            (Object::Upper(is), Object::Upper(should)) => f.write_str(&upper(is, should).join(", ")),
            (Object::Table(_), Object::Table(_)) => {
                f.write_str("its sets, chains or rules are not those of this engine")
            }
            (Object::Element(is), Object::Element(should)) => {
                write!(f, "it leads to {} instead of {}", Tuple(is), Tuple(should))
            }
            (Object::Route(is), Object::Route(should)) => write!(f, "{} instead of {}", way(is), way(should)),
            (Object::LinkSysctl(is), Object::LinkSysctl(should)) => write!(f, "{is} instead of {should}"),
            (Object::Netns(is), Object::Netns(should)) => {
                write!(f, "{} instead of {}", netns(is), netns(should))
            }
            (is, should) => write!(f, "{is:?} instead of {should:?}"),
        }
    }
}

fn differ<T: PartialEq>(what: &str, is: &T, should: &T, show: impl Fn(&T) -> String) -> Option<String> {
    (is != should).then(|| format!("{what} {} instead of {}", show(is), show(should)))
}

fn bridge(is: &Bridge, should: &Bridge) -> Vec<String> {
    let parts = [
        differ("network", &is.network, &should.network, |id| id.short()),
        differ("MAC", &is.mac, &should.mac, ToString::to_string),
        differ("MTU", &is.mtu, &should.mtu, ToString::to_string),
        differ("route_localnet", &is.route_localnet, &should.route_localnet, switch),
        differ("link", &is.up, &should.up, up),
    ];
    parts.into_iter().flatten().collect()
}

fn veth(is: &Veth, should: &Veth) -> Vec<String> {
    let none = || "none".to_owned();
    let parts = [
        differ("bridge", &is.master, &should.master, |name| name.clone().unwrap_or_else(none)),
        differ("other end", &is.peer, &should.peer, |(ns, name)| {
            if name.is_empty() { "nowhere".to_owned() } else { format!("{name} in {ns}") }
        }),
        differ("MAC", &is.mac, &should.mac, ToString::to_string),
        differ("MTU", &is.mtu, &should.mtu, |mtu| {
            if *mtu == 0 { "different at its ends".to_owned() } else { mtu.to_string() }
        }),
        differ("isolation", &is.isolated, &should.isolated, switch),
        differ("hairpin", &is.hairpin, &should.hairpin, switch),
        differ("link", &is.up, &should.up, up),
    ];
    parts.into_iter().flatten().collect()
}

fn upper(is: &Upper, should: &Upper) -> Vec<String> {
    let parts = [
        differ("link below", &is.lower, &should.lower, |name| {
            if name.is_empty() { "none".to_owned() } else { name.clone() }
        }),
        differ("kind", &is.kind, &should.kind, |kind| kind.name().to_owned()),
        differ("place", &is.place, &should.place, |(ns, name)| format!("{name} in {ns}")),
        differ("MAC", &is.mac, &should.mac, |mac| mac.map_or_else(String::new, |mac| mac.to_string())),
        differ("MTU", &is.mtu, &should.mtu, |mtu| mtu.map_or_else(String::new, |mtu| mtu.to_string())),
        differ("link", &is.up, &should.up, up),
    ];
    parts.into_iter().flatten().collect()
}

fn switch(on: &bool) -> String {
    (if *on { "on" } else { "off" }).to_owned()
}

fn up(up: &bool) -> String {
    (if *up { "up" } else { "down" }).to_owned()
}

fn way(Route { via, link }: &Route) -> String {
    let via = via.map(|via| format!("via {via} ")).unwrap_or_default();
    format!("{via}by {link}")
}

fn netns(netns: &Netns) -> String {
    match netns {
        Netns::Own => "one of its own".to_owned(),
        Netns::Path(path) => path.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        nft::{Digest, Set, skeleton},
        plan::plan,
        state::Sysctl,
    };

    fn state() -> State {
        let bridge = Bridge {
            network: NetworkId::new([1; 32]),
            mac: crate::Mac::new([2; 6]),
            mtu: 1500,
            route_localnet: true,
            up: true,
        };
        let p0 = || Value::Ifname("p0".to_owned());
        State::from([
            (Key::Sysctl(Sysctl::Ipv4Forwarding), Object::Sysctl),
            (Key::Table, Object::Table(skeleton().digest())),
            (Key::Guard(Set::Bridges, vec![p0()]), Object::Element(Vec::new())),
            (Key::Bridge("p0".to_owned()), Object::Bridge(bridge)),
            (
                Key::Publish(
                    Set::Publish(crate::Family::V4),
                    vec![Value::Proto(crate::Proto::Tcp), Value::Port(80)],
                ),
                Object::Element(vec![Value::Addr([10, 0, 0, 2].into()), Value::Port(80)]),
            ),
        ])
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut State), expected: &[&str]) {
        let (mut observed, wanted) = (state(), state());
        change(&mut observed);
        let found: Vec<_> = differences(&observed, &wanted).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
        assert_eq!(plan(&observed, &wanted).is_empty(), expected.is_empty());
    }

    #[test]
    fn every_difference_is_a_sentence() {
        check(|_| {}, &[]);
        check(
            |state| drop(state.remove(&Key::Sysctl(Sysctl::Ipv4Forwarding))),
            &["setting net/ipv4/ip_forward is not 1"],
        );
        check(|state| drop(state.insert(Key::Sysctl(Sysctl::Ipv6Forwarding), Object::Sysctl)), &[]);
        check(
            |state| drop(state.insert(Key::Table, Object::Table(Digest::DAMAGED))),
            &["table inet tombolo is otherwise: its sets, chains or rules are not those of this engine"],
        );
        let element = || Key::Guard(Set::Bridges, vec![Value::Ifname("p0".to_owned())]);
        check(|state| drop(state.remove(&element())), &["element \"p0\" of bridges is missing"]);
        let stray = Key::Guard(Set::Bridges, vec![Value::Ifname("p7".to_owned())]);
        check(
            |state| drop(state.insert(stray, Object::Element(Vec::new()))),
            &["element \"p7\" of bridges carries our mark and nobody wants it"],
        );
        let down = |state: &mut State| {
            let Some(Object::Bridge(bridge)) = state.get_mut(&Key::Bridge("p0".to_owned())) else { return };
            (bridge.up, bridge.mtu) = (false, 1400);
        };
        check(down, &["bridge p0 is otherwise: MTU 1400 instead of 1500, link down instead of up"]);
        let elsewhere = |state: &mut State| {
            let element =
                state.values_mut().find(|object| matches!(object, Object::Element(data) if !data.is_empty()));
            let Some(Object::Element(data)) = element else { return };
            data[1] = Value::Port(81);
        };
        check(
            elsewhere,
            &[
                "element tcp . 80 of publish4 is otherwise: it leads to 10.0.0.2 . 81 instead of 10.0.0.2 . 80",
            ],
        );
    }
}
