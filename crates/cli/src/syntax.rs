//! What people type for values: Docker's ways to write ports, mounts, sizes, times, limits.
//!
//! Each file has one kind of value, which is read into what `api` sends, or refused with Docker's words.

pub(crate) mod csv;
pub(crate) mod device;
pub(crate) mod duration;
pub(crate) mod file;
pub(crate) mod filter;
pub(crate) mod limit;
pub(crate) mod mount;
pub(crate) mod network;
pub(crate) mod pairs;
pub(crate) mod port;
pub(crate) mod restart;
pub(crate) mod size;
pub(crate) mod time;

use thiserror::Error;

/// What was typed cannot be meant. The text is Docker's where it has one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) String);

impl Malformed {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl From<Malformed> for crate::failure::Failure {
    fn from(Malformed(text): Malformed) -> Self {
        Self::Typed(text)
    }
}
