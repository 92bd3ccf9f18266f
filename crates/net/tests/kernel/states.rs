//! States to go to, written by hand: what drivers would ask for, and more.

use std::net::IpAddr;

use cnm::nft::{Set, Value, skeleton};
use cnm::state::{Bridge, Key, Netns, Ns, Object, Route, State, Sysctl, Veth};
use cnm::{EndpointId, Family, Mac, NetworkId, Proto, SandboxId};
use ipnet::IpNet;

pub(crate) fn network() -> NetworkId {
    NetworkId::new([0xa1; 32])
}

pub(crate) fn sandbox(n: u8) -> SandboxId {
    SandboxId::new([0xb0 + n; 32])
}

pub(crate) fn endpoint(n: u8) -> EndpointId {
    EndpointId::new([0xc0 + n; 32])
}

/// Where the link of an endpoint is: in the sandbox of the same number.
pub(crate) fn home(endpoint: &EndpointId) -> Ns {
    Ns::Sandbox(sandbox(endpoint.bytes()[0] - 0xc0))
}

pub(crate) fn mac(last: u8) -> Mac {
    Mac::new([0x02, 0, 0, 0, 0, last])
}

pub(crate) fn net(text: &str) -> IpNet {
    text.parse().expect("a subnet")
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub(crate) fn bridge() -> Bridge {
    Bridge { network: network(), mac: mac(1), mtu: 1500, route_localnet: true, up: true }
}

/// The pair of an endpoint in the sandbox of the same number.
pub(crate) fn veth(n: u8) -> Veth {
    Veth {
        master: Some("br-1".to_owned()),
        peer: (Ns::Sandbox(sandbox(n)), "eth0".to_owned()),
        mac: mac(0x10 + n),
        mtu: 1500,
        isolated: false,
        hairpin: false,
        up: true,
    }
}

pub(crate) fn route(via: &str) -> Object {
    Object::Route(Route { via: Some(ip(via)), link: "eth0".to_owned() })
}

pub(crate) fn port(proto: Proto, address: &str, first: u16, last: u16) -> Key {
    Key::Port { proto, address: ip(address), first, last }
}

/// A bridge with its addresses and the elements that confine it.
pub(crate) fn bridged() -> State {
    let name = || Value::Ifname("br-1".to_owned());
    State::from([
        (Key::Sysctl(Sysctl::Ipv4Forwarding), Object::Sysctl),
        (Key::Table, Object::Table(skeleton().digest())),
        (Key::Guard(Set::Bridges, vec![name()]), Object::Element(Vec::new())),
        (Key::Guard(Set::Talk, vec![name(), name()]), Object::Element(Vec::new())),
        (Key::Guard(Set::EgressInternet, vec![name()]), Object::Element(Vec::new())),
        (
            Key::Guard(Set::Local(Family::V4), vec![Value::Net(net("10.0.0.0/8"))]),
            Object::Element(Vec::new()),
        ),
        (Key::Guard(Set::Local(Family::V6), vec![Value::Net(net("fc00::/7"))]), Object::Element(Vec::new())),
        (
            Key::Guard(Set::Masquerade(Family::V4), vec![Value::Net(net("10.1.0.0/24"))]),
            Object::Element(Vec::new()),
        ),
        (
            Key::Guard(Set::Masquerade(Family::V6), vec![Value::Net(net("fd00:1::/64"))]),
            Object::Element(Vec::new()),
        ),
        (Key::Bridge("br-1".to_owned()), Object::Bridge(bridge())),
        (Key::Addr(Ns::Host, "br-1".to_owned(), net("10.1.0.1/24")), Object::Addr),
        (Key::Addr(Ns::Host, "br-1".to_owned(), net("fd00:1::1/64")), Object::Addr),
    ])
}

/// A sandbox with a pair, an address and a default route of each family.
pub(crate) fn joined(n: u8) -> State {
    let ns = Ns::Sandbox(sandbox(n));
    let host = 10 + n;
    State::from([
        (Key::Netns(sandbox(n)), Object::Netns(Netns::Own)),
        (Key::Veth(endpoint(n)), Object::Veth(veth(n))),
        (
            Key::LinkSysctl(ns, "eth0".to_owned(), "net/ipv4/conf/eth0/log_martians".to_owned()),
            Object::LinkSysctl("1".to_owned()),
        ),
        (Key::Addr(ns, "eth0".to_owned(), net(&format!("10.1.0.{host}/24"))), Object::Addr),
        (Key::Addr(ns, "eth0".to_owned(), net(&format!("fd00:1::{host}/64"))), Object::Addr),
        (Key::Route(ns, net("0.0.0.0/0")), route("10.1.0.1")),
        (Key::Route(ns, net("::/0")), route("fd00:1::1")),
    ])
}

/// A bridge alone, without what it needs to route.
pub(crate) fn bridge_alone() -> State {
    State::from([(Key::Bridge("br-1".to_owned()), Object::Bridge(bridge()))])
}

/// Ports of the first sandbox: one, one of an address, a range.
pub(crate) fn published() -> State {
    let inside = |port| vec![Value::Addr(ip("10.1.0.11")), Value::Port(port)];
    let any = vec![Value::Proto(Proto::Tcp), Value::Port(80)];
    let one = vec![Value::Addr(ip("127.0.0.1")), Value::Proto(Proto::Udp), Value::Port(53)];
    let range = vec![Value::Ports(8000, 8010)];
    let hairpin = vec![Value::Ifname("br-1".to_owned()), Value::Addr(ip("10.1.0.11"))];
    let web = [Value::Addr(ip("10.1.0.11")), Value::Proto(Proto::Tcp), Value::Port(8080)];
    let from = |source| std::iter::once(source).chain(web.clone()).collect();
    let none = || Object::Element(Vec::new());
    State::from([
        (port(Proto::Tcp, "0.0.0.0", 80, 80), Object::Port),
        (port(Proto::Udp, "127.0.0.1", 53, 53), Object::Port),
        (port(Proto::Tcp, "0.0.0.0", 8000, 8010), Object::Port),
        (Key::Publish(Set::Publish(Family::V4), any), Object::Element(inside(8080))),
        (Key::Publish(Set::PublishAddr(Family::V4), one), Object::Element(inside(53))),
        (
            Key::Publish(Set::Range(Family::V4, Proto::Tcp), range),
            Object::Element(vec![Value::Addr(ip("10.1.0.11"))]),
        ),
        (Key::Publish(Set::Hairpin(Family::V4), hairpin), none()),
        (Key::Publish(Set::Limited(Family::V4), web.to_vec()), none()),
        (Key::Publish(Set::AllowLocal(Family::V4), web.to_vec()), none()),
        (Key::Publish(Set::AllowLink(Family::V4), from(Value::Ifname("wg0".to_owned()))), none()),
        (Key::Publish(Set::Allow(Family::V4, 8), from(Value::Addr(ip("10.0.0.0")))), none()),
    ])
}

/// Everything at once: every kind of object.
pub(crate) fn everything() -> State {
    [bridged(), joined(1), joined(2), published()].into_iter().flatten().collect()
}

/// A state without one object.
pub(crate) fn without(mut state: State, key: &Key) -> State {
    state.remove(key);
    state
}

/// A state with one object more, or another one in its place.
pub(crate) fn with(mut state: State, key: Key, object: Object) -> State {
    state.insert(key, object);
    state
}
