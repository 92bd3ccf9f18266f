//! Which requests to the network service make a container's networks true.
//!
//! Pure: a record and a model go in, requests come out. They are sent as one
//! change, so that a container is on all of its networks or on none.

use std::collections::BTreeSet;

use crate::{
    EndpointSpec, NetworkMode,
    cnm::{
        Attachment, DnsSettings, EndpointId, EndpointSettings, HostPorts, Link, LinkTarget, Model, Namespace,
        Network, PortMapping, Ports, SandboxId,
        access::{self, Allow},
        controller::Request,
        spec::{self, EndpointForm, SandboxSpec, SandboxUpdate},
    },
    error::{FindNetworkError, NetworkError},
    record::{ConnectionRecord, Record},
};

/// What a container without any DNS settings of its own gets.
#[derive(Clone, Debug, Default)]
pub(crate) struct DnsDefaults {
    pub(crate) servers: Vec<std::net::IpAddr>,
    pub(crate) search: Vec<String>,
    pub(crate) options: Vec<String>,
    /// A resolver that follows the host's servers, on the default network too.
    pub(crate) follow_host: bool,
    /// Names of networks that the container is not on.
    pub(crate) across_networks: bool,
    /// What containers on the host's stack call themselves.
    pub(crate) host_name: Option<String>,
}

/// The network a user means.
pub(crate) fn find<'a>(model: &'a Model, term: &str) -> Result<&'a Network, FindNetworkError> {
    let term = if matches!(term, "default" | "p0") { "bridge" } else { term };
    let found = model.find_network(term).map_err(|error| match error {
        crate::cnm::FindNetworkError::NotFound { term } => FindNetworkError::NotFound { term },
        crate::cnm::FindNetworkError::Ambiguous { term, matches } => {
            FindNetworkError::Ambiguous { term, matches }
        }
    });
    found.map(|network| &**network)
}

/// The connections a new container has, by the network's name where there is one already.
pub(crate) fn connections(
    settings: &crate::NetworkSettings,
    model: &Model,
) -> std::collections::BTreeMap<String, ConnectionRecord> {
    let private = settings.mode.is_private();
    let mode = settings.mode.network().filter(|_| !settings.disabled);
    let mode = mode.map(|name| (name.to_owned(), EndpointSpec::default()));
    let asked = settings.endpoints.iter().map(|(term, spec)| (term.clone(), spec.clone()));
    let asked = asked.filter(|(term, _)| private || settings.mode.network() == Some(term));
    let connection = |(term, spec): (String, EndpointSpec)| {
        let network = find(model, &term).ok();
        let name = network.map_or(term, |network| network.name.clone());
        let network = network.map(|network| network.id);
        (name, ConnectionRecord { spec, network, ..ConnectionRecord::default() })
    };
    mode.into_iter().chain(asked).map(connection).collect()
}

/// The settings of one connection, checked against its network.
pub(crate) fn settings(
    record: &Record,
    asked: &EndpointSpec,
    network: &Network,
) -> Result<EndpointSettings, NetworkError> {
    let form = EndpointForm {
        v4: asked.v4.clone(),
        v6: asked.v6.clone(),
        no_v6: has_no_v6(record),
        link_local: asked.link_local.clone(),
        mac: asked.mac.clone(),
        aliases: asked.aliases.clone(),
        dns_names: dns_names(record, asked),
        links: links(record, asked, network),
        driver_options: asked.driver_options.clone(),
        gateway_priority: asked.gateway_priority,
    };
    EndpointSettings::parse(form, network)
        .map_err(|error| NetworkError::Settings { message: error.to_string() })
}

/// Whether a container's stack speaks no IPv6: the kernel takes every address of it then.
fn has_no_v6(record: &Record) -> bool {
    let setting = record.spec.sysctls.get("net.ipv6.conf.all.disable_ipv6");
    record.spec.network.mode.is_private() && setting.is_some_and(|value| value.trim() == "1")
}

/// Whom a container knows by names of its own: the links of a connection, and on the
/// mode's network those of the container.
pub(crate) fn links(record: &Record, asked: &EndpointSpec, network: &Network) -> Vec<Link> {
    let of_mode = record.spec.network.mode.network() == Some(network.name.as_str());
    let own = record.spec.network.links.iter().filter(|_| of_mode);
    let parsed = asked.links.iter().chain(own).filter_map(|text| spec::link(text).ok());
    let target = |name: &str| match network.is_predefined() {
        true => LinkTarget::Owner(name.to_owned()),
        false => LinkTarget::Name(name.to_owned()),
    };
    let mut links: Vec<_> =
        parsed.map(|(name, alias)| Link { alias: alias.to_owned(), target: target(name) }).collect();
    // Clients say the same in both places.
    let mut seen = BTreeSet::new();
    links.retain(|link| seen.insert(link.alias.clone()));
    links
}

