//! Why a mount of a container could not be made ready.

use std::io;

use thiserror::Error;

use super::{Kind, VolumeError};

/// What was in the way. Docker's words where it has the case.
#[derive(Debug, Error)]
pub enum MountError {
    #[error("error while mounting volume '{path}'")]
    Volume {
        path: String,
        #[source]
        source: Box<VolumeError>,
    },
    #[error("cannot access path {path}")]
    Part {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("path concatenation escapes the base directory: {path}")]
    Escapes { path: String },
    #[error("path {path} is mounted on {target} but it is not a {what} mount")]
    Propagation { path: String, target: String, what: &'static str },
    #[error("cannot map the owners of {path}, which is on {file_system}")]
    IdMap {
        path: String,
        file_system: String,
        #[source]
        source: io::Error,
    },
    #[error("bind-follow is for single files: {path} is a directory")]
    FollowedDirectory { path: String },
    #[error("cannot prepare a mount")]
    Stage {
        #[source]
        source: io::Error,
    },
}

impl MountError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Volume { source, .. } => source.kind(),
            Self::Part { .. }
            | Self::Escapes { .. }
            | Self::FollowedDirectory { .. }
            | Self::IdMap { .. } => Kind::Invalid,
            Self::Propagation { .. } => Kind::Refused,
            Self::Stage { .. } => Kind::System,
        }
    }
}
