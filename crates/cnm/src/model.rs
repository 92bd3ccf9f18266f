//! Networks, endpoints and sandboxes as plain data.
//!
//! Entities sit behind `Arc` in persistent maps, so that the next model shares
//! with the last all that a request did not touch. Everything else in a model
//! (who holds which address, port, name) is an index, derived from the entities
//! by [`Model::apply`] alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
    sync::Arc,
};

use imbl::OrdMap;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{EndpointId, Mac, NetworkId, SandboxId, driver::bridge::parse_bool, ipam};

mod delta;
mod find;
mod index;
mod interval;
mod ports;

pub use self::{
    delta::{Delta, Touched},
    find::{FindNetworkError, WayIn},
    interval::IntervalSet,
    ports::PortIndex,
};

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
    /// The name of the network whose configuration it was made with.
    pub config_from: Option<String>,
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
    /// Nothing: what other networks are made with.
    Config(crate::spec::Template),
    Bridge(crate::driver::bridge::Config),
    /// macvlan and ipvlan: links on a link of the host.
    Upper(crate::driver::upper::Config),
}

/// The addresses of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ipam {
    pub driver: IpamDriver,
    pub v4: Vec<Subnet>,
    pub v6: Vec<Subnet>,
    /// IPAM options as the user wrote them.
    pub options: BTreeMap<String, String>,
}

/// Who gives a network's endpoints their addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpamDriver {
    /// The engine, from the network's pools.
    #[default]
    Default,
    /// Nobody: endpoints have a link and no addresses, whichever families the network was asked to have.
    Null { v4: bool, v6: bool },
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
    /// Absent on networks without links of their own: host and none.
    pub mac: Option<Mac>,
    /// The address with the prefix length of its pool.
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
    /// It has no IPv6 address, whatever its network has: its stack speaks none.
    pub no_v6: bool,
    pub link_local: Vec<IpAddr>,
    pub mac: Option<Mac>,
    /// Further names on this network.
    pub aliases: Vec<String>,
    /// All names it answers to, the container's first; empty where the network resolves none.
    pub dns_names: Vec<String>,
    /// Names of others that only this endpoint's sandbox knows.
    pub links: Vec<Link>,
    pub driver_options: BTreeMap<String, String>,
    /// The highest priority provides the default gateway.
    pub gateway_priority: i32,
}

/// A name of somebody else on the network, for one sandbox alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub alias: String,
    pub target: LinkTarget,
}

/// Whom a link means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkTarget {
    /// Whoever has this name when it is asked for: where the network resolves names.
    Name(String),
    /// The endpoint of this owner, by lines of /etc/hosts: where it resolves none.
    Owner(String),
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
        /// The order of joining: greater than that of every endpoint already in the sandbox.
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
    /// Whether the owner is ready to serve, as far as anybody knows: who is not is answered for only
    /// where nobody else has the name.
    pub ready: bool,
    /// Who reaches the published ones.
    pub access: crate::access::Access,
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
    /// A resolver that follows the host's servers also where networks resolve no names.
    pub follows_host: bool,
    /// `name.network` is looked for on networks that it is not on, too.
    pub sees_networks: bool,
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
    /// As many as `container`; [`PortBinding::OPEN`] where the network routes: no port of the host
    /// leads there, the ports are open at the endpoint's own address.
    pub host: RangeInclusive<u16>,
    pub container: RangeInclusive<u16>,
}

impl PortBinding {
    /// The host ports of a binding that has none.
    pub const OPEN: RangeInclusive<u16> = 0..=0;

    /// Whether ports of the host lead to it.
    pub fn is_of_host(&self) -> bool {
        self.host != Self::OPEN
    }
}

/// All networks, endpoints and sandboxes, and the indexes over them.
///
/// Cloning is cheap, and two models share what they have in common.
#[derive(Clone, Debug, Default)]
pub struct Model {
    networks: OrdMap<NetworkId, Arc<Network>>,
    endpoints: OrdMap<EndpointId, Arc<Endpoint>>,
    sandboxes: OrdMap<SandboxId, Arc<Sandbox>>,
    index: index::Index,
    /// Networks of the host's links that are not ours: true of the host, and not stored.
    of_host: Arc<BTreeSet<IpNet>>,
}

