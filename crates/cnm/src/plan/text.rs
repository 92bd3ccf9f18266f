//! Plans for people: what one would type.

use std::fmt;

use super::{Op, Plan};
use crate::{
    nft::{Set, TABLE, Tuple, Value, skeleton},
    state::{Bridge, Key, Netns, Ns, Object, Route, Upper, Veth, veth_name},
};

mod upper;

impl Op {
    /// The first words, as in an error: `create bridge p0`.
    pub fn summary(&self) -> String {
        let verb = match self {
            Self::Create { .. } => "create",
            Self::Change { .. } => "change",
            Self::Delete { .. } => "delete",
        };
        format!("{verb} {}", self.key())
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ops().try_for_each(|op| writeln!(f, "{op}"))
    }
}

impl fmt::Display for Ns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("the host"),
            Self::Sandbox(sandbox) => write!(f, "sandbox {}", sandbox.short()),
        }
    }
}

/// What the object is, as in a sentence.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sysctl(sysctl) => write!(f, "setting {}", sysctl.path()),
            Self::Port { proto, address, first, last } if first == last => {
                write!(f, "port {first}/{proto} of {address}")
            }
            Self::Port { proto, address, first, last } => {
                write!(f, "ports {first}-{last}/{proto} of {address}")
            }
            Self::Table => write!(f, "table inet {TABLE}"),
            Self::Guard(set, key) | Self::Publish(set, key) => write!(f, "element {} of {set}", Tuple(key)),
            Self::Netns(sandbox) => write!(f, "network namespace of sandbox {}", sandbox.short()),
            Self::Bridge(name) => write!(f, "bridge {name}"),
            Self::Lower(name) => write!(f, "link {name}"),
            Self::Veth(endpoint) => write!(f, "link {}", veth_name(endpoint)),
            Self::Upper(endpoint) => write!(f, "link of endpoint {}", endpoint.short()),
            Self::LinkSysctl(ns, _, path) => write!(f, "setting {path} in {ns}"),
            Self::Addr(ns, link, net) => write!(f, "address {net} of {link} in {ns}"),
            Self::Route(ns, net) => write!(f, "route to {net} in {ns}"),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { key, object } => create(f, key, object),
            Self::Change { key, from, to } => change(f, key, from, to),
            Self::Delete { key, object } => delete(f, key, object),
        }
    }
}

fn create(f: &mut fmt::Formatter<'_>, key: &Key, object: &Object) -> fmt::Result {
    match (key, object) {
        (Key::Sysctl(sysctl), _) => write!(f, "sysctl -w {}=1", sysctl.path().replace('/', ".")),
        (Key::Port { .. }, _) => write!(f, "# reserve {key}"),
        (Key::Table, _) => write!(f, "nft -f - <<'END'\n{}END", skeleton()),
        (Key::Guard(set, key) | Key::Publish(set, key), Object::Element(data)) => element(f, *set, key, data),
        (Key::Netns(sandbox), Object::Netns(Netns::Path(path))) => {
            write!(f, "ip netns attach {} {path}", sandbox.short())
        }
        (Key::Netns(sandbox), _) => {
            let name = sandbox.short();
            write!(f, "ip netns add {name} && ip -n {name} link set lo up")
        }
        (Key::Bridge(name), Object::Bridge(bridge)) => {
            let Bridge { network, mac, .. } = bridge;
            write!(f, "ip link add {name} address {mac} alias tombolo:{network} type bridge && ")?;
            bridge_set(f, name, bridge)
        }
        (Key::Veth(endpoint), Object::Veth(veth)) => {
            let Veth { peer: (ns, interface), mac, mtu, .. } = veth;
            let name = veth_name(endpoint);
            write!(
                f,
                "ip link add {name} mtu {mtu} alias tombolo:{endpoint} type veth peer name {interface} "
            )?;
            write!(f, "address {mac} mtu {mtu}{} && ", InNs(ns))?;
            veth_set(f, &name, veth)
        }
        (Key::Lower(name), Object::Lower(lower)) => upper::lower_add(f, name, lower),
        (Key::Upper(endpoint), Object::Upper(upper)) => upper::upper_add(f, endpoint, upper),
        (Key::LinkSysctl(ns, _, path), Object::LinkSysctl(value)) => setting(f, ns, path, value),
        (Key::Addr(ns, link, net), _) => {
            let nodad = if net.addr().is_ipv6() { " nodad" } else { "" };
            write!(f, "{} addr add {net} dev {link}{nodad}", Ip(ns))
        }
        (Key::Route(ns, net), Object::Route(route)) => write!(f, "{} route add {}", Ip(ns), Way(net, route)),
        (key, _) => write!(f, "# create {key}"),
    }
}

