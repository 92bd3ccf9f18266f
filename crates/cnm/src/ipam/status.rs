//! How full pools are.

use ipnet::IpNet;

use super::range;
use crate::{Family, Model, Network};

/// How full a pool is. Counts stop at the largest `u64`, as in the Engine API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    pub pool: IpNet,
    /// Addresses in use or never given: endpoints, gateway, auxiliary ones, network and broadcast.
    pub in_use: u64,
    /// Addresses left for endpoints that ask for none in particular.
    pub available: u64,
}

/// How full the pools of a network are, IPv4 first.
pub fn pool_status(model: &Model, network: &Network) -> Vec<PoolStatus> {
    let status = |subnet: &crate::Subnet| {
        let taken = model.addresses_taken(&network.id, Family::of(&subnet.pool.network()));
        let dynamic = range(&subnet.range.unwrap_or(subnet.pool));
        let size = (dynamic.end() - dynamic.start()).saturating_add(1);
        PoolStatus {
            pool: subnet.pool,
            in_use: capped(taken.count(&range(&subnet.pool))),
            available: capped(size - taken.count(&dynamic)),
        }
    };
    network.ipam.all().map(status).collect()
}

fn capped(count: u128) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
