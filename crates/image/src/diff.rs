//! What a container has changed: the layer of an overlay's upper directory, and the list of its changes.
//!
//! An upper directory says what changed in overlayfs's words; a layer says it in the
//! words of the OCI image specification (layer.md), which [`crate::unpack`] understands.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use linux::overlayfs::Overlay;
use linux::root::{Dir, FileKind, Status};

use crate::overlay::{Attributes, Below, ELSEWHERE, is_opaque, is_whiteout};
use crate::pack::{PackError, Packer, entry};
use crate::unpack::{OPAQUE as OPAQUE_MARKER, WHITEOUT};
use crate::walk::{Found, Mounts, Walk, unless_gone};

/// What an engine makes in every root file system to have something to mount on: no change
/// of the container's, unless something is in it.
const MOUNT_POINTS: [&str; 9] = [
    ".dockerenv",
    "dev",
    "etc/hostname",
    "etc/hosts",
    "etc/mtab",
    "etc/resolv.conf",
    "proc",
    "sbin/docker-init",
    "sys",
];

/// How something is different from what is below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    Modified,
    Added,
    Deleted,
}

/// One line of `docker diff`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileChange {
    /// Absolute, in the container.
    pub path: PathBuf,
    pub kind: ChangeKind,
}

/// An upper directory, with what is below it.
struct Upper {
    walk: Walk,
    below: Below,
    /// Directories that count only if something in them does.
    held: Vec<Found>,
}

/// Writes the layer that makes of what is below what an overlay shows.
pub(crate) fn write_layer<W: Write>(overlay: &Overlay, output: W) -> Result<(), PackError> {
    let failed = || PackError::reading(Path::new("/"));
    let mut upper = Upper::open(overlay)?;
    let mut packer = Packer::new(output);
    let top = Dir::open(&overlay.upper).and_then(|dir| dir.own_status());
    let top = top.map_err(failed())?;
    if Attributes::of(&top) != Attributes::of_top(&overlay.lower).map_err(failed())? {
        packer.header(&entry(&top, Path::new(""))?.expect("a directory is no socket"))?;
    }
    while let Some(changes) = upper.next()? {
        changes.iter().try_for_each(|found| pack(&mut packer, &upper, found))?;
    }
    packer.finish()
}

fn pack<W: Write>(packer: &mut Packer<W>, upper: &Upper, found: &Found) -> Result<(), PackError> {
    let Found { path, status, .. } = found;
    if is_whiteout(status) {
        let mut marker = OsStr::from_bytes(WHITEOUT).to_owned();
        marker.push(found.name());
        return packer.marker(&path.with_file_name(marker), status);
    }
    check_here(found)?;
    packer.add(found, path)?;
    if upper.hides(found)? {
        packer.marker(&path.join(OsStr::from_bytes(OPAQUE_MARKER)), status)?;
    }
    Ok(())
}

/// Refuses what overlayfs keeps in another place than the upper directory.
fn check_here(found: &Found) -> Result<(), PackError> {
    if !matches!(found.status.kind, FileKind::Directory | FileKind::File) {
        return Ok(());
    }
    for key in ELSEWHERE {
        let value = unless_gone(found.dir.xattr(found.name(), OsStr::new(key)));
        if value.map_err(PackError::reading(&found.path))?.flatten().is_some() {
            return Err(PackError::Elsewhere { path: found.path.clone(), key });
        }
    }
    Ok(())
}

/// All that an overlay shows other than what is below, sorted by path.
pub(crate) fn changes(overlay: &Overlay) -> Result<Vec<FileChange>, PackError> {
    let mut upper = Upper::open(overlay)?;
    let mut all = Vec::new();
    while let Some(changes) = upper.next()? {
        for found in changes {
            let kind = match upper.below(&found)? {
                _ if is_whiteout(&found.status) => ChangeKind::Deleted,
                Some(_) => ChangeKind::Modified,
                None => ChangeKind::Added,
            };
            all.push(change(&found.path, kind));
            if upper.hides(&found)? {
                all.extend(upper.hidden(&found)?);
            }
        }
    }
    all.sort();
    Ok(all)
}

fn change(path: &Path, kind: ChangeKind) -> FileChange {
    FileChange { path: Path::new("/").join(path), kind }
}

impl Upper {
    fn open(overlay: &Overlay) -> Result<Self, PackError> {
        let failed = || PackError::reading(Path::new("/"));
        let below = Below::open(&overlay.lower).map_err(failed())?;
        let walk = Dir::open(&overlay.upper).and_then(|top| Walk::new(top, Mounts::AreLeftOut));
        Ok(Self { walk: walk.map_err(failed())?, below, held: Vec::new() })
    }

    /// The next change, after the directories on the way to it that were held back.
    fn next(&mut self) -> Result<Option<Vec<Found>>, PackError> {
        loop {
            let found = self.walk.next().map_err(PackError::reading(Path::new("/")))?;
            let Some(found) = found else { return Ok(None) };
            self.held.retain(|held| found.path.starts_with(&held.path));
            if !self.is_mount_point(&found)? {
                let mut changes = std::mem::take(&mut self.held);
                changes.push(found);
                return Ok(Some(changes));
            }
            if found.status.kind == FileKind::Directory {
                self.held.push(found);
            }
        }
    }

    /// Whether it is there, or changed, only because something was mounted on it or in it.
    fn is_mount_point(&self, found: &Found) -> Result<bool, PackError> {
        let Found { path, status, .. } = found;
        let is_one = MOUNT_POINTS.iter().any(|point| path == Path::new(point));
        let leads_to_one = MOUNT_POINTS.iter().any(|point| Path::new(point).starts_with(path));
        Ok(match status.kind {
            FileKind::File => is_one && status.size == 0 && self.below(found)?.is_none(),
            FileKind::Symlink => is_one && self.below(found)?.is_none(),
            FileKind::Directory if leads_to_one => {
                self.below(found)?.is_none_or(|below| Attributes::of(&below) == Attributes::of(status))
                    && !self.hides(found)?
            }
            FileKind::Directory
            | FileKind::Fifo
            | FileKind::Socket
            | FileKind::CharDevice
            | FileKind::BlockDevice => false,
        })
    }

    /// What is below at the same path.
    fn below(&self, found: &Found) -> Result<Option<Status>, PackError> {
        self.below.status(&found.path).map_err(PackError::reading(&found.path))
    }

    /// Whether it is a directory through which what is below does not show. Overlayfs marks
    /// new directories, too, where there is nothing that could.
    fn hides(&self, found: &Found) -> Result<bool, PackError> {
        if found.status.kind != FileKind::Directory {
            return Ok(false);
        }
        let opaque = unless_gone(is_opaque(&found.dir, found.name()));
        let opaque = opaque.map_err(PackError::reading(&found.path))?.unwrap_or(false);
        Ok(opaque && self.below(found)?.is_some())
    }

    /// What such a directory had below that it has no more.
    fn hidden(&self, found: &Found) -> Result<Vec<FileChange>, PackError> {
        let failed = || PackError::reading(&found.path);
        let Some(dir) = unless_gone(found.open(Mounts::AreLeftOut)).map_err(failed())? else {
            return Ok(Vec::new());
        };
        let kept: BTreeSet<OsString> = dir.names().map_err(failed())?.into_iter().collect();
        let before = self.below.names(&found.path).map_err(failed())?;
        let gone = before.into_iter().filter(|name| !kept.contains(name));
        Ok(gone.map(|name| change(&found.path.join(name), ChangeKind::Deleted)).collect())
    }
}

#[cfg(test)]
mod tests;
