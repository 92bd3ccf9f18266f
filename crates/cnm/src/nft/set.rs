//! The sets and maps of our table, by name.

use std::fmt;

use super::Type::{self, Ifname, InetProto, InetService, Ipv4Addr, Ipv6Addr};
use crate::{
    Family, Proto,
    access::{LENGTHS4, LENGTHS6},
};

/// A set or a map of our table.
///
/// Keys are exact and hashed, except in interval sets, whose keys are single
/// fields: a concatenation with intervals costs a thousand times more (pipapo).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Set {
    /// Our bridges: only what enters or leaves one of them is judged.
    Bridges,
    /// Bridges that nothing enters or leaves by routing.
    Internal,
    /// Pairs of bridges whose traffic is not confined; a bridge with itself
    /// where endpoints may talk to one another.
    Talk,
    /// A bridge with itself where endpoints may not talk to one another.
    Apart,
    /// Bridges whose endpoints are reached at all their ports by their own addresses.
    Open(Family),
    /// Bridges whose endpoints are reached at published ports by their own addresses.
    Routed(Family),
    /// A link of the host and a bridge: what comes by the one reaches published ports on the
    /// other by the endpoints' own addresses.
    Trusted,
    /// Bridges that no new flow leaves, not even to the host.
    EgressNone,
    /// Bridges whose new flows lead to the internet, to published ports and nowhere else.
    EgressInternet,
    /// Private networks, and those that the host is on.
    Local(Family),
    /// Whose addresses are hidden behind the host's when they leave for elsewhere.
    Masquerade(Family),
    /// The same with the address of the host that they are hidden behind.
    Source(Family),
    /// Published ports of endpoints by their own addresses.
    Reach(Family),
    /// Published ports of endpoints that not everybody reaches, however they get there.
    Limited(Family),
    /// Who reaches these: what comes by a link of the host.
    AllowLink(Family),
    /// What comes from local networks.
    AllowLocal(Family),
    /// What comes from networks whose prefixes have this length.
    Allow(Family, u8),
    /// A bridge with the address of a published sandbox on it: clients that come by that
    /// bridge are hidden behind it, since answers to them would not pass the host.
    Hairpin(Family),
    /// The address of a published sandbox, twice: as a client of itself it is hidden, too,
    /// also where bridged frames pass netfilter, which then knows no link they came by.
    Itself(Family),
    /// Ports published on all addresses of the host.
    Publish(Family),
    /// Ports published on one address of the host.
    PublishAddr(Family),
    /// Ranges published on all addresses under the same numbers as inside.
    Range(Family, Proto),
}

/// Names of sets of sources, by the place of their length.
const NAMES4: [&str; LENGTHS4.len()] =
    ["allow4_4", "allow4_8", "allow4_12", "allow4_16", "allow4_20", "allow4_24", "allow4_28", "allow4_32"];
const NAMES6: [&str; LENGTHS6.len()] = [
    "allow6_8",
    "allow6_16",
    "allow6_24",
    "allow6_32",
    "allow6_40",
    "allow6_48",
    "allow6_56",
    "allow6_64",
    "allow6_72",
    "allow6_80",
    "allow6_88",
    "allow6_96",
    "allow6_104",
    "allow6_112",
    "allow6_120",
    "allow6_128",
];

/// Which of the lengths this is: the first that is not shorter.
const fn place(lengths: &[u8], length: u8) -> usize {
    let mut place = 0;
    while place + 1 < lengths.len() && lengths[place] < length {
        place += 1;
    }
    place
}

