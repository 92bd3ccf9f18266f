//! Rules, and methods that write the usual sequences of expressions.

mod field;
mod write;

use super::attr::{Attrs, Malformed, Writer, malformed};
use super::expr::Expr;
use super::table::{Family, Table};
use super::uapi::{list, rule};

pub use field::Field;
pub use write::{AddrType, End, Is, NatTo};

/// The key of a comment in user data (`NFTNL_UDATA_RULE_COMMENT`, `NFTNL_UDATA_SET_ELEM_COMMENT`).
const UDATA_COMMENT: u8 = 0;

/// The longest comment in bytes: user data holds 256, of which three are not text.
pub const COMMENT_MAX: usize = 253;

/// A rule of a chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// The chain it is in.
    pub chain: String,
    /// What it does, one after the other until one says no.
    pub exprs: Vec<Expr>,
    /// A remark, shown by nft(8); at most [`COMMENT_MAX`] bytes.
    pub comment: Option<String>,
}

/// A rule as the kernel holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleEntry {
    /// What deletes or replaces it.
    pub handle: u64,
    /// The rule.
    pub rule: Rule,
}

impl Rule {
    /// Whether both do the same and say the same; what counters counted does not matter.
    pub fn same(&self, other: &Self) -> bool {
        self.chain == other.chain
            && self.comment == other.comment
            && self.exprs.len() == other.exprs.len()
            && self.exprs.iter().zip(&other.exprs).all(|(a, b)| a.same(b))
    }

    pub(crate) fn encode(&self, table: &Table, out: &mut Writer) {
        out.string(rule::TABLE, &table.name);
        out.string(rule::CHAIN, &self.chain);
        out.nest(rule::EXPRESSIONS, |out| {
            for expr in &self.exprs {
                out.nest(list::ELEM, |out| expr.encode(out));
            }
        });
        if let Some(comment) = &self.comment {
            out.attr(rule::USERDATA, &user_data_from_comment(comment));
        }
    }
}

impl RuleEntry {
    pub(crate) fn decode(family: Family, attrs: Attrs<'_>) -> Result<(Table, Self), Malformed> {
        let (mut table, mut handle, mut entry) = (None, 0, Rule::new(""));
        for attr in attrs {
            let attr = attr?;
            match attr.kind {
                rule::TABLE => table = Some(attr.string()?),
                rule::CHAIN => attr.string()?.clone_into(&mut entry.chain),
                rule::HANDLE => handle = attr.be64()?,
                rule::USERDATA => entry.comment = comment_from_user_data(attr.payload),
                rule::EXPRESSIONS => {
                    for expr in attr.nested() {
                        entry.exprs.push(Expr::decode(expr?.nested())?);
                    }
                }
                _ => {}
            }
        }
        let table = table.ok_or(malformed("a rule without a table"))?;
        Ok((Table::new(family, table), Self { handle, rule: entry }))
    }
}

/// User data that nft(8) shows as a comment: type, length, text, zero.
pub(crate) fn user_data_from_comment(comment: &str) -> Vec<u8> {
    let len = u8::try_from(comment.len() + 1).unwrap_or(u8::MAX);
    let mut bytes = vec![UDATA_COMMENT, len];
    bytes.extend(comment.as_bytes());
    bytes.push(0);
    bytes
}

/// The comment among user data, which is nobody's contract: what is odd is no comment.
pub(crate) fn comment_from_user_data(mut bytes: &[u8]) -> Option<String> {
    while let Some(([kind, len], rest)) = bytes.split_first_chunk::<2>() {
        let (text, behind) = rest.split_at_checked(usize::from(*len))?;
        if *kind == UDATA_COMMENT {
            let text = text.strip_suffix(&[0]).unwrap_or(text);
            return String::from_utf8(text.to_vec()).ok();
        }
        bytes = behind;
    }
    None
}
