//! Tables and chains.

use std::fmt;

use super::attr::{Attrs, Malformed, Writer, malformed};
use super::uapi;

/// Whose packets a table sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4 and IPv6.
    Inet,
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// Frames that cross a bridge.
    Bridge,
    /// All frames of chosen links.
    Netdev,
}

impl Family {
    /// `NFPROTO_*`, the family byte of a netfilter message.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ip => 2,
            Self::Netdev => 5,
            Self::Bridge => 7,
            Self::Ip6 => 10,
        }
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        let all = [Self::Inet, Self::Ip, Self::Ip6, Self::Bridge, Self::Netdev];
        all.into_iter().find(|family| family.number() == number)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inet => "inet",
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Bridge => "bridge",
            Self::Netdev => "netdev",
        })
    }
}

/// The name of a table: chains, sets and rules live in one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table {
    /// Whose packets it sees.
    pub family: Family,
    /// Its name, unique in the family.
    pub name: String,
}

impl Table {
    /// A table's name.
    pub fn new(family: Family, name: impl Into<String>) -> Self {
        Self { family, name: name.into() }
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        out.string(uapi::table::NAME, &self.name);
        out.be32(uapi::table::FLAGS, 0);
    }

    pub(crate) fn decode(family: Family, attrs: Attrs<'_>) -> Result<Self, Malformed> {
        let name = attrs.find(uapi::table::NAME)?.ok_or(malformed("a table without a name"))?;
        Ok(Self::new(family, name.string()?))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.family, self.name)
    }
}

/// What a base chain may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainType {
    /// Let pass or drop.
    Filter,
    /// Translate addresses; sees only the first packet of a connection.
    Nat,
    /// Change what routing depends on.
    Route,
}

impl ChainType {
    fn name(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Nat => "nat",
            Self::Route => "route",
        }
    }
}

impl fmt::Display for ChainType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where packets enter a base chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// Before routing.
    Prerouting,
    /// To this machine.
    Input,
    /// Through this machine.
    Forward,
    /// From this machine.
    Output,
    /// After routing.
    Postrouting,
    /// On a link, before everything (`netdev` and `inet`).
    Ingress,
    /// On a link, after everything (`netdev`).
    Egress,
}

impl Hook {
    /// The number of the hook, which depends on the family.
    fn number(self, family: Family) -> u32 {
        match self {
            Self::Prerouting => 0,
            Self::Ingress if family == Family::Netdev => 0,
            Self::Input | Self::Egress => 1,
            Self::Forward => 2,
            Self::Output => 3,
            Self::Postrouting => 4,
            Self::Ingress => 5,
        }
    }

    fn from_number(number: u32, family: Family) -> Option<Self> {
        let of_links = [Self::Ingress, Self::Egress];
        let others =
            [Self::Prerouting, Self::Input, Self::Forward, Self::Output, Self::Postrouting, Self::Ingress];
        let hooks = if family == Family::Netdev { &of_links[..] } else { &others[..] };
        hooks.iter().copied().find(|hook| hook.number(family) == number)
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        })
    }
}

/// What happens to a packet that reaches the end of a base chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Policy {
    /// It passes.
    Accept,
    /// It is dropped.
    Drop,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accept => "accept",
            Self::Drop => "drop",
        })
    }
}

/// What makes a chain a base chain: the kernel calls it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Base {
    /// What it may do.
    pub kind: ChainType,
    /// When it is called.
    pub hook: Hook,
    /// Its turn among the chains of the hook: lower is earlier.
    pub priority: i32,
    /// What happens at its end.
    pub policy: Policy,
    /// The links it listens on (`ingress` and `egress` only).
    pub devices: Vec<String>,
}

impl Base {
    /// A base chain's call, with the policy `accept` and no devices.
    pub fn new(kind: ChainType, hook: Hook, priority: i32) -> Self {
        Self { kind, hook, priority, policy: Policy::Accept, devices: Vec::new() }
    }
}

