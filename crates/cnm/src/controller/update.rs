//! Changing networks that have endpoints.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use thiserror::Error;

use super::{Context, Kind};
use crate::{
    Delta, Driver, Endpoint, Family, IpamDriver, Model, Network, NetworkId,
    driver::bridge::{Config, OptionError, Options, fixed},
    ipam::{Needs, RequestAddressError, RequestPoolError, request_address, request_pool},
    spec::{NetworkUpdate, SubnetSpec, Switch},
};

/// The smallest MTU of a link that has IPv6, in bytes (RFC 8200 §5).
const IPV6_MTU: u32 = 1280;

/// Why a network cannot become what is asked for.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UpdateNetworkError {
    #[error("network {network} not found")]
    NotFound { network: NetworkId },
    #[error("network {name} is predefined: it is as the engine's own settings say")]
    Predefined { name: String },
    #[error(
        "configuration network {name:?} cannot be changed: networks that were made with it would not follow"
    )]
    Config { name: String },
    #[error("network {name} cannot be changed: networks of the {driver} driver stay as they are made")]
    Driver { name: String, driver: &'static str },
    #[error("option {option} of network {name} cannot be changed: {reason}")]
    Fixed { name: String, option: &'static str, reason: &'static str },
    #[error("IPv4 or IPv6 must be enabled")]
    NoFamily,
    #[error("the families of network {name} cannot be changed: nobody gives addresses on it")]
    NullIpam { name: String },
    #[error("the subnets of network {name} cannot be changed: it has {family} already")]
    Subnets { name: String, family: Family },
    #[error("network {network} keeps {family}: endpoint {endpoint} has been given {address} by name")]
    StaticAddress { network: String, family: Family, endpoint: String, address: IpAddr },
    #[error("an MTU of {mtu} is too small for IPv6, which needs {IPV6_MTU}")]
    Mtu { mtu: u32 },
    #[error(transparent)]
    Option(#[from] OptionError),
    #[error(transparent)]
    Pool(#[from] RequestPoolError),
    #[error(transparent)]
    Address(#[from] RequestAddressError),
}

impl UpdateNetworkError {
    /// What kind of refusal it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::Predefined { .. }
            | Self::Config { .. }
            | Self::Driver { .. }
            | Self::Fixed { .. }
            | Self::NullIpam { .. }
            | Self::Subnets { .. }
            | Self::StaticAddress { .. } => Kind::Forbidden,
            Self::NoFamily | Self::Mtu { .. } | Self::Option(_) => Kind::Invalid,
            Self::Pool(error) => error.kind(),
            Self::Address(error) => error.kind(),
        }
    }
}

pub(super) fn update(
    model: &Model,
    id: &NetworkId,
    update: &NetworkUpdate,
    context: &Context<'_>,
) -> Result<Delta, UpdateNetworkError> {
    let old = model.network(id).ok_or(UpdateNetworkError::NotFound { network: *id })?;
    let mut network = Network::clone(old);
    merge(&mut network.options, &update.options);
    merge(&mut network.labels, &update.labels);
    let (options, config) = configured(old, &network)?;
    for family in Family::BOTH {
        let needs_gateway = options.needs_gateway(family, network.internal);
        let subnets = switched((model, old), update.switch(family), (family, needs_gateway), context)?;
        match family {
            Family::V4 => network.ipam.v4 = subnets,
            Family::V6 => network.ipam.v6 = subnets,
        }
    }
    if network.ipam.driver == IpamDriver::Default && network.ipam.all().next().is_none() {
        return Err(UpdateNetworkError::NoFamily);
    }
    let old_mtu = old.bridge().map(|config| config.mtu);
    let mtu = config.mtu;
    network.driver = Driver::Bridge(config);
    let is_new = Some(mtu) != old_mtu || !old.has_family(Family::V6);
    if is_new && mtu < IPV6_MTU && network.has_family(Family::V6) {
        return Err(UpdateNetworkError::Mtu { mtu });
    }
    let mut delta = Delta::default();
    delta.put_network(network.clone());
    let mut next = model.apply(&delta);
    for endpoint in model.endpoints_of_network(id) {
        let mut moved = Delta::default();
        moved.put_endpoint(readdressed(&next, &network, endpoint)?);
        next = next.apply(&moved);
        delta = delta.then(moved);
    }
    Ok(delta.since(model))
}

/// Sets what is given and removes what is not.
fn merge(map: &mut BTreeMap<String, String>, changes: &BTreeMap<String, Option<String>>) {
    for (key, value) in changes {
        match value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        };
    }
}

