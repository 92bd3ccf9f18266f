//! The macvlan and ipvlan drivers: links of sandboxes on a link of the host, without a bridge between.
//!
//! The kernel calls the link below the lower one, those on it the upper ones. Endpoints are neighbours of
//! whoever is on the wire of the lower link; the host itself does not reach them by it.

pub(crate) mod objects;
mod options;

pub(crate) use self::options::vlan;
pub use self::options::{OptionError, Options};
use crate::Subnet;

/// What a network on a link of the host is, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub parent: Parent,
    pub kind: Kind,
    /// In bytes; that of the parent if absent.
    pub mtu: Option<u32>,
    /// The prefix of interface names inside: `eth`.
    pub interface_prefix: String,
}

/// The link that endpoints are on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parent {
    /// One of the host's: neither made nor removed.
    Link(String),
    /// One VLAN (IEEE 802.1Q) of a link of the host: made with the first network on it, removed with the last.
    Vlan {
        /// `eth0.10`.
        name: String,
        on: String,
        /// From 1 to 4094.
        id: u16,
    },
    /// One that leads nowhere, of this network alone.
    Dummy(String),
}

/// What the links of endpoints are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Each has a MAC address of its own.
    Macvlan(MacvlanMode),
    /// All share that of the parent.
    Ipvlan(IpvlanMode, IpvlanFlag),
}

/// How the macvlan links on one parent reach each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MacvlanMode {
    #[default]
    Bridge,
    /// Not at all.
    Private,
    /// By the switch, if it sends frames back.
    Vepa,
    /// There is only one, and it takes over the parent's MAC address.
    Passthru,
}

/// What the ipvlan links on one parent forward by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpvlanMode {
    /// By MAC address.
    #[default]
    L2,
    /// By IP address.
    L3,
    /// The same, past the host's netfilter.
    L3s,
}

/// How the ipvlan links on one parent reach each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpvlanFlag {
    #[default]
    Bridge,
    /// Not at all.
    Private,
    /// By the switch, if it sends packets back.
    Vepa,
}

/// Where the default route of an endpoint leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WayOut {
    Gateway(std::net::IpAddr),
    /// Onto the link: whoever has an address is asked for on it.
    Link,
}

impl MacvlanMode {
    /// The word for it in options and for `ip`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Private => "private",
            Self::Vepa => "vepa",
            Self::Passthru => "passthru",
        }
    }
}

impl IpvlanMode {
    /// The word for it in options and for `ip`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::L2 => "l2",
            Self::L3 => "l3",
            Self::L3s => "l3s",
        }
    }
}

impl IpvlanFlag {
    /// The word for it in options and for `ip`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Private => "private",
            Self::Vepa => "vepa",
        }
    }
}

impl Parent {
    /// Its name on the host.
    pub fn name(&self) -> &str {
        match self {
            Self::Link(name) | Self::Vlan { name, .. } | Self::Dummy(name) => name,
        }
    }

    /// Whether it is made for networks.
    pub const fn is_made(&self) -> bool {
        !matches!(self, Self::Link(_))
    }
}

impl Kind {
    /// The driver's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Macvlan(_) => "macvlan",
            Self::Ipvlan(..) => "ipvlan",
        }
    }

    /// Whether an endpoint has a MAC address of its own.
    pub(crate) const fn has_mac(self) -> bool {
        matches!(self, Self::Macvlan(MacvlanMode::Bridge | MacvlanMode::Private | MacvlanMode::Vepa))
    }

    /// Whether only one link can be on a parent.
    pub(crate) const fn is_alone(self) -> bool {
        matches!(self, Self::Macvlan(MacvlanMode::Passthru))
    }

    /// Whether endpoints of one network reach each other, whatever the wire's switch does.
    pub(crate) const fn is_meshed(self) -> bool {
        matches!(self, Self::Macvlan(MacvlanMode::Bridge) | Self::Ipvlan(_, IpvlanFlag::Bridge))
    }
}

impl Config {
    /// Whether nothing of the network is on a wire.
    pub const fn is_closed(&self) -> bool {
        matches!(self.parent, Parent::Dummy(_))
    }

    /// Where the default route of an endpoint with an address of this subnet leads.
    pub(crate) fn way_out(&self, subnet: &Subnet) -> WayOut {
        match (self.kind, subnet.default_route()) {
            (Kind::Ipvlan(IpvlanMode::L3 | IpvlanMode::L3s, _), _) | (_, None) => WayOut::Link,
            (_, Some(gateway)) => WayOut::Gateway(gateway),
        }
    }
}
