//! Why an operation on networks was refused or failed.

use thiserror::Error;

use super::{FindError, Kind, StoreError};
use crate::cnm::{
    controller::Kind as Refusal,
    spec::{InvalidNetworkError, InvalidUpdateError},
};

/// Why no one network is meant by a text.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FindNetworkError {
    #[error("network {term} not found")]
    NotFound { term: String },
    #[error("network {term} is ambiguous ({matches} matches found based on ID prefix)")]
    Ambiguous { term: String, matches: usize },
}

impl FindNetworkError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::Ambiguous { .. } => Kind::Invalid,
        }
    }
}

/// Why a container's networks could not be made true.
#[derive(Debug, Error)]
pub enum NetworkError {
    #[error(transparent)]
    Find(#[from] FindNetworkError),
    /// All problems at once, after `invalid endpoint settings:`.
    #[error("{message}")]
    Settings { message: String },
    /// What the kernel says to the namespace of a sandbox.
    #[error("{reason}")]
    Namespace { reason: String },
    /// What the network service refused, in its own words.
    #[error("{message}")]
    Refused { message: String, kind: Kind },
}

impl NetworkError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::Settings { .. } => Kind::Invalid,
            Self::Namespace { .. } => Kind::System,
            Self::Refused { kind, .. } => *kind,
        }
    }

    /// The kind when it is the reason why a container did not start: Docker
    /// answers 404 for a missing network, 400 for settings, and 500 for the rest.
    pub const fn start_kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::Settings { .. } => Kind::Invalid,
            Self::Namespace { .. } | Self::Refused { kind: Kind::System, .. } => Kind::System,
            Self::Refused { .. } => Kind::Refused,
        }
    }
}

/// Why a network was not created.
#[derive(Debug, Error)]
pub enum CreateNetworkError {
    #[error(transparent)]
    Invalid(#[from] InvalidNetworkError),
    #[error(transparent)]
    Network(#[from] NetworkError),
}

impl CreateNetworkError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Invalid(error) => refusal(error.kind()),
            Self::Network(error) => error.kind(),
        }
    }
}

/// Why a network was not changed.
#[derive(Debug, Error)]
pub enum UpdateNetworkError {
    #[error(transparent)]
    Invalid(#[from] InvalidUpdateError),
    #[error(transparent)]
    Find(#[from] FindNetworkError),
    #[error(transparent)]
    Network(#[from] NetworkError),
}

impl UpdateNetworkError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Invalid(error) => refusal(error.kind()),
            Self::Find(error) => error.kind(),
            Self::Network(error) => error.kind(),
        }
    }
}

/// What a refusal by the model is to a client.
pub(crate) const fn refusal(kind: Refusal) -> Kind {
    match kind {
        Refusal::NotFound => Kind::NotFound,
        Refusal::Invalid => Kind::Invalid,
        Refusal::Conflict => Kind::Conflict,
        Refusal::Forbidden => Kind::Forbidden,
        Refusal::Unavailable => Kind::Unavailable,
        Refusal::System => Kind::Refused,
    }
}

/// Why a network was not removed.
#[derive(Debug, Error)]
pub enum RemoveNetworkError {
    #[error(transparent)]
    Find(#[from] FindNetworkError),
    #[error(transparent)]
    Network(#[from] NetworkError),
}

impl RemoveNetworkError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::Network(error) => error.kind(),
        }
    }
}

/// Why networks were not pruned.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PruneNetworksError {
    #[error("a prune operation is already running")]
    Already,
}

impl PruneNetworksError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Already => Kind::Conflict,
        }
    }
}

/// Why a container was not connected to a network.
#[derive(Debug, Error)]
pub enum ConnectError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error(transparent)]
    FindNetwork(#[from] FindNetworkError),
    #[error("container {id} is marked for removal and cannot be connected or disconnected to the network")]
    MarkedForRemoval { id: String },
    #[error(
        "container sharing network namespace with another container or host cannot be connected to any other network"
    )]
    Shared,
    #[error("cannot connect container to host network - container must be created in host network mode")]
    ToHost,
    #[error(
        "container cannot be connected to multiple networks with one of the networks in private (none) mode"
    )]
    WithNone,
    #[error("endpoint with name {name} already exists in network {network}")]
    Already { name: String, network: String },
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ConnectError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::FindNetwork(error) => error.kind(),
            Self::Shared | Self::ToHost | Self::WithNone => Kind::Invalid,
            Self::Already { .. } => Kind::Forbidden,
            Self::Network(error) => error.kind(),
            Self::MarkedForRemoval { .. } => Kind::Refused,
            Self::Store(_) => Kind::System,
        }
    }
}

/// Why a container was not disconnected from a network.
#[derive(Debug, Error)]
pub enum DisconnectError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error(transparent)]
    FindNetwork(#[from] FindNetworkError),
    #[error("container {id} is marked for removal and cannot be connected or disconnected to the network")]
    MarkedForRemoval { id: String },
    #[error("cannot disconnect container from host network - container was created in host network mode")]
    FromHost,
    #[error("container {id} is not connected to the network {network}")]
    NotConnected { id: String, network: String },
    #[error("container {id} is not connected to network {network}")]
    NotAttached { id: String, network: String },
    #[error("container {id} failed to leave network {network}")]
    Leave {
        id: String,
        network: String,
        #[source]
        source: NetworkError,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DisconnectError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::FindNetwork(error) => error.kind(),
            Self::FromHost => Kind::Invalid,
            Self::MarkedForRemoval { .. } | Self::NotConnected { .. } | Self::NotAttached { .. } => {
                Kind::Refused
            }
            Self::Leave { .. } | Self::Store(_) => Kind::System,
        }
    }
}

/// Why a link was not removed. The texts are Docker's.
#[derive(Debug, Error)]
pub enum RemoveLinkError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error("Conflict, cannot remove the default link name of the container")]
    Default,
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RemoveLinkError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::Default => Kind::Refused,
            Self::Network(error) => error.kind(),
            Self::Store(_) => Kind::System,
        }
    }
}