/// A chain of rules.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chain {
    /// Its name, unique in its table; `fwd` and other keywords of nft(8) are
    /// accepted by the kernel but make the listing unreadable for nft.
    pub name: String,
    /// Set for chains that the kernel calls; others are called by rules.
    pub base: Option<Base>,
}

impl Chain {
    /// A chain that rules jump to.
    pub fn regular(name: impl Into<String>) -> Self {
        Self { name: name.into(), base: None }
    }

    /// A chain that the kernel calls.
    pub fn base(name: impl Into<String>, base: Base) -> Self {
        Self { name: name.into(), base: Some(base) }
    }

    pub(crate) fn encode(&self, table: &Table, out: &mut Writer) {
        use uapi::chain;
        out.string(chain::TABLE, &table.name);
        out.string(chain::NAME, &self.name);
        let Some(base) = &self.base else { return };
        out.nest(chain::HOOK, |out| base.encode_hook(table.family, out));
        out.be32(chain::POLICY, u32::from(base.policy == Policy::Accept));
        out.string(chain::TYPE, base.kind.name());
    }

    pub(crate) fn decode(family: Family, attrs: Attrs<'_>) -> Result<(Table, Self), Malformed> {
        use uapi::chain;
        let (mut table, mut name, mut hook, mut policy, mut kind) = (None, None, None, Policy::Accept, None);
        for attr in attrs {
            let attr = attr?;
            match attr.kind {
                chain::TABLE => table = Some(attr.string()?),
                chain::NAME => name = Some(attr.string()?),
                chain::HOOK => hook = Some(attr.nested()),
                chain::POLICY if attr.be32()? == 0 => policy = Policy::Drop,
                chain::TYPE => kind = Some(attr.string()?),
                _ => {}
            }
        }
        let missing = malformed("a chain without a name or a table");
        let (Some(table), Some(name)) = (table, name) else { return Err(missing) };
        let base = match hook {
            Some(hook) => Some(Base::decode(family, hook, kind.unwrap_or_default(), policy)?),
            None => None,
        };
        Ok((Table::new(family, table), Self { name: name.to_owned(), base }))
    }
}

impl Base {
    fn encode_hook(&self, family: Family, out: &mut Writer) {
        use uapi::hook;
        out.be32(hook::HOOKNUM, self.hook.number(family));
        out.attr(hook::PRIORITY, &self.priority.to_be_bytes());
        match self.devices.as_slice() {
            [] => {}
            [device] => out.string(hook::DEV, device),
            devices => out.nest(hook::DEVS, |out| {
                for device in devices {
                    out.string(hook::DEV_NAME, device);
                }
            }),
        }
    }

    fn decode(family: Family, hook: Attrs<'_>, kind: &str, policy: Policy) -> Result<Self, Malformed> {
        let (mut number, mut priority, mut devices) = (0, 0, Vec::new());
        for attr in hook {
            let attr = attr?;
            match attr.kind {
                uapi::hook::HOOKNUM => number = attr.be32()?,
                uapi::hook::PRIORITY => priority = i32::from_be_bytes(attr.array("a priority")?),
                uapi::hook::DEV => devices = vec![attr.string()?.to_owned()],
                uapi::hook::DEVS => devices = strings(attr.nested())?,
                _ => {}
            }
        }
        let hook = Hook::from_number(number, family).ok_or(malformed("an unknown hook"))?;
        let kinds = [ChainType::Filter, ChainType::Nat, ChainType::Route];
        let kind = kinds.into_iter().find(|known| known.name() == kind);
        let kind = kind.ok_or(malformed("an unknown chain type"))?;
        Ok(Self { kind, hook, priority, policy, devices })
    }
}

fn strings(attrs: Attrs<'_>) -> Result<Vec<String>, Malformed> {
    attrs.map(|attr| Ok(attr?.string()?.to_owned())).collect()
}
