//! Why an operation was refused or failed: one type each, Docker's words where clients compare them.
//!
//! No error's text contains its source; whoever lets one out of the program
//! joins the chain. [`Kind`] says what sort of answer it deserves.

mod archive;
mod build;
mod container;
mod exec;
mod mount;
mod network;
mod volume;

use thiserror::Error;

pub use archive::{ArchiveError, ChangesError, CommitError};
pub use build::{BuildError, CopyError, PruneBuildsError};
pub use container::{
    AttachError, CreateError, KillError, LogsError, PauseError, RemoveError, RenameError, ResizeError,
    RestartError, StartError, StopError, TopError, UpdateError, WaitError,
};
pub use exec::ExecError;
pub use mount::MountError;
pub(crate) use network::refusal;
pub use network::{
    ConnectError, CreateNetworkError, DisconnectError, FindNetworkError, NetworkError, PruneNetworksError,
    RemoveLinkError, RemoveNetworkError, UpdateNetworkError,
};
pub use volume::VolumeError;

/// What sort of failure an error is; the edge makes a status code of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request makes no sense (400).
    Invalid,
    /// It is not allowed (403).
    Forbidden,
    /// What it names does not exist (404).
    NotFound,
    /// It contradicts what is there (409).
    Conflict,
    /// It cannot be had as things are; no status says so, and Docker answers as to a failure (500).
    Refused,
    /// We could not do it (500).
    System,
    /// Nobody can do it yet (501).
    NotImplemented,
    /// Not now (503).
    Unavailable,
}

/// Why no one container is meant by a text.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FindError {
    #[error("invalid name or ID supplied: \"\"")]
    Empty,
    #[error("No such container: {term}")]
    NotFound { term: String },
    #[error("multiple IDs found with provided prefix: {term}")]
    Ambiguous { term: String },
}

impl FindError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::Empty | Self::Ambiguous { .. } => Kind::Invalid,
        }
    }
}

/// Why the engine could not begin.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("cannot prepare {path}")]
    Directory {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a record could not be kept.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error("cannot open the store {path}")]
    Open {
        path: String,
        #[source]
        source: Box<redb::Error>,
    },
    #[error("cannot write to the store")]
    Write(#[source] Box<redb::Error>),
    #[error("cannot read the store")]
    Read(#[source] Box<redb::Error>),
    #[error("the record of container {id} is damaged")]
    Damaged {
        id: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("the record of container {id} has version {version}, which this engine does not know")]
    Version { id: String, version: u32 },
    #[error("the store has closed")]
    Closed,
}

/// Why there is no root file system.
#[derive(Debug, Error)]
pub enum RootError {
    /// Docker's words; the tag is always said.
    #[error("No such image: {reference}")]
    NoImage { reference: String },
    #[error("{message}")]
    Reference { message: String },
    #[error("cannot find the image")]
    Image(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("{path} is not a directory")]
    NotADirectory { path: String },
    #[error("cannot make the root file system")]
    Mount(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("--storage-opt size is for root file systems with a layer of their own")]
    NoLayer,
    #[error("--storage-opt size is not supported here")]
    Size(#[source] linux::quota::QuotaError),
    #[error("cannot remove the root file system")]
    Remove(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl RootError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::NoImage { .. } => Kind::NotFound,
            Self::Reference { .. } | Self::NotADirectory { .. } | Self::NoLayer | Self::Size(_) => {
                Kind::Invalid
            }
            Self::Image(_) | Self::Mount(_) | Self::Remove(_) => Kind::System,
        }
    }
}

/// Why a process could not be started, reached or changed.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// What the shim says of a program that cannot be run; Docker's text, and its exit code.
    #[error("{message}")]
    Failed { message: String, exit_code: i32, program: bool },
    #[error("there is no such process")]
    NoSuchProcess,
    #[error("cannot {what}")]
    Io {
        what: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{message}")]
    Invalid { message: String },
    #[error("{message}")]
    Conflict { message: String },
    #[error("the shim of the container has gone")]
    Gone,
}

impl ProcessError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Invalid { .. } => Kind::Invalid,
            Self::Failed { program: true, .. } => Kind::Invalid,
            Self::NoSuchProcess => Kind::NotFound,
            Self::Conflict { .. } => Kind::Conflict,
            Self::Failed { .. } | Self::Io { .. } | Self::Gone => Kind::System,
        }
    }

    /// What Docker shows as the exit code of a container that did not start.
    pub const fn exit_code(&self) -> i32 {
        match self {
            Self::Failed { exit_code, .. } => *exit_code,
            Self::NoSuchProcess
            | Self::Io { .. }
            | Self::Invalid { .. }
            | Self::Conflict { .. }
            | Self::Gone => 128,
        }
    }
}

/// Joins an error and its causes with colons, once, where it leaves the program.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
