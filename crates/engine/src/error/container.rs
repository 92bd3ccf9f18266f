//! Why an operation on a container was refused or failed.

use thiserror::Error;

use super::{FindError, Kind, MountError, NetworkError, ProcessError, RootError, StoreError, VolumeError};
use crate::{cnm::spec::NotPublishedError, spec::SpecError};

/// Why a container was not created.
#[derive(Debug, Error)]
pub enum CreateError {
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error(
        "Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". You have to remove (or rename) that container to be able to reuse that name."
    )]
    NameTaken { name: String, holder: String },
    #[error(transparent)]
    Root(#[from] RootError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot prepare {path}")]
    Directory {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Volume(#[from] VolumeError),
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error("cannot mount volume over existing file, file exists {target}")]
    MountOverFile { target: String },
    #[error("cannot fill volume {name} with the image's files")]
    Fill {
        name: String,
        #[source]
        source: std::io::Error,
    },
}

impl CreateError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Spec(_) => Kind::Invalid,
            Self::NameTaken { .. } => Kind::Conflict,
            Self::Root(error) => error.kind(),
            Self::Network(error) => error.kind(),
            Self::Volume(error) => error.kind(),
            Self::Mount(error) => error.kind(),
            Self::MountOverFile { .. } => Kind::Refused,
            Self::Store(_) | Self::Directory { .. } | Self::Fill { .. } => Kind::System,
        }
    }
}

/// Why a container did not start. It is as it was, `created` or `exited`.
#[derive(Debug, Error)]
pub enum StartError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error("cannot start a paused container, try unpause instead")]
    Paused,
    #[error("container is marked for removal and cannot be started")]
    MarkedForRemoval,
    #[error(transparent)]
    Root(#[from] RootError),
    #[error("failed to set up container networking")]
    Network(#[source] NetworkError),
    #[error("joining network namespace of container")]
    Joined(#[source] FindError),
    #[error("cannot join own network namespace")]
    JoinSelf,
    #[error("cannot join network namespace of a non running container: container {name} is {status}")]
    JoinedNotRunning { name: String, status: &'static str },
    #[error("Container {id} is restarting, wait until the container is running")]
    JoinedRestarting { id: String },
    #[error("Cannot link to a non running container: /{target} AS /{name}/{alias}")]
    LinkNotRunning { target: String, name: String, alias: String },
    #[error("cannot join the {kind} namespace of container {name}: it is not running")]
    NamespaceNotRunning { kind: &'static str, name: String },
    #[error("invalid network mode netns:{path}")]
    NoNamespace {
        path: String,
        #[source]
        source: NetworkError,
    },
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error("cannot write the container's {what}")]
    Files {
        what: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("bind source path does not exist: {path}")]
    NoBindSource { path: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StartError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::Paused
            | Self::MarkedForRemoval
            | Self::JoinedNotRunning { .. }
            | Self::JoinedRestarting { .. }
            | Self::NamespaceNotRunning { .. } => Kind::Conflict,
            Self::LinkNotRunning { .. } => Kind::Invalid,
            Self::Root(error) => error.kind(),
            Self::Network(error) => error.start_kind(),
            Self::Process(error) => error.kind(),
            Self::Mount(error) => error.kind(),
            Self::NoNamespace { .. } | Self::NoBindSource { .. } => Kind::Invalid,
            Self::Joined(_) | Self::JoinSelf => Kind::Refused,
            Self::Files { .. } | Self::Store(_) => Kind::System,
        }
    }

    /// What Docker shows as the exit code of a container that did not start.
    pub const fn exit_code(&self) -> i32 {
        match self {
            Self::Process(error) => error.exit_code(),
            Self::Find(_)
            | Self::Paused
            | Self::MarkedForRemoval
            | Self::Root(_)
            | Self::Network(_)
            | Self::Joined(_)
            | Self::JoinSelf
            | Self::JoinedNotRunning { .. }
            | Self::JoinedRestarting { .. }
            | Self::NamespaceNotRunning { .. }
            | Self::NoNamespace { .. }
            | Self::LinkNotRunning { .. }
            | Self::Files { .. }
            | Self::Mount(_)
            | Self::NoBindSource { .. }
            | Self::Store(_) => 128,
        }
    }
}

/// Why a container was not stopped.
#[derive(Debug, Error)]
pub enum StopError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error("cannot stop container: {term}")]
    Process {
        term: String,
        #[source]
        source: ProcessError,
    },
}

impl StopError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::Process { .. } => Kind::System,
        }
    }
}

/// Why a container was not restarted.
#[derive(Debug, Error)]
pub enum RestartError {
    #[error("Cannot restart container {term}")]
    Stop {
        term: String,
        #[source]
        source: StopError,
    },
    #[error("Cannot restart container {term}")]
    Start {
        term: String,
        #[source]
        source: StartError,
    },
    #[error(transparent)]
    Find(#[from] FindError),
}

impl RestartError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::Stop { source, .. } => source.kind(),
            Self::Start { source, .. } => source.kind(),
        }
    }
}

/// Why a signal was not sent.
#[derive(Debug, Error)]
pub enum KillError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error("cannot kill container: {term}: container {id} is not running")]
    NotRunning { term: String, id: String },
    #[error("cannot kill container: {term}")]
    Process {
        term: String,
        #[source]
        source: ProcessError,
    },
}

impl KillError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::NotRunning { .. } => Kind::Conflict,
            Self::Process { .. } => Kind::System,
        }
    }
}

