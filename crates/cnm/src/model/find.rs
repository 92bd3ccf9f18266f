//! Looking things up in a model.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use thiserror::Error;

use super::{IntervalSet, PortIndex, index::Named};
use crate::{
    Endpoint, EndpointId, Family, Model, Network, NetworkId, Sandbox, SandboxId, Subnet,
    driver::{
        bridge::GatewayMode,
        upper::{self, WayOut},
    },
    ipam,
};

/// Why a term names no network. The texts are Docker's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FindNetworkError {
    #[error("network {term} not found")]
    NotFound { term: String },
    #[error("network {term} is ambiguous ({matches} matches found based on ID prefix)")]
    Ambiguous { term: String, matches: usize },
}

impl Model {
    /// The network with this id.
    pub fn network(&self, id: &NetworkId) -> Option<&Arc<Network>> {
        self.networks.get(id)
    }

    /// The endpoint with this id.
    pub fn endpoint(&self, id: &EndpointId) -> Option<&Arc<Endpoint>> {
        self.endpoints.get(id)
    }

    /// The endpoint whose id begins with these bytes, if there is exactly one.
    pub fn endpoint_by_prefix(&self, prefix: &[u8]) -> Option<&Arc<Endpoint>> {
        let mut first = [0; 32];
        first.get_mut(..prefix.len())?.copy_from_slice(prefix);
        let from_here = self.endpoints.range(EndpointId::new(first)..);
        let mut found = from_here.take_while(|(id, _)| id.bytes().starts_with(prefix));
        let (_, endpoint) = found.next()?;
        found.next().is_none().then_some(endpoint)
    }

    /// The sandbox with this id.
    pub fn sandbox(&self, id: &SandboxId) -> Option<&Arc<Sandbox>> {
        self.sandboxes.get(id)
    }

    /// All networks, by id.
    pub fn networks(&self) -> impl Iterator<Item = &Arc<Network>> {
        self.networks.values()
    }

