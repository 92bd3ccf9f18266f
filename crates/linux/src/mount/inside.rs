//! Mounts changed in the mount namespace of a process, from outside.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, UnmountFlags};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use super::{MountError, Tree};

/// The mount namespace of a process.
#[derive(Debug)]
pub struct MountNamespace {
    file: File,
}

impl MountNamespace {
    /// That of a process that lives.
    pub fn of(pid: u32) -> io::Result<Self> {
        Ok(Self { file: File::open(format!("/proc/{pid}/ns/mnt"))? })
    }

    /// Whether what `target` means inside is this very file.
    pub fn is_same(&self, file: &File, target: &Path) -> io::Result<bool> {
        let identity = |found: &rustix::fs::Stat| (found.st_dev, found.st_ino);
        let here = rustix::fs::fstat(file)?;
        let there = self.enter(|| Ok(rustix::fs::stat(target)?))?;
        Ok(identity(&here) == identity(&there))
    }

    /// Shows `tree` in the place of what is mounted at `target`, as the namespace's root sees it.
    /// Who has something open there keeps it.
    pub fn replace(&self, tree: Tree, target: &Path) -> Result<(), MountError> {
        let failed = |source| MountError::new(format!("replace the mount at {}", target.display()), source);
        self.enter(|| replace(&tree, target)).map_err(failed)
    }

    /// Does something inside, on a thread that ends there.
    fn enter<T: Send>(&self, job: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        let run = || {
            // SAFETY: unsharing root and working directory changes nothing another thread relies on.
            #[expect(unsafe_code, reason = "rustix marks it so for the sake of other flags")]
            unsafe {
                rustix::thread::unshare_unsafe(UnshareFlags::FS)?;
            }
            move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Mount))?;
            job()
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("mounts".to_owned()).spawn_scoped(scope, run)?;
            thread.join().map_err(|_| io::Error::other("the thread that mounts has panicked"))?
        })
    }
}

/// Puts the new mount beneath the old one and takes that away: nobody sees neither. Before
/// Linux 6.5 the old one goes first.
fn replace(tree: &Tree, target: &Path) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let old = rustix::fs::openat(CWD, target, flags, Mode::empty())?;
    let given = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    let beneath = given | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_BENEATH;
    match rustix::mount::move_mount(&tree.fd, "", &old, "", beneath) {
        Ok(()) => {
            drop(old);
            Ok(rustix::mount::unmount(target, UnmountFlags::DETACH)?)
        }
        Err(Errno::INVAL) => {
            drop(old);
            rustix::mount::unmount(target, UnmountFlags::DETACH)?;
            let flags = given | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
            Ok(rustix::mount::move_mount(&tree.fd, "", CWD, target, flags)?)
        }
        Err(errno) => Err(errno.into()),
    }
}
