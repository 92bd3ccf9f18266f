//! What can go wrong, with the object that it went wrong with.

use std::fmt;

use thiserror::Error;

use super::attr::Malformed;
use super::element::ElementError;
use super::table::Table;
use crate::netlink;

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make it, or leave it if it is there.
    Add,
    /// Make it; it must not be there.
    Create,
    /// Put it before the others.
    Insert,
    /// Put it in the place of another.
    Replace,
    /// Take it away; it must be there.
    Delete,
    /// Take it away if it is there.
    Destroy,
    /// Empty it.
    Flush,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "add",
            Self::Create => "create",
            Self::Insert => "insert",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Destroy => "destroy",
            Self::Flush => "flush",
        })
    }
}

/// An object of a batch, as nft(8) would name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A table.
    Table(Table),
    /// A chain.
    Chain { table: Table, name: String },
    /// A rule; `number` counts the rules of the batch for this chain from 1.
    Rule { table: Table, chain: String, number: usize, comment: Option<String> },
    /// A set, or a map.
    Set { table: Table, noun: &'static str, name: String },
    /// An element; `text` is what nft(8) would write between the braces.
    Element { table: Table, noun: &'static str, set: String, text: String },
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(table) => write!(f, "table {table}"),
            Self::Chain { table, name } => write!(f, "chain {table} {name}"),
            Self::Rule { table, chain, number, comment: None } => {
                write!(f, "rule {number} of chain {table} {chain}")
            }
            Self::Rule { table, chain, comment: Some(comment), .. } => {
                write!(f, "rule {comment:?} of chain {table} {chain}")
            }
            Self::Set { table, noun, name } => write!(f, "{noun} {table} {name}"),
            Self::Element { table, noun, set, text } => {
                write!(f, "element {{ {text} }} of {noun} {table} {set}")
            }
        }
    }
}

/// Why a batch was not carried out. Nothing of it was.
#[derive(Debug, Error)]
pub enum CommitError {
    /// The kernel refused an object.
    #[error("cannot {action} {object}")]
    Refused {
        /// What was to be done.
        action: Action,
        /// To what.
        object: Box<Object>,
        /// The kernel's answer.
        #[source]
        refusal: netlink::Refusal,
    },
    /// The kernel refused the batch as a whole.
    #[error("cannot commit a batch of {messages} messages")]
    Batch {
        /// How many messages it has.
        messages: usize,
        /// The kernel's answer.
        #[source]
        refusal: netlink::Refusal,
    },
    /// The rules were changed by somebody else since they were read.
    #[error("the rules changed since generation {read}")]
    Changed {
        /// The generation the batch was made for.
        read: u32,
    },
    /// An element is not of its set's types.
    #[error("cannot {action} {object}")]
    Element {
        /// What was to be done.
        action: Action,
        /// To what.
        object: Box<Object>,
        /// What is wrong with it.
        #[source]
        source: ElementError,
    },
    /// An object is longer than the kernel's interface can say.
    #[error("cannot {action} {object}: it is too long")]
    TooLong {
        /// What was to be done.
        action: Action,
        /// To what.
        object: Box<Object>,
    },
    /// The kernel took the batch and said nothing.
    #[error("the kernel did not acknowledge a batch of {messages} messages")]
    Unanswered {
        /// How many messages it has.
        messages: usize,
    },
    /// Talking to the kernel failed.
    #[error(transparent)]
    Netlink(#[from] netlink::Error),
}

impl CommitError {
    /// The kernel's answer, if it gave one.
    pub fn refusal(&self) -> Option<&netlink::Refusal> {
        match self {
            Self::Refused { refusal, .. } | Self::Batch { refusal, .. } => Some(refusal),
            Self::Netlink(error) => error.refusal(),
            Self::Changed { .. } | Self::Element { .. } | Self::TooLong { .. } | Self::Unanswered { .. } => {
                None
            }
        }
    }

    /// The object that was in the way, if it is known.
    pub fn object(&self) -> Option<&Object> {
        match self {
            Self::Refused { object, .. } | Self::Element { object, .. } | Self::TooLong { object, .. } => {
                Some(object)
            }
            Self::Batch { .. } | Self::Changed { .. } | Self::Unanswered { .. } | Self::Netlink(_) => None,
        }
    }
}

/// Why something could not be read.
#[derive(Debug, Error)]
pub enum ListError {
    /// Asking the kernel failed.
    #[error("cannot list the {what}")]
    Kernel {
        /// What was asked for.
        what: String,
        /// The kernel's answer, or why there is none.
        #[source]
        source: netlink::Error,
    },
    /// The kernel's answer makes no sense.
    #[error("cannot read the list of the {what}")]
    Malformed {
        /// What was asked for.
        what: String,
        /// What is wrong with it.
        #[source]
        source: Malformed,
    },
}