    /// All endpoints, by id.
    pub fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.endpoints.values()
    }

    /// All sandboxes, by id.
    pub fn sandboxes(&self) -> impl Iterator<Item = &Arc<Sandbox>> {
        self.sandboxes.values()
    }

    /// The network with this very name.
    pub fn network_by_name(&self, name: &str) -> Option<&Arc<Network>> {
        self.network(self.index.network_names.get(name)?)
    }

    /// The network whose bridge is this link of the host.
    pub fn network_by_link(&self, link: &str) -> Option<&Arc<Network>> {
        self.network(self.index.bridge_links.get(link)?)
    }

    /// The network a user means: by full id, else by name, else by the only id that begins so.
    pub fn find_network(&self, term: &str) -> Result<&Arc<Network>, FindNetworkError> {
        let by_id = || self.network(&term.parse().ok()?);
        if let Some(network) = by_id().or_else(|| self.network_by_name(term)) {
            return Ok(network);
        }
        let mut begins_so = self.networks_from_prefix(term);
        let not_found = || FindNetworkError::NotFound { term: term.to_owned() };
        let network = begins_so.next().ok_or_else(not_found)?;
        match begins_so.count() {
            0 => Ok(network),
            others => Err(FindNetworkError::Ambiguous { term: term.to_owned(), matches: others + 1 }),
        }
    }

    /// Networks whose id begins with `prefix`; none for an empty one.
    fn networks_from_prefix(&self, prefix: &str) -> impl Iterator<Item = &Arc<Network>> + use<'_> {
        let prefix = prefix.to_owned();
        let padded = if prefix.is_empty() { String::new() } else { format!("{prefix:0<64}") };
        let from = padded.parse::<NetworkId>().ok();
        let rest = from.into_iter().flat_map(|from| self.networks.range(from..));
        rest.take_while(move |(id, _)| id.to_string().starts_with(&prefix)).map(|(_, network)| network)
    }

    /// The endpoints of a network, by name.
    pub fn endpoints_of_network(
        &self,
        network: &NetworkId,
    ) -> impl Iterator<Item = &Arc<Endpoint>> + use<'_> {
        let network = *network;
        let entries = self.index.endpoint_names.range((network, "".into())..);
        entries.take_while(move |((of, _), _)| *of == network).map(|(_, id)| self.indexed(id))
    }

    /// The endpoint with this very name on a network.
    pub fn endpoint_by_name(&self, network: &NetworkId, name: &str) -> Option<&Arc<Endpoint>> {
        self.endpoint(self.index.endpoint_names.get(&(*network, name.into()))?)
    }

    /// The endpoint that holds an address on a network.
    pub fn endpoint_by_address(&self, network: &NetworkId, address: IpAddr) -> Option<&Arc<Endpoint>> {
        self.endpoint(self.index.holders.get(&(*network, address))?)
    }

    /// The endpoints for one owner, joined or not, by id.
    pub fn endpoints_of_owner(&self, owner: &str) -> impl Iterator<Item = &Arc<Endpoint>> + use<'_> {
        let owner: Arc<str> = owner.into();
        let entries = self.index.endpoint_owners.range((Arc::clone(&owner), EndpointId::new([0; 32]))..);
        entries.take_while(move |(of, _)| *of == owner).map(|(_, id)| self.indexed(id))
    }

    /// The sandboxes for one owner, by id.
    pub fn sandboxes_of_owner(&self, owner: &str) -> impl Iterator<Item = &Arc<Sandbox>> + use<'_> {
        let owner: Arc<str> = owner.into();
        let entries = self.index.sandbox_owners.range((Arc::clone(&owner), SandboxId::new([0; 32]))..);
        entries.take_while(move |(of, _)| *of == owner).filter_map(|(_, id)| self.sandbox(id))
    }

    /// The endpoints in a sandbox, in the order of joining.
    pub fn endpoints_of_sandbox(
        &self,
        sandbox: &SandboxId,
    ) -> impl DoubleEndedIterator<Item = &Arc<Endpoint>> {
        let entries = self.index.of_sandbox.range((*sandbox, 0)..=(*sandbox, u32::MAX));
        entries.map(|(_, id)| self.indexed(id))
    }

    /// Who answers to which name in lower case on a network.
    pub(crate) fn dns_names_of(&self, network: &NetworkId) -> Option<&Named> {
        self.index.names.get(network)
    }

    /// Who answers to all names below which on a network.
    pub(crate) fn wildcards_of(&self, network: &NetworkId) -> Option<&Named> {
        self.index.wildcards.get(network)
    }

    /// The joined endpoints whose /etc/hosts names an owner, by id.
    pub fn endpoints_linked_to(&self, owner: &str) -> impl Iterator<Item = &Arc<Endpoint>> + use<'_> {
        let owner: Arc<str> = owner.into();
        let entries = self.index.linked.range((Arc::clone(&owner), EndpointId::new([0; 32]))..);
        entries.take_while(move |(of, _)| *of == owner).map(|(_, id)| self.indexed(id))
    }

    /// The endpoints in a sandbox, in the order in which they provide default
    /// gateways and answer names: higher priority, not internal, gateways of more
    /// families, name of the network, order of joining.
    pub fn endpoints_by_rank(&self, sandbox: &SandboxId) -> Vec<&Arc<Endpoint>> {
        let mut endpoints: Vec<_> = self.endpoints_of_sandbox(sandbox).collect();
        endpoints.sort_by_cached_key(|endpoint| {
            let network = self.network_of(endpoint);
            let gateways = Family::BOTH.iter().filter(|family| self.way_out(endpoint, **family).is_some());
            let priority = -i64::from(endpoint.settings.gateway_priority);
            (priority, network.internal, 2 - gateways.count(), network.name.clone())
        });
        endpoints
    }

    /// The endpoint that provides a sandbox's default gateway of one family.
    pub fn gateway_endpoint(&self, sandbox: &SandboxId, family: Family) -> Option<&Arc<Endpoint>> {
        let ranked = self.endpoints_by_rank(sandbox);
        ranked.into_iter().find(|endpoint| self.way_out(endpoint, family).is_some())
    }

    /// How published ports of a sandbox are reached by one family.
    ///
    /// Where there is no gateway of the family, the host's ports lead to the other one's
    /// (see [`crate::splice`]).
    pub fn way_in(&self, sandbox: &SandboxId, family: Family) -> WayIn {
        let gateway = |family| Some(self.network_of(self.gateway_endpoint(sandbox, family)?));
        let mode = |family| Some(gateway(family)?.bridge()?.gateway_mode(family));
        let other = if family == Family::V4 { Family::V6 } else { Family::V4 };
        // What is on a wire of its own has all its ports there.
        let is_on_wire = |family| gateway(family).is_some_and(|network| network.upper().is_some());
        match (mode(family), mode(other)) {
            _ if is_on_wire(family) || is_on_wire(other) => WayIn::Nowhere,
            (Some(GatewayMode::Routed), _) => WayIn::OwnAddress,
            (None, Some(GatewayMode::Routed)) => WayIn::Nowhere,
            (Some(_), _) | (None, _) => WayIn::HostPorts,
        }
    }

    /// The default gateway that an endpoint offers to its sandbox; none on an internal network.
    pub fn gateway(&self, endpoint: &Endpoint, family: Family) -> Option<IpAddr> {
        match self.way_out(endpoint, family)? {
            WayOut::Gateway(gateway) => Some(gateway),
            WayOut::Link => None,
        }
    }

    /// Where the default route that an endpoint offers to its sandbox leads.
    pub(crate) fn way_out(&self, endpoint: &Endpoint, family: Family) -> Option<WayOut> {
        let network = self.network_of(endpoint);
        let address = endpoint.address(family)?.addr();
        if network.internal {
            return None;
        }
        let subnet = network.ipam.subnets(family).iter().find(|subnet| subnet.pool.contains(&address))?;
        match network.upper() {
            Some(config) => Some(config.way_out(subnet)),
            None => subnet.default_route().map(WayOut::Gateway),
        }
    }

    /// The networks on this link of the host, by id.
    pub(crate) fn networks_on(&self, link: &str) -> impl Iterator<Item = &Arc<Network>> + use<'_> {
        let link: Arc<str> = link.into();
        let entries = self.index.lower_links.range((Arc::clone(&link), NetworkId::new([0; 32]))..);
        entries.take_while(move |(on, _)| *on == link).filter_map(|(_, id)| self.network(id))
    }

    /// Whether a link of this name is made for networks to be on.
    pub fn is_lower(&self, link: &str) -> bool {
        let made = |network: &Network| network.upper().is_some_and(|config| config.parent.is_made());
        self.networks_on(link).any(|network| made(network))
    }

    /// The configurations of all networks on links of the host.
    pub(crate) fn uppers(&self) -> impl Iterator<Item = &upper::Config> {
        self.index.lower_links.iter().filter_map(|(_, id)| self.network(id)?.upper())
    }

    /// The network of an endpoint of this model.
    ///
    /// # Panics
    /// If the endpoint is not of this model.
    pub fn network_of(&self, endpoint: &Endpoint) -> &Arc<Network> {
        self.network(&endpoint.network).expect("an endpoint's network exists")
    }

    /// The networks that the host is on, by links that are not ours.
    pub fn networks_of_host(&self) -> &BTreeSet<ipnet::IpNet> {
        &self.of_host
    }

    /// Published ports of the host.
    pub const fn ports(&self) -> &PortIndex {
        &self.index.ports
    }

    /// The first network whose pool overlaps `pool`.
    pub fn network_by_pool(&self, pool: &ipnet::IpNet) -> Option<&Arc<Network>> {
        let (family, range) = (Family::of(&pool.network()), ipam::range(pool));
        let (key, (last, network)) = self.index.pools.get_prev(&(family, *range.end()))?;
        (key.0 == family && last >= range.start()).then(|| self.network(network))?
    }

    /// The addresses of all pools of a family.
    pub(crate) fn pooled(&self, family: Family) -> IntervalSet {
        self.index.pooled.get(&family).cloned().unwrap_or_default()
    }

    /// The addresses of a network that are in use or never given to an endpoint.
    pub fn addresses_taken(&self, network: &NetworkId, family: Family) -> IntervalSet {
        self.index.addresses.get(&(*network, family)).cloned().unwrap_or_default()
    }

    /// The endpoint that holds a MAC address on a network.
    pub fn endpoint_by_mac(&self, network: &NetworkId, mac: crate::Mac) -> Option<&Arc<Endpoint>> {
        self.endpoint(self.index.macs.get(&(*network, mac))?)
    }

    fn indexed(&self, id: &EndpointId) -> &Arc<Endpoint> {
        self.endpoint(id).expect("an indexed endpoint exists")
    }
}

/// How published ports are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayIn {
    /// At ports of the host.
    HostPorts,
    /// At the endpoint's own address.
    OwnAddress,
    /// There is no address of the family, and the other family is not translated.
    Nowhere,
}

impl Subnet {
    /// Where the default route of an endpoint leads: the gateway, unless the user named another.
    pub fn default_route(&self) -> Option<IpAddr> {
        let named = match self.pool {
            ipnet::IpNet::V4(_) => "DefaultGatewayIPv4",
            ipnet::IpNet::V6(_) => "DefaultGatewayIPv6",
        };
        self.auxiliary.get(named).copied().or(self.gateway)
    }
}