/// What the options mean by now, if the network may have them.
fn configured(old: &Network, new: &Network) -> Result<(Options, Config), UpdateNetworkError> {
    let name = old.name.clone();
    let before = match &old.driver {
        Driver::Bridge(config) if !config.default => config,
        Driver::Config(_) => return Err(UpdateNetworkError::Config { name }),
        Driver::Upper(upper) => {
            return Err(UpdateNetworkError::Driver { name, driver: upper.kind.name() });
        }
        Driver::Bridge(_) | Driver::Null | Driver::Host => {
            return Err(UpdateNetworkError::Predefined { name });
        }
    };
    let options = Options::parse(&new.options, false)?;
    options.check(new.internal)?;
    let config = options.config(&new.id);
    match fixed((before, &old.options), (&config, &new.options)) {
        Some((option, reason)) => Err(UpdateNetworkError::Fixed { name, option, reason }),
        None => Ok((options, config)),
    }
}

/// The subnets of a family after it was switched.
fn switched(
    (model, network): (&Model, &Network),
    switch: Option<&Switch>,
    (family, needs_gateway): (Family, bool),
    context: &Context<'_>,
) -> Result<Vec<crate::Subnet>, UpdateNetworkError> {
    let had = network.has_family(family);
    let subnets = network.ipam.subnets(family).to_vec();
    let name = || network.name.clone();
    match switch {
        None => Ok(subnets),
        Some(switch) if network.ipam.driver != IpamDriver::Default => {
            let stays = *switch == Switch::Off && !had;
            if stays { Ok(subnets) } else { Err(UpdateNetworkError::NullIpam { name: name() }) }
        }
        Some(Switch::Off) => Ok(Vec::new()),
        Some(Switch::On(wishes)) if had => match wishes.as_slice() {
            [wish] if *wish == SubnetSpec::ANY => Ok(subnets),
            _ => Err(UpdateNetworkError::Subnets { name: name(), family }),
        },
        Some(Switch::On(wishes)) => {
            let mut subnets = Vec::new();
            for wish in wishes {
                subnets.push(request_pool(
                    (model, &subnets),
                    wish,
                    (family, Needs::of_bridge(needs_gateway)),
                    context,
                )?);
            }
            Ok(subnets)
        }
    }
}

/// The endpoint with an address of each family that its network has, and none of others.
fn readdressed(
    model: &Model,
    network: &Network,
    endpoint: &Endpoint,
) -> Result<Endpoint, UpdateNetworkError> {
    let mut next = endpoint.clone();
    let wishes = [endpoint.settings.v4.map(IpAddr::V4), endpoint.settings.v6.map(IpAddr::V6)];
    for (family, wanted) in Family::BOTH.into_iter().zip(wishes) {
        let speaks = family == Family::V4 || !endpoint.settings.no_v6;
        let has = speaks && !network.ipam.subnets(family).is_empty();
        let address = match (has, endpoint.address(family)) {
            (true, Some(address)) => Some(address),
            (true, None) => request_address(model, network, family, (wanted, None))?,
            (false, _) => match wanted {
                None => None,
                Some(address) => {
                    let (network, endpoint) = (network.name.clone(), endpoint.name.clone());
                    return Err(UpdateNetworkError::StaticAddress { network, family, endpoint, address });
                }
            },
        };
        match (family, address) {
            (Family::V4, Some(IpNet::V4(net))) => next.v4 = Some(net),
            (Family::V6, Some(IpNet::V6(net))) => next.v6 = Some(net),
            (Family::V4, _) => next.v4 = None,
            (Family::V6, _) => next.v6 = None,
        }
    }
    Ok(next)
}
