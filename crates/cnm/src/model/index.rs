//! Who holds which name, address, MAC and port: derived from the entities,
//! each entity's part from that entity alone.

use std::{net::IpAddr, ops::RangeInclusive, sync::Arc};

use imbl::{OrdMap, OrdSet};
use ipnet::IpNet;

use super::{IntervalSet, PortIndex};
use crate::{
    Attachment, Endpoint, EndpointId, Family, LinkTarget, Mac, Network, NetworkId, Sandbox, SandboxId, ipam,
    names,
};

/// The indexes of a model. Keys with text hold it as `Arc<str>`: a node of a
/// persistent map is copied when it changes, and its keys with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) network_names: OrdMap<Arc<str>, NetworkId>,
    pub(crate) bridge_links: OrdMap<Arc<str>, NetworkId>,
    /// Links of the host that networks are on.
    pub(crate) lower_links: OrdSet<(Arc<str>, NetworkId)>,
    /// First address of a pool → last address, network.
    pub(crate) pools: OrdMap<(Family, u128), (u128, NetworkId)>,
    /// All pools of a family together.
    pub(crate) pooled: OrdMap<Family, IntervalSet>,
    /// Addresses of a network's pools that are in use or never given.
    pub(crate) addresses: OrdMap<(NetworkId, Family), IntervalSet>,
    pub(crate) holders: OrdMap<(NetworkId, IpAddr), EndpointId>,
    pub(crate) macs: OrdMap<(NetworkId, Mac), EndpointId>,
    pub(crate) endpoint_names: OrdMap<(NetworkId, Arc<str>), EndpointId>,
    pub(crate) endpoint_owners: OrdSet<(Arc<str>, EndpointId)>,
    /// Joined endpoints in joining order.
    pub(crate) of_sandbox: OrdMap<(SandboxId, u32), EndpointId>,
    /// Names in lower case that joined endpoints answer to.
    pub(crate) names: OrdMap<NetworkId, Named>,
    /// The same for names below a wildcard: `*.app` is here as `app`.
    pub(crate) wildcards: OrdMap<NetworkId, Named>,
    /// Owners that joined endpoints link to.
    pub(crate) linked: OrdSet<(Arc<str>, EndpointId)>,
    pub(crate) sandbox_owners: OrdSet<(Arc<str>, SandboxId)>,
    pub(crate) ports: PortIndex,
}

/// Who has which name of a network.
pub(crate) type Named = OrdMap<Arc<str>, OrdSet<EndpointId>>;

impl Index {
    pub(super) fn insert_network(&mut self, network: &Network) {
        self.network_names.insert(network.name.as_str().into(), network.id);
        if let Some(bridge) = network.bridge() {
            self.bridge_links.insert(bridge.link.as_str().into(), network.id);
        }
        if let Some(upper) = network.upper() {
            self.lower_links.insert((upper.parent.name().into(), network.id));
        }
        for subnet in network.ipam.all() {
            let (family, pool) = (family(&subnet.pool), ipam::range(&subnet.pool));
            self.pools.insert((family, *pool.start()), (*pool.end(), network.id));
            self.pooled.entry(family).or_default().insert(pool);
        }
        for (family, address) in reserved(network) {
            self.take(network.id, family, address);
        }
    }

    pub(super) fn remove_network(&mut self, network: &Network) {
        self.network_names.remove(network.name.as_str());
        if let Some(bridge) = network.bridge() {
            self.bridge_links.remove(bridge.link.as_str());
        }
        if let Some(upper) = network.upper() {
            self.lower_links.remove(&(upper.parent.name().into(), network.id));
        }
        for subnet in network.ipam.all() {
            let (family, pool) = (family(&subnet.pool), ipam::range(&subnet.pool));
            self.pools.remove(&(family, *pool.start()));
            self.shrink_pooled(family, &pool);
        }
        for (family, address) in reserved(network) {
            self.give_back(network.id, family, address);
        }
    }

    fn shrink_pooled(&mut self, family: Family, pool: &RangeInclusive<u128>) {
        let mut rest = self.pooled.remove(&family).unwrap_or_default();
        rest.remove(pool);
        if !rest.is_empty() {
            self.pooled.insert(family, rest);
        }
    }

    pub(super) fn insert_sandbox(&mut self, sandbox: &Sandbox) {
        self.sandbox_owners.insert((sandbox.owner.as_str().into(), sandbox.id));
        let ports = sandbox.ports.iter().filter(|binding| binding.is_of_host());
        ports.for_each(|binding| self.ports.insert(binding, sandbox.id));
    }

