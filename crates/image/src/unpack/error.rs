//! Why a layer could not be unpacked.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::tape::TapeError;

/// The link or file is on another file system: for openat2, out of the root.
const EXDEV: i32 = 18;
/// A link where none may be followed, or too many of them.
const ELOOP: i32 = 40;

/// An entry of a layer could not be unpacked.
#[derive(Debug, Error)]
#[error("cannot unpack entry {entry:?}")]
pub struct UnpackError {
    /// The name in the archive, or of the last entry before it broke.
    pub entry: String,
    #[source]
    pub cause: EntryError,
}

/// What is wrong with an entry.
#[derive(Debug, Error)]
pub enum EntryError {
    #[error("its path leaves the layer")]
    ClimbsOut,
    #[error("a link on the way to it leaves the layer")]
    ThroughLink,
    #[error("something on the way to it is not a directory")]
    ThroughFile,
    #[error("it is a hard link to {target}, which is outside of the layer")]
    LinkLeaves { target: String },
    #[error("it is a hard link to {target}, which the layer does not have")]
    LinkMissing { target: String },
    #[error("it is a hard link to {target}, which is a directory")]
    LinkToDirectory { target: String },
    #[error("there is no device {major}:{minor}")]
    Device { major: u32, minor: u32 },
    #[error("there is no owner {number}")]
    Owner { number: u64 },
    #[error("the attribute {key} would change how layers are joined")]
    Attribute { key: String },
    #[error("with its {size} bytes the layer has more than the limit of {limit}")]
    TooLarge { size: u64, limit: u64 },
    #[error("the layer has more than {limit} entries")]
    TooMany { limit: u64 },
    #[error("cannot overwrite directory {path:?} with non-directory")]
    OverDirectory { path: PathBuf },
    #[error("cannot overwrite non-directory {path:?} with directory")]
    OverOther { path: PathBuf },
    #[error(transparent)]
    Archive(#[from] TapeError),
    #[error("the file system refused it")]
    Io(#[from] io::Error),
}

impl EntryError {
    /// What a failed lookup of an entry's directory means.
    pub(super) fn on_the_way(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(EXDEV | ELOOP) => Self::ThroughLink,
            _ if error.kind() == io::ErrorKind::NotADirectory => Self::ThroughFile,
            _ => Self::Io(error),
        }
    }

    /// Refuses to make something else of a directory, or a directory of something else.
    pub(super) fn check_kinds(path: &Path, is_directory: bool, becomes_one: bool) -> Result<(), Self> {
        let path = || Path::new("/").join(path);
        match (is_directory, becomes_one) {
            (true, false) => Err(Self::OverDirectory { path: path() }),
            (false, true) => Err(Self::OverOther { path: path() }),
            (true, true) | (false, false) => Ok(()),
        }
    }

    /// What a failed lookup of a hard link's target means.
    pub(super) fn linking(error: io::Error, target: String) -> Self {
        if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
            return Self::LinkMissing { target };
        }
        match error.raw_os_error() {
            Some(EXDEV | ELOOP) => Self::LinkLeaves { target },
            _ => Self::Io(error),
        }
    }
}
