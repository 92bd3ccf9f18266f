//! Our nftables table as data.
//!
//! The table has a fixed skeleton of chains, rules and empty sets, written once
//! ([`skeleton`]); all that varies is an element of a [`Set`], so that the
//! 10,000th published port costs what the first did. The kernel is given the
//! data; `Display` prints what nft(8) reads, for people and for golden files.

mod rule;
mod ruleset;
mod set;
mod skeleton;
mod value;

use std::fmt;

pub use rule::{Field, Rule, Statement, Verdict};
pub use ruleset::Ruleset;
pub use set::Set;
pub use skeleton::skeleton;
pub use value::{DecodeError, Type, Value};

/// The name of our only table; it belongs to the family `inet`.
pub const TABLE: &str = "tombolo";

/// A table of the family `inet`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub sets: Vec<Set>,
    pub chains: Vec<Chain>,
}

/// Rules that are tried one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    pub name: &'static str,
    /// Where the kernel enters it; another chain jumps to it if absent.
    pub base: Option<Base>,
    pub rules: Vec<Rule>,
}

/// Where the kernel enters a chain. The policy is always `accept`: we drop by rule, never by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    pub kind: Kind,
    pub hook: Hook,
    /// Lower runs earlier (`enum nf_ip_hook_priorities`).
    pub priority: i32,
}

/// What a base chain is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Filter,
    Nat,
}

/// The point of a packet's way where a base chain sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    Prerouting,
    Forward,
    Output,
    Postrouting,
}

/// What tells one skeleton from another: FNV-1a over its text.
///
/// The kernel's table counts as this skeleton if every set, chain and rule of
/// it is there as [`skeleton`] says; otherwise it is observed as [`Digest::DAMAGED`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(u64);

impl Digest {
    /// Of a table that is not as any skeleton says.
    pub const DAMAGED: Self = Self(0);
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl Table {
    /// What tells this skeleton from those of other versions.
    pub fn digest(&self) -> Digest {
        let text = self.to_string();
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Digest(text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
    }
}

/// Writes `values` as nft does: parts joined by dots.
pub(crate) struct Tuple<'a>(pub(crate) &'a [Value]);

impl fmt::Display for Tuple<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, value) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { " . " };
            write!(f, "{separator}{value}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Filter => "filter",
            Self::Nat => "nat",
        })
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prerouting => "prerouting",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
        })
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\tchain {} {{", self.name)?;
        if let Some(Base { kind, hook, priority }) = self.base {
            writeln!(f, "\t\ttype {kind} hook {hook} priority {priority}; policy accept;")?;
        }
        for rule in &self.rules {
            writeln!(f, "\t\t{rule}")?;
        }
        writeln!(f, "\t}}")
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "table inet {TABLE} {{")?;
        self.sets.iter().try_for_each(|set| ruleset::write_set(f, *set, None))?;
        write_chains(f, &self.chains)?;
        writeln!(f, "}}")
    }
}

/// Writes chains with a blank line between them.
fn write_chains(f: &mut fmt::Formatter<'_>, chains: &[Chain]) -> fmt::Result {
    for (position, chain) in chains.iter().enumerate() {
        let separator = if position == 0 { "" } else { "\n" };
        write!(f, "{separator}{chain}")?;
    }
    Ok(())
}
