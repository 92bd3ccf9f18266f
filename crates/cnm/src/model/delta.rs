//! Changes of a model: what one request does, as data that can be stored,
//! published, merged and taken back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use imbl::OrdMap;
use ipnet::IpNet;

use crate::{Endpoint, EndpointId, Model, Network, NetworkId, Sandbox, SandboxId};

/// A change of a model: what each touched entity becomes, `None` if it goes.
///
/// It is what one request stores, publishes and can take back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    pub networks: BTreeMap<NetworkId, Option<Arc<Network>>>,
    pub endpoints: BTreeMap<EndpointId, Option<Arc<Endpoint>>>,
    pub sandboxes: BTreeMap<SandboxId, Option<Arc<Sandbox>>>,
    /// The networks that the host is on from now on.
    pub of_host: Option<Arc<BTreeSet<IpNet>>>,
}

/// One entity that a [`Delta`] touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touched {
    Network(NetworkId),
    Sandbox(SandboxId),
    Endpoint(EndpointId),
    /// What is true of the host.
    Host,
}

impl Delta {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        let entities = self.networks.is_empty() && self.endpoints.is_empty() && self.sandboxes.is_empty();
        entities && self.of_host.is_none()
    }

    /// What it touches: networks, then sandboxes, then endpoints, then the host.
    pub fn touched(&self) -> impl Iterator<Item = Touched> {
        let networks = self.networks.keys().copied().map(Touched::Network);
        let sandboxes = self.sandboxes.keys().copied().map(Touched::Sandbox);
        let endpoints = self.endpoints.keys().copied().map(Touched::Endpoint);
        networks.chain(sandboxes).chain(endpoints).chain(self.of_host.as_ref().map(|_| Touched::Host))
    }

    /// The change that leads back to `before`, the model this one is applied to.
    #[must_use]
    pub fn inverse(&self, before: &Model) -> Self {
        Self {
            networks: restore(&self.networks, &before.networks),
            endpoints: restore(&self.endpoints, &before.endpoints),
            sandboxes: restore(&self.sandboxes, &before.sandboxes),
            of_host: self.of_host.as_ref().map(|_| Arc::clone(&before.of_host)),
        }
    }

    /// This change and then `next`, as one change.
    #[must_use]
    pub fn then(mut self, next: Self) -> Self {
        let Self { networks, endpoints, sandboxes, of_host } = next;
        self.of_host = of_host.or(self.of_host);
        self.networks.extend(networks);
        self.endpoints.extend(endpoints);
        self.sandboxes.extend(sandboxes);
        self
    }

    /// The same change of `before` without what is so already: two equal results have equal deltas.
    #[must_use]
    pub fn since(mut self, before: &Model) -> Self {
        self.networks.retain(|id, next| before.networks.get(id) != next.as_ref());
        self.endpoints.retain(|id, next| before.endpoints.get(id) != next.as_ref());
        self.sandboxes.retain(|id, next| before.sandboxes.get(id) != next.as_ref());
        self.of_host = self.of_host.filter(|of_host| *of_host != before.of_host);
        self
    }

    /// Makes `network` what it is now.
    pub(crate) fn put_network(&mut self, network: Network) {
        self.networks.insert(network.id, Some(Arc::new(network)));
    }

    /// Makes `endpoint` what it is now.
    pub(crate) fn put_endpoint(&mut self, endpoint: Endpoint) {
        self.endpoints.insert(endpoint.id, Some(Arc::new(endpoint)));
    }

    /// Makes `sandbox` what it is now.
    pub(crate) fn put_sandbox(&mut self, sandbox: Sandbox) {
        self.sandboxes.insert(sandbox.id, Some(Arc::new(sandbox)));
    }
}

fn restore<I: Copy + Ord, T>(
    changed: &BTreeMap<I, Option<Arc<T>>>,
    before: &OrdMap<I, Arc<T>>,
) -> BTreeMap<I, Option<Arc<T>>> {
    changed.keys().map(|id| (*id, before.get(id).cloned())).collect()
}

