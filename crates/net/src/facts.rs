//! What is true of the host and matters for decisions.

use std::{collections::BTreeSet, ops::RangeInclusive, path::Path};

use cnm::controller::{Host, HostLink};
use ipnet::IpNet;
use linux::{
    rtnl::{Link, Rtnl, RtnlError},
    sysctl,
};

/// The index of every stack's loopback link.
const LOOPBACK: u32 = 1;

/// Reads the host's routes, addresses and ephemeral ports, and what is known of the links that are asked for.
///
/// Without those of our own bridges: which of their subnets are taken is in the model, and
/// a bridge may still be there whose network is gone.
///
/// A millisecond or so: not for the writer's own thread.
///
/// # Errors
/// What the kernel says to the dumps.
pub(crate) fn of_host(asked: &[String], is_ours: impl Fn(&Link) -> bool) -> Result<Host, RtnlError> {
    let mut host = settings();
    let mut rtnl = Rtnl::open()?;
    for name in asked {
        let link = rtnl.link_by_name(name)?;
        host.links.extend(link.map(|link| (name.clone(), kind(&link, is_ours(&link)))));
    }
    let bridges = rtnl.bridge_list()?.into_iter().filter(is_ours);
    let ours: BTreeSet<_> = bridges.map(|bridge| Some(bridge.index)).collect();
    let routes = rtnl.route_list()?.into_iter();
    let routes = routes.map(|route| (route.destination, route.index, route.via.is_none()));
    let addresses = rtnl.addr_list()?.into_iter().map(|addr| (addr.net, Some(addr.index), true));
    for (net, link, on_link) in routes.chain(addresses) {
        let net = net.trunc();
        if is_everyones(&net) || ours.contains(&link) {
            continue;
        }
        host.taken.insert(net);
        if on_link && link.is_some() {
            host.on_link.insert(net);
        }
    }
    Ok(host)
}

const fn kind(link: &Link, is_ours: bool) -> HostLink {
    match (link.index, is_ours) {
        (LOOPBACK, _) => HostLink::Loopback,
        (_, true) => HostLink::Ours,
        (_, false) => HostLink::Other,
    }
}

/// The networks of the host's links that are not ours, by the addresses these have.
///
/// # Errors
/// What the kernel says to the dumps.
pub(crate) fn networks(is_ours: impl Fn(&Link) -> bool) -> Result<BTreeSet<IpNet>, RtnlError> {
    let mut rtnl = Rtnl::open()?;
    let ours: BTreeSet<_> = rtnl.bridge_list()?.into_iter().filter(is_ours).map(|link| link.index).collect();
    let addresses = rtnl.addr_list()?.into_iter().filter(|addr| !ours.contains(&addr.index));
    Ok(addresses.map(|addr| addr.net.trunc()).filter(|net| !is_everyones(net)).collect())
}

/// What costs next to nothing to know: which ports are ephemeral, and whether there is IPv6.
pub(crate) fn settings() -> Host {
    let ephemeral = sysctl::read("net/ipv4/ip_local_port_range").ok().and_then(|text| port_range(&text));
    let default = Host::default();
    Host {
        ephemeral: ephemeral.unwrap_or(default.ephemeral.clone()),
        v6: Path::new("/proc/net/if_inet6").exists(),
        ..default
    }
}

/// Link-local and loopback prefixes are on every host and collide with nothing.
pub(crate) fn is_everyones(net: &IpNet) -> bool {
    match net {
        IpNet::V4(net) => net.addr().is_loopback() || net.addr().is_link_local(),
        IpNet::V6(net) => {
            net.addr().is_loopback() || net.addr().is_unicast_link_local() || net.addr().is_multicast()
        }
    }
}

fn port_range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut numbers = text.split_whitespace().map(str::parse);
    let (first, last) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    (first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::port_range;

    #[test]
    fn a_port_range_is_two_numbers_in_order() {
        assert_eq!(port_range("32768\t60999\n"), Some(32_768..=60_999));
        assert_eq!(port_range("60999 32768"), None);
        assert_eq!(port_range("1"), None);
    }
}
