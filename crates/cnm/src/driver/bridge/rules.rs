//! The firewall elements of bridge networks.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Config, Egress, GatewayMode};
use crate::{
    Family, Network, PortBinding,
    access::{Lists, Source, blocks},
    nft::{Set, Value},
    state::{Key, Object},
};

/// What confines a network: judged at all, internal, inner talk, hidden addresses, and who may come in.
pub(crate) fn guards(network: &Network, config: &Config) -> Vec<(Key, Object)> {
    let link = || Value::Ifname(config.link.clone());
    let mut elements = vec![guard(Set::Bridges, vec![link()])];
    elements.push(guard(if config.inter_container { Set::Talk } else { Set::Apart }, vec![link(), link()]));
    match config.egress {
        Egress::Any => {}
        Egress::Internet => elements.push(guard(Set::EgressInternet, vec![link()])),
        Egress::None => elements.push(guard(Set::EgressNone, vec![link()])),
    }
    if network.internal {
        elements.push(guard(Set::Internal, vec![link()]));
        return elements;
    }
    let trusted = config.trusted.iter().map(|from| vec![Value::Ifname(from.clone()), link()]);
    elements.extend(trusted.map(|pair| guard(Set::Trusted, pair)));
    for family in Family::BOTH.into_iter().filter(|family| !network.ipam.subnets(*family).is_empty()) {
        let mode = config.gateway_mode(family);
        match mode {
            GatewayMode::Unprotected => elements.push(guard(Set::Open(family), vec![link()])),
            GatewayMode::Routed => elements.push(guard(Set::Routed(family), vec![link()])),
            GatewayMode::Nat | GatewayMode::Isolated => {}
        }
        if config.masquerade && mode.translates() {
            let pools = network.ipam.subnets(family).iter().map(|subnet| subnet.pool.trunc());
            elements.extend(pools.map(|pool| hidden(pool, config.source(family))));
        }
    }
    elements
}

/// Hides the addresses of a pool: behind one address, or that of the link by which they leave.
fn hidden(pool: IpNet, source: Option<IpAddr>) -> (Key, Object) {
    let (family, key) = (Family::of(&pool.addr()), vec![Value::Net(pool)]);
    match source {
        None => guard(Set::Masquerade(family), key),
        Some(source) => (Key::Guard(Set::Source(family), key), Object::Element(vec![Value::Addr(source)])),
    }
}

/// Opens a sandbox's published ports at its own address: to everybody where the network
/// routes, to trusted links where it translates.
pub(crate) fn reached(binding: &PortBinding, address: IpAddr) -> impl Iterator<Item = (Key, Object)> {
    let (set, proto) = (Set::Reach(Family::of(&address)), binding.proto);
    let key = move |port| vec![Value::Addr(address), Value::Proto(proto), Value::Port(port)];
    binding.container.clone().map(move |port| publish(set, key(port), Vec::new()))
}

/// Who reaches a sandbox's published ports at its address, where that is not everybody.
pub(crate) fn limited(binding: &PortBinding, address: IpAddr, lists: &Lists<'_>) -> Vec<(Key, Object)> {
    let (family, proto) = (Family::of(&address), binding.proto);
    let mut elements = Vec::new();
    for port in binding.container.clone() {
        let Some(sources) = lists.sources(family, proto, port) else { continue };
        let to = || [Value::Addr(address), Value::Proto(proto), Value::Port(port)];
        let from = |value: Value| std::iter::once(value).chain(to()).collect();
        elements.push(publish(Set::Limited(family), to().to_vec(), Vec::new()));
        for source in sources {
            match source {
                Source::Link(name) => {
                    let key = from(Value::Ifname(name.clone()));
                    elements.push(publish(Set::AllowLink(family), key, Vec::new()));
                }
                Source::Local => elements.push(publish(Set::AllowLocal(family), to().to_vec(), Vec::new())),
                Source::Net(net) => {
                    let (length, firsts) = blocks(net);
                    let set = Set::Allow(family, length);
                    elements.extend(firsts.map(|first| publish(set, from(Value::Addr(first)), Vec::new())));
                }
            }
        }
    }
    elements
}

/// The elements that lead from a binding of the host's ports to `to`, the
/// sandbox's address of the same family.
///
/// A range on all addresses that keeps its numbers is one element; any other
/// has one for each port, since an interval leads to one port only. `::1` has none:
/// the kernel does not route it (see [`crate::splice`]).
pub(crate) fn published(binding: &PortBinding, to: IpAddr) -> Vec<(Key, Object)> {
    let PortBinding { proto, host_address, host, container } = binding;
    let family = Family::of(&to);
    if !binding.is_of_host() || host_address.is_ipv6() && host_address.is_loopback() {
        return Vec::new();
    }
    let everywhere = host_address.is_unspecified();
    if everywhere && host == container && host.len() > 1 {
        let key = vec![Value::Ports(*host.start(), *host.end())];
        return vec![publish(Set::Range(family, *proto), key, vec![Value::Addr(to)])];
    }
    let pairs = host.clone().zip(container.clone());
    let element = |(outer, inner)| {
        let data = vec![Value::Addr(to), Value::Port(inner)];
        let port = [Value::Proto(*proto), Value::Port(outer)];
        if everywhere {
            return publish(Set::Publish(family), port.to_vec(), data);
        }
        let key = std::iter::once(Value::Addr(*host_address)).chain(port).collect();
        publish(Set::PublishAddr(family), key, data)
    };
    pairs.map(element).collect()
}

/// Hides clients that come by `link`, on which the published sandbox itself sits:
/// it would answer them directly, and they would not know the answer.
pub(crate) fn hairpin(link: &str, address: IpAddr) -> (Key, Object) {
    let key = vec![Value::Ifname(link.to_owned()), Value::Addr(address)];
    publish(Set::Hairpin(Family::of(&address)), key, Vec::new())
}

/// Hides a published sandbox from itself.
pub(crate) fn itself(address: IpAddr) -> (Key, Object) {
    let key = vec![Value::Addr(address), Value::Addr(address)];
    publish(Set::Itself(Family::of(&address)), key, Vec::new())
}

fn guard(set: Set, key: Vec<Value>) -> (Key, Object) {
    (Key::Guard(set, key), Object::Element(Vec::new()))
}

fn publish(set: Set, key: Vec<Value>, data: Vec<Value>) -> (Key, Object) {
    (Key::Publish(set, key), Object::Element(data))
}
