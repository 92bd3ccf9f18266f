//! The writable layers of containers, and their mounts.
//!
//! A container's root file system is its image's layers, shared and read-only,
//! below one directory of its own, joined by overlayfs; or a directory of the
//! user's, as it is or below an overlay that is thrown away.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use linux::mount::{MountError, is_mount_point, unmount_lazily};
use linux::overlayfs::{Overlay, OverlayError};
use linux::root::{Dir, FileKind};
use thiserror::Error;

use crate::content::Scratch;
use crate::diff::{FileChange, changes};
use crate::images::{CollectError, OpenError};
use crate::overlay::Attributes;
use crate::pack::PackError;
use crate::store::record::{self, Base};
use crate::store::{Reads, StoreError};
use crate::walk::{Found, Mounts, Walk, unless_gone};
use crate::{ImageId, Images, LayerId, LookupError};

/// The most bytes of a container's id, and of its directory's name.
const ID_LIMIT: usize = 128;

/// Where a container's root file system is and what it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rootfs {
    /// The root, once it is mounted.
    pub merged: PathBuf,
    /// What is joined there; `None` for a directory that is used as it is.
    pub overlay: Option<Overlay>,
}

impl Rootfs {
    /// What `docker inspect` shows as `GraphDriver`: the driver's name and its directories.
    #[must_use]
    pub fn graph_driver(&self) -> (&'static str, BTreeMap<String, String>) {
        let text = |path: &Path| path.display().to_string();
        let Some(overlay) = &self.overlay else {
            return ("directory", BTreeMap::from([("MergedDir".to_owned(), text(&self.merged))]));
        };
        let lower: Vec<_> = overlay.lower.iter().map(|path| text(path)).collect();
        let entries = [
            ("LowerDir", lower.join(":")),
            ("MergedDir", text(&self.merged)),
            ("UpperDir", text(&overlay.upper)),
            ("WorkDir", text(&overlay.work)),
        ];
        ("overlay2", entries.map(|(key, value)| (key.to_owned(), value)).into())
    }
}

/// Whether a directory of the user's is written to or kept as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryUse {
    /// `--rootfs DIR`.
    AsItIs,
    /// `--rootfs DIR:O`: changes go to an overlay that ends with the container.
    BelowOverlay,
}

/// Why a container's root file system is not there.
#[derive(Debug, Error)]
pub enum SnapshotError {
    #[error("{container:?} cannot be the name of a snapshot")]
    BadId { container: String },
    #[error("container {container} has a root file system already")]
    Exists { container: String },
    #[error("container {container} has no root file system")]
    NotFound { container: String },
    #[error("the root file system {path} is not a directory")]
    NotDirectory { path: PathBuf },
    #[error("cannot use the root file system {path}")]
    Directory { path: PathBuf, source: io::Error },
    #[error("cannot prepare the root file system of container {container}")]
    Prepare { container: String, source: io::Error },
    #[error("cannot read the root file system of container {container}")]
    Read { container: String, source: io::Error },
    #[error("cannot mount the root file system of container {container}")]
    Mount { container: String, source: OverlayError },
    #[error("cannot unmount the root file system of container {container}")]
    Unmount { container: String, source: MountError },
    #[error("cannot remove the root file system of container {container}")]
    Remove { container: String, source: io::Error },
    #[error("cannot tell what container {container} has changed")]
    Compare { container: String, source: PackError },
    #[error("cannot remove what nobody needs any more")]
    Collect(#[source] io::Error),
    #[error(transparent)]
    Lookup(#[from] LookupError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CollectError> for SnapshotError {
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::Io(error) => Self::Collect(error),
            CollectError::Store(error) => Self::Store(error),
        }
    }
}

/// The root file systems of containers.
#[derive(Clone, Copy, Debug)]
pub struct Snapshots<'a> {
    images: &'a Images,
}

impl<'a> Snapshots<'a> {
    pub(crate) fn new(images: &'a Images) -> Self {
        Self { images }
    }

    /// Makes a writable layer over an image. Nothing is mounted yet.
    ///
    /// From now on the image's layers stay, even if the image is removed.
    pub fn prepare(&self, container: &str, image: ImageId) -> Result<Rootfs, SnapshotError> {
        check_id(container)?;
        self.images.keeping(|| {
            let layers: Vec<LayerId> = self.images.get(image)?.layers.iter().map(|layer| layer.id).collect();
            self.add(container, Base::Image { image, layers })
        })
    }

    /// Makes a writable layer over nothing.
    pub fn prepare_empty(&self, container: &str) -> Result<Rootfs, SnapshotError> {
        check_id(container)?;
        self.add(container, Base::Directory { path: self.images.root.join("nothing"), overlay: true })
    }

