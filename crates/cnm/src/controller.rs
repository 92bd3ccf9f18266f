//! The controller: a model and a request make a change, or a refusal.
//!
//! It is pure. What it needs to know of the world is in its [`Context`]; what it
//! decides is a [`Delta`], which is stored, planned and applied elsewhere. A
//! refused request leaves nothing.

use std::{collections::BTreeSet, sync::Arc};

use ipnet::IpNet;

use crate::{
    Delta, EndpointId, Link, Model, NetworkId, SandboxId,
    spec::{DriverSpec, EndpointSpec, NetworkSpec, NetworkUpdate, SandboxSpec, SandboxUpdate},
};

mod context;
mod endpoint;
mod join;
mod network;
mod refused;
mod sandbox;
mod update;

pub use self::{
    context::{BusyPorts, Context, DefaultPool, Defaults, Entropy, Given, Host, HostLink, Nets},
    endpoint::{CreateEndpointError, DeleteEndpointError, RenameEndpointError},
    join::{JoinError, LeaveError},
    network::{CreateNetworkError, DeleteNetworkError, ParentError},
    refused::{Kind, Refused},
    sandbox::{CreateSandboxError, DeleteSandboxError, UpdateSandboxError},
    update::UpdateNetworkError,
};

/// All that can be asked of the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The host is on these networks, by links that are not ours.
    KnowHost(BTreeSet<IpNet>),
    CreateNetwork(NetworkSpec),
    /// Makes the network of this name as the spec says, or creates it. It keeps its identity; a pool
    /// that the spec does not name; and all its pools while an endpoint would have no place in the new ones.
    RenewNetwork(NetworkSpec),
    /// Its endpoints, joined or not, get and lose addresses as it gets and loses families.
    UpdateNetwork(NetworkId, NetworkUpdate),
    /// Detached endpoints go with it; joined ones refuse.
    DeleteNetwork(NetworkId),
    CreateSandbox(SandboxSpec),
    UpdateSandbox(SandboxId, SandboxUpdate),
    /// Its endpoints leave it and keep their addresses.
    DeleteSandbox(SandboxId),
    /// The endpoint gets its addresses and its MAC, which it keeps until it is deleted.
    CreateEndpoint(EndpointSpec),
    /// A joined endpoint has to leave first.
    DeleteEndpoint(EndpointId),
    Join {
        endpoint: EndpointId,
        sandbox: SandboxId,
    },
    Leave(EndpointId),
    /// Another name, and other names to answer to; where the network resolves none they are dropped.
    RenameEndpoint {
        endpoint: EndpointId,
        name: String,
        dns_names: Vec<String>,
    },
    /// Other names of others, in place of those it knows.
    RelinkEndpoint {
        endpoint: EndpointId,
        links: Vec<Link>,
    },
}

impl Request {
    /// The links of the host that must be known to decide it ([`Host::links`]).
    pub fn links(&self) -> impl Iterator<Item = &str> {
        let spec =
            if let Self::CreateNetwork(spec) | Self::RenewNetwork(spec) = self { Some(spec) } else { None };
        let options =
            spec.and_then(
                |spec| if let DriverSpec::Upper(options) = &spec.driver { Some(options) } else { None },
            );
        options.into_iter().flat_map(network::links)
    }
}

/// What a request brought into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Created {
    Network(NetworkId),
    Sandbox(SandboxId),
    Endpoint(EndpointId),
}

/// One decision: the change, and what it brought into being.
pub(crate) type Decision = (Delta, Option<Created>);

/// Decides one request.
pub fn decide(model: &Model, request: &Request, context: &mut Context<'_>) -> Result<Delta, Refused> {
    one(model, request, context).map(|(delta, _)| delta)
}

/// Decides several requests as one: each sees what those before it did, and either
/// all of them happen or none. What they created comes in their order.
pub fn decide_all(
    model: &Model,
    requests: &[Request],
    context: &mut Context<'_>,
) -> Result<(Delta, Vec<Created>), Refused> {
    let mut next = model.clone();
    let mut all = Delta::default();
    let mut created = Vec::new();
    for request in requests {
        let (delta, new) = one(&next, request, context)?;
        next = next.apply(&delta);
        all = all.then(delta);
        created.extend(new);
    }
    Ok((all.since(model), created))
}

fn one(model: &Model, request: &Request, context: &mut Context<'_>) -> Result<Decision, Refused> {
    Ok(match request {
        Request::KnowHost(networks) => {
            let of_host = Some(Arc::new(networks.clone()));
            (Delta { of_host, ..Delta::default() }.since(model), None)
        }
        Request::CreateNetwork(spec) => network::create(model, spec, context)?,
        Request::RenewNetwork(spec) => network::renew(model, spec, context)?,
        Request::UpdateNetwork(id, update) => (update::update(model, id, update, context)?, None),
        Request::DeleteNetwork(id) => (network::delete(model, id)?, None),
        Request::CreateSandbox(spec) => sandbox::create(model, spec, context)?,
        Request::UpdateSandbox(id, update) => (sandbox::update(model, id, update, context)?, None),
        Request::DeleteSandbox(id) => (sandbox::delete(model, id)?, None),
        Request::CreateEndpoint(spec) => endpoint::create(model, spec, context)?,
        Request::DeleteEndpoint(id) => (endpoint::delete(model, id)?, None),
        Request::Join { endpoint, sandbox } => (join::join(model, endpoint, sandbox)?, None),
        Request::Leave(id) => (join::leave(model, id)?, None),
        Request::RenameEndpoint { endpoint, name, dns_names } => {
            (endpoint::rename(model, endpoint, name, dns_names)?, None)
        }
        Request::RelinkEndpoint { endpoint, links } => (endpoint::relink(model, endpoint, links)?, None),
    })
}
