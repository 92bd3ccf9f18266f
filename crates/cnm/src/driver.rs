//! Drivers: functions from networks and endpoints to kernel objects.

pub mod bridge;
mod inside;
pub mod upper;

use crate::{
    Driver, Endpoint, Network,
    state::{Key, Object},
};

impl Driver {
    /// What a network of this driver adds to the kernel.
    pub(crate) fn network_objects(&self, network: &Network) -> Vec<(Key, Object)> {
        match self {
            Self::Null | Self::Host | Self::Config(_) => Vec::new(),
            Self::Bridge(config) => bridge::objects::network_objects(network, config),
            Self::Upper(config) => upper::objects::network_objects(config),
        }
    }

    /// What an endpoint of such a network adds; whether ports of its sandbox are published matters.
    pub(crate) fn endpoint_objects(&self, endpoint: &Endpoint, published: bool) -> Vec<(Key, Object)> {
        match self {
            Self::Null | Self::Host | Self::Config(_) => Vec::new(),
            Self::Bridge(config) => bridge::objects::endpoint_objects(endpoint, config, published),
            Self::Upper(config) => upper::objects::endpoint_objects(endpoint, config),
        }
    }
}