    /// Uses a directory as a container's root file system.
    pub fn prepare_directory(
        &self,
        container: &str,
        directory: &Path,
        how: DirectoryUse,
    ) -> Result<Rootfs, SnapshotError> {
        check_id(container)?;
        let failed = |source| SnapshotError::Directory { path: directory.to_owned(), source };
        let path = fs::canonicalize(directory).map_err(failed)?;
        if !path.is_dir() {
            return Err(SnapshotError::NotDirectory { path });
        }
        let base = Base::Directory { path, overlay: how == DirectoryUse::BelowOverlay };
        self.add(container, base)
    }

    /// The root file system of a container, if it was prepared.
    pub fn find(&self, container: &str) -> Result<Option<Rootfs>, SnapshotError> {
        let record: Option<record::Snapshot> = self.images.store.view()?.get(container)?;
        Ok(record.map(|record| self.rootfs(container, &record.base)))
    }

    /// The ids of all containers that have a root file system here.
    pub fn list(&self) -> Result<Vec<String>, SnapshotError> {
        let records = self.images.store.view()?.all::<record::Snapshot>()?;
        Ok(records.into_iter().map(|(container, _)| container).collect())
    }

    /// Mounts it in the calling thread's mount namespace; mounted already is fine.
    pub fn mount(&self, container: &str) -> Result<Rootfs, SnapshotError> {
        let rootfs = self.existing(container)?;
        let Some(overlay) = &rootfs.overlay else { return Ok(rootfs) };
        let failed = |source| SnapshotError::Read { container: container.to_owned(), source };
        if !overlay.upper.is_dir() {
            self.restore(container, overlay).map_err(failed)?;
        }
        if !is_mount_point(&rootfs.merged).map_err(failed)? {
            overlay
                .mount(&rootfs.merged)
                .map_err(|source| SnapshotError::Mount { container: container.to_owned(), source })?;
        }
        Ok(rootfs)
    }

    /// Unmounts it; not mounted is fine. A process that is still inside keeps what it has open.
    pub fn unmount(&self, container: &str) -> Result<(), SnapshotError> {
        let rootfs = self.existing(container)?;
        if rootfs.overlay.is_none() {
            return Ok(());
        }
        unmount_lazily(&rootfs.merged)
            .map_err(|source| SnapshotError::Unmount { container: container.to_owned(), source })
    }

    /// Removes a container's writable layer and its mount; a directory of the user's stays.
    pub fn remove(&self, container: &str) -> Result<(), SnapshotError> {
        self.unmount(container)?;
        let failed = |source| SnapshotError::Remove { container: container.to_owned(), source };
        let is_last = self.images.store.change(|change| {
            let orphaned = is_orphan(change, container)?;
            change.remove::<record::Snapshot>(container)?;
            Ok::<bool, StoreError>(orphaned)
        })?;
        let scratch = Scratch::new(&self.images.unfinished).map_err(failed)?;
        unless_gone(fs::rename(self.directory(container), scratch.free_path())).map_err(failed)?;
        drop(scratch);
        if !is_last {
            return Ok(());
        }
        Ok(self.images.collect_garbage()?)
    }

    /// Bytes of all files in the writable layer: `SizeRw`.
    pub fn size(&self, container: &str) -> Result<u64, SnapshotError> {
        let Some(overlay) = self.existing(container)?.overlay else { return Ok(0) };
        let failed = |source| SnapshotError::Read { container: container.to_owned(), source };
        tree_size(&overlay.upper).map_err(failed)
    }

    /// What a container has changed in its files, sorted by path.
    pub fn changes(&self, container: &str) -> Result<Vec<FileChange>, SnapshotError> {
        let Some(overlay) = self.existing(container)?.overlay else { return Ok(Vec::new()) };
        changes(&overlay).map_err(|source| SnapshotError::Compare { container: container.to_owned(), source })
    }

    /// Removes the directories and mounts of containers that were never recorded.
    pub(crate) fn remove_strays(&self) -> Result<(), OpenError> {
        let known = self.images.store.view()?.all::<record::Snapshot>()?;
        let parent = self.images.root.join("snapshots");
        let left = |source| OpenError::Leftovers { path: parent.clone(), source };
        let dir = Dir::open(&parent).map_err(left)?;
        for name in dir.names().map_err(left)? {
            if !known.iter().any(|(container, _)| name == OsStr::new(container)) {
                unmount_lazily(&parent.join(&name).join("merged")).map_err(|error| left(error.source))?;
                dir.remove_all(&name).map_err(left)?;
            }
        }
        Ok(())
    }

