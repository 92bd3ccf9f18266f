//! Network namespaces: created, kept by a bind mount, entered on a thread that ends there.
//!
//! A thread never comes back from another namespace: whatever has to happen
//! inside one happens on a new thread that ends with it. What it opens there
//! (sockets above all) stays in that namespace and may be used from anywhere.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_bind, mount_change, unmount};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use thiserror::Error;

#[cfg(test)]
mod tests;

thread_local! {
    /// Device and inode of the thread's network namespace, once somebody asked.
    /// It changes in [`leave`] only: whoever enters another namespace is a new thread.
    static HERE: Cell<Option<(u64, u64)>> = const { Cell::new(None) };
}

/// The calling thread's network namespace.
const CURRENT: &str = "/proc/thread-self/ns/net";

/// Why a network namespace could not be made, opened, entered or removed.
#[derive(Debug, Error)]
#[error("cannot {action} network namespace {}", path.display())]
pub struct NetnsError {
    action: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl NetnsError {
    /// The kind of the system's answer.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

/// A network namespace, held by a descriptor: it lives at least as long as this value.
#[derive(Debug)]
pub struct Netns {
    file: File,
    path: PathBuf,
}

impl Netns {
    /// Makes a namespace and keeps it at `path`, a file that must not exist
    /// yet in a directory that does. Its loopback link is down.
    pub fn create(path: &Path) -> Result<Self, NetnsError> {
        Ok(Self::create_with(path, || ())?.0)
    }

    /// As [`Netns::create`], and runs `f` inside, on the thread that made the
    /// namespace: opening a socket there saves another thread.
    pub fn create_with<T: Send>(path: &Path, f: impl FnOnce() -> T + Send) -> Result<(Self, T), NetnsError> {
        let failed = |action| move |source| NetnsError { action, path: path.to_owned(), source };
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o444)
            .open(path)
            .map_err(failed("create the mount point of"))?;
        let made = on_new_thread(|| {
            leave(UnshareFlags::NEWNET).map_err(failed("create"))?;
            mount_bind(CURRENT, path).map_err(|errno| failed("mount")(errno.into()))?;
            let file = File::open(CURRENT).map_err(failed("open"))?;
            Ok((Self { file, path: path.to_owned() }, f()))
        });
        if made.is_err() {
            // The first error is the one to tell; the file may be a mount already.
            drop(Self::remove(path));
        }
        made
    }

    /// Opens the namespace that is kept at `path`, or a process' `/proc/PID/ns/net`.
    ///
    /// Fails on anything that is not a network namespace.
    pub fn open(path: &Path) -> Result<Self, NetnsError> {
        let failed = |source| NetnsError { action: "open", path: path.to_owned(), source };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file =
            File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?);
        if !is_netns(file.as_fd()) {
            return Err(failed(io::Error::other("not a network namespace")));
        }
        Ok(Self { file, path: path.to_owned() })
    }

    /// The calling thread's namespace.
    pub fn current() -> Result<Self, NetnsError> {
        Self::open(Path::new(CURRENT))
    }

    /// Takes away what keeps a namespace at `path`: it ends with its last
    /// process, socket and descriptor. Nothing there is fine.
    pub fn remove(path: &Path) -> Result<(), NetnsError> {
        let failed = |action| move |source| NetnsError { action, path: path.to_owned(), source };
        match unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            // EINVAL: a file without a mount, left by a creation that was cut short.
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
            Err(errno) => return Err(failed("unmount")(errno.into())),
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove")(error)),
            _ => Ok(()),
        }
    }

    /// Where it was made or opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `f` inside, on a thread that ends with it.
    ///
    /// A socket that `f` opens stays in this namespace wherever it is used.
    pub fn enter<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T, NetnsError> {
        on_new_thread(|| {
            move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network)).map_err(
                |errno| NetnsError { action: "enter", path: self.path.clone(), source: errno.into() },
            )?;
            Ok(f())
        })
    }

    /// Whether both are one namespace, however they were opened.
    pub fn same_as(&self, other: &Self) -> Result<bool, NetnsError> {
        Ok(self.identity()? == other.identity()?)
    }

    /// Whether the calling thread is in this namespace. Asking again costs next to nothing.
    pub fn is_current(&self) -> Result<bool, NetnsError> {
        let here = match HERE.get() {
            Some(here) => here,
            None => Self::current()?.identity()?,
        };
        HERE.set(Some(here));
        Ok(self.identity()? == here)
    }

    /// Another handle of the same namespace.
    pub fn try_clone(&self) -> Result<Self, NetnsError> {
        let file = self.file.try_clone().map_err(|source| self.failed("clone a handle of", source))?;
        Ok(Self { file, path: self.path.clone() })
    }

    /// Device and inode: what makes a namespace the same.
    pub fn identity(&self) -> Result<(u64, u64), NetnsError> {
        let metadata = self.file.metadata().map_err(|source| self.failed("examine", source))?;
        Ok((metadata.dev(), metadata.ino()))
    }

    fn failed(&self, action: &'static str, source: io::Error) -> NetnsError {
        NetnsError { action, path: self.path.clone(), source }
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Gives the current thread a network and a mount table of its own, which end
/// with it. For tests and scratch machines: the thread never comes back.
pub fn leave_host() -> io::Result<()> {
    leave(UnshareFlags::NEWNET | UnshareFlags::NEWNS)?;
    Ok(mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?)
}

/// Whether a descriptor is a network namespace: the kernel says of which type it is.
fn is_netns(fd: BorrowedFd<'_>) -> bool {
    /// `NS_GET_NSTYPE` (linux/nsfs.h).
    const GET_TYPE: libc::Ioctl = 0xb703;
    // SAFETY: this request takes no argument and only returns a number.
    #[expect(unsafe_code, reason = "rustix has no ioctl that returns its number")]
    let kind = unsafe { libc::ioctl(fd.as_raw_fd(), GET_TYPE) };
    kind == libc::CLONE_NEWNET
}

fn leave(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: callers unshare the network and mounts only, which share no
    // memory or descriptors with other threads.
    #[expect(unsafe_code, reason = "rustix cannot know which flags are harmless")]
    unsafe { rustix::thread::unshare_unsafe(flags) }?;
    HERE.set(None);
    Ok(())
}

/// A thread that changed its namespace is never given back: it ends.
fn on_new_thread<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(f).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