fn change(f: &mut fmt::Formatter<'_>, key: &Key, from: &Object, to: &Object) -> fmt::Result {
    match (key, to) {
        (Key::Guard(set, key) | Key::Publish(set, key), Object::Element(data)) => {
            write!(f, "nft 'delete element inet {TABLE} {set} {{ {} }}' && ", Tuple(key))?;
            element(f, *set, key, data)
        }
        (Key::Bridge(name), Object::Bridge(bridge)) => bridge_set(f, name, bridge),
        (Key::Veth(endpoint), Object::Veth(veth)) => veth_set(f, &veth_name(endpoint), veth),
        (Key::Lower(name), _) => write!(f, "ip link set {name} up"),
        (Key::Upper(_), Object::Upper(upper)) => upper::upper_set(f, upper),
        (Key::Route(ns, net), Object::Route(route)) => {
            write!(f, "{} route replace {}", Ip(ns), Way(net, route))
        }
        (Key::LinkSysctl(ns, _, path), Object::LinkSysctl(value)) => setting(f, ns, path, value),
        (key, _) => write!(f, "# change {key} from {from:?} to {to:?}"),
    }
}

fn delete(f: &mut fmt::Formatter<'_>, key: &Key, object: &Object) -> fmt::Result {
    match (key, object) {
        (Key::Sysctl(_) | Key::LinkSysctl(..) | Key::Port { .. }, _) => write!(f, "# release {key}"),
        (Key::Table, _) => write!(f, "nft 'delete table inet {TABLE}'"),
        (Key::Guard(set, key) | Key::Publish(set, key), _) => {
            write!(f, "nft 'delete element inet {TABLE} {set} {{ {} }}'", Tuple(key))
        }
        (Key::Netns(sandbox), Object::Netns(Netns::Path(path))) => {
            write!(f, "# leave {path}, the namespace of sandbox {}", sandbox.short())
        }
        (Key::Netns(sandbox), _) => write!(f, "ip netns del {}", sandbox.short()),
        (Key::Bridge(name) | Key::Lower(name), _) => write!(f, "ip link del {name}"),
        (Key::Upper(_), Object::Upper(Upper { place: (ns, name), .. })) => {
            write!(f, "{} link del {name}", Ip(ns))
        }
        (Key::Upper(_), _) => write!(f, "# delete {key}"),
        (Key::Veth(endpoint), _) => write!(f, "ip link del {}", veth_name(endpoint)),
        (Key::Addr(ns, link, net), _) => write!(f, "{} addr del {net} dev {link}", Ip(ns)),
        (Key::Route(ns, net), Object::Route(route)) => write!(f, "{} route del {}", Ip(ns), Way(net, route)),
        (Key::Route(ns, net), _) => write!(f, "{} route del {net}", Ip(ns)),
    }
}

fn element(f: &mut fmt::Formatter<'_>, set: Set, key: &[Value], data: &[Value]) -> fmt::Result {
    let separator = if data.is_empty() { "" } else { " : " };
    write!(f, "nft 'add element inet {TABLE} {set} {{ {}{separator}{} }}'", Tuple(key), Tuple(data))
}

fn bridge_set(f: &mut fmt::Formatter<'_>, name: &str, bridge: &Bridge) -> fmt::Result {
    let Bridge { mtu, route_localnet, .. } = bridge;
    write!(f, "ip link set {name} mtu {mtu} addrgenmode none up && ")?;
    write!(f, "sysctl -w net.ipv4.conf.{name}.route_localnet={}", u8::from(*route_localnet))
}

fn veth_set(f: &mut fmt::Formatter<'_>, name: &str, veth: &Veth) -> fmt::Result {
    let Veth { master, peer: (ns, interface), mtu, isolated, hairpin, .. } = veth;
    write!(f, "ip link set {name} mtu {mtu} addrgenmode none")?;
    master.iter().try_for_each(|bridge| write!(f, " master {bridge}"))?;
    let switch = |on: &bool| if *on { "on" } else { "off" };
    let (isolated, hairpin) = (switch(isolated), switch(hairpin));
    write!(f, " up && bridge link set dev {name} isolated {isolated} hairpin {hairpin} && ")?;
    write!(f, "{} link set {interface} mtu {mtu} addrgenmode none up", Ip(ns))
}

fn setting(f: &mut fmt::Formatter<'_>, ns: &Ns, path: &str, value: &str) -> fmt::Result {
    match ns {
        Ns::Host => write!(f, "sysctl -w {path}={value}"),
        Ns::Sandbox(sandbox) => write!(f, "ip netns exec {} sysctl -w {path}={value}", sandbox.short()),
    }
}

/// `ip`, where it is to act.
struct Ip<'a>(&'a Ns);

impl fmt::Display for Ip<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ns::Host => f.write_str("ip"),
            Ns::Sandbox(sandbox) => write!(f, "ip -n {}", sandbox.short()),
        }
    }
}

/// Where a new link's end is put.
struct InNs<'a>(&'a Ns);

impl fmt::Display for InNs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ns::Host => Ok(()),
            Ns::Sandbox(sandbox) => write!(f, " netns {}", sandbox.short()),
        }
    }
}

/// A route's destination and way.
struct Way<'a>(&'a ipnet::IpNet, &'a Route);

impl fmt::Display for Way<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(net, Route { via, link }) = self;
        write!(f, "{net}")?;
        via.iter().try_for_each(|via| write!(f, " via {via}"))?;
        write!(f, " dev {link}")
    }
}
