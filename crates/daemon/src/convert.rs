//! api ⇄ engine.
//!
//! What comes in is destructured, so that a field that is new in the API does not compile until someone has
//! decided what it means here. A request's own text is kept with the container and shown again by `inspect`.

pub(crate) mod build;
pub(crate) mod changes;
pub(crate) mod commit;
pub(crate) mod config;
pub(crate) mod container;
pub(crate) mod event;
pub(crate) mod exec;
pub(crate) mod explain;
pub(crate) mod files;
pub(crate) mod health;
pub(crate) mod image;
pub(crate) mod inspect;
pub(crate) mod limits;
pub(crate) mod mount;
pub(crate) mod namespace;
pub(crate) mod network;
pub(crate) mod port;
pub(crate) mod stats;
pub(crate) mod summary;
pub(crate) mod time;
pub(crate) mod transfer;
pub(crate) mod volume;