    /// Makes the directories aside, moves them to their place and records them.
    fn add(&self, container: &str, base: Base) -> Result<Rootfs, SnapshotError> {
        let failed = |source| SnapshotError::Prepare { container: container.to_owned(), source };
        let rootfs = self.rootfs(container, &base);
        let scratch = Scratch::new(&self.images.unfinished).map_err(failed)?;
        let aside = scratch.free_path();
        make_directories(&aside, rootfs.overlay.as_ref()).map_err(failed)?;
        self.images.store.change(|change| {
            if change.get::<record::Snapshot>(container)?.is_some() {
                return Err(SnapshotError::Exists { container: container.to_owned() });
            }
            // What no record names was left by a change that failed.
            let parent = Dir::open(&self.images.root.join("snapshots")).map_err(failed)?;
            parent.remove_all(container.as_ref()).map_err(failed)?;
            fs::rename(&aside, self.directory(container)).map_err(failed)?;
            change.put(container, &record::Snapshot::new(base))?;
            Ok(())
        })?;
        Ok(rootfs)
    }

    /// Makes the directories again. The record waits for the disk and they do not:
    /// after a loss of power it may be there alone, of a container that wrote nothing
    /// that it had waited for.
    fn restore(&self, container: &str, overlay: &Overlay) -> io::Result<()> {
        let scratch = Scratch::new(&self.images.unfinished)?;
        let aside = scratch.free_path();
        make_directories(&aside, Some(overlay))?;
        Dir::open(&self.images.root.join("snapshots"))?.remove_all(container.as_ref())?;
        fs::rename(&aside, self.directory(container))
    }

    fn existing(&self, container: &str) -> Result<Rootfs, SnapshotError> {
        self.find(container)?.ok_or_else(|| SnapshotError::NotFound { container: container.to_owned() })
    }

    fn rootfs(&self, container: &str, base: &Base) -> Rootfs {
        let own = self.directory(container);
        let overlay = |lower| {
            let overlay = Overlay { lower, upper: own.join("diff"), work: own.join("work") };
            Rootfs { merged: own.join("merged"), overlay: Some(overlay) }
        };
        match base {
            Base::Image { layers, .. } => overlay(self.lower(layers)),
            Base::Directory { path, overlay: true } => overlay(vec![path.clone()]),
            Base::Directory { path, overlay: false } => Rootfs { merged: path.clone(), overlay: None },
        }
    }

    /// The layers' directories, topmost first, each once: overlayfs refuses to
    /// see one twice, and its lower occurrences are hidden by the topmost.
    fn lower(&self, layers: &[LayerId]) -> Vec<PathBuf> {
        let mut seen = BTreeSet::new();
        let once = layers.iter().rev().filter(|layer| seen.insert(**layer));
        let lower: Vec<_> = once.map(|layer| self.images.layers.diff(*layer)).collect();
        if lower.is_empty() { vec![self.images.root.join("nothing")] } else { lower }
    }

    fn directory(&self, container: &str) -> PathBuf {
        self.images.root.join("snapshots").join(container)
    }
}

/// The upper directory's owner and mode are those of `/` in the container.
fn make_directories(at: &Path, overlay: Option<&Overlay>) -> io::Result<()> {
    for (name, mode) in [("", 0o711), ("diff", 0o755), ("work", 0o711), ("merged", 0o711)] {
        DirBuilder::new().mode(mode).create(at.join(name))?;
    }
    if let Some(overlay) = overlay {
        let (top, upper) = (Attributes::of_top(&overlay.lower)?, at.join("diff"));
        std::os::unix::fs::chown(&upper, Some(top.uid), Some(top.gid))?;
        fs::set_permissions(&upper, fs::Permissions::from_mode(top.mode))?;
    }
    Ok(())
}

/// Whether the image below was removed: its layers end with the last container that has them.
fn is_orphan(view: &impl Reads, container: &str) -> Result<bool, StoreError> {
    let record: Option<record::Snapshot> = view.get(container)?;
    let Some(Base::Image { image, .. }) = record.map(|record| record.base) else { return Ok(false) };
    Ok(view.get::<record::Image>(&image.to_string())?.is_none())
}

/// Bytes of all regular files, each counted once. Others may be at work in it.
pub fn tree_size(top: &Path) -> io::Result<u64> {
    let mut walk = Walk::new(Dir::open(top)?, Mounts::AreLeftOut)?;
    let mut size = 0;
    let mut seen = BTreeSet::new();
    while let Some(Found { status, .. }) = walk.next()? {
        if status.kind == FileKind::File && (status.links < 2 || seen.insert(status.identity)) {
            size += status.size;
        }
    }
    Ok(size)
}

/// An id becomes the name of a directory.
fn check_id(container: &str) -> Result<(), SnapshotError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let fits = (1..=ID_LIMIT).contains(&container.len()) && !container.starts_with('.');
    if fits && container.bytes().all(plain) {
        return Ok(());
    }
    Err(SnapshotError::BadId { container: container.to_owned() })
}

#[cfg(test)]
mod tests;
