//! Joining sandboxes and leaving them.

use thiserror::Error;

use super::Kind;
use crate::{
    Attachment, Delta, Driver, Endpoint, EndpointId, Model, Namespace, Network, Sandbox, SandboxId,
    driver::bridge::INTERFACE,
};

/// Why an endpoint cannot join a sandbox. The texts are Docker's where it has any.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum JoinError {
    #[error("endpoint {id} not found")]
    EndpointNotFound { id: EndpointId },
    #[error("sandbox {id} not found")]
    SandboxNotFound { id: SandboxId },
    #[error("another container is attached to the same network endpoint")]
    AlreadyJoined { holder: SandboxId },
    #[error("endpoint with name {name} already exists in network {network}")]
    NetworkTwice { name: String, network: String },
    #[error("cannot connect container to host network - container must be created in host network mode")]
    HostNetwork,
    #[error(
        "container sharing network namespace with another container or host cannot be connected to any other network"
    )]
    Shared,
    #[error(
        "container cannot be connected to multiple networks with one of the networks in private (none) mode"
    )]
    Private,
    #[error("interface name {name} is already in use by endpoint {holder}")]
    InterfaceTaken { name: String, holder: String },
}

impl JoinError {
    /// What kind of refusal it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::EndpointNotFound { .. } | Self::SandboxNotFound { .. } => Kind::NotFound,
            Self::AlreadyJoined { .. } | Self::NetworkTwice { .. } => Kind::Forbidden,
            Self::HostNetwork | Self::Shared | Self::Private => Kind::Invalid,
            Self::InterfaceTaken { .. } => Kind::Conflict,
        }
    }
}

/// Why an endpoint cannot leave.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LeaveError {
    #[error("endpoint {id} not found")]
    NotFound { id: EndpointId },
    #[error("endpoint {name} has not joined a sandbox")]
    Detached { name: String },
}

impl LeaveError {
    /// What kind of refusal it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::Detached { .. } => Kind::Forbidden,
        }
    }
}

pub(super) fn join(model: &Model, id: &EndpointId, sandbox: &SandboxId) -> Result<Delta, JoinError> {
    let endpoint = model.endpoint(id).ok_or(JoinError::EndpointNotFound { id: *id })?;
    let sandbox = model.sandbox(sandbox).ok_or(JoinError::SandboxNotFound { id: *sandbox })?;
    if let Some(holder) = endpoint.sandbox() {
        return Err(JoinError::AlreadyJoined { holder: *holder });
    }
    let network = model.network_of(endpoint);
    check_modes(model, sandbox, network)?;
    let same_network = |other: &Endpoint| other.network == endpoint.network;
    if model.endpoints_of_sandbox(&sandbox.id).any(|other| same_network(other)) {
        let (name, network) = (endpoint.name.clone(), network.name.clone());
        return Err(JoinError::NetworkTwice { name, network });
    }
    let interface = match &network.driver {
        Driver::Null | Driver::Host | Driver::Config(_) => String::new(),
        Driver::Bridge(config) => interface(model, sandbox, endpoint, &config.interface_prefix)?,
        Driver::Upper(config) => interface(model, sandbox, endpoint, &config.interface_prefix)?,
    };
    let order = model.endpoints_of_sandbox(&sandbox.id).next_back().map_or(0, |last| order(last) + 1);
    let mut joined = Endpoint::clone(endpoint);
    joined.attachment = Attachment::Joined { sandbox: sandbox.id, interface, order };
    let mut delta = Delta::default();
    delta.put_endpoint(joined);
    Ok(delta)
}

/// A stack that is the host's, or nobody's, has no other networks.
fn check_modes(model: &Model, sandbox: &Sandbox, network: &Network) -> Result<(), JoinError> {
    let on_host = sandbox.namespace == Namespace::Host;
    let others = || model.endpoints_of_sandbox(&sandbox.id).map(|other| &model.network_of(other).driver);
    match &network.driver {
        Driver::Host if !on_host => Err(JoinError::HostNetwork),
        Driver::Null | Driver::Config(_) | Driver::Bridge(_) | Driver::Upper(_) if on_host => {
            Err(JoinError::Shared)
        }
        Driver::Null if others().next().is_some() => Err(JoinError::Private),
        Driver::Bridge(_) | Driver::Upper(_) if others().any(|driver| matches!(driver, Driver::Null)) => {
            Err(JoinError::Private)
        }
        Driver::Null | Driver::Host | Driver::Config(_) | Driver::Bridge(_) | Driver::Upper(_) => Ok(()),
    }
}

/// The name the user gave, or the prefix of the network and the lowest free number.
fn interface(
    model: &Model,
    sandbox: &Sandbox,
    endpoint: &Endpoint,
    prefix: &str,
) -> Result<String, JoinError> {
    let holder =
        |name: &str| model.endpoints_of_sandbox(&sandbox.id).find(|other| other.interface() == Some(name));
    if let Some(name) = endpoint.settings.driver_options.get(INTERFACE) {
        return match holder(name) {
            None => Ok(name.clone()),
            Some(other) => Err(JoinError::InterfaceTaken { name: name.clone(), holder: other.name.clone() }),
        };
    }
    let taken = model.endpoints_of_sandbox(&sandbox.id).count();
    let mut names = (0..=taken).map(|number| format!("{prefix}{number}"));
    Ok(names.find(|name| holder(name).is_none()).expect("n endpoints hold at most n names"))
}

const fn order(endpoint: &Endpoint) -> u32 {
    match endpoint.attachment {
        Attachment::Joined { order, .. } => order,
        Attachment::Detached => 0,
    }
}

pub(super) fn leave(model: &Model, id: &EndpointId) -> Result<Delta, LeaveError> {
    let endpoint = model.endpoint(id).ok_or(LeaveError::NotFound { id: *id })?;
    if endpoint.sandbox().is_none() {
        return Err(LeaveError::Detached { name: endpoint.name.clone() });
    }
    let mut delta = Delta::default();
    delta.put_endpoint(detached(endpoint));
    Ok(delta)
}

/// The endpoint outside of every sandbox, with all it keeps.
pub(super) fn detached(endpoint: &Endpoint) -> Endpoint {
    Endpoint { attachment: Attachment::Detached, ..endpoint.clone() }
}
