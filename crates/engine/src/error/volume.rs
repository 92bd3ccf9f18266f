//! Why an operation on volumes was refused or failed.

use std::io;

use net::plugin::PluginError;
use thiserror::Error;

use super::{Kind, StoreError};
use crate::volume::local::{LocalError, OptionError};

/// Why a volume was not made, found, changed or removed.
#[derive(Debug, Error)]
pub enum VolumeError {
    #[error("get {name}: no such volume")]
    NotFound { name: String },
    #[error(
        "create {name}: \"{name}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    )]
    Name { name: String },
    #[error("create {name}")]
    Options {
        name: String,
        #[source]
        source: OptionError,
    },
    #[error("create {name}: driver '{driver}' already has volume '{name}': volume name must be unique")]
    OtherDriver { name: String, driver: String },
    // Docker answers with the volume there is, whose options are not those that were asked for.
    #[error("create {name}: there is a volume of this name with other options: {options}")]
    OtherOptions { name: String, options: String },
    #[error("create {name}: error looking up volume plugin {driver}")]
    Driver {
        name: String,
        driver: String,
        #[source]
        source: PluginError,
    },
    #[error("{action} {name}")]
    Plugin {
        action: &'static str,
        name: String,
        #[source]
        source: PluginError,
    },
    #[error("a volume named {name} already exists")]
    Exists { name: String },
    #[error("{action} {name}: volume is in use - [{users}]")]
    InUse { action: &'static str, name: String, users: String },
    #[error("{action} {name}: only volumes of the driver local that are plain directories can be copied")]
    NotPlain { action: &'static str, name: String },
    #[error("volume {name} has no snapshot {snapshot}")]
    NoSnapshot { name: String, snapshot: String },
    #[error("volume {name} has a snapshot {snapshot} already")]
    SnapshotExists { name: String, snapshot: String },
    #[error("invalid name of a snapshot: {name:?}, only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")]
    SnapshotName { name: String },
    #[error("{action} {name}")]
    Local {
        action: &'static str,
        name: String,
        #[source]
        source: LocalError,
    },
    #[error("{action} {name}")]
    Io {
        action: &'static str,
        name: String,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl VolumeError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. }
            | Self::Driver {
                source: PluginError::NotFound { .. } | PluginError::NotImplemented { .. },
                ..
            }
            | Self::NoSnapshot { .. } => Kind::NotFound,
            Self::Driver { .. } | Self::Plugin { .. } => Kind::Refused,
            Self::Name { .. }
            | Self::Options { .. }
            | Self::SnapshotName { .. }
            | Self::NotPlain { .. }
            | Self::Local { source: LocalError::Quota(_), .. } => Kind::Invalid,
            Self::OtherDriver { .. }
            | Self::OtherOptions { .. }
            | Self::Exists { .. }
            | Self::SnapshotExists { .. }
            | Self::InUse { .. } => Kind::Conflict,
            Self::Local { source: LocalError::Mount(_) | LocalError::Server { .. }, .. } => Kind::Refused,
            Self::Local { source: LocalError::Io { .. }, .. } | Self::Io { .. } | Self::Store(_) => {
                Kind::System
            }
        }
    }
}
