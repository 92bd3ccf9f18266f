//! Pools: where a network's addresses are, and its gateway.

use std::net::IpAddr;

use ipnet::IpNet;
use thiserror::Error;

use super::{address, number, range, unusable};
use crate::{
    Family, IntervalSet, Model, Subnet,
    controller::{Context, DefaultPool, Kind},
    spec::{PoolWish, SubnetSpec},
};

/// Why a network cannot have the pool it asks for. The texts are Docker's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RequestPoolError {
    #[error("invalid pool request: Pool overlaps with other one on this address space")]
    Overlap { wanted: IpNet, taken: IpNet, network: String },
    #[error(
        "invalid pool request: Pool overlaps with other one on this address space ({first} to {last} is on a link of the host)"
    )]
    OnLink { wanted: IpNet, first: IpAddr, last: IpAddr },
    #[error("all predefined address pools have been fully subnetted")]
    Exhausted { family: Family },
    #[error("no available addresses on this pool")]
    NoGateway { pool: IpNet },
    #[error("failed to allocate gateway ({gateway}): Address already in use")]
    GatewayTaken { gateway: IpAddr },
    #[error("failed to allocate secondary ip address ({name}:{address}): Address already in use")]
    AuxiliaryTaken { name: String, address: IpAddr },
}

impl RequestPoolError {
    /// What kind of refusal it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Overlap { .. } | Self::OnLink { .. } => Kind::Forbidden,
            Self::Exhausted { .. } | Self::GatewayTaken { .. } | Self::AuxiliaryTaken { .. } => Kind::Invalid,
            Self::NoGateway { .. } => Kind::Unavailable,
        }
    }
}

/// What a network asks of its pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    /// A gateway, also where nobody named one.
    pub(crate) gateway: bool,
    /// No link of the host has addresses of them.
    pub(crate) off_link: bool,
}

impl Needs {
    pub(crate) const fn of_bridge(gateway: bool) -> Self {
        Self { gateway, off_link: true }
    }
}

/// A pool for a network, its gateway and reserved addresses. No gateway is chosen where none is needed.
///
/// `own` are the pools that the network has got already.
pub(crate) fn request_pool(
    (model, own): (&Model, &[Subnet]),
    spec: &SubnetSpec,
    (family, needs): (Family, Needs),
    context: &Context<'_>,
) -> Result<Subnet, RequestPoolError> {
    let pool = match spec.pool {
        PoolWish::Exact(pool) if needs.off_link => on_no_link(exact((model, own), pool)?, family, context)?,
        PoolWish::Exact(pool) => exact((model, own), pool)?,
        PoolWish::Any => lowest_free((model, own), family, None, context)?,
        PoolWish::Length(length) => lowest_free((model, own), family, Some(length), context)?,
    };
    with_gateway(spec, pool, needs.gateway)
}

fn exact((model, own): (&Model, &[Subnet]), wanted: IpNet) -> Result<IpNet, RequestPoolError> {
    let overlaps = |subnet: &&Subnet| subnet.pool.contains(&wanted) || wanted.contains(&subnet.pool);
    if let Some(taken) = own.iter().find(overlaps).map(|subnet| subnet.pool) {
        return Err(RequestPoolError::Overlap { wanted, taken, network: "this one".to_owned() });
    }
    let Some(network) = model.network_by_pool(&wanted) else {
        return Ok(wanted);
    };
    let taken = network.ipam.all().find(overlaps).map_or(wanted, |subnet| subnet.pool);
    Err(RequestPoolError::Overlap { wanted, taken, network: network.name.clone() })
}

/// The pool, if no link of the host has addresses of it.
fn on_no_link(wanted: IpNet, family: Family, context: &Context<'_>) -> Result<IpNet, RequestPoolError> {
    match context.host.on_link.family(family).overlap(&range(&wanted)) {
        None => Ok(wanted),
        Some(met) => Err(RequestPoolError::OnLink {
            wanted,
            first: address(family, *met.start()),
            last: address(family, *met.end()),
        }),
    }
}

/// Whether a pool is one that the defaults give: one that was not named stays.
pub(crate) fn is_default(pool: &IpNet, context: &Context<'_>) -> bool {
    let mut pools = context.defaults.pools.iter();
    pools.any(|default| default.base.contains(pool) && default.length == pool.prefix_len())
}

/// The lowest piece of the default pools that overlaps nothing: no pool of a network,
/// no route or address of the host, nothing on the user's list.
fn lowest_free(
    (model, own): (&Model, &[Subnet]),
    family: Family,
    length: Option<u8>,
    context: &Context<'_>,
) -> Result<IpNet, RequestPoolError> {
    let pooled = model.pooled(family);
    let own: IntervalSet = own.iter().map(|subnet| range(&subnet.pool)).collect();
    let taken = [&pooled, &own, context.host.taken.family(family), context.defaults.avoid.family(family)];
    let pools = context.defaults.pools.iter().filter(|pool| Family::of(&pool.base.addr()) == family);
    let mut pieces = pools.filter_map(|pool| piece(pool, length.unwrap_or(pool.length), &taken));
    pieces.next().ok_or(RequestPoolError::Exhausted { family })
}

/// The lowest piece of one default pool that overlaps none of `taken`. Each step
/// jumps over all that is taken in one block.
fn piece(pool: &DefaultPool, length: u8, taken: &[&IntervalSet]) -> Option<IpNet> {
    let whole = range(&pool.base);
    let bits = pool.base.max_prefix_len().checked_sub(length)?;
    if length < pool.base.prefix_len() {
        return None;
    }
    // A piece of 2^128 addresses does not exist: no default pool is ::/0.
    let size = 1_u128.checked_shl(u32::from(bits))?;
    let mut first = *whole.start();
    loop {
        let last = first.checked_add(size - 1).filter(|last| last <= whole.end())?;
        let Some(block) = taken.iter().filter_map(|set| set.overlap(&(first..=last))).next() else {
            return IpNet::new(address(Family::of(&pool.base.addr()), first), length).ok();
        };
        first = block.end().checked_add(1)?.checked_next_multiple_of(size)?;
    }
}

/// Reserves what the user named, then chooses the gateway if the user did not and one is needed.
fn with_gateway(spec: &SubnetSpec, pool: IpNet, is_needed: bool) -> Result<Subnet, RequestPoolError> {
    let mut taken: IntervalSet = unusable(&pool).map(|number| number..=number).collect();
    if let Some(gateway) = spec.gateway {
        if taken.contains(number(gateway)) {
            return Err(RequestPoolError::GatewayTaken { gateway });
        }
        taken.insert(number(gateway)..=number(gateway));
    }
    for (name, address) in &spec.auxiliary {
        if taken.contains(number(*address)) {
            return Err(RequestPoolError::AuxiliaryTaken { name: name.clone(), address: *address });
        }
        taken.insert(number(*address)..=number(*address));
    }
    let family = Family::of(&pool.addr());
    let lowest =
        || taken.lowest_free(&range(&spec.range.unwrap_or(pool))).map(|number| address(family, number));
    let gateway = match spec.gateway {
        None if is_needed => Some(lowest().ok_or(RequestPoolError::NoGateway { pool })?),
        gateway => gateway,
    };
    Ok(Subnet { pool, range: spec.range, gateway, auxiliary: spec.auxiliary.clone() })
}
