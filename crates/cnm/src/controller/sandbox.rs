//! Creating, changing and deleting sandboxes.

use std::net::IpAddr;

use thiserror::Error;

use super::{Context, Created, Decision, Kind, join::detached};
use crate::{
    Delta, Family, Model, Namespace, Sandbox, SandboxId,
    model::WayIn,
    port::{RequestPortError, Wishes, request_ports},
    spec::{SandboxSpec, SandboxUpdate},
};

/// Why a sandbox cannot be created.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CreateSandboxError {
    #[error("sandbox with id {id} already exists")]
    IdTaken { id: SandboxId },
    #[error(transparent)]
    Port(#[from] RequestPortError),
}

impl CreateSandboxError {
    /// What kind of refusal it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::IdTaken { .. } => Kind::Conflict,
            Self::Port(error) => error.kind(),
        }
    }
}

/// Why a sandbox cannot be changed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UpdateSandboxError {
    #[error("sandbox {id} not found")]
    NotFound { id: SandboxId },
    #[error(transparent)]
    Port(#[from] RequestPortError),
}

impl UpdateSandboxError {
    /// What kind of refusal it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::Port(error) => error.kind(),
        }
    }
}

/// Why a sandbox cannot be deleted.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DeleteSandboxError {
    #[error("sandbox {id} not found")]
    NotFound { id: SandboxId },
}

impl DeleteSandboxError {
    /// What kind of refusal it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
        }
    }
}

pub(super) fn create(
    model: &Model,
    spec: &SandboxSpec,
    context: &mut Context<'_>,
) -> Result<Decision, CreateSandboxError> {
    let id = spec.id.unwrap_or_else(|| SandboxId::new(context.random()));
    if model.sandbox(&id).is_some() {
        return Err(CreateSandboxError::IdTaken { id });
    }
    let SandboxSpec { id: _, owner, namespace, dns, publish, exposed, ready } = spec.clone();
    let wishes = Wishes {
        sandbox: id,
        mappings: if namespace == Namespace::Host { &[] } else { &publish },
        held: &[],
        default_address: context.defaults.host_binding,
        ways: [WayIn::HostPorts; 2],
    };
    let ports = request_ports(model.ports(), &wishes, context.host)?;
    let mut delta = Delta::default();
    delta.put_sandbox(Sandbox { id, owner, namespace, dns, ports, exposed, ready });
    Ok((delta, Some(Created::Sandbox(id))))
}

pub(super) fn update(
    model: &Model,
    id: &SandboxId,
    update: &SandboxUpdate,
    context: &Context<'_>,
) -> Result<Delta, UpdateSandboxError> {
    let old = model.sandbox(id).ok_or(UpdateSandboxError::NotFound { id: *id })?;
    let mut sandbox = Sandbox::clone(old);
    let SandboxUpdate { dns, publish, exposed, ready } = update.clone();
    sandbox.dns = dns.unwrap_or(sandbox.dns);
    sandbox.exposed = exposed.unwrap_or(sandbox.exposed);
    sandbox.ready = ready.unwrap_or(sandbox.ready);
    if let Some(mappings) = publish.filter(|_| sandbox.namespace != Namespace::Host) {
        let default_address = host_binding(model, id).or(context.defaults.host_binding);
        let ways = Family::BOTH.map(|family| model.way_in(id, family));
        let wishes = Wishes { sandbox: *id, mappings: &mappings, held: &old.ports, default_address, ways };
        sandbox.ports = request_ports(model.ports(), &wishes, context.host)?;
    }
    let mut delta = Delta::default();
    delta.put_sandbox(sandbox);
    Ok(delta.since(model))
}

/// Where the network that provides the gateway publishes ports that name no address.
fn host_binding(model: &Model, sandbox: &SandboxId) -> Option<IpAddr> {
    let gateway = |family| model.gateway_endpoint(sandbox, family);
    let endpoint = gateway(Family::V4).or_else(|| gateway(Family::V6))?;
    model.network_of(endpoint).bridge()?.host_binding
}

pub(super) fn delete(model: &Model, id: &SandboxId) -> Result<Delta, DeleteSandboxError> {
    model.sandbox(id).ok_or(DeleteSandboxError::NotFound { id: *id })?;
    let mut delta = Delta::default();
    model.endpoints_of_sandbox(id).for_each(|endpoint| delta.put_endpoint(detached(endpoint)));
    delta.sandboxes.insert(*id, None);
    Ok(delta)
}
