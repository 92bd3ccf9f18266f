//! The Docker Engine API as types: requests, answers, filters, versions, stream frames.
//!
//! A type here is what travels, field for field and in Docker's order: what Docker answers as `null` is an
//! `Option` that is written, what Docker leaves out is an `Option` (or an empty value) that is not.
//! Nothing here decides anything: the daemon converts these types to the engine's, the command line prints them.
//!
//! Requests are read with [`json`], which has the rules Docker's clients rely on: `null` means "not given",
//! unknown fields are ignored, the case of a field's name does not matter, and type errors have Docker's text.

pub mod build;
pub mod container;
pub mod detach;
pub mod error;
pub mod event;
pub mod exec;
pub mod explain;
pub mod filters;
pub mod host_config;
pub mod image;
pub mod inspect;
pub mod json;
pub mod mount;
pub mod network;
pub mod pattern;
pub mod progress;
pub mod registry;
pub mod stats;
pub mod stream;
pub mod system;
pub mod version;
pub mod volume;

mod omit;

use std::collections::BTreeMap;

/// A JSON object of strings, in a fixed order.
pub type StringMap = BTreeMap<String, String>;

/// The empty object that Docker uses as the value of a set, as in `"ExposedPorts": {"80/tcp": {}}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Empty {}

/// A JSON object whose keys are a set of strings.
pub type StringSet = BTreeMap<String, Empty>;
