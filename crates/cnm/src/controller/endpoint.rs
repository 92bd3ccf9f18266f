//! Creating, renaming and deleting endpoints.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use thiserror::Error;

use super::{Context, Created, Decision, Kind};
use crate::{
    Attachment, Delta, Driver, Endpoint, EndpointId, EndpointSettings, Family, Link, Mac, Model, Network,
    NetworkId,
    ipam::{RequestAddressError, request_address},
    names,
    spec::EndpointSpec,
};

/// How often a random MAC address may turn out to be taken: 2^-46 per endpoint and draw.
const MAC_DRAWS: usize = 16;

/// Why an endpoint cannot be created. The texts are Docker's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CreateEndpointError {
    #[error("network {network} not found")]
    NetworkNotFound { network: NetworkId },
    #[error("invalid name: name is empty")]
    NameEmpty,
    #[error("endpoint with name {name} already exists in network {network}")]
    NameTaken { name: String, network: String },
    #[error("endpoint with id {id} already exists")]
    IdTaken { id: EndpointId },
    #[error("MAC address {mac} is already in use by endpoint {holder} in network {network}")]
    MacTaken { mac: Mac, holder: String, network: String },
    #[error("cannot create endpoint on configuration-only network")]
    OnConfig,
    #[error("no free MAC address found for network {network}")]
    NoMac { network: String },
    #[error("user-specified IP address is supported on user-defined networks only")]
    AddressOnPredefined,
    #[error(transparent)]
    Address(#[from] RequestAddressError),
}

impl CreateEndpointError {
    /// What kind of refusal it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::NetworkNotFound { .. } => Kind::NotFound,
            Self::NameEmpty | Self::AddressOnPredefined => Kind::Invalid,
            Self::NameTaken { .. } | Self::OnConfig => Kind::Forbidden,
            Self::IdTaken { .. } | Self::MacTaken { .. } => Kind::Conflict,
            Self::NoMac { .. } => Kind::Unavailable,
            Self::Address(error) => error.kind(),
        }
    }
}

/// Why an endpoint cannot be deleted. The texts are Docker's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DeleteEndpointError {
    #[error("endpoint {id} not found")]
    NotFound { id: EndpointId },
    #[error("endpoint with name {name} id {id} has active containers")]
    Joined { name: String, id: EndpointId },
}

impl DeleteEndpointError {
    /// What kind of refusal it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::Joined { .. } => Kind::Forbidden,
        }
    }
}

/// Why an endpoint cannot be renamed, or know others by other names. The texts are Docker's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RenameEndpointError {
    #[error("endpoint {id} not found")]
    NotFound { id: EndpointId },
    #[error("invalid name: name is empty")]
    NameEmpty,
    #[error("endpoint with name {name} already exists in network {network}")]
    NameTaken { name: String, network: String },
}

impl RenameEndpointError {
    /// What kind of refusal it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::NameEmpty => Kind::Invalid,
            Self::NameTaken { .. } => Kind::Forbidden,
        }
    }
}

pub(super) fn create(
    model: &Model,
    spec: &EndpointSpec,
    context: &mut Context<'_>,
) -> Result<Decision, CreateEndpointError> {
    let unknown = CreateEndpointError::NetworkNotFound { network: spec.network };
    let network = model.network(&spec.network).ok_or(unknown)?;
    check(model, spec, network)?;
    let id = spec.id.unwrap_or_else(|| EndpointId::new(context.random()));
    if model.endpoint(&id).is_some() {
        return Err(CreateEndpointError::IdTaken { id });
    }
    let last = |family| context.host.given.addresses.get(&(network.id, family)).copied();
    let last = |family| last(family).filter(|_| network.ipam.is_serial());
    let address = |family, wanted| request_address(model, network, family, (wanted, last(family)));
    let v4 = address(Family::V4, spec.settings.v4.map(IpAddr::V4))?;
    let v6 = match spec.settings.no_v6 {
        true => None,
        false => address(Family::V6, spec.settings.v6.map(IpAddr::V6))?,
    };
    let mut settings = spec.settings.clone();
    settings.dns_names = dns_names(network, settings.dns_names);
    let v4 = v4.and_then(|net| if let IpNet::V4(net) = net { Some(net) } else { None });
    let endpoint = Endpoint {
        id,
        name: spec.name.clone(),
        network: network.id,
        owner: spec.owner.clone(),
        mac: mac(model, network, (&spec.settings, v4), context)?,
        v4,
        v6: v6.and_then(|net| if let IpNet::V6(net) = net { Some(net) } else { None }),
        settings,
        attachment: Attachment::Detached,
    };
    let mut delta = Delta::default();
    delta.put_endpoint(endpoint);
    Ok((delta, Some(Created::Endpoint(id))))
}