impl Set {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 63] = {
        use Family::{V4, V6};
        use Proto::{Sctp, Tcp, Udp};
        [
            Self::Bridges,
            Self::Internal,
            Self::Talk,
            Self::Apart,
            Self::Open(V4),
            Self::Open(V6),
            Self::Routed(V4),
            Self::Routed(V6),
            Self::Trusted,
            Self::EgressNone,
            Self::EgressInternet,
            Self::Local(V4),
            Self::Local(V6),
            Self::Masquerade(V4),
            Self::Masquerade(V6),
            Self::Source(V4),
            Self::Source(V6),
            Self::Reach(V4),
            Self::Reach(V6),
            Self::Limited(V4),
            Self::Limited(V6),
            Self::AllowLink(V4),
            Self::AllowLink(V6),
            Self::AllowLocal(V4),
            Self::AllowLocal(V6),
            Self::Allow(V4, 4),
            Self::Allow(V4, 8),
            Self::Allow(V4, 12),
            Self::Allow(V4, 16),
            Self::Allow(V4, 20),
            Self::Allow(V4, 24),
            Self::Allow(V4, 28),
            Self::Allow(V4, 32),
            Self::Allow(V6, 8),
            Self::Allow(V6, 16),
            Self::Allow(V6, 24),
            Self::Allow(V6, 32),
            Self::Allow(V6, 40),
            Self::Allow(V6, 48),
            Self::Allow(V6, 56),
            Self::Allow(V6, 64),
            Self::Allow(V6, 72),
            Self::Allow(V6, 80),
            Self::Allow(V6, 88),
            Self::Allow(V6, 96),
            Self::Allow(V6, 104),
            Self::Allow(V6, 112),
            Self::Allow(V6, 120),
            Self::Allow(V6, 128),
            Self::Hairpin(V4),
            Self::Hairpin(V6),
            Self::Itself(V4),
            Self::Itself(V6),
            Self::Publish(V4),
            Self::Publish(V6),
            Self::PublishAddr(V4),
            Self::PublishAddr(V6),
            Self::Range(V4, Tcp),
            Self::Range(V4, Udp),
            Self::Range(V4, Sctp),
            Self::Range(V6, Tcp),
            Self::Range(V6, Udp),
            Self::Range(V6, Sctp),
        ]
    };

    /// The name in the table.
    pub const fn name(self) -> &'static str {
        use Family::{V4, V6};
        use Proto::{Sctp, Tcp, Udp};
        match self {
            Self::Bridges => "bridges",
            Self::Internal => "internal",
            Self::Talk => "talk",
            Self::Apart => "apart",
            Self::Open(V4) => "open4",
            Self::Open(V6) => "open6",
            Self::Routed(V4) => "routed4",
            Self::Routed(V6) => "routed6",
            Self::Trusted => "trusted",
            Self::EgressNone => "egress_none",
            Self::EgressInternet => "egress_internet",
            Self::Local(V4) => "local4",
            Self::Local(V6) => "local6",
            Self::Masquerade(V4) => "masquerade4",
            Self::Masquerade(V6) => "masquerade6",
            Self::Source(V4) => "source4",
            Self::Source(V6) => "source6",
            Self::Reach(V4) => "reach4",
            Self::Reach(V6) => "reach6",
            Self::Limited(V4) => "limited4",
            Self::Limited(V6) => "limited6",
            Self::AllowLink(V4) => "allow4_link",
            Self::AllowLink(V6) => "allow6_link",
            Self::AllowLocal(V4) => "allow4_local",
            Self::AllowLocal(V6) => "allow6_local",
            Self::Allow(V4, length) => NAMES4[place(&LENGTHS4, length)],
            Self::Allow(V6, length) => NAMES6[place(&LENGTHS6, length)],
            Self::Hairpin(V4) => "hairpin4",
            Self::Hairpin(V6) => "hairpin6",
            Self::Itself(V4) => "itself4",
            Self::Itself(V6) => "itself6",
            Self::Publish(V4) => "publish4",
            Self::Publish(V6) => "publish6",
            Self::PublishAddr(V4) => "publish4_addr",
            Self::PublishAddr(V6) => "publish6_addr",
            Self::Range(V4, Tcp) => "range4_tcp",
            Self::Range(V4, Udp) => "range4_udp",
            Self::Range(V4, Sctp) => "range4_sctp",
            Self::Range(V6, Tcp) => "range6_tcp",
            Self::Range(V6, Udp) => "range6_udp",
            Self::Range(V6, Sctp) => "range6_sctp",
        }
    }

    /// The set of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.name() == name)
    }

    /// A number of its own within the table, from 1, as transactions want it.
    pub fn number(self) -> u32 {
        (1..).zip(Self::ALL).find(|(_, set)| *set == self).map_or(0, |(number, _)| number)
    }

    /// The parts of a key.
    pub const fn key(self) -> &'static [Type] {
        use Family::{V4, V6};
        match self {
            Self::Bridges | Self::Internal | Self::Open(_) | Self::Routed(_) => &[Ifname],
            Self::EgressNone | Self::EgressInternet => &[Ifname],
            Self::Talk | Self::Apart | Self::Trusted => &[Ifname, Ifname],
            Self::Local(V4) | Self::Masquerade(V4) | Self::Source(V4) => &[Ipv4Addr],
            Self::Local(V6) | Self::Masquerade(V6) | Self::Source(V6) => &[Ipv6Addr],
            Self::Limited(V4) | Self::AllowLocal(V4) => &[Ipv4Addr, InetProto, InetService],
            Self::Limited(V6) | Self::AllowLocal(V6) => &[Ipv6Addr, InetProto, InetService],
            Self::AllowLink(V4) => &[Ifname, Ipv4Addr, InetProto, InetService],
            Self::AllowLink(V6) => &[Ifname, Ipv6Addr, InetProto, InetService],
            Self::Allow(V4, _) => &[Ipv4Addr, Ipv4Addr, InetProto, InetService],
            Self::Allow(V6, _) => &[Ipv6Addr, Ipv6Addr, InetProto, InetService],
            Self::Hairpin(V4) => &[Ifname, Ipv4Addr],
            Self::Hairpin(V6) => &[Ifname, Ipv6Addr],
            Self::Itself(V4) => &[Ipv4Addr, Ipv4Addr],
            Self::Itself(V6) => &[Ipv6Addr, Ipv6Addr],
            Self::Publish(_) => &[InetProto, InetService],
            Self::PublishAddr(V4) | Self::Reach(V4) => &[Ipv4Addr, InetProto, InetService],
            Self::PublishAddr(V6) | Self::Reach(V6) => &[Ipv6Addr, InetProto, InetService],
            Self::Range(..) => &[InetService],
        }
    }

    /// The parts of an element's data; none in a set that is not a map.
    pub const fn data(self) -> &'static [Type] {
        use Family::{V4, V6};
        match self {
            Self::Bridges | Self::Internal | Self::Talk | Self::Apart | Self::Open(_) => &[],
            Self::Routed(_) | Self::Trusted | Self::Reach(_) => &[],
            Self::EgressNone | Self::EgressInternet | Self::Local(_) => &[],
            Self::Limited(_) | Self::AllowLink(_) | Self::AllowLocal(_) | Self::Allow(..) => &[],
            Self::Masquerade(_) | Self::Hairpin(_) | Self::Itself(_) => &[],
            Self::Source(V4) => &[Ipv4Addr],
            Self::Source(V6) => &[Ipv6Addr],
            Self::Publish(V4) | Self::PublishAddr(V4) => &[Ipv4Addr, InetService],
            Self::Publish(V6) | Self::PublishAddr(V6) => &[Ipv6Addr, InetService],
            Self::Range(V4, _) => &[Ipv4Addr],
            Self::Range(V6, _) => &[Ipv6Addr],
        }
    }

    /// Whether keys are intervals.
    pub const fn is_interval(self) -> bool {
        matches!(self, Self::Local(_) | Self::Masquerade(_) | Self::Source(_) | Self::Range(..))
    }

    /// Whether elements confine links; the others lead to them.
    ///
    /// The former are there before the links are and as long as these are.
    pub const fn is_guard(self) -> bool {
        match self {
            Self::Bridges | Self::Internal | Self::Talk | Self::Apart => true,
            Self::Open(_) | Self::Routed(_) | Self::Trusted | Self::Masquerade(_) | Self::Source(_) => true,
            Self::EgressNone | Self::EgressInternet | Self::Local(_) => true,
            Self::Limited(_) | Self::AllowLink(_) | Self::AllowLocal(_) | Self::Allow(..) => false,
            Self::Reach(_) | Self::Hairpin(_) | Self::Itself(_) => false,
            Self::Publish(_) | Self::PublishAddr(_) | Self::Range(..) => false,
        }
    }

    pub(super) const fn noun(self) -> &'static str {
        if self.data().is_empty() { "set" } else { "map" }
    }

    /// The types as nft writes them.
    pub(super) fn signature(self) -> String {
        let join = |types: &[Type]| types.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" . ");
        match self.data() {
            [] => join(self.key()),
            data => format!("{} : {}", join(self.key()), join(data)),
        }
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
