//! Addresses: which pools networks get, and which addresses endpoints get.
//!
//! A pool is a range of numbers. Everything taken is an [`crate::IntervalSet`], so
//! that the lowest free pool or address is found without walking over the others.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
};

use ipnet::IpNet;

use crate::Family;

mod address;
mod pool;
mod status;

pub use self::{
    address::RequestAddressError,
    pool::RequestPoolError,
    status::{PoolStatus, pool_status},
};
pub(crate) use self::{
    address::request_address,
    pool::{Needs, is_default, request_pool},
};

/// An option: each address after the one given before, not the lowest that is free.
pub(crate) const SERIAL: &str = "com.docker.network.ipam.serial";

/// An address as a number of its family.
pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// The address of a family with this number.
pub(crate) fn address(family: Family, number: u128) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::from(u32::try_from(number).expect("an IPv4 address has 32 bits"))),
        Family::V6 => IpAddr::V6(Ipv6Addr::from(number)),
    }
}

/// All addresses of a pool.
pub(crate) fn range(pool: &IpNet) -> RangeInclusive<u128> {
    number(pool.network())..=number(pool.broadcast())
}

/// Addresses of a pool that are no host's: network and broadcast (RFC 919), except in
/// point-to-point pools (RFC 3021); the subnet-router anycast address (RFC 4291 §2.6.1),
/// except in /127 (RFC 6164) and /128.
pub(crate) fn unusable(pool: &IpNet) -> impl Iterator<Item = u128> + use<> {
    let (first, last) = range(pool).into_inner();
    let point_to_point = pool.max_prefix_len() - pool.prefix_len() <= 1;
    let broadcast = matches!(pool, IpNet::V4(_)).then_some(last);
    [Some(first), broadcast].into_iter().flatten().filter(move |_| !point_to_point)
}
