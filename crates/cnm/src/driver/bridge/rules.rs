//! The firewall elements of bridge networks.

use std::net::IpAddr;

use super::Config;
use crate::{
    Family, Network, PortBinding,
    nft::{Set, Value},
    state::{Key, Object},
};

/// What confines a network: judged at all, internal, inner talk, hidden addresses.
pub(crate) fn guards(network: &Network, config: &Config) -> Vec<(Key, Object)> {
    let link = || Value::Ifname(config.link.clone());
    let mut elements = vec![guard(Set::Bridges, vec![link()])];
    if network.internal {
        elements.push(guard(Set::Internal, vec![link()]));
    }
    if config.inter_container {
        elements.push(guard(Set::Talk, vec![link(), link()]));
    }
    if config.masquerade && !network.internal {
        let pools = network.ipam.all().map(|subnet| subnet.pool);
        elements.extend(
            pools.map(|pool| {
                guard(Set::Masquerade(Family::of(&pool.network())), vec![Value::Net(pool.trunc())])
            }),
        );
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
    if host_address.is_ipv6() && host_address.is_loopback() {
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
