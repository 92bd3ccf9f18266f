//! Creating and deleting networks.

use ipnet::IpNet;
use thiserror::Error;

use super::{Context, Created, Decision, Kind};
use crate::{
    Attachment, Delta, Driver, Endpoint, Family, Ipam, Model, Network, NetworkId, Subnet,
    driver::bridge::Config,
    ipam::{Needs, RequestPoolError, is_default, request_pool},
    spec::{ConfigError, DriverSpec, NetworkSpec, SubnetSpec, Template},
};

mod upper;

pub use upper::ParentError;
pub(crate) use upper::links;

/// Why a network cannot be created. The texts are Docker's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CreateNetworkError {
    #[error("network with name {name} already exists")]
    NameTaken { name: String },
    #[error("network with id {id} already exists")]
    IdTaken { id: NetworkId },
    #[error("only one instance of \"{driver}\" network is allowed")]
    OnlyOne { driver: &'static str },
    #[error(
        "cannot create network {id} ({link}): conflicts with network {other} ({link}): networks have same bridge name"
    )]
    LinkTaken { id: NetworkId, link: String, other: NetworkId },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Parent(#[from] ParentError),
    #[error(transparent)]
    Pool(#[from] RequestPoolError),
}

impl CreateNetworkError {
    /// What kind of refusal it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::NameTaken { .. } | Self::IdTaken { .. } => Kind::Conflict,
            Self::OnlyOne { .. } | Self::LinkTaken { .. } => Kind::Forbidden,
            Self::Config(error) => error.kind(),
            Self::Parent(error) => error.kind(),
            Self::Pool(error) => error.kind(),
        }
    }
}

/// Why a network cannot be deleted. The texts are Docker's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DeleteNetworkError {
    #[error("network {id} not found")]
    NotFound { id: NetworkId },
    #[error("{name} is a pre-defined network and cannot be removed")]
    Predefined { name: String },
    #[error("network {name} has active endpoints ({endpoints})")]
    ActiveEndpoints { name: String, endpoints: String },
    #[error("configuration network {name:?} is in use")]
    InUse { name: String },
}

impl DeleteNetworkError {
    /// What kind of refusal it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::Predefined { .. } | Self::ActiveEndpoints { .. } | Self::InUse { .. } => Kind::Forbidden,
        }
    }
}

pub(super) fn create(
    model: &Model,
    spec: &NetworkSpec,
    context: &mut Context<'_>,
) -> Result<Decision, CreateNetworkError> {
    if model.network_by_name(&spec.name).is_some() {
        return Err(CreateNetworkError::NameTaken { name: spec.name.clone() });
    }
    let id = spec.id.unwrap_or_else(|| NetworkId::new(context.random()));
    if model.network(&id).is_some() {
        return Err(CreateNetworkError::IdTaken { id });
    }
    let driver = match &spec.driver {
        DriverSpec::Null => only_one(model, spec, Driver::Null)?,
        DriverSpec::Host => only_one(model, spec, Driver::Host)?,
        DriverSpec::Config(template) => Driver::Config(template.clone()),
        DriverSpec::Bridge(options) => Driver::Bridge(own_link(model, id, options.config(&id))?),
        DriverSpec::Upper(options) => Driver::Upper(upper::config(model, &id, options, context)?),
    };
    if let Some(name) = &spec.config_from {
        // It may have gone since the form was filled in.
        Template::find(model, name)?;
    }
    let network = Network {
        id,
        name: spec.name.clone(),
        driver,
        ipam: Ipam {
            driver: spec.ipam_driver,
            v4: subnets(model, spec, Family::V4, context)?,
            v6: subnets(model, spec, Family::V6, context)?,
            options: spec.ipam_options.clone(),
        },
        internal: spec.internal,
        attachable: spec.attachable,
        options: spec.options.clone(),
        labels: spec.labels.clone(),
        config_from: spec.config_from.clone(),
        created: context.now,
    };
    let mut delta = Delta::default();
    delta.put_network(network);
    Ok((delta, Some(Created::Network(id))))
}

pub(super) fn renew(
    model: &Model,
    spec: &NetworkSpec,
    context: &mut Context<'_>,
) -> Result<Decision, CreateNetworkError> {
    let Some(old) = model.network_by_name(&spec.name) else { return create(model, spec, context) };
    let mut gone = Delta::default();
    gone.networks.insert(old.id, None);
    let without = model.apply(&gone);
    let mut unnamed = spec.clone().with_id(old.id);
    let kept = Family::BOTH.map(|family| kept_subnets(&mut unnamed, old, family, context));
    let (mut delta, _) = create(&without, &unnamed, context)?;
    for mut network in
        std::mem::take(&mut delta.networks).into_values().flatten().map(|it| Network::clone(&it))
    {
        let [v4, v6] = kept.clone();
        network.created = old.created;
        network.ipam.v4 = v4.unwrap_or(network.ipam.v4);
        network.ipam.v6 = v6.unwrap_or(network.ipam.v6);
        let has_place = |endpoint: &Endpoint| has_place(endpoint, &network.ipam);
        if !model.endpoints_of_network(&old.id).all(|endpoint| has_place(endpoint)) {
            network.ipam = old.ipam.clone();
        }
        delta.put_network(network);
    }
    Ok((delta.since(model), None))
}

