//! The namespaces of sandboxes: made, kept, and their sockets.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use cnm::SandboxId;
use cnm::apply::Refusal;
use cnm::state;
use linux::netns::Netns;
use linux::rtnl::{LinkSet, Rtnl};

use super::refusal::{missing, no_namespace, refused};
use super::{Shared, lock};

/// The index of every namespace's loopback link.
const LOOPBACK: u32 = 1;

/// A namespace with the socket that was opened in it.
#[derive(Debug)]
pub(super) struct Inside {
    pub(super) netns: Netns,
    pub(super) rtnl: Mutex<Rtnl>,
    /// Whether it is one that somebody else keeps.
    foreign: bool,
}

impl Inside {
    fn open(path: &Path, foreign: bool) -> Result<Self, Refusal> {
        let netns = Netns::open(path).map_err(refused)?;
        let rtnl = Rtnl::open_in(&netns).map_err(refused)?;
        Ok(Self { netns, rtnl: Mutex::new(rtnl), foreign })
    }

    /// Whether it is still kept where it was opened.
    pub(super) fn is_kept(&self) -> bool {
        let kept = Netns::open(self.netns.path());
        kept.is_ok_and(|kept| kept.same_as(&self.netns).unwrap_or(false))
    }

    /// How the model would describe it.
    pub(super) fn as_object(&self) -> state::Netns {
        if self.foreign {
            state::Netns::Path(self.netns.path().to_string_lossy().into_owned())
        } else {
            state::Netns::Own
        }
    }
}

impl Shared {
    pub(super) fn path(&self, sandbox: &SandboxId) -> PathBuf {
        self.directory.join(sandbox.to_string())
    }

    pub(super) fn netns_add(&self, sandbox: SandboxId, netns: &state::Netns) -> Result<(), Refusal> {
        let inside = match netns {
            state::Netns::Own => self.create(&self.path(&sandbox))?,
            state::Netns::Path(path) => Inside::open(Path::new(path), true)?,
        };
        let up = LinkSet { up: Some(true), ..LinkSet::default() };
        lock(&inside.rtnl).link_set(LOOPBACK, &up).map_err(refused)?;
        lock(&self.sandboxes).insert(sandbox, Arc::new(inside));
        Ok(())
    }

    pub(super) fn netns_del(&self, sandbox: SandboxId, netns: &state::Netns) -> Result<(), Refusal> {
        let known = lock(&self.sandboxes).remove(&sandbox);
        match netns {
            state::Netns::Path(_) => known.map(drop).ok_or_else(missing),
            state::Netns::Own => {
                let path = self.path(&sandbox);
                let there = path.try_exists().map_err(refused)?;
                Netns::remove(&path).map_err(refused)?;
                if there { Ok(()) } else { Err(missing()) }
            }
        }
    }

    /// The namespace of a sandbox: one that was used before, or one of ours that is still kept.
    pub(super) fn inside(&self, sandbox: &SandboxId) -> Result<Arc<Inside>, Refusal> {
        if let Some(inside) = lock(&self.sandboxes).get(sandbox) {
            return Ok(Arc::clone(inside));
        }
        let inside = Inside::open(&self.path(sandbox), false).map_err(|_| no_namespace())?;
        Ok(Arc::clone(lock(&self.sandboxes).entry(*sandbox).or_insert(Arc::new(inside))))
    }

    /// The sandboxes whose namespaces are kept in our directory.
    pub(super) fn kept(&self) -> Result<Vec<SandboxId>, Refusal> {
        let mut kept = Vec::new();
        for entry in std::fs::read_dir(&self.directory).map_err(refused)? {
            let name = entry.map_err(refused)?.file_name();
            kept.extend(name.to_str().and_then(|name| name.parse::<SandboxId>().ok()));
        }
        Ok(kept)
    }

    /// The namespace at a path that the model names, if there is one.
    pub(super) fn foreign(&self, sandbox: SandboxId, path: &str) -> Option<Arc<Inside>> {
        let opened = Inside::open(Path::new(path), true).ok()?;
        let mut known = lock(&self.sandboxes);
        let stale =
            known.get(&sandbox).is_none_or(|inside| !opened.netns.same_as(&inside.netns).unwrap_or(false));
        if stale {
            known.insert(sandbox, Arc::new(opened));
        }
        known.get(&sandbox).cloned()
    }

    /// Forgets a namespace that is no longer kept where it should be.
    pub(super) fn forget(&self, sandbox: &SandboxId) {
        lock(&self.sandboxes).remove(sandbox);
    }

    /// Makes a namespace. A plain file that a creation left when it was cut
    /// short is not in the way: the directory is ours.
    fn create(&self, path: &Path) -> Result<Inside, Refusal> {
        let made = match Netns::create_with(path, Rtnl::open) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && Netns::open(path).is_err() => {
                Netns::remove(path).map_err(refused)?;
                Netns::create_with(path, Rtnl::open)
            }
            made => made,
        };
        let (netns, rtnl) = made.map_err(refused)?;
        let rtnl = rtnl.map_err(refused)?;
        Ok(Inside { netns, rtnl: Mutex::new(rtnl), foreign: false })
    }
}

/// Removes what holds no namespace: the mount point of one whose making or removal
/// was cut short by the end of the engine.
pub(super) fn sweep(directory: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if Netns::open(&path).is_err() {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::sweep;

    #[test]
    fn a_mount_point_without_a_namespace_is_swept_away() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("left"), "").expect("a file");
        sweep(folder.path()).expect("a sweep");
        assert_eq!(folder.path().read_dir().expect("a list").count(), 0);
    }
}
