//! Refusals: one error per operation, and what kind each is.

use thiserror::Error;

use super::{
    CreateEndpointError, CreateNetworkError, CreateSandboxError, DeleteEndpointError, DeleteNetworkError,
    DeleteSandboxError, JoinError, LeaveError, RenameEndpointError, UpdateNetworkError, UpdateSandboxError,
};

/// The kinds of refusal that clients tell apart, each with its status in the Engine API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// What is named does not exist: 404.
    NotFound,
    /// The request makes no sense by itself: 400.
    Invalid,
    /// It is at odds with what exists: 409.
    Conflict,
    /// It is never, or not now, allowed: 403.
    Forbidden,
    /// Something has run out: 503.
    Unavailable,
    /// What Docker answers 500 to.
    System,
}

/// Why a request is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refused {
    #[error(transparent)]
    CreateNetwork(#[from] CreateNetworkError),
    #[error(transparent)]
    UpdateNetwork(#[from] UpdateNetworkError),
    #[error(transparent)]
    DeleteNetwork(#[from] DeleteNetworkError),
    #[error(transparent)]
    CreateSandbox(#[from] CreateSandboxError),
    #[error(transparent)]
    UpdateSandbox(#[from] UpdateSandboxError),
    #[error(transparent)]
    DeleteSandbox(#[from] DeleteSandboxError),
    #[error(transparent)]
    CreateEndpoint(#[from] CreateEndpointError),
    #[error(transparent)]
    DeleteEndpoint(#[from] DeleteEndpointError),
    #[error(transparent)]
    RenameEndpoint(#[from] RenameEndpointError),
    #[error(transparent)]
    Join(#[from] JoinError),
    #[error(transparent)]
    Leave(#[from] LeaveError),
}

impl Refused {
    /// What kind of refusal it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::CreateNetwork(error) => error.kind(),
            Self::UpdateNetwork(error) => error.kind(),
            Self::DeleteNetwork(error) => error.kind(),
            Self::CreateSandbox(error) => error.kind(),
            Self::UpdateSandbox(error) => error.kind(),
            Self::DeleteSandbox(error) => error.kind(),
            Self::CreateEndpoint(error) => error.kind(),
            Self::DeleteEndpoint(error) => error.kind(),
            Self::RenameEndpoint(error) => error.kind(),
            Self::Join(error) => error.kind(),
            Self::Leave(error) => error.kind(),
        }
    }
}