/// The subnets of a family that stay, since the spec wants any; it does not ask for them then.
fn kept_subnets(
    spec: &mut NetworkSpec,
    old: &Network,
    family: Family,
    context: &Context<'_>,
) -> Option<Vec<Subnet>> {
    let wanted = match family {
        Family::V4 => &mut spec.v4,
        Family::V6 => &mut spec.v6,
    };
    let subnets = old.ipam.subnets(family);
    let stays = |subnet: &Subnet| {
        subnet.range.is_none() && subnet.auxiliary.is_empty() && is_default(&subnet.pool, context)
    };
    let stay = *wanted == [SubnetSpec::ANY] && !subnets.is_empty() && subnets.iter().all(stays);
    stay.then(|| {
        wanted.clear();
        subnets.to_vec()
    })
}

/// Whether an endpoint could have its addresses in these pools.
fn has_place(endpoint: &Endpoint, ipam: &Ipam) -> bool {
    let fits = |net: IpNet, subnet: &Subnet| {
        let reserved = subnet.gateway.iter().chain(subnet.auxiliary.values()).any(|it| *it == net.addr());
        subnet.pool == net.trunc() && !reserved
    };
    let nets = Family::BOTH.into_iter().filter_map(|family| endpoint.address(family));
    nets.into_iter().all(|net| ipam.all().any(|subnet| fits(net, subnet)))
}

/// The predefined networks of these drivers bear the only names they can have.
fn only_one(model: &Model, spec: &NetworkSpec, driver: Driver) -> Result<Driver, CreateNetworkError> {
    let taken = model.network_by_name(&spec.name).is_some();
    if taken { Err(CreateNetworkError::OnlyOne { driver: driver.name() }) } else { Ok(driver) }
}

fn own_link(model: &Model, id: NetworkId, config: Config) -> Result<Config, CreateNetworkError> {
    match model.network_by_link(&config.link) {
        None => Ok(config),
        Some(other) => Err(CreateNetworkError::LinkTaken { id, link: config.link, other: other.id }),
    }
}

fn subnets(
    model: &Model,
    spec: &NetworkSpec,
    family: Family,
    context: &Context<'_>,
) -> Result<Vec<Subnet>, RequestPoolError> {
    let wanted = match family {
        Family::V4 => &spec.v4,
        Family::V6 => &spec.v6,
    };
    let needs = match &spec.driver {
        DriverSpec::Bridge(options) => Needs::of_bridge(options.needs_gateway(family, spec.internal)),
        DriverSpec::Null | DriverSpec::Host | DriverSpec::Config(_) => Needs::of_bridge(false),
        // Its pool is that of the wire, which the host may be on, too.
        DriverSpec::Upper(_) => Needs { gateway: false, off_link: false },
    };
    let mut subnets = Vec::new();
    for wish in wanted {
        subnets.push(request_pool((model, &subnets), wish, (family, needs), context)?);
    }
    Ok(subnets)
}

pub(super) fn delete(model: &Model, id: &NetworkId) -> Result<Delta, DeleteNetworkError> {
    let network = model.network(id).ok_or(DeleteNetworkError::NotFound { id: *id })?;
    if network.is_predefined() {
        return Err(DeleteNetworkError::Predefined { name: network.name.clone() });
    }
    let is_user = |other: &Network| other.config_from.as_ref() == Some(&network.name);
    if network.template().is_some() && model.networks().any(|other| is_user(other)) {
        return Err(DeleteNetworkError::InUse { name: network.name.clone() });
    }
    let active = |endpoint: &Endpoint| match endpoint.attachment {
        Attachment::Joined { .. } => Some(format!("name:{:?} id:\"{}\"", endpoint.name, endpoint.id.short())),
        Attachment::Detached => None,
    };
    let active: Vec<_> = model.endpoints_of_network(id).filter_map(|endpoint| active(endpoint)).collect();
    if !active.is_empty() {
        let (name, endpoints) = (network.name.clone(), active.join(", "));
        return Err(DeleteNetworkError::ActiveEndpoints { name, endpoints });
    }
    let mut delta = Delta::default();
    delta.endpoints.extend(model.endpoints_of_network(id).map(|endpoint| (endpoint.id, None)));
    delta.networks.insert(*id, None);
    Ok(delta)
}
