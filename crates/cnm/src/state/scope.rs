//! From a model, or a part of it, to what the kernel must hold.

use std::{collections::BTreeSet, sync::LazyLock};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{Key, Netns, Ns, Object, Route, State};
use crate::{
    Delta, Endpoint, Family, Model, Namespace, Network, NetworkId, PortBinding, Sandbox, SandboxId,
    driver::bridge::rules,
    nft::{self, Digest},
};

/// A part of a model: networks without their endpoints, and sandboxes with theirs.
///
/// What is of a network or of a sandbox is of no other, except settings of the
/// host, which are kept, and the table, which is in every scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    pub networks: BTreeSet<NetworkId>,
    pub sandboxes: BTreeSet<SandboxId>,
}

impl Scope {
    /// The whole of a model.
    pub fn all(model: &Model) -> Self {
        Self {
            networks: model.networks().map(|network| network.id).collect(),
            sandboxes: model.sandboxes().map(|sandbox| sandbox.id).collect(),
        }
    }

    /// All whose objects a change can change.
    pub fn of(delta: &Delta, before: &Model, after: &Model) -> Self {
        let mut scope = Self {
            networks: delta.networks.keys().copied().collect(),
            sandboxes: delta.sandboxes.keys().copied().collect(),
        };
        for model in [before, after] {
            let endpoints = delta.endpoints.keys().filter_map(|id| model.endpoint(id));
            scope.sandboxes.extend(endpoints.filter_map(|endpoint| endpoint.sandbox()));
            let members = delta.networks.keys().flat_map(|id| model.endpoints_of_network(id));
            scope.sandboxes.extend(members.filter_map(|endpoint| endpoint.sandbox()));
        }
        scope
    }
}

/// What the kernel must hold for a model.
pub fn kernel_state(model: &Model) -> State {
    kernel_state_of(model, &Scope::all(model))
}

/// What the kernel must hold for a part of a model. It costs what that part is large.
pub fn kernel_state_of(model: &Model, scope: &Scope) -> State {
    let networks = scope.networks.iter().filter_map(|id| model.network(id));
    let sandboxes = scope.sandboxes.iter().filter_map(|id| model.sandbox(id));
    let mut state: State = table(model).into_iter().collect();
    state.extend(networks.flat_map(|network| network.driver.network_objects(network)));
    for sandbox in sandboxes {
        match &sandbox.namespace {
            Namespace::Own => sandbox_objects(model, sandbox, Netns::Own, &mut state),
            Namespace::Path(path) => sandbox_objects(model, sandbox, Netns::Path(path.clone()), &mut state),
            Namespace::Host => {}
        }
    }
    state
}

/// The table is there as long as a network needs it.
fn table(model: &Model) -> Option<(Key, Object)> {
    static DIGEST: LazyLock<Digest> = LazyLock::new(|| nft::skeleton().digest());
    let needed = model.networks().any(|network| network.bridge().is_some());
    needed.then(|| (Key::Table, Object::Table(*DIGEST)))
}

/// A network stack with all its endpoints, default routes and ports.
fn sandbox_objects(model: &Model, sandbox: &Sandbox, netns: Netns, state: &mut State) {
    state.insert(Key::Netns(sandbox.id), Object::Netns(netns));
    let endpoints: Vec<_> = model.endpoints_of_sandbox(&sandbox.id).collect();
    let networks = endpoints.iter().map(|endpoint| &**model.network_of(endpoint));
    let members: Vec<(&Endpoint, &Network)> = endpoints.iter().map(|it| &***it).zip(networks).collect();
    let published = !sandbox.ports.is_empty();
    let objects =
        |(endpoint, network): &(&Endpoint, &Network)| network.driver.endpoint_objects(endpoint, published);
    state.extend(members.iter().flat_map(objects));
    let is_open = Family::BOTH.iter().any(|family| model.gateway_endpoint(&sandbox.id, *family).is_some());
    state.extend(sandbox.ports.iter().filter(|_| is_open).map(reservation));
    for family in Family::BOTH {
        let Some(endpoint) = model.gateway_endpoint(&sandbox.id, family) else { continue };
        state.extend(default_route(model, sandbox, endpoint, family));
        let Some(to) = endpoint.address(family).map(|net| net.addr()) else { continue };
        let bindings: Vec<_> =
            sandbox.ports.iter().filter(|binding| Family::of(&binding.host_address) == family).collect();
        if bindings.is_empty() {
            continue;
        }
        let links = members.iter().filter_map(|(_, network)| network.bridge());
        state.extend(links.map(|config| rules::hairpin(&config.link, to)));
        state.extend([rules::itself(to)]);
        state.extend(bindings.into_iter().flat_map(|binding| rules::published(binding, to)));
    }
}

fn reservation(binding: &PortBinding) -> (Key, Object) {
    let PortBinding { proto, host_address, host, .. } = binding;
    let (first, last) = (*host.start(), *host.end());
    (Key::Port { proto: *proto, address: *host_address, first, last }, Object::Port)
}

fn default_route(
    model: &Model,
    sandbox: &Sandbox,
    endpoint: &Endpoint,
    family: Family,
) -> Option<(Key, Object)> {
    let everywhere: IpNet = match family {
        Family::V4 => Ipv4Net::default().into(),
        Family::V6 => Ipv6Net::default().into(),
    };
    let link = endpoint.interface()?.to_owned();
    let route = Route { via: Some(model.gateway(endpoint, family)?), link };
    Some((Key::Route(Ns::Sandbox(sandbox.id), everywhere), Object::Route(route)))
}