fn check(model: &Model, spec: &EndpointSpec, network: &Network) -> Result<(), CreateEndpointError> {
    if spec.name.is_empty() {
        return Err(CreateEndpointError::NameEmpty);
    }
    if network.template().is_some() {
        return Err(CreateEndpointError::OnConfig);
    }
    if model.endpoint_by_name(&network.id, &spec.name).is_some() {
        let (name, network) = (spec.name.clone(), network.name.clone());
        return Err(CreateEndpointError::NameTaken { name, network });
    }
    if network.is_predefined() && (spec.settings.v4.is_some() || spec.settings.v6.is_some()) {
        return Err(CreateEndpointError::AddressOnPredefined);
    }
    Ok(())
}

/// Predefined networks resolve no names.
fn dns_names(network: &Network, dns_names: Vec<String>) -> Vec<String> {
    if network.is_predefined() { Vec::new() } else { names::distinct(dns_names) }
}

/// The MAC address that the user asked for, else that of the IPv4 address, else any
/// that is free; none without a link.
///
/// Neighbours believe for a second or longer what they have learnt of an address, the
/// host too: who gets the address of one that just went has to have its MAC as well.
fn mac(
    model: &Model,
    network: &Network,
    (settings, v4): (&EndpointSettings, Option<Ipv4Net>),
    context: &mut Context<'_>,
) -> Result<Option<Mac>, CreateEndpointError> {
    match &network.driver {
        Driver::Null | Driver::Host | Driver::Config(_) => return Ok(None),
        Driver::Upper(config) if !config.kind.has_mac() => return Ok(None),
        Driver::Bridge(_) | Driver::Upper(_) => {}
    }
    let holder = |mac| model.endpoint_by_mac(&network.id, mac);
    if let Some(mac) = settings.mac {
        return match holder(mac) {
            None => Ok(Some(mac)),
            Some(other) => {
                let (holder, network) = (other.name.clone(), network.name.clone());
                Err(CreateEndpointError::MacTaken { mac, holder, network })
            }
        };
    }
    // On a wire of others, somebody else may have made the same of the same address.
    let of_address = v4.filter(|_| network.upper().is_none()).map(|net| Mac::of_ipv4(net.addr()));
    let draws = (0..MAC_DRAWS).map(|_| Mac::local(context.random()));
    let free = of_address.into_iter().chain(draws).find(|mac| holder(*mac).is_none());
    free.map(Some).ok_or_else(|| CreateEndpointError::NoMac { network: network.name.clone() })
}

pub(super) fn delete(model: &Model, id: &EndpointId) -> Result<Delta, DeleteEndpointError> {
    let endpoint = model.endpoint(id).ok_or(DeleteEndpointError::NotFound { id: *id })?;
    if endpoint.sandbox().is_some() {
        return Err(DeleteEndpointError::Joined { name: endpoint.name.clone(), id: *id });
    }
    let mut delta = Delta::default();
    delta.endpoints.insert(*id, None);
    Ok(delta)
}

pub(super) fn relink(model: &Model, id: &EndpointId, links: &[Link]) -> Result<Delta, RenameEndpointError> {
    let endpoint = model.endpoint(id).ok_or(RenameEndpointError::NotFound { id: *id })?;
    let mut relinked = Endpoint::clone(endpoint);
    relinked.settings.links = links.to_vec();
    let mut delta = Delta::default();
    delta.put_endpoint(relinked);
    Ok(delta.since(model))
}

pub(super) fn rename(
    model: &Model,
    id: &EndpointId,
    name: &str,
    dns_names: &[String],
) -> Result<Delta, RenameEndpointError> {
    let endpoint = model.endpoint(id).ok_or(RenameEndpointError::NotFound { id: *id })?;
    if name.is_empty() {
        return Err(RenameEndpointError::NameEmpty);
    }
    let network = model.network_of(endpoint);
    if model.endpoint_by_name(&network.id, name).is_some_and(|holder| holder.id != *id) {
        return Err(RenameEndpointError::NameTaken { name: name.to_owned(), network: network.name.clone() });
    }
    let mut renamed = Endpoint::clone(endpoint);
    name.clone_into(&mut renamed.name);
    renamed.settings.dns_names = self::dns_names(network, dns_names.to_vec());
    let mut delta = Delta::default();
    delta.put_endpoint(renamed);
    Ok(delta.since(model))
}
