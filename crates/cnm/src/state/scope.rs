//! From a model, or a part of it, to what the kernel must hold.

use std::{collections::BTreeSet, net::IpAddr, sync::LazyLock};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{HELD_PORTS, Key, Netns, Ns, Object, Route, State};
use crate::{
    Delta, Endpoint, Family, Model, Namespace, Network, NetworkId, PortBinding, Sandbox, SandboxId,
    access::Lists,
    driver::{
        bridge::{GatewayMode, rules},
        upper::{self, WayOut},
    },
    model::WayIn,
    nft::{self, Digest, Set, Value},
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
    let mut state: State = table(model);
    state.extend(upper::objects::vlans(model));
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

/// The table is there as long as a network needs it, and what is true of the host with it.
fn table(model: &Model) -> State {
    static DIGEST: LazyLock<Digest> = LazyLock::new(|| nft::skeleton().digest());
    if !model.networks().any(|network| network.bridge().is_some()) {
        return State::new();
    }
    let local = |family| model.local_networks(family).into_iter().map(move |net| (Set::Local(family), net));
    let local = Family::BOTH.into_iter().flat_map(local);
    let element = |(set, net)| (Key::Guard(set, vec![Value::Net(net)]), Object::Element(Vec::new()));
    std::iter::once((Key::Table, Object::Table(*DIGEST))).chain(local.map(element)).collect()
}

/// A network stack with all its endpoints, default routes and ports.
fn sandbox_objects(model: &Model, sandbox: &Sandbox, netns: Netns, state: &mut State) {
    state.insert(Key::Netns(sandbox.id), Object::Netns(netns));
    let endpoints: Vec<_> = model.endpoints_of_sandbox(&sandbox.id).collect();
    let networks = endpoints.iter().map(|endpoint| &**model.network_of(endpoint));
    let members: Vec<(&Endpoint, &Network)> = endpoints.iter().map(|it| &***it).zip(networks).collect();
    let is_published = sandbox.ports.iter().any(PortBinding::is_of_host);
    let objects =
        |(endpoint, network): &(&Endpoint, &Network)| network.driver.endpoint_objects(endpoint, is_published);
    state.extend(members.iter().flat_map(objects));
    for family in Family::BOTH {
        let of_family = |binding: &&PortBinding| Family::of(&binding.host_address) == family;
        let bindings: Vec<_> = sandbox.ports.iter().filter(of_family).collect();
        let gateway = model.gateway_endpoint(&sandbox.id, family);
        state.extend(gateway.and_then(|endpoint| default_route(model, sandbox, endpoint, family)));
        if model.way_in(&sandbox.id, family) == WayIn::HostPorts && leads_out(model, sandbox) {
            state.extend(
                bindings.iter().filter(|binding| binding.is_of_host()).flat_map(|it| reservations(it)),
            );
            let to = gateway.and_then(|endpoint| endpoint.address(family));
            state.extend(to.into_iter().flat_map(|to| published(&bindings, &members, to.addr())));
        }
        for (endpoint, network) in &members {
            state.extend(limited(sandbox, &bindings, (endpoint, network), family));
            let is_gateway = gateway.is_some_and(|gateway| gateway.id == endpoint.id);
            let address = endpoint.address(family).filter(|_| is_reached(network, family, is_gateway));
            let reached =
                |address: IpNet| bindings.iter().flat_map(move |it| rules::reached(it, address.addr()));
            state.extend(address.into_iter().flat_map(reached));
        }
    }
}

/// Who reaches the published ports at an endpoint's address, where that is not everybody.
fn limited(
    sandbox: &Sandbox,
    bindings: &[&PortBinding],
    (endpoint, network): (&Endpoint, &Network),
    family: Family,
) -> Vec<(Key, Object)> {
    let lists = Lists::of(sandbox, endpoint, network);
    let Some(address) = endpoint.address(family).filter(|_| !network.internal && !lists.is_empty()) else {
        return Vec::new();
    };
    bindings.iter().flat_map(|binding| rules::limited(binding, address.addr(), &lists)).collect()
}

/// Whether any network leads out of a sandbox.
fn leads_out(model: &Model, sandbox: &Sandbox) -> bool {
    Family::BOTH.iter().any(|family| model.gateway_endpoint(&sandbox.id, *family).is_some())
}

/// Whether published ports are open at the address of an endpoint of this network.
fn is_reached(network: &Network, family: Family, is_gateway: bool) -> bool {
    let Some(config) = network.bridge().filter(|_| !network.internal) else { return false };
    match config.gateway_mode(family) {
        GatewayMode::Routed => true,
        GatewayMode::Nat => is_gateway && !config.trusted.is_empty(),
        GatewayMode::Unprotected | GatewayMode::Isolated => false,
    }
}

/// What leads from ports of the host to the address `to` of a sandbox.
fn published(bindings: &[&PortBinding], members: &[(&Endpoint, &Network)], to: IpAddr) -> Vec<(Key, Object)> {
    if !bindings.iter().any(|binding| binding.is_of_host()) {
        return Vec::new();
    }
    let links = members.iter().filter_map(|(_, network)| network.bridge());
    let hidden = links.map(|config| rules::hairpin(&config.link, to)).chain([rules::itself(to)]);
    hidden.chain(bindings.iter().flat_map(|binding| rules::published(binding, to))).collect()
}

/// Ports that are held are so one by one: a range that loses one of them keeps the others.
fn reservations(binding: &PortBinding) -> impl Iterator<Item = (Key, Object)> {
    let PortBinding { proto, host_address: address, host, .. } = binding.clone();
    let whole = (host.len() > HELD_PORTS).then(|| (*host.start(), *host.end()));
    let single = host.filter(move |_| whole.is_none()).map(|port| (port, port));
    let key = move |(first, last)| (Key::Port { proto, address, first, last }, Object::Port);
    whole.into_iter().chain(single).map(key)
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
    let via = match model.way_out(endpoint, family)? {
        WayOut::Gateway(gateway) => Some(gateway),
        WayOut::Link => None,
    };
    let route = Route { via, link };
    Some((Key::Route(Ns::Sandbox(sandbox.id), everywhere), Object::Route(route)))
}