impl Model {
    /// The model after a change. The only place that changes entities and indexes.
    ///
    /// # Panics
    /// If the change is not one of this model: two networks of one name and the
    /// like are the controller's to refuse.
    #[must_use]
    pub fn apply(&self, delta: &Delta) -> Self {
        let mut next = self.clone();
        let gone = (
            change(&mut next.networks, &delta.networks),
            change(&mut next.sandboxes, &delta.sandboxes),
            change(&mut next.endpoints, &delta.endpoints),
        );
        if let Some(of_host) = &delta.of_host {
            next.of_host = Arc::clone(of_host);
        }
        gone.2.iter().for_each(|endpoint| next.index.remove_endpoint(endpoint));
        gone.1.iter().for_each(|sandbox| next.index.remove_sandbox(sandbox));
        gone.0.iter().for_each(|network| next.index.remove_network(network));
        delta.networks.values().flatten().for_each(|network| next.index.insert_network(network));
        delta.sandboxes.values().flatten().for_each(|sandbox| next.index.insert_sandbox(sandbox));
        delta.endpoints.values().flatten().for_each(|endpoint| next.index.insert_endpoint(endpoint));
        next
    }

    /// The same on a host that is on these networks.
    #[must_use]
    pub fn on_host(self, of_host: BTreeSet<IpNet>) -> Self {
        Self { of_host: Arc::new(of_host), ..self }
    }

    /// Whether the indexes are what they would be if built anew: the law of [`Self::apply`].
    pub fn is_consistent(&self) -> bool {
        let mut fresh = super::index::Index::default();
        self.networks.values().for_each(|network| fresh.insert_network(network));
        self.sandboxes.values().for_each(|sandbox| fresh.insert_sandbox(sandbox));
        self.endpoints.values().for_each(|endpoint| fresh.insert_endpoint(endpoint));
        fresh == self.index
    }

    /// Something that two entities hold and only one can; none in a model that requests made.
    pub(crate) fn held_twice(&self) -> Option<&'static str> {
        let index = &self.index;
        let joined = self.endpoints.values().filter(|endpoint| endpoint.sandbox().is_some()).count();
        let addresses = self.endpoints.values().flat_map(|endpoint| endpoint.addresses()).count();
        let macs = self.endpoints.values().filter(|endpoint| endpoint.mac.is_some()).count();
        let links = self.networks.values().filter(|network| network.bridge().is_some()).count();
        let pools = self.networks.values().flat_map(|network| network.ipam.all()).count();
        let of_host = |sandbox: &Sandbox| sandbox.ports.iter().filter(|binding| binding.is_of_host()).count();
        let ports = self.sandboxes.values().map(|sandbox| of_host(sandbox)).sum();
        let held = [
            ("a port of the host", index.ports.iter().count(), ports),
            ("a network's name", index.network_names.len(), self.networks.len()),
            ("a bridge", index.bridge_links.len(), links),
            ("a pool", index.pools.len(), pools),
            ("an endpoint's name", index.endpoint_names.len(), self.endpoints.len()),
            ("a place in a sandbox", index.of_sandbox.len(), joined),
            ("an address", index.holders.len(), addresses),
            ("a MAC address", index.macs.len(), macs),
        ];
        held.iter().find(|(_, found, expected)| found != expected).map(|(what, ..)| *what)
    }

    /// Whether it holds nothing: neither entities nor anything in an index.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
            && self.endpoints.is_empty()
            && self.sandboxes.is_empty()
            && self.index == super::index::Index::default()
    }
}

/// Makes the entities what the change says; returns what they were.
fn change<I: Copy + Ord, T>(
    entities: &mut OrdMap<I, Arc<T>>,
    changed: &BTreeMap<I, Option<Arc<T>>>,
) -> Vec<Arc<T>> {
    let one = |(id, next): (&I, &Option<Arc<T>>)| match next {
        Some(next) => entities.insert(*id, Arc::clone(next)),
        None => entities.remove(id),
    };
    changed.iter().filter_map(one).collect()
}
