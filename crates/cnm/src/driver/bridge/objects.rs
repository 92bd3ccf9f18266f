//! The links, addresses and routes of bridge networks.

use std::net::Ipv6Addr;

use ipnet::IpNet;

use super::{Config, rules};
use crate::{
    Attachment, Endpoint, Family, Mac, Network, NetworkId,
    driver::inside,
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
        objects.push((
            Key::Addr(Ns::Host, config.link.clone(), inside::link_local(ROUTER.into())),
            Object::Addr,
        ));
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
    let ns = Ns::Sandbox(*sandbox);
    let veth = Veth {
        master: Some(config.link.clone()),
        peer: (ns, interface.clone()),
        mac,
        mtu: config.mtu,
        isolated: !config.inter_container,
        hairpin: published,
        up: true,
    };
    let veth = (Key::Veth(endpoint.id), Object::Veth(veth));
    std::iter::once(veth).chain(inside::objects(endpoint, (ns, interface), inside::eui64(mac))).collect()
}

/// The link-local address of every bridge of ours: a router needs one to look for its neighbours.
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// A bridge without an address of its own would take over its lowest port's, and change it with every join.
fn bridge_mac(network: &NetworkId) -> Mac {
    let [a, b, c, d, e, f, ..] = *network.bytes();
    Mac::local([a, b, c, d, e, f])
}
