//! Who may reach a published port: everybody, unless a list or a default narrows it.
//!
//! A list belongs to a port of a sandbox, not to a port of the host: it holds whichever way a
//! client gets there. The host itself, and neighbours that a network lets talk to the sandbox
//! anyway, are not asked.

mod allow;
mod ladder;
mod lists;

pub use self::{
    allow::{Access, Allow, AllowError, Source, allow_list},
    ladder::{LENGTHS4, LENGTHS6},
    lists::{Client, LinkName},
};
pub(crate) use self::{
    ladder::blocks,
    lists::{Lists, admits},
};

/// The label of a container, and the option of an endpoint and of a network, that is an allow-list.
pub const ALLOW: &str = "tombolo.publish.allow";
