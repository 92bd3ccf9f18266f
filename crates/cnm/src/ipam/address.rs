//! Addresses of endpoints: static ones, else the lowest free, or the next after the last.

use std::net::IpAddr;

use ipnet::IpNet;
use thiserror::Error;

use super::{address, number, range};
use crate::{Family, Model, Network, NetworkId, controller::Kind};

/// Why an endpoint cannot have an address. The texts are Docker's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RequestAddressError {
    #[error("invalid address {address}: It does not belong to any of this network's subnets")]
    Outside { address: IpAddr },
    #[error("Address already in use")]
    Taken { address: IpAddr, holder: Option<String> },
    #[error("no available {family} addresses on this network's address pools: {network} ({id})")]
    Exhausted { family: Family, network: String, id: NetworkId },
}

impl RequestAddressError {
    /// What kind of refusal it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Outside { .. } => Kind::Invalid,
            Self::Taken { .. } => Kind::Forbidden,
            Self::Exhausted { .. } => Kind::Unavailable,
        }
    }
}

/// An address of a network, with the prefix length of its pool; none if the network
/// has no pool of this family. Where addresses are given one after the other, `last` is the one before.
pub(crate) fn request_address(
    model: &Model,
    network: &Network,
    family: Family,
    (wanted, last): (Option<IpAddr>, Option<u128>),
) -> Result<Option<IpNet>, RequestAddressError> {
    let subnets = network.ipam.subnets(family);
    let taken = model.addresses_taken(&network.id, family);
    if let Some(wanted) = wanted {
        let subnet = subnets.iter().find(|subnet| subnet.pool.contains(&wanted));
        let subnet = subnet.ok_or(RequestAddressError::Outside { address: wanted })?;
        if taken.contains(number(wanted)) {
            let holder = model.endpoint_by_address(&network.id, wanted).map(|endpoint| endpoint.name.clone());
            return Err(RequestAddressError::Taken { address: wanted, holder });
        }
        return Ok(IpNet::new(wanted, subnet.pool.prefix_len()).ok());
    }
    let mut free = subnets.iter().filter_map(|subnet| {
        let from = range(&subnet.range.unwrap_or(subnet.pool));
        let after = last.and_then(|last| last.checked_add(1)).filter(|next| from.contains(next));
        let after = after.and_then(|next| taken.lowest_free(&(next..=*from.end())));
        let free = after.or_else(|| taken.lowest_free(&from))?;
        IpNet::new(address(family, free), subnet.pool.prefix_len()).ok()
    });
    match free.next() {
        None if !subnets.is_empty() => {
            Err(RequestAddressError::Exhausted { family, network: network.name.clone(), id: network.id })
        }
        found => Ok(found),
    }
}
