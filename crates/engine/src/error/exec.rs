//! Why a further process was refused or failed.

use thiserror::Error;

use super::{FindError, Kind, ProcessError};

/// Why a process was not made, started or found.
#[derive(Debug, Error)]
pub enum ExecError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error("No such exec instance: {id}")]
    NoSuchExec { id: String },
    #[error("No exec command specified")]
    NoCommand,
    #[error("container {id} is not running")]
    NotRunning { id: String },
    #[error("container {id} is paused, unpause the container before exec")]
    Paused { id: String },
    #[error("container {id} is restarting, wait until the container is running")]
    Restarting { id: String },
    #[error("exec command {id} is already running")]
    AlreadyRunning { id: String },
    #[error("exec command {id} has already run")]
    AlreadyRan { id: String },
    #[error(transparent)]
    Process(#[from] ProcessError),
}

impl ExecError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::NoSuchExec { .. } => Kind::NotFound,
            Self::NoCommand => Kind::Invalid,
            Self::NotRunning { .. }
            | Self::Paused { .. }
            | Self::Restarting { .. }
            | Self::AlreadyRunning { .. }
            | Self::AlreadyRan { .. } => Kind::Conflict,
            Self::Process(error) => error.kind(),
        }
    }
}