/// All names a container answers to on a network that resolves names.
pub(crate) fn dns_names(record: &Record, asked: &EndpointSpec) -> Vec<String> {
    let own = std::iter::once(record.name.clone());
    let aliases = asked.aliases.iter().cloned();
    own.chain(aliases).chain([record.id.short()]).chain(record.spec.hostname.clone()).collect()
}

/// What creates the endpoint of one connection.
pub(crate) fn endpoint(
    record: &Record,
    asked: &EndpointSpec,
    network: &Network,
    id: EndpointId,
) -> Result<Request, NetworkError> {
    Ok(endpoint_with(record, settings(record, asked, network)?, network, id))
}

/// The same with settings that were checked before.
pub(crate) fn endpoint_with(
    record: &Record,
    settings: EndpointSettings,
    network: &Network,
    id: EndpointId,
) -> Request {
    Request::CreateEndpoint(spec::EndpointSpec {
        id: Some(id),
        name: record.name.clone(),
        network: network.id,
        owner: record.id.to_string(),
        settings,
    })
}

/// What creates a new sandbox for a container, with what it publishes.
pub(crate) fn new_own_sandbox(record: &Record, dns: &DnsDefaults) -> (SandboxId, Request) {
    let id = new_sandbox();
    let spec = SandboxSpec { publish: published(record), ..sandbox_spec(record, id, dns) };
    (id, Request::CreateSandbox(spec))
}

/// Takes a new container's static addresses, so that nobody else gets them meanwhile.
pub(crate) fn reserve(record: &mut Record, model: &Model) -> Result<Vec<Request>, NetworkError> {
    let mut requests = Vec::new();
    let mut connections = record.connections.clone();
    for connection in connections.values_mut() {
        let Some(network) = connection.network.and_then(|id| model.network(&id)) else { continue };
        let checked = settings(record, &connection.spec, network)?;
        requests.extend(reserve_one(record, connection, checked, network));
    }
    record.connections = connections;
    Ok(requests)
}

/// Takes the static addresses of one connection, if it has any.
pub(crate) fn reserve_one(
    record: &Record,
    connection: &mut ConnectionRecord,
    checked: EndpointSettings,
    network: &Network,
) -> Option<Request> {
    if connection.spec.v4.is_empty() && connection.spec.v6.is_empty() {
        return None;
    }
    let id = new_endpoint();
    connection.endpoint = Some(id);
    Some(endpoint_with(record, checked, network, id))
}

/// Puts a container into a sandbox on all of its networks. The record learns the ids.
///
/// What is there already (a restart, a sandbox kept for others) stays as it is.
pub(crate) fn join(
    record: &mut Record,
    model: &Model,
    dns: &DnsDefaults,
) -> Result<Vec<Request>, NetworkError> {
    let mut requests = Vec::new();
    let existing = record.sandbox.filter(|id| model.sandbox(id).is_some());
    let sandbox = existing.unwrap_or_else(new_sandbox);
    if existing.is_none() {
        requests.push(Request::CreateSandbox(sandbox_spec(record, sandbox, dns)));
    } else if record.spec.tester().is_some() {
        requests.push(ready(sandbox, false));
    }
    let mut connections = std::collections::BTreeMap::new();
    for (name, mut connection) in in_order(record) {
        let network = match connection.network.and_then(|id| model.network(&id)) {
            Some(network) => network,
            None => find(model, &name)?,
        };
        connection.network = Some(network.id);
        let endpoint_id = connection.endpoint.filter(|id| model.endpoint(id).is_some());
        let id = endpoint_id.unwrap_or_else(new_endpoint);
        if endpoint_id.is_none() {
            requests.push(endpoint(record, &connection.spec, network, id)?);
        }
        let joined = model.endpoint(&id).is_some_and(|endpoint| endpoint.attachment != Attachment::Detached);
        if !joined {
            requests.push(Request::Join { endpoint: id, sandbox });
        }
        connection.endpoint = Some(id);
        connections.insert(network.name.clone(), connection);
    }
    let publish = published(record);
    if existing.is_none() && !publish.is_empty() {
        let update = SandboxUpdate { publish: Some(publish), ..SandboxUpdate::default() };
        requests.push(Request::UpdateSandbox(sandbox, update));
    }
    record.connections = connections;
    record.sandbox = Some(sandbox);
    Ok(requests)
}

/// Says whether the container of a sandbox is ready to serve.
pub(crate) fn ready(sandbox: SandboxId, ready: bool) -> Request {
    Request::UpdateSandbox(sandbox, SandboxUpdate { ready: Some(ready), ..SandboxUpdate::default() })
}

