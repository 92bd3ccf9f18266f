//! The bridge driver: a Linux bridge, a veth pair per endpoint.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::{Family, access::Allow};

pub(crate) mod objects;
mod options;
pub(crate) mod rules;

pub(crate) use self::options::{
    EGRESS, INTERFACE, LINK_NAME_MAX, asks_for_announcements, check_endpoint_options, fixed, link_name, mtu,
    parse_bool, prefix,
};
pub use self::options::{OptionError, Options, sysctls};

/// What a bridge network's options mean, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The name of the link: `br-` and twelve digits of the network's id, or the user's choice.
    pub link: String,
    /// In bytes.
    pub mtu: u32,
    /// Endpoints of this network may talk to one another.
    pub inter_container: bool,
    /// Traffic to elsewhere leaves with an address of the host.
    pub masquerade: bool,
    /// Where ports are published that name no host address.
    pub host_binding: Option<IpAddr>,
    /// The prefix of interface names inside: `eth`.
    pub interface_prefix: String,
    /// The network that `--net bridge` and no `--net` mean: no embedded resolver, no aliases.
    pub default: bool,
    /// How elsewhere and endpoints reach each other by IPv4.
    pub gateway_v4: GatewayMode,
    /// The same by IPv6.
    pub gateway_v6: GatewayMode,
    /// Links of the host whose neighbours may send to published ports by the endpoint's own address.
    pub trusted: Vec<String>,
    /// Somebody else has the IPv4 gateway's address, not the bridge.
    pub inhibit_v4: bool,
    /// The host's address that traffic to elsewhere leaves with; that of the link it leaves by if absent.
    pub source_v4: Option<Ipv4Addr>,
    /// The same for IPv6.
    pub source_v6: Option<Ipv6Addr>,
    /// How new endpoints are made known to their neighbours.
    pub announcement: Announcement,
    /// Who reaches ports that are published without an address; the engine's default if absent.
    pub publish: Option<PublishDefault>,
    /// Who reaches published ports that no other list speaks of; everybody if empty.
    pub allow: Vec<Allow>,
    /// Where new flows of its endpoints lead.
    pub egress: Egress,
}

/// Who reaches ports that are published without an address of the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublishDefault {
    #[default]
    All,
    /// Private addresses, and those of networks that the host is on.
    Lan,
    /// The host, as if its loopback addresses had been named.
    Localhost,
}

/// Where new flows of endpoints may lead, apart from their neighbours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Egress {
    #[default]
    Any,
    /// Not to local networks and not to the host, except by published ports.
    Internet,
    /// Nowhere. Answers do go out.
    None,
}

/// How elsewhere and the endpoints of a network reach each other, by one family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GatewayMode {
    /// Endpoints leave with the host's address; they are reached at published ports of the host only.
    #[default]
    Nat,
    /// The same, and whoever has a route reaches every port at the endpoint's own address.
    Unprotected,
    /// No translation: published ports are open at the endpoint's own address.
    Routed,
    /// The bridge has no address: not even the host is reached.
    Isolated,
}

/// How often, and at which distance, an endpoint says where its addresses are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// At most 3; 0 for silence.
    pub count: u8,
    /// In milliseconds: 100 to 2000.
    pub interval: u16,
}

impl Default for Announcement {
    fn default() -> Self {
        Self { count: 3, interval: 1000 }
    }
}

impl GatewayMode {
    /// The word for it in options.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nat => "nat",
            Self::Unprotected => "nat-unprotected",
            Self::Routed => "routed",
            Self::Isolated => "isolated",
        }
    }

    /// Whether ports of the host lead to endpoints, and these hide behind the host.
    pub const fn translates(self) -> bool {
        matches!(self, Self::Nat | Self::Unprotected)
    }
}

impl PublishDefault {
    /// The word for it in options.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Lan => "lan",
            Self::Localhost => "localhost",
        }
    }

    /// What a word means.
    pub fn named(word: &str) -> Option<Self> {
        [Self::All, Self::Lan, Self::Localhost].into_iter().find(|it| it.name() == word)
    }
}

impl Egress {
    /// The word for it in options.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Internet => "internet",
            Self::None => "none",
        }
    }

    /// What a word means.
    pub fn named(word: &str) -> Option<Self> {
        [Self::Any, Self::Internet, Self::None].into_iter().find(|it| it.name() == word)
    }
}

impl Config {
    /// A network with this bridge where no option says anything.
    pub fn new(link: impl Into<String>) -> Self {
        Self {
            link: link.into(),
            mtu: options::MTU,
            inter_container: true,
            masquerade: true,
            host_binding: None,
            interface_prefix: "eth".to_owned(),
            default: false,
            gateway_v4: GatewayMode::Nat,
            gateway_v6: GatewayMode::Nat,
            trusted: Vec::new(),
            inhibit_v4: false,
            source_v4: None,
            source_v6: None,
            announcement: Announcement::default(),
            publish: None,
            allow: Vec::new(),
            egress: Egress::Any,
        }
    }

    /// How elsewhere and endpoints reach each other.
    pub const fn gateway_mode(&self, family: Family) -> GatewayMode {
        match family {
            Family::V4 => self.gateway_v4,
            Family::V6 => self.gateway_v6,
        }
    }

    /// The host's address that traffic to elsewhere leaves with, if it is always the same.
    pub fn source(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => self.source_v4.map(IpAddr::V4),
            Family::V6 => self.source_v6.map(IpAddr::V6),
        }
    }

    /// Whether the bridge has the gateway's address.
    pub const fn has_gateway(&self, family: Family) -> bool {
        let inhibited = matches!(family, Family::V4) && self.inhibit_v4;
        !inhibited && !matches!(self.gateway_mode(family), GatewayMode::Isolated)
    }
}
