//! Creating, changing and deleting sandboxes.

use thiserror::Error;

use super::{Context, Created, Decision, Defaults, Kind, join::detached};
use crate::{
    Delta, Family, Model, Namespace, PortMapping, Ports, Sandbox, SandboxId,
    access::Access,
    driver::bridge::PublishDefault,
    model::WayIn,
    port::{RequestPortError, Unnamed, Wishes, request_ports},
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
    let SandboxSpec { id: _, owner, namespace, dns, publish, exposed, allow, ready } = spec.clone();
    let (unnamed, default) = unnamed(model, &id, context.defaults);
    let wishes = Wishes {
        sandbox: id,
        mappings: if namespace == Namespace::Host { &[] } else { &publish },
        held: &[],
        unnamed,
        ways: [WayIn::HostPorts; 2],
    };
    let ports = request_ports(model.ports(), &wishes, context.host)?;
    let access = Access { allow, local: local(wishes.mappings, default) };
    let mut delta = Delta::default();
    delta.put_sandbox(Sandbox { id, owner, namespace, dns, ports, exposed, ready, access });
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
    let SandboxUpdate { dns, publish, exposed, allow, ready } = update.clone();
    sandbox.dns = dns.unwrap_or(sandbox.dns);
    sandbox.access.allow = allow.unwrap_or(sandbox.access.allow);
    sandbox.exposed = exposed.unwrap_or(sandbox.exposed);
    sandbox.ready = ready.unwrap_or(sandbox.ready);
    if let Some(mappings) = publish.filter(|_| sandbox.namespace != Namespace::Host) {
        let (unnamed, default) = unnamed(model, id, context.defaults);
        let ways = Family::BOTH.map(|family| model.way_in(id, family));
        let wishes = Wishes { sandbox: *id, mappings: &mappings, held: &old.ports, unnamed, ways };
        sandbox.ports = request_ports(model.ports(), &wishes, context.host)?;
        sandbox.access.local = local(&mappings, default);
    }
    let mut delta = Delta::default();
    delta.put_sandbox(sandbox);
    Ok(delta.since(model))
}

/// Where ports are published that name no address, and who reaches them: as the network says that
/// provides the gateway, else as the engine does.
fn unnamed(model: &Model, sandbox: &SandboxId, defaults: &Defaults) -> (Unnamed, PublishDefault) {
    let gateway = |family| model.gateway_endpoint(sandbox, family);
    let endpoint = gateway(Family::V4).or_else(|| gateway(Family::V6));
    let config = endpoint.and_then(|endpoint| model.network_of(endpoint).bridge());
    let own = config.and_then(|config| config.publish);
    let address = config.and_then(|config| config.host_binding);
    let default = own.unwrap_or(defaults.publish);
    let unnamed = match (address.or(defaults.host_binding), default) {
        // An address of the network's own says more than the engine's default.
        (_, PublishDefault::Localhost) if own.is_some() || address.is_none() => Unnamed::Loopback,
        (Some(address), _) => Unnamed::At(address),
        (None, _) => Unnamed::Everywhere,
    };
    (unnamed, default)
}

/// The ports that only local sources reach by default.
fn local(mappings: &[PortMapping], default: PublishDefault) -> Vec<Ports> {
    let unnamed = mappings.iter().filter(|mapping| mapping.host_address.is_none());
    let ports = unnamed.filter(|_| default == PublishDefault::Lan).map(|mapping| mapping.container.clone());
    let mut ports: Vec<_> = ports.collect();
    ports.sort_by_key(|ports| (ports.proto, *ports.range.start(), *ports.range.end()));
    ports.dedup();
    ports
}

pub(super) fn delete(model: &Model, id: &SandboxId) -> Result<Delta, DeleteSandboxError> {
    model.sandbox(id).ok_or(DeleteSandboxError::NotFound { id: *id })?;
    let mut delta = Delta::default();
    model.endpoints_of_sandbox(id).for_each(|endpoint| delta.put_endpoint(detached(endpoint)));
    delta.sandboxes.insert(*id, None);
    Ok(delta)
}
