//! Why no image was built.

use std::io;

use thiserror::Error;

use super::{AttachError, CreateError, Kind, RemoveError, StartError, WaitError};
use crate::build::ChangeError;

/// Why no image was built.
#[derive(Debug, Error)]
pub enum BuildError {
    #[error("Cannot locate specified Dockerfile: {name}")]
    NoFile { name: String },
    #[error("the Dockerfile ({name}) cannot be empty")]
    EmptyFile { name: String },
    #[error("cannot read {name} in the build context")]
    ReadFile { name: String, source: io::Error },
    #[error("cannot read the build context")]
    Context(#[from] image::ContextError),
    #[error("the pattern {pattern:?} in .dockerignore cannot be understood")]
    IgnorePattern { pattern: String },
    #[error(transparent)]
    Parse(#[from] dockerfile::ParseError),
    #[error(transparent)]
    Expand(#[from] dockerfile::ExpandError),
    #[error("target stage {target:?} could not be found")]
    NoTarget { target: String },
    #[error("base name ({text}) should not be blank")]
    BlankBase { text: String },
    #[error("{what} for {platform} cannot be built here: this engine is {host}")]
    Platform { what: String, platform: String, host: String },
    #[error(transparent)]
    Lookup(#[from] image::LookupError),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error("invalid from flag value {name}")]
    From { name: String, source: Box<BuildError> },
    #[error(transparent)]
    Pull(#[from] image::PullError),
    #[error("RUN needs an image with programs: there is nothing in scratch")]
    RunInNothing,
    #[error("{word} failed")]
    Copy { word: &'static str, source: CopyError },
    #[error("cannot make the directory {path} in the image")]
    Workdir { path: String, source: io::Error },
    /// Docker's words; clients print them and programs look for them.
    #[error("The command '{command}' returned a non-zero code: {code}")]
    Command { command: String, code: i32 },
    #[error(transparent)]
    Create(#[from] CreateError),
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Wait(#[from] WaitError),
    #[error("cannot remove the container of a step")]
    Remove(#[from] RemoveError),
    #[error(transparent)]
    Snapshot(#[from] image::SnapshotError),
    #[error(transparent)]
    Commit(#[from] image::CommitError),
    #[error("cannot name the image {name}")]
    Tag { name: String, source: image::TagError },
    #[error(transparent)]
    Store(#[from] image::StoreError),
    #[error("No image was generated. Is your Dockerfile empty?")]
    NoImage,
    #[error("build cancelled")]
    Cancelled,
}

/// Why nothing was copied.
#[derive(Debug, Error)]
pub enum CopyError {
    #[error("file not found in build context or excluded by .dockerignore: stat {path}: file does not exist")]
    NotInContext { path: String },
    #[error("stat {path}: file does not exist")]
    NotInImage { path: String },
    #[error("forbidden path outside the build context: {path} ()")]
    Outside { path: String },
    #[error("no source files were specified")]
    NoSource,
    #[error(
        "When using {word} with more than one source file, the destination must be a directory and end with a /"
    )]
    ManyIntoOne { word: &'static str },
    #[error("source can't be a URL for COPY")]
    CopyUrl,
    #[error("this engine does not fetch {url}: put the file into the build context, or fetch it with RUN")]
    AddUrl { url: String },
    #[error("unable to convert uid/gid chown string to host mapping")]
    Owner(#[from] image::UserError),
    #[error("invalid mode {mode:?}: an octal number is expected")]
    Mode { mode: String },
    #[error("cannot unpack {path}")]
    Unpack { path: String, source: image::ContextError },
    #[error("failed to copy files")]
    Io(#[from] io::Error),
}

impl BuildError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::EmptyFile { .. }
            | Self::IgnorePattern { .. }
            | Self::Parse(_)
            | Self::Expand(_)
            | Self::NoTarget { .. }
            | Self::BlankBase { .. }
            | Self::Platform { .. }
            | Self::Change(_) => Kind::Invalid,
            Self::Create(error) => error.kind(),
            Self::Lookup(image::LookupError::NotFound { .. }) => Kind::NotFound,
            Self::Context(image::ContextError::Io(_))
            | Self::Attach(_)
            | Self::Start(_)
            | Self::Wait(_)
            | Self::Remove(_)
            | Self::Snapshot(_)
            | Self::Commit(_)
            | Self::Store(_)
            | Self::Workdir { .. } => Kind::System,
            Self::Context(_)
            | Self::NoFile { .. }
            | Self::ReadFile { .. }
            | Self::Lookup(_)
            | Self::From { .. }
            | Self::Pull(_)
            | Self::RunInNothing
            | Self::Copy { .. }
            | Self::Command { .. }
            | Self::Tag { .. }
            | Self::NoImage
            | Self::Cancelled => Kind::Refused,
        }
    }

    /// What a client is told as the error's code: the exit status of a command.
    pub const fn code(&self) -> i32 {
        if let Self::Command { code, .. } = self { *code } else { 0 }
    }
}

/// Why what builds have made before was not looked at, or not removed.
#[derive(Debug, Error)]
pub enum PruneBuildsError {
    #[error(transparent)]
    Lookup(#[from] image::LookupError),
    #[error(transparent)]
    Remove(#[from] image::RemoveError),
}

impl PruneBuildsError {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Lookup(_) | Self::Remove(_) => Kind::System,
        }
    }
}
