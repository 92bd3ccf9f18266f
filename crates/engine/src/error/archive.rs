//! Why a container's files were not read, written or made an image of.

use image::{EntryError, PackError, SnapshotError, UnpackError, UserError};
use linux::mount::MountError;
use thiserror::Error;

use super::{FindError, Kind, PauseError, RootError, StartError};

/// Why files of a container were not copied.
#[derive(Debug, Error)]
pub enum ArchiveError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error("Could not find the file {path} in container {container}")]
    NotFound { path: String, container: String },
    #[error("not a directory")]
    NotADirectory,
    #[error("extraction point is not a directory")]
    ExtractionPoint,
    #[error("container rootfs is marked read-only")]
    RootReadOnly,
    #[error("mounted volume is marked read-only")]
    VolumeReadOnly,
    #[error("cannot look at {path} in the container")]
    Path { path: String, source: std::io::Error },
    #[error("the container has ended or was removed meanwhile")]
    Gone,
    #[error(transparent)]
    Root(#[from] RootError),
    #[error("cannot find what the container mounts")]
    Mounts(#[source] Box<StartError>),
    #[error("cannot mount what the container sees")]
    Mount(#[from] MountError),
    #[error("unable to find the container's user")]
    User(#[from] UserError),
    #[error(transparent)]
    Unpack(#[from] UnpackError),
}

impl ArchiveError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::NotFound { .. } => Kind::NotFound,
            Self::NotADirectory | Self::ExtractionPoint => Kind::Invalid,
            Self::RootReadOnly | Self::VolumeReadOnly => Kind::Forbidden,
            Self::Gone => Kind::Conflict,
            Self::User(_) => Kind::Refused,
            Self::Unpack(error) => unpack(&error.cause),
            Self::Path { .. } | Self::Root(_) | Self::Mounts(_) | Self::Mount(_) => Kind::System,
        }
    }
}

/// What is wrong with an archive is its sender's business.
const fn unpack(error: &EntryError) -> Kind {
    match error {
        EntryError::Io(_) => Kind::System,
        EntryError::ClimbsOut
        | EntryError::ThroughLink
        | EntryError::ThroughFile
        | EntryError::LinkLeaves { .. }
        | EntryError::LinkMissing { .. }
        | EntryError::LinkToDirectory { .. }
        | EntryError::Device { .. }
        | EntryError::Owner { .. }
        | EntryError::Attribute { .. }
        | EntryError::TooLarge { .. }
        | EntryError::TooMany { .. }
        | EntryError::OverDirectory { .. }
        | EntryError::OverOther { .. }
        | EntryError::Archive(_) => Kind::Invalid,
    }
}

/// Why it is not known what a container has changed.
#[derive(Debug, Error)]
pub enum ChangesError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

impl ChangesError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::Snapshot(_) => Kind::System,
        }
    }
}

/// Why no image was made of a container.
#[derive(Debug, Error)]
pub enum CommitError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error("the root of container {id} is a directory, not an image: export it and import that")]
    NoImage { id: String },
    #[error(transparent)]
    Pause(#[from] PauseError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    Image(#[from] image::CommitError),
}

impl CommitError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::NoImage { .. } => Kind::Invalid,
            Self::Pause(error) => error.kind(),
            Self::Image(image::CommitError::Layer(
                PackError::TooLong { .. } | PackError::Elsewhere { .. },
            )) => Kind::Refused,
            Self::Image(image::CommitError::Lookup(image::LookupError::NotFound { .. })) => Kind::NotFound,
            Self::Snapshot(_) | Self::Image(_) => Kind::System,
        }
    }
}
