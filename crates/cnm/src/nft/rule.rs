//! Rules: statements that match, look up, and act.

use std::fmt;

use ipnet::IpNet;

use super::Set;
use crate::{Family, Proto};

/// Statements from left to right; one that does not match ends the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub statements: Vec<Statement>,
    /// For readers of the rule set and for `network check`.
    pub comment: Option<&'static str>,
}

/// One step of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// `meta nfproto`: the packet is of this family. Stands before every address.
    Nfproto(Family),
    /// `meta l4proto`: the packet is of this protocol.
    L4proto(Proto),
    /// `meta l4proto`: the packet is ICMP of the family.
    Icmp(Family),
    /// `icmpv6 type 135-136`: who has an address, and the answer (RFC 4861 §4.3 and §4.4).
    NeighbourDiscovery,
    /// The field is in this network, or is not.
    Net {
        field: Field,
        not: bool,
        net: IpNet,
    },
    /// The name of the link is this one.
    Link {
        field: Field,
        name: &'static str,
    },
    /// The fields are a key of the set, or are not.
    Lookup {
        fields: Vec<Field>,
        not: bool,
        set: Set,
    },
    /// `ct state established,related`: of a flow that was let through before.
    Known,
    /// `ct state invalid`: of no flow.
    Invalid,
    /// `ct status dnat`: of a flow whose destination is translated.
    Translated,
    /// `fib daddr type local`: sent to an address of the host.
    ToHost,
    Counter,
    Verdict(Verdict),
    /// `dnat`: to the data of the map under these fields; no match if there is none.
    ///
    /// Data of two parts are address and port; of one the address alone.
    Dnat {
        family: Family,
        fields: Vec<Field>,
        map: Set,
    },
    /// `snat`: from the data of the map under this field; no match if there is none.
    Snat {
        family: Family,
        field: Field,
        map: Set,
    },
    /// `masquerade`: from the address of the link it leaves by.
    Masquerade,
}

/// What becomes of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accept,
    Drop,
    /// On with the rules of the chain of this name, and back.
    Jump(&'static str),
    /// Back to the chain that jumped here.
    Return,
}

/// Something a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Iifname,
    Oifname,
    L4proto,
    /// The destination port of any protocol that has ports.
    Dport,
    Saddr(Family),
    Daddr(Family),
    /// So many of the first bits of the source's address; the others are zero.
    Block(Family, u8),
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iifname => "iifname",
            Self::Oifname => "oifname",
            Self::L4proto => "meta l4proto",
            Self::Dport => "th dport",
            Self::Saddr(Family::V4) => "ip saddr",
            Self::Saddr(Family::V6) => "ip6 saddr",
            Self::Daddr(Family::V4) => "ip daddr",
            Self::Daddr(Family::V6) => "ip6 daddr",
            Self::Block(family, length) => return block(f, *family, *length),
        })
    }
}

/// The source's address with a mask, where it has one.
fn block(f: &mut fmt::Formatter<'_>, family: Family, length: u8) -> fmt::Result {
    let net = IpNet::new(family.unspecified(), length).map_err(|_| fmt::Error)?;
    match length == net.max_prefix_len() {
        true => write!(f, "{}", Field::Saddr(family)),
        false => write!(f, "{} & {}", Field::Saddr(family), net.netmask()),
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("accept"),
            Self::Drop => f.write_str("drop"),
            Self::Jump(chain) => write!(f, "jump {chain}"),
            Self::Return => f.write_str("return"),
        }
    }
}

struct Fields<'a>(&'a [Field]);

impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, field) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { " . " };
            write!(f, "{separator}{field}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unequal = |not: &bool| if *not { "!= " } else { "" };
        match self {
            Self::Nfproto(Family::V4) => f.write_str("meta nfproto ipv4"),
            Self::Nfproto(Family::V6) => f.write_str("meta nfproto ipv6"),
            Self::L4proto(proto) => write!(f, "meta l4proto {proto}"),
            Self::Icmp(Family::V4) => f.write_str("meta l4proto icmp"),
            Self::Icmp(Family::V6) => f.write_str("meta l4proto ipv6-icmp"),
            Self::NeighbourDiscovery => f.write_str("icmpv6 type 135-136"),
            Self::Net { field, not, net } if net.prefix_len() == net.max_prefix_len() => {
                write!(f, "{field} {}{}", unequal(not), net.addr())
            }
            Self::Net { field, not, net } => write!(f, "{field} {}{net}", unequal(not)),
            Self::Link { field, name } => write!(f, "{field} {name:?}"),
            Self::Lookup { fields, not, set } => write!(f, "{} {}@{set}", Fields(fields), unequal(not)),
            Self::Known => f.write_str("ct state established,related"),
            Self::Invalid => f.write_str("ct state invalid"),
            Self::Translated => f.write_str("ct status dnat"),
            Self::ToHost => f.write_str("fib daddr type local"),
            Self::Counter => f.write_str("counter"),
            Self::Verdict(verdict) => write!(f, "{verdict}"),
            Self::Dnat { family, fields, map } => {
                let family = if *family == Family::V4 { "ip" } else { "ip6" };
                let to = if map.data().len() == 2 { "addr . port " } else { "" };
                write!(f, "dnat {family} {to}to {} map @{map}", Fields(fields))
            }
            Self::Snat { family, field, map } => {
                let family = if *family == Family::V4 { "ip" } else { "ip6" };
                write!(f, "snat {family} to {field} map @{map}")
            }
            Self::Masquerade => f.write_str("masquerade"),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, statement) in self.statements.iter().enumerate() {
            let separator = if position == 0 { "" } else { " " };
            write!(f, "{separator}{statement}")?;
        }
        self.comment.map_or(Ok(()), |comment| write!(f, " comment {comment:?}"))
    }
}