/// Two models are equal if their entities are: the indexes follow.
impl PartialEq for Model {
    fn eq(&self, other: &Self) -> bool {
        self.networks == other.networks
            && self.endpoints == other.endpoints
            && self.sandboxes == other.sandboxes
    }
}

impl Eq for Model {}

impl Family {
    /// Both, the older first.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    pub const fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The address by which a stack reaches itself.
    pub const fn loopback(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Self::V6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
        }
    }

    /// The address that stands for all addresses of the host.
    pub const fn unspecified(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Self::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

impl fmt::Display for Proto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

impl Ipam {
    /// The subnets of one family.
    pub fn subnets(&self, family: Family) -> &[Subnet] {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    /// Whether addresses are given one after the other, not the lowest first.
    pub fn is_serial(&self) -> bool {
        self.options.get(ipam::SERIAL).is_some_and(|value| parse_bool(value) == Some(true))
    }

    /// Every subnet, IPv4 first.
    pub fn all(&self) -> impl Iterator<Item = &Subnet> {
        self.v4.iter().chain(&self.v6)
    }
}

impl Driver {
    /// The name users know it by.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Null | Self::Config(_) => "null",
            Self::Host => "host",
            Self::Bridge(_) => "bridge",
            Self::Upper(config) => config.kind.name(),
        }
    }
}

impl Network {
    /// Part of every engine from the first day: `bridge`, `host`, `none`.
    pub const fn is_predefined(&self) -> bool {
        match &self.driver {
            Driver::Null | Driver::Host => true,
            Driver::Config(_) | Driver::Upper(_) => false,
            Driver::Bridge(config) => config.default,
        }
    }

    /// The bridge driver's configuration, if that is what realises it.
    pub const fn bridge(&self) -> Option<&crate::driver::bridge::Config> {
        match &self.driver {
            Driver::Bridge(config) => Some(config),
            Driver::Null | Driver::Host | Driver::Config(_) | Driver::Upper(_) => None,
        }
    }

    /// The macvlan or ipvlan driver's configuration, if that is what realises it.
    pub const fn upper(&self) -> Option<&crate::driver::upper::Config> {
        match &self.driver {
            Driver::Upper(config) => Some(config),
            Driver::Null | Driver::Host | Driver::Config(_) | Driver::Bridge(_) => None,
        }
    }

    /// What it is made of, if other networks are made with it.
    pub const fn template(&self) -> Option<&crate::spec::Template> {
        match &self.driver {
            Driver::Config(template) => Some(template),
            Driver::Null | Driver::Host | Driver::Bridge(_) | Driver::Upper(_) => None,
        }
    }

    /// Whether it was asked to have a family.
    pub fn has_family(&self, family: Family) -> bool {
        let is = |v4: bool, v6: bool| if family == Family::V4 { v4 } else { v6 };
        match (&self.driver, self.ipam.driver) {
            (Driver::Null | Driver::Host, _) => is(true, false),
            (Driver::Config(template), _) => is(template.v4.unwrap_or(true), template.v6.unwrap_or(false)),
            (Driver::Bridge(_) | Driver::Upper(_), IpamDriver::Null { v4, v6 }) => is(v4, v6),
            (Driver::Bridge(_) | Driver::Upper(_), IpamDriver::Default) => {
                !self.ipam.subnets(family).is_empty()
            }
        }
    }
}

impl Endpoint {
    /// The sandbox it has joined.
    pub const fn sandbox(&self) -> Option<&SandboxId> {
        match &self.attachment {
            Attachment::Joined { sandbox, .. } => Some(sandbox),
            Attachment::Detached => None,
        }
    }

    /// The name of its interface inside the sandbox it has joined.
    pub fn interface(&self) -> Option<&str> {
        match &self.attachment {
            Attachment::Joined { interface, .. } => Some(interface),
            Attachment::Detached => None,
        }
    }

    /// Its address of one family.
    pub fn address(&self, family: Family) -> Option<IpNet> {
        match family {
            Family::V4 => self.v4.map(IpNet::V4),
            Family::V6 => self.v6.map(IpNet::V6),
        }
    }

    /// Its addresses, IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        Family::BOTH.into_iter().filter_map(|family| self.address(family)).map(|net| net.addr())
    }
}
