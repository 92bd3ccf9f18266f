//! The root file systems of containers, as `image` makes them. Everything here blocks.

use image::{DirectoryUse, Images, LookupError, Rootfs, SnapshotError};
use linux::quota::{forget, limit_all};

use crate::{ContainerId, Root, error::RootError};
use std::path::PathBuf;

/// What a root file system is based on.
#[derive(Debug)]
pub(crate) enum Base {
    Image(Box<image::Image>),
    Directory { path: PathBuf, overlay: bool },
}

impl Base {
    /// Finds what is asked for.
    pub(crate) fn find(root: &Root, images: &Images) -> Result<Self, RootError> {
        match root {
            Root::Image(reference) => {
                images.find(reference).map(|image| Self::Image(Box::new(image))).map_err(lookup)
            }
            Root::Directory { path, overlay } if path.is_dir() => {
                Ok(Self::Directory { path: path.clone(), overlay: *overlay })
            }
            Root::Directory { path, .. } => {
                Err(RootError::NotADirectory { path: path.display().to_string() })
            }
        }
    }

    /// `sha256:…`
    pub(crate) fn image_id(&self) -> Option<String> {
        match self {
            Self::Image(image) => Some(image.id.to_string()),
            Self::Directory { .. } => None,
        }
    }
}

/// Makes a container's root file system, of which at most `size` bytes may be written; nothing is mounted yet.
pub(crate) fn create(
    images: &Images,
    id: &ContainerId,
    base: &Base,
    size: Option<u64>,
) -> Result<Rootfs, RootError> {
    let id = id.to_string();
    let made = match base {
        Base::Image(image) => images.snapshots().prepare(&id, image.id),
        Base::Directory { path, overlay } => {
            let how = if *overlay { DirectoryUse::BelowOverlay } else { DirectoryUse::AsItIs };
            images.snapshots().prepare_directory(&id, path, how)
        }
    };
    let rootfs = made.map_err(failed)?;
    if let Some(size) = size {
        let Some(overlay) = &rootfs.overlay else { return Err(RootError::NoLayer) };
        limit_all(&[&overlay.upper, &overlay.work], size).map_err(RootError::Size)?;
    }
    Ok(rootfs)
}

/// Mounts it, unless it is, and tells where.
pub(crate) fn mount(images: &Images, id: &ContainerId) -> Result<PathBuf, RootError> {
    images.snapshots().mount(&id.to_string()).map(|rootfs| rootfs.merged).map_err(failed)
}

/// Unmounts it, if it is mounted.
pub(crate) fn unmount(images: &Images, id: &ContainerId) -> Result<(), RootError> {
    gone_is_fine(images.snapshots().unmount(&id.to_string()))
}

/// Removes the writable layer. A directory of the user's stays.
pub(crate) fn remove(images: &Images, id: &ContainerId) -> Result<(), RootError> {
    if let Some(overlay) = find(images, id).and_then(|rootfs| rootfs.overlay) {
        // A limit that is left does no harm: its number is not used again.
        let _no_quota = forget(&overlay.upper);
    }
    gone_is_fine(images.snapshots().remove(&id.to_string()))
}

/// What `inspect` shows of it.
pub(crate) fn find(images: &Images, id: &ContainerId) -> Option<Rootfs> {
    images.snapshots().find(&id.to_string()).ok().flatten()
}

fn gone_is_fine(outcome: Result<(), SnapshotError>) -> Result<(), RootError> {
    match outcome {
        Err(SnapshotError::NotFound { .. }) => Ok(()),
        other => other.map_err(|error| RootError::Remove(Box::new(error))),
    }
}

fn failed(error: SnapshotError) -> RootError {
    match error {
        SnapshotError::Lookup(error) => lookup(error),
        SnapshotError::NotDirectory { path } => RootError::NotADirectory { path: path.display().to_string() },
        SnapshotError::BadId { .. }
        | SnapshotError::Exists { .. }
        | SnapshotError::NotFound { .. }
        | SnapshotError::Directory { .. }
        | SnapshotError::Prepare { .. }
        | SnapshotError::Mount { .. }
        | SnapshotError::Unmount { .. }
        | SnapshotError::Remove { .. }
        | SnapshotError::Read { .. }
        | SnapshotError::Compare { .. }
        | SnapshotError::Collect(_)
        | SnapshotError::Store(_) => RootError::Mount(Box::new(error)),
    }
}

fn lookup(error: LookupError) -> RootError {
    match error {
        LookupError::NotFound { name } => RootError::NoImage { reference: name },
        LookupError::Name(error) => RootError::Reference { message: error.to_string() },
        LookupError::Ambiguous { .. } | LookupError::Document { .. } | LookupError::Store(_) => {
            RootError::Image(Box::new(error))
        }
    }
}
