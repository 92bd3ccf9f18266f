//! Messages of the kernel: what an answer or a notification is about.

use super::attr::{Attrs, Malformed, malformed};
use super::element::RawElement;
use super::rule::RuleEntry;
use super::set::AnySet;
use super::table::{Chain, Family, Table};
use super::uapi::{SUBSYS_NFTABLES, elem, generation, msg};

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was made or changed.
    Added,
    /// It was deleted.
    Deleted,
}

/// The number of the rules' state; every transaction makes another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// The number.
    pub id: u32,
    /// The thread that made it, if the kernel says so.
    pub thread: Option<u32>,
    /// The name of the thread that made it.
    pub command: Option<String>,
}

/// Something that happened to the rules of the namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// To a table.
    Table { change: Change, table: Table },
    /// To a chain.
    Chain { change: Change, table: Table, chain: Chain },
    /// To a rule.
    Rule { change: Change, table: Table, rule: RuleEntry },
    /// To a set or map.
    Set { change: Change, table: Table, set: AnySet },
    /// To elements of a set.
    Elements { change: Change, table: Table, set: String },
    /// A transaction was carried out: the end of its events.
    Generation(Generation),
    /// To something that this module does not know.
    Other,
}

impl Event {
    /// The table that it happened in.
    pub fn table(&self) -> Option<&Table> {
        match self {
            Self::Table { table, .. }
            | Self::Chain { table, .. }
            | Self::Rule { table, .. }
            | Self::Set { table, .. }
            | Self::Elements { table, .. } => Some(table),
            Self::Generation(_) | Self::Other => None,
        }
    }

    /// Whether something was deleted.
    pub fn is_deletion(&self) -> bool {
        match self {
            Self::Table { change, .. }
            | Self::Chain { change, .. }
            | Self::Rule { change, .. }
            | Self::Set { change, .. }
            | Self::Elements { change, .. } => *change == Change::Deleted,
            Self::Generation(_) | Self::Other => false,
        }
    }

    /// Reads a message: its type, and what follows the netlink header.
    pub(crate) fn decode(kind: u16, payload: &[u8]) -> Result<Self, Malformed> {
        use Change::{Added, Deleted};
        if kind >> 8 != SUBSYS_NFTABLES {
            return Ok(Self::Other);
        }
        let (family, attrs) = body(payload)?;
        let kind = kind & 0xff;
        if kind == msg::NEWGEN {
            return Ok(Self::Generation(Generation::decode(attrs)?));
        }
        let Some(family) = family else { return Ok(Self::Other) };
        let (change, subject) = match kind {
            msg::NEWTABLE | msg::NEWCHAIN | msg::NEWRULE | msg::NEWSET | msg::NEWSETELEM => (Added, kind),
            msg::DELTABLE => (Deleted, msg::NEWTABLE),
            msg::DELCHAIN => (Deleted, msg::NEWCHAIN),
            msg::DELRULE => (Deleted, msg::NEWRULE),
            msg::DELSET => (Deleted, msg::NEWSET),
            msg::DELSETELEM => (Deleted, msg::NEWSETELEM),
            _ => return Ok(Self::Other),
        };
        Self::decode_object(subject, change, family, attrs)
    }

    fn decode_object(kind: u16, change: Change, family: Family, attrs: Attrs<'_>) -> Result<Self, Malformed> {
        Ok(match kind {
            msg::NEWTABLE => Self::Table { change, table: Table::decode(family, attrs)? },
            msg::NEWCHAIN => {
                let (table, chain) = Chain::decode(family, attrs)?;
                Self::Chain { change, table, chain }
            }
            msg::NEWRULE => {
                let (table, rule) = RuleEntry::decode(family, attrs)?;
                Self::Rule { change, table, rule }
            }
            msg::NEWSET => {
                let (table, set) = AnySet::decode(family, attrs)?;
                Self::Set { change, table, set }
            }
            _ => {
                let (table, set, _) = decode_elements(family, attrs)?;
                Self::Elements { change, table, set }
            }
        })
    }
}

impl Generation {
    fn decode(attrs: Attrs<'_>) -> Result<Self, Malformed> {
        let id = attrs.find(generation::ID)?.ok_or(malformed("a generation without a number"))?.be32()?;
        let thread = attrs.find(generation::PROC_PID)?.map(|attr| attr.be32()).transpose()?;
        let command = attrs.find(generation::PROC_NAME)?.map(|attr| attr.string()).transpose()?;
        Ok(Self { id, thread, command: command.map(str::to_owned) })
    }
}

/// The family and the attributes behind `struct nfgenmsg`; no family if it is unknown here.
pub(crate) fn body(payload: &[u8]) -> Result<(Option<Family>, Attrs<'_>), Malformed> {
    let short = malformed("a message without a netfilter header");
    let (header, attrs) = payload.split_first_chunk::<4>().ok_or(short)?;
    Ok((Family::from_number(header[0]), Attrs(attrs)))
}

/// The table, the set, and the elements of one message.
pub(crate) fn decode_elements(
    family: Family,
    attrs: Attrs<'_>,
) -> Result<(Table, String, Vec<RawElement>), Malformed> {
    let (mut table, mut set, mut elements) = (None, None, Vec::new());
    for attr in attrs {
        let attr = attr?;
        match attr.kind {
            elem::LIST_TABLE => table = Some(attr.string()?),
            elem::LIST_SET => set = Some(attr.string()?),
            elem::LIST_ELEMENTS => {
                for item in attr.nested() {
                    elements.push(RawElement::decode(item?.nested())?);
                }
            }
            _ => {}
        }
    }
    let missing = malformed("elements without a set or a table");
    let (Some(table), Some(set)) = (table, set) else { return Err(missing) };
    Ok((Table::new(family, table), set.to_owned(), elements))
}