/// Publishes a container's ports anew when its networks become others: which of them is the gateway
/// says whether ports of the host are needed, and at which addresses.
pub(crate) fn publish_again(record: &Record, model: &Model) -> Option<Request> {
    let sandbox = record.sandbox.filter(|id| is_own(record, id, model))?;
    let publish = published(record);
    if publish.is_empty() && model.sandbox(&sandbox).is_none_or(|sandbox| sandbox.ports.is_empty()) {
        return None;
    }
    let (publish, allow) = (Some(publish), Some(allowed(record)));
    let update = SandboxUpdate { publish, allow, ..SandboxUpdate::default() };
    Some(Request::UpdateSandbox(sandbox, update))
}

/// Removes all that the model knows of a container.
pub(crate) fn remove(record: &Record, model: &Model) -> Vec<Request> {
    let owner = record.id.to_string();
    let sandboxes = model.sandboxes_of_owner(&owner).map(|sandbox| Request::DeleteSandbox(sandbox.id));
    let endpoints = model.endpoints_of_owner(&owner).map(|endpoint| Request::DeleteEndpoint(endpoint.id));
    sandboxes.chain(endpoints).collect()
}

/// Whether a sandbox was made for this container.
pub(crate) fn is_own(record: &Record, sandbox: &SandboxId, model: &Model) -> bool {
    model.sandbox(sandbox).is_some_and(|sandbox| sandbox.owner == record.id.to_string())
}

/// The connections in the order of joining: the mode's network first, then as they were made.
fn in_order(record: &Record) -> Vec<(String, ConnectionRecord)> {
    let mode = record.spec.network.mode.network();
    let mut all: Vec<_> = record.connections.clone().into_iter().collect();
    all.sort_by_key(|(name, connection)| (Some(name.as_str()) != mode, connection.order));
    all
}

fn sandbox_spec(record: &Record, id: SandboxId, dns: &DnsDefaults) -> SandboxSpec {
    let namespace = match &record.spec.network.mode {
        NetworkMode::Host => Namespace::Host,
        NetworkMode::Path(path) => Namespace::Path(path.display().to_string()),
        NetworkMode::Bridge | NetworkMode::Network(_) | NetworkMode::None | NetworkMode::Container(_) => {
            Namespace::Own
        }
    };
    SandboxSpec {
        id: Some(id),
        owner: record.id.to_string(),
        namespace,
        dns: dns_settings(record, dns),
        publish: Vec::new(),
        exposed: record.spec.network.exposed.clone(),
        ready: record.spec.tester().is_none(),
        allow: allowed(record),
    }
}

/// What resolves names in a container: its own settings, else the engine's, each by itself.
pub(crate) fn dns_settings(record: &Record, defaults: &DnsDefaults) -> DnsSettings {
    let spec = &record.spec;
    let asked = &spec.network.dns;
    let host_name = defaults.host_name.clone().filter(|_| spec.network.mode == NetworkMode::Host);
    DnsSettings {
        hostname: spec.hostname.clone().or(host_name).unwrap_or_else(|| record.id.short()),
        domainname: spec.domainname.clone(),
        servers: first_of(&asked.servers, &defaults.servers),
        search: first_of(&asked.search, &defaults.search),
        options: first_of(&asked.options, &defaults.options),
        extra_hosts: spec.network.extra_hosts.clone(),
        follows_host: defaults.follow_host,
        sees_networks: defaults.across_networks,
    }
}

fn first_of<T: Clone>(asked: &[T], default: &[T]) -> Vec<T> {
    if asked.is_empty() { default.to_vec() } else { asked.to_vec() }
}

/// Who reaches what is published, by the container's label, which was checked when it was made.
pub(crate) fn allowed(record: &Record) -> Vec<Allow> {
    let label = record.spec.labels.get(access::ALLOW);
    label.and_then(|text| access::allow_list(text).ok()).unwrap_or_default()
}

/// What is to be published: what was asked for, and all exposed ports if that was asked for.
pub(crate) fn published(record: &Record) -> Vec<PortMapping> {
    let network = &record.spec.network;
    let mut mappings = spec::coalesce(network.publish.clone());
    if network.publish_all {
        let taken: BTreeSet<_> = mappings
            .iter()
            .flat_map(|mapping| single_ports(&mapping.container))
            .map(|ports| key(&ports))
            .collect();
        let free = network.exposed.iter().flat_map(single_ports).filter(|ports| !taken.contains(&key(ports)));
        mappings.extend(free.map(|container| PortMapping {
            container,
            host_address: None,
            host: HostPorts::Any,
        }));
    }
    mappings
}

fn single_ports(ports: &Ports) -> impl Iterator<Item = Ports> + use<> {
    let proto = ports.proto;
    ports.range.clone().map(move |port| Ports { proto, range: port..=port })
}

fn key(ports: &Ports) -> (crate::cnm::Proto, u16) {
    (ports.proto, *ports.range.start())
}

/// A new endpoint's id.
pub(crate) fn new_endpoint() -> EndpointId {
    EndpointId::new(*crate::ContainerId::random().bytes())
}

fn new_sandbox() -> SandboxId {
    SandboxId::new(*crate::ContainerId::random().bytes())
}

#[cfg(test)]
mod tests;
