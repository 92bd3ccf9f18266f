//! The Container Network Model: pure, synchronous, deterministic.
//!
//! Four nouns: a [`Network`] is a group of endpoints that can talk to one
//! another; an [`Endpoint`] joins one sandbox to one network; a [`Sandbox`] is
//! a network stack; the [`controller`] is the only place that changes them.
//!
//! One cycle: a request makes the next [`Model`]; two models make two kernel
//! states; their difference is the plan; the plan is applied or undone.

#![forbid(unsafe_code)]

pub mod access;
pub mod announce;
pub mod apply;
pub mod controller;
pub mod driver;
pub mod explain;
#[cfg(feature = "fake")]
pub mod fake;
pub mod files;
mod id;
pub mod ipam;
mod model;
pub mod names;
pub mod nft;
pub mod plan;
pub mod port;
pub mod reach;
pub mod record;
pub mod spec;
pub mod splice;
pub mod state;

pub use id::{EndpointId, Mac, NetworkId, ParseIdError, SandboxId};
pub use model::{
    Attachment, Delta, DnsSettings, Driver, Endpoint, EndpointSettings, Family, FindNetworkError, HostPorts,
    IntervalSet, Ipam, IpamDriver, Link, LinkTarget, Model, Namespace, Network, PortBinding, PortIndex,
    PortMapping, Ports, Proto, Sandbox, Subnet, Touched, WayIn,
};
