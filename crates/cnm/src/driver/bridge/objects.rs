//! The links, addresses and routes of bridge networks.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use super::{Config, rules, sysctls};
use crate::{
    Attachment, Endpoint, Family, Mac, Network, NetworkId,
    state::{Bridge, Key, Ns, Object, Sysctl, Veth},
};

/// What a network adds: forwarding, its bridge with the gateways' addresses, and what confines it.
pub(crate) fn network_objects(network: &Network, config: &Config) -> Vec<(Key, Object)> {
    let has = |family| !network.ipam.subnets(family).is_empty();
    let bridge = Bridge {
        network: network.id,
        mac: bridge_mac(&network.id),
        mtu: config.mtu,
        route_localnet: has(Family::V4) && !network.internal && config.gateway_v4.translates(),
        up: true,
    };
    let mut objects = vec![(Key::Bridge(config.link.clone()), Object::Bridge(bridge))];
    for (family, sysctl) in [(Family::V4, Sysctl::Ipv4Forwarding), (Family::V6, Sysctl::Ipv6Forwarding)] {
        if has(family) && !network.internal {
            objects.push((Key::Sysctl(sysctl), Object::Sysctl));
        }
    }
    objects.extend(network.ipam.all().filter_map(|subnet| {
        config.has_gateway(Family::of(&subnet.pool.addr())).then_some(())?;
        let gateway = IpNet::new(subnet.gateway?, subnet.pool.prefix_len()).ok()?;
        Some((Key::Addr(Ns::Host, config.link.clone(), gateway), Object::Addr))
    }));
    if has(Family::V6) && config.has_gateway(Family::V6) {
        objects.push((Key::Addr(Ns::Host, config.link.clone(), link_local(ROUTER.into())), Object::Addr));
    }
    objects.extend(rules::guards(network, config));
    objects
}

/// What an endpoint adds to the host and to its sandbox; nothing before it has joined one.
pub(crate) fn endpoint_objects(endpoint: &Endpoint, config: &Config, published: bool) -> Vec<(Key, Object)> {
    let (Attachment::Joined { sandbox, interface, .. }, Some(mac)) = (&endpoint.attachment, endpoint.mac)
    else {
        return Vec::new();
    };
    let inside = Ns::Sandbox(*sandbox);
    let veth = Veth {
        master: Some(config.link.clone()),
        peer: (inside, interface.clone()),
        mac,
        mtu: config.mtu,
        isolated: !config.inter_container,
        hairpin: published,
        up: true,
    };
    let nets = Family::BOTH.into_iter().filter_map(|family| endpoint.address(family));
    let own = endpoint.v6.map(|_| eui64(mac).into());
    let nets =
        nets.chain(own.into_iter().chain(endpoint.settings.link_local.iter().copied()).map(link_local));
    let addresses = nets.map(|net| (Key::Addr(inside, interface.clone(), net), Object::Addr));
    let sysctls = sysctls(&endpoint.settings.driver_options, interface).into_iter();
    let settings = sysctls.filter_map(|(name, value)| {
        let path = sysctl_path(&name, interface)?;
        Some((Key::LinkSysctl(inside, interface.clone(), path), Object::LinkSysctl(value)))
    });
    std::iter::once((Key::Veth(endpoint.id), Object::Veth(veth))).chain(settings).chain(addresses).collect()
}

/// `net.ipv4.conf.IFNAME.forwarding` as a path; the interface's name may contain dots.
fn sysctl_path(name: &str, interface: &str) -> Option<String> {
    let (start, end) = name.split_once(&format!(".{interface}."))?;
    Some(format!("{}/{interface}/{}", start.replace('.', "/"), end.replace('.', "/")))
}

/// The link-local address of every bridge of ours: a router needs one to look for its neighbours.
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// The link-local address that the kernel would make of a MAC address (RFC 4291, appendix A).
fn eui64(mac: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = *mac.bytes();
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 0x02, b, c, 0xff, 0xfe, d, e, f])
}

/// A bridge without an address of its own would take over its lowest port's, and change it with every join.
fn bridge_mac(network: &NetworkId) -> Mac {
    let [a, b, c, d, e, f, ..] = *network.bytes();
    Mac::local([a, b, c, d, e, f])
}

/// Link-local addresses are of a /16 (RFC 3927 §2.1) or of a /64 (RFC 4291 §2.5.6).
fn link_local(address: IpAddr) -> IpNet {
    let prefix = if address.is_ipv4() { 16 } else { 64 };
    IpNet::new_assert(address, prefix)
}
