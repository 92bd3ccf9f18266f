//! Why an operation on volumes was refused or failed.

use thiserror::Error;

use super::{CreateError, Kind};

/// Why a volume was not made, found or removed.
#[derive(Debug, Error)]
pub enum VolumeError {
    #[error("get {name}: no such volume")]
    NotFound { name: String },
    #[error(
        "create {name}: \"{name}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    )]
    Name { name: String },
    #[error("remove {name}: volume is in use - [{users}]")]
    InUse { name: String, users: String },
    #[error(transparent)]
    Make(Box<CreateError>),
}

impl VolumeError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::Name { .. } => Kind::Invalid,
            Self::InUse { .. } => Kind::Conflict,
            Self::Make(_) => Kind::System,
        }
    }
}
