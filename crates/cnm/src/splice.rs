//! Published ports that the kernel cannot translate, and the engine splices.
//!
//! The kernel does not route `::1`, and it does not translate between families.
//! Both are for people at the host and for single-family networks; the engine
//! accepts such connections and copies bytes.

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
};

use crate::{
    Family, Model, Namespace, Network, PortBinding, Proto, SandboxId,
    access::{Client, Lists, admits},
    model::WayIn,
};

/// Connections to be accepted, and where they lead, port by port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Splice {
    pub proto: Proto,
    /// An address of the host, or the unspecified one for all of its family.
    pub listen: IpAddr,
    /// The first port of each, and how many.
    pub ports: (u16, u16, u16),
    /// The sandbox's address.
    pub to: IpAddr,
}

/// The longest range of which ports are carried: each is a listener and a task.
pub const CARRIED_PORTS: u16 = 64;

impl Splice {
    /// Whether the engine carries it: connections, and of small ranges.
    pub fn is_carried(&self) -> bool {
        self.proto == Proto::Tcp && self.ports.2 <= CARRIED_PORTS
    }

    /// The port inside that a port of the host leads to.
    pub fn target(&self, port: u16) -> Option<u16> {
        let (outer, inner, count) = self.ports;
        let offset = port.checked_sub(outer).filter(|offset| *offset < count)?;
        inner.checked_add(offset)
    }
}

/// A connection that was accepted, and where it would be carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub client: IpAddr,
    /// The address of the host that it came to.
    pub host: IpAddr,
    pub to: SocketAddr,
}

/// Whether a connection is not carried: nothing leads out of an internal network, not this way either;
/// and not everybody may reach every port. The gateway's address is the host's own.
pub fn refuses(model: &Model, accepted: &Accepted) -> bool {
    let client = accepted.client.to_canonical();
    let is_host = |network: &Network| network.ipam.all().any(|subnet| subnet.gateway == Some(client));
    let network = model.network_by_pool(&client.into());
    if network.is_some_and(|network| network.internal && !is_host(network)) {
        return true;
    }
    let is_own = client.is_loopback() || client == accepted.host.to_canonical();
    !is_own && !is_listed(model, client, accepted.to)
}

/// Whether a client is one of those who reach a port. It has no link here: it came to the host.
fn is_listed(model: &Model, client: IpAddr, to: SocketAddr) -> bool {
    let Some(network) = model.network_by_pool(&to.ip().into()) else { return true };
    let Some(endpoint) = model.endpoint_by_address(&network.id, to.ip()) else { return true };
    let Some(sandbox) = endpoint.sandbox().and_then(|id| model.sandbox(id)) else { return true };
    let lists = Lists::of(sandbox, endpoint, network);
    let sources = lists.sources(Family::of(&client), Proto::Tcp, to.port());
    let client = Client { address: Some(client), link: None };
    sources.is_none_or(|sources| admits(model, &sources, client))
}

/// What the engine must splice for a sandbox.
pub fn splices(model: &Model, sandbox: &SandboxId) -> Vec<Splice> {
    let Some(of) = model.sandbox(sandbox).filter(|of| of.namespace != Namespace::Host) else {
        return Vec::new();
    };
    let address = |family| Some(model.gateway_endpoint(sandbox, family)?.address(family)?.addr());
    let (v4, v6) = (address(Family::V4), address(Family::V6));
    let leads = |host: &IpAddr| model.way_in(sandbox, Family::of(host)) == WayIn::HostPorts;
    let ports = of.ports.iter().filter(|binding| binding.is_of_host() && leads(&binding.host_address));
    ports.filter_map(|binding| splice(binding, v4, v6)).collect()
}

fn splice(binding: &PortBinding, v4: Option<IpAddr>, v6: Option<IpAddr>) -> Option<Splice> {
    let PortBinding { proto, host_address, host, container } = binding;
    let (same, other) = match Family::of(host_address) {
        Family::V4 => (v4, v6),
        Family::V6 => (v6, v4),
    };
    let loopback = match (host_address, same) {
        (IpAddr::V6(address), Some(_)) if address.is_unspecified() || address.is_loopback() => {
            Some(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST))
        }
        _ => None,
    };
    let (listen, to) = match (loopback, same) {
        (Some(loopback), Some(to)) => (loopback, to),
        (None, Some(_)) => return None,
        (_, None) => (*host_address, other?),
    };
    let ports = (*host.start(), *container.start(), count(host)?);
    Some(Splice { proto: *proto, listen, ports, to })
}

/// None if there are all 65,536, which nobody can publish: port 0 is not one.
fn count(ports: &RangeInclusive<u16>) -> Option<u16> {
    u16::try_from(ports.len()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(host: &str, v4: &str, v6: &str, expected: Option<(&str, &str)>) {
        let host_address = host.parse().expect("an address");
        let binding = PortBinding { proto: Proto::Tcp, host_address, host: 8080..=8089, container: 80..=89 };
        let got = splice(&binding, v4.parse().ok(), v6.parse().ok());
        let expected = expected.map(|(listen, to)| Splice {
            proto: Proto::Tcp,
            listen: listen.parse().expect("an address"),
            ports: (8080, 80, 10),
            to: to.parse().expect("an address"),
        });
        assert_eq!(got, expected);
    }

    #[test]
    fn splices_what_the_kernel_does_not_translate() {
        check("0.0.0.0", "10.0.0.2", "fd00::2", None);
        check("::", "10.0.0.2", "fd00::2", Some(("::1", "fd00::2")));
        check("::1", "10.0.0.2", "fd00::2", Some(("::1", "fd00::2")));
        check("2001:db8::1", "10.0.0.2", "fd00::2", None);
        check("::", "10.0.0.2", "", Some(("::", "10.0.0.2")));
        check("::1", "10.0.0.2", "", Some(("::1", "10.0.0.2")));
        check("0.0.0.0", "", "fd00::2", Some(("0.0.0.0", "fd00::2")));
        check("::", "", "", None);
    }

    #[test]
    fn ports_keep_their_order() {
        let splice =
            Splice { proto: Proto::Tcp, listen: [0; 4].into(), ports: (8080, 80, 10), to: [0; 4].into() };
        assert_eq!(
            [8079, 8080, 8089, 8090].map(|port| splice.target(port)),
            [None, Some(80), Some(89), None]
        );
    }
}
