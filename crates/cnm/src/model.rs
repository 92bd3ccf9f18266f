//! Networks, endpoints and sandboxes as plain data.
//!
//! Entities sit behind `Arc` in persistent maps, so that the next model shares
//! with the last all that a request did not touch. Everything else in a model
//! (who holds which address, port, name) is an index, derived from the entities
//! by [`Model::apply`] alone.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
    sync::Arc,
};

use imbl::OrdMap;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{EndpointId, Mac, NetworkId, SandboxId};

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    V4,
    V6,
}

/// A transport protocol whose ports can be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proto {
    Tcp,
    Udp,
    Sctp,
}

/// A group of endpoints that can talk to one another directly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    pub id: NetworkId,
    pub name: String,
    /// What realises it, with the driver's own checked configuration.
    pub driver: Driver,
    pub ipam: Ipam,
    /// No way in or out except through its own endpoints.
    pub internal: bool,
    pub attachable: bool,
    /// Driver options as the user wrote them; `driver` holds what they mean.
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    /// Nanoseconds since the Unix epoch.
    pub created: i64,
}

/// The kinds of network, each with what only it needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Driver {
    /// A stack of its own with nothing but loopback.
    Null,
    /// The host's own stack.
    Host,
    Bridge(crate::driver::bridge::Config),
}

/// The addresses of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ipam {
    pub v4: Vec<Subnet>,
    pub v6: Vec<Subnet>,
    /// IPAM options as the user wrote them.
    pub options: BTreeMap<String, String>,
}

/// One pool of addresses of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    pub pool: IpNet,
    /// Where dynamic addresses come from; the whole pool if absent.
    pub range: Option<IpNet>,
    pub gateway: Option<IpAddr>,
    /// Addresses that nobody may get, with the names the user gave them.
    pub auxiliary: BTreeMap<String, IpAddr>,
}

/// What joins one sandbox to one network. It keeps its addresses and its MAC
/// until it is deleted, whether or not a sandbox has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub id: EndpointId,
    pub name: String,
    pub network: NetworkId,
    /// Who the endpoint is for, opaque to the model.
    pub owner: String,
    pub mac: Mac,
    pub v4: Option<Ipv4Net>,
    pub v6: Option<Ipv6Net>,
    pub settings: EndpointSettings,
    pub attachment: Attachment,
}

/// What the user asked of an endpoint, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointSettings {
    pub v4: Option<Ipv4Addr>,
    pub v6: Option<Ipv6Addr>,
    pub link_local: Vec<IpAddr>,
    pub mac: Option<Mac>,
    /// Further names on this network.
    pub aliases: Vec<String>,
    /// All names it answers to, the container's first; empty where the network resolves none.
    pub dns_names: Vec<String>,
    pub driver_options: BTreeMap<String, String>,
    /// The highest priority provides the default gateway.
    pub gateway_priority: i32,
}

/// Whether an endpoint is in a sandbox, and what is true only then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Attachment {
    #[default]
    Detached,
    Joined {
        sandbox: SandboxId,
        /// The name inside the sandbox: `eth0`.
        interface: String,
        /// The order of joining within the sandbox, from 0; never reused while it lives.
        order: u32,
    },
}

/// A network stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    pub id: SandboxId,
    /// Who the sandbox is for, opaque to the model.
    pub owner: String,
    pub namespace: Namespace,
    pub dns: DnsSettings,
    /// Ports of the host that lead into this sandbox, whichever endpoint is its gateway.
    pub ports: Vec<PortBinding>,
    /// Ports the owner announces without publishing them.
    pub exposed: Vec<Ports>,
}

/// Which network namespace realises a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// One that is created and removed with the sandbox.
    Own,
    /// The host's.
    Host,
    /// Somebody else's, by path; neither created nor removed.
    Path(String),
}

/// How names are resolved inside a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsSettings {
    pub hostname: String,
    pub domainname: String,
    /// Upstream servers of its own; the host's if empty.
    pub servers: Vec<IpAddr>,
    pub search: Vec<String>,
    pub options: Vec<String>,
    /// Further lines of /etc/hosts: name, address.
    pub extra_hosts: Vec<(String, IpAddr)>,
}

/// Consecutive ports of one protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    pub proto: Proto,
    pub range: RangeInclusive<u16>,
}

/// A wish to publish ports of a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMapping {
    /// The ports inside.
    pub container: Ports,
    /// The address of the host; all of its addresses if absent.
    pub host_address: Option<IpAddr>,
    pub host: HostPorts,
}

/// Which ports of the host a mapping may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPorts {
    /// Any free port of the ephemeral range.
    Any,
    /// As many as inside, one to one.
    Exact(RangeInclusive<u16>),
    /// The first free one of these, for a single port inside.
    FirstFree(RangeInclusive<u16>),
}

/// A published range: `host` leads to `container`, port by port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortBinding {
    pub proto: Proto,
    /// The unspecified address of a family stands for all of its addresses.
    pub host_address: IpAddr,
    pub host: RangeInclusive<u16>,
    pub container: RangeInclusive<u16>,
}

/// All networks, endpoints and sandboxes, and the indexes over them.
#[derive(Clone, Debug, Default)]
pub struct Model {
    networks: OrdMap<NetworkId, Arc<Network>>,
    endpoints: OrdMap<EndpointId, Arc<Endpoint>>,
    sandboxes: OrdMap<SandboxId, Arc<Sandbox>>,
}

/// A change of a model: what each touched entity becomes, `None` if it goes.
///
/// It is what one request stores, publishes and can take back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    pub networks: BTreeMap<NetworkId, Option<Arc<Network>>>,
    pub endpoints: BTreeMap<EndpointId, Option<Arc<Endpoint>>>,
    pub sandboxes: BTreeMap<SandboxId, Option<Arc<Sandbox>>>,
}