    pub(super) fn remove_sandbox(&mut self, sandbox: &Sandbox) {
        self.sandbox_owners.remove(&(sandbox.owner.as_str().into(), sandbox.id));
        let ports = sandbox.ports.iter().filter(|binding| binding.is_of_host());
        ports.for_each(|binding| self.ports.remove(binding));
    }

    pub(super) fn insert_endpoint(&mut self, endpoint: &Endpoint) {
        let (id, network) = (endpoint.id, endpoint.network);
        self.endpoint_names.insert((network, endpoint.name.as_str().into()), id);
        self.endpoint_owners.insert((endpoint.owner.as_str().into(), id));
        if let Some(mac) = endpoint.mac {
            self.macs.insert((network, mac), id);
        }
        for address in endpoint.addresses() {
            self.take(network, Family::of(&address), ipam::number(address));
            self.holders.insert((network, address), id);
        }
        if let Attachment::Joined { sandbox, order, .. } = endpoint.attachment {
            self.of_sandbox.insert((sandbox, order), id);
            self.linked.extend(linked(endpoint).map(|owner| (owner, id)));
            self.insert_names(endpoint);
        }
    }

    pub(super) fn remove_endpoint(&mut self, endpoint: &Endpoint) {
        let (id, network) = (endpoint.id, endpoint.network);
        self.endpoint_names.remove(&(network, endpoint.name.as_str().into()));
        self.endpoint_owners.remove(&(endpoint.owner.as_str().into(), id));
        if let Some(mac) = endpoint.mac {
            self.macs.remove(&(network, mac));
        }
        for address in endpoint.addresses() {
            self.give_back(network, Family::of(&address), ipam::number(address));
            self.holders.remove(&(network, address));
        }
        if let Attachment::Joined { sandbox, order, .. } = endpoint.attachment {
            self.of_sandbox.remove(&(sandbox, order));
            for owner in linked(endpoint) {
                self.linked.remove(&(owner, id));
            }
            self.remove_names(endpoint);
        }
    }

    fn insert_names(&mut self, endpoint: &Endpoint) {
        for (is_wildcard, name) in names(endpoint) {
            let of = if is_wildcard { &mut self.wildcards } else { &mut self.names };
            let named = of.entry(endpoint.network).or_default();
            named.entry(name).or_default().insert(endpoint.id);
        }
    }

    fn remove_names(&mut self, endpoint: &Endpoint) {
        for (is_wildcard, name) in names(endpoint) {
            let of = if is_wildcard { &mut self.wildcards } else { &mut self.names };
            let Some(named) = of.get_mut(&endpoint.network) else { continue };
            let mut rest = named.remove(&name).unwrap_or_default();
            rest.remove(&endpoint.id);
            if !rest.is_empty() {
                named.insert(name, rest);
            } else if named.is_empty() {
                of.remove(&endpoint.network);
            }
        }
    }

    fn take(&mut self, network: NetworkId, family: Family, address: u128) {
        self.addresses.entry((network, family)).or_default().insert(address..=address);
    }

    fn give_back(&mut self, network: NetworkId, family: Family, address: u128) {
        let mut rest = self.addresses.remove(&(network, family)).unwrap_or_default();
        rest.remove(&(address..=address));
        if !rest.is_empty() {
            self.addresses.insert((network, family), rest);
        }
    }
}

fn family(pool: &IpNet) -> Family {
    Family::of(&pool.network())
}

/// What a network keeps from its own pools: what is no host's, gateways, auxiliary addresses.
fn reserved(network: &Network) -> impl Iterator<Item = (Family, u128)> {
    network.ipam.all().flat_map(|subnet| {
        let family = family(&subnet.pool);
        let named = subnet.gateway.iter().chain(subnet.auxiliary.values()).copied().map(ipam::number);
        ipam::unusable(&subnet.pool).chain(named).map(move |address| (family, address))
    })
}

/// The names of an endpoint in lower case, and whether each is of those below it.
fn names(endpoint: &Endpoint) -> impl Iterator<Item = (bool, Arc<str>)> {
    endpoint.settings.dns_names.iter().map(|name| {
        let name = name.to_ascii_lowercase();
        match names::below_wildcard(&name) {
            Some(rest) => (true, rest.into()),
            None => (false, name.into()),
        }
    })
}

/// The owners that an endpoint links to.
fn linked(endpoint: &Endpoint) -> impl Iterator<Item = Arc<str>> {
    endpoint.settings.links.iter().filter_map(|link| match &link.target {
        LinkTarget::Owner(owner) => Some(owner.as_str().into()),
        LinkTarget::Name(_) => None,
    })
}