/// Why an end cannot be waited for.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum WaitError {
    #[error(transparent)]
    Find(#[from] FindError),
}

impl WaitError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
        }
    }
}

/// Why a container was not removed.
#[derive(Debug, Error)]
pub enum RemoveError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error(
        "cannot remove container \"/{name}\": container is running: stop the container before removing or force remove"
    )]
    Running { name: String },
    #[error(
        "cannot remove container \"/{name}\": container is paused and must be unpaused first: unpause the container before removing or force remove"
    )]
    Paused { name: String },
    #[error(
        "cannot remove container \"/{name}\": container is restarting: stop the container before removing or force remove"
    )]
    Restarting { name: String },
    #[error("removal of container {term} is already in progress")]
    InProgress { term: String },
    #[error("cannot remove container \"/{name}\": could not kill")]
    Kill {
        name: String,
        #[source]
        source: StopError,
    },
    #[error(transparent)]
    Root(#[from] RootError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot remove {path}")]
    Directory {
        path: String,
        #[source]
        source: std::io::Error,
    },
}

impl RemoveError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::Running { .. }
            | Self::Paused { .. }
            | Self::Restarting { .. }
            | Self::InProgress { .. } => Kind::Conflict,
            Self::Kill { .. }
            | Self::Root(_)
            | Self::Network(_)
            | Self::Store(_)
            | Self::Directory { .. } => Kind::System,
        }
    }
}

/// Why a container keeps its name.
#[derive(Debug, Error)]
pub enum RenameError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error("Neither old nor new names may be empty")]
    Empty,
    #[error("Error when allocating new name")]
    Spec(#[source] SpecError),
    #[error("Renaming a container with the same name as its current name")]
    Same,
    #[error(
        "Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". You have to remove (or rename) that container to be able to reuse that name."
    )]
    NameTaken { name: String, holder: String },
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RenameError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::Empty | Self::Spec(_) | Self::Same => Kind::Invalid,
            Self::NameTaken { .. } => Kind::Conflict,
            Self::Network(_) | Self::Store(_) => Kind::System,
        }
    }
}

/// Why a container was not paused or unpaused.
#[derive(Debug, Error)]
pub enum PauseError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error("container {id} is not running")]
    NotRunning { id: String },
    #[error("container {id} is already paused")]
    AlreadyPaused { id: String },
    #[error("container {id} is not paused")]
    NotPaused { id: String },
    #[error("cannot pause or unpause container {id}")]
    Process {
        id: String,
        #[source]
        source: ProcessError,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PauseError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::NotRunning { .. } | Self::AlreadyPaused { .. } => Kind::Conflict,
            Self::NotPaused { .. } => Kind::Refused,
            Self::Process { .. } | Self::Store(_) => Kind::System,
        }
    }
}

/// Why a terminal kept its size.
#[derive(Debug, Error)]
pub enum ResizeError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error("container {id} is not running")]
    NotRunning { id: String },
    #[error("cannot resize the terminal of container {id}")]
    Process {
        id: String,
        #[source]
        source: ProcessError,
    },
}

impl ResizeError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::NotRunning { .. } => Kind::Conflict,
            Self::Process { .. } => Kind::System,
        }
    }
}

/// Why there are no logs.
#[derive(Debug, Error)]
pub enum LogsError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error("Bad parameters: you must choose at least one stream")]
    NoStream,
    #[error("configured logging driver does not support reading")]
    NotKept,
    #[error("cannot read the log of container {id}")]
    Io {
        id: String,
        #[source]
        source: std::io::Error,
    },
}

impl LogsError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::NoStream => Kind::Invalid,
            Self::NotKept => Kind::NotImplemented,
            Self::Io { .. } => Kind::System,
        }
    }
}

/// Why nobody was attached.
#[derive(Debug, Error)]
pub enum AttachError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error("container {id} is paused, unpause the container before attach")]
    Paused { id: String },
    #[error("container {id} is restarting, wait until the container is running")]
    Restarting { id: String },
    #[error("cannot attach to container {id}")]
    Process {
        id: String,
        #[source]
        source: ProcessError,
    },
}

impl AttachError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::Paused { .. } | Self::Restarting { .. } => Kind::Conflict,
            Self::Process { .. } => Kind::System,
        }
    }
}

/// Why limits and ports stayed as they were.
#[derive(Debug, Error)]
pub enum UpdateError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error("Cannot update container {id}: container is marked for removal and cannot be \"update\"")]
    MarkedForRemoval { id: String },
    #[error("Restart policy cannot be updated because AutoRemove is enabled for the container")]
    AutoRemove,
    #[error(transparent)]
    NotPublished(#[from] NotPublishedError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error("Cannot update container {id}")]
    Process {
        id: String,
        #[source]
        source: ProcessError,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl UpdateError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::Spec(_) | Self::AutoRemove | Self::NotPublished(_) => Kind::Invalid,
            Self::Network(error) => error.kind(),
            Self::MarkedForRemoval { .. } => Kind::Conflict,
            Self::Process { .. } | Self::Store(_) => Kind::System,
        }
    }
}

/// Why processes or numbers of a container cannot be shown.
#[derive(Debug, Error)]
pub enum TopError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error("container {id} is not running")]
    NotRunning { id: String },
    #[error("cannot look into container {id}")]
    Process {
        id: String,
        #[source]
        source: ProcessError,
    },
}

impl TopError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::NotRunning { .. } => Kind::Conflict,
            Self::Process { .. } => Kind::System,
        }
    }
}
