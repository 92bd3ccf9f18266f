//! The mount API of Linux 5.2: file systems, binds, propagation, attributes.
//!
//! A mount is made detached, given all its attributes, and attached in one
//! step: nobody sees it half-made, and what fails leaves nothing. Recursive
//! attributes need Linux 5.12.

mod classic;
mod idmap;
mod inside;
mod table;

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags};
use rustix::thread::UnshareFlags;
use thiserror::Error;

pub use classic::Classic;
pub use idmap::IdMap;
pub use inside::MountNamespace;
pub use table::{MountPoint, file_system_of, is_mount_point, mount_of, mount_points};

/// A step of mounting failed.
#[derive(Debug, Error)]
#[error("cannot {step}{said}")]
pub struct MountError {
    /// What was tried, on what.
    pub step: String,
    /// What the kernel said about it in words, in parentheses, or nothing.
    pub said: String,
    /// The errno.
    pub source: io::Error,
}

impl MountError {
    fn new(step: impl Into<String>, errno: impl Into<io::Error>) -> Self {
        Self { step: step.into(), said: String::new(), source: errno.into() }
    }

    /// The errno, if the kernel gave one.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        self.source.raw_os_error()
    }
}

/// How mounts below pass between the copies of a mount (`mount_namespaces(7)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    Private,
    Shared,
    Slave,
    Unbindable,
}

/// Whether mounts below one are meant as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    ThisMount,
    AllBelow,
}

/// What a mount forbids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    pub read_only: bool,
    pub no_suid: bool,
    pub no_dev: bool,
    pub no_exec: bool,
}

impl Attributes {
    /// Nothing can be written.
    pub const READ_ONLY: Self = Self { read_only: true, no_suid: false, no_dev: false, no_exec: false };

    fn flags(self) -> MountAttrFlags {
        let flag = |set, flag| if set { flag } else { MountAttrFlags::empty() };
        flag(self.read_only, MountAttrFlags::MOUNT_ATTR_RDONLY)
            | flag(self.no_suid, MountAttrFlags::MOUNT_ATTR_NOSUID)
            | flag(self.no_dev, MountAttrFlags::MOUNT_ATTR_NODEV)
            | flag(self.no_exec, MountAttrFlags::MOUNT_ATTR_NOEXEC)
    }
}

/// A file system that is being configured.
#[derive(Debug)]
pub struct FileSystem {
    kind: String,
    context: OwnedFd,
}

impl FileSystem {
    /// Starts to configure a file system of this kind (`tmpfs`, `overlay`, `proc`…).
    pub fn new(kind: &str) -> Result<Self, MountError> {
        let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)
            .map_err(|errno| MountError::new(format!("open the file system {kind}"), errno))?;
        Ok(Self { kind: kind.to_owned(), context })
    }

    /// Whether the kernel checks each parameter when it is set. A file system that was
    /// not moved to this API takes any, and they are joined to mount(2)'s one string
    /// (`legacy_parse_param` in fs/fs_context.c).
    pub fn checks_parameters(kind: &str) -> Result<bool, MountError> {
        Ok(Self::new(kind)?.set_flag("no-file-system-has-this").is_err())
    }

    /// Sets a parameter. The kernel takes at most 255 bytes.
    pub fn set(&self, key: &str, value: impl rustix::path::Arg) -> Result<(), MountError> {
        rustix::mount::fsconfig_set_string(&self.context, key, value)
            .map_err(|errno| self.failed(format!("set {key} of {}", self.kind), errno))
    }

    /// Sets a parameter that has no value.
    pub fn set_flag(&self, key: &str) -> Result<(), MountError> {
        rustix::mount::fsconfig_set_flag(&self.context, key)
            .map_err(|errno| self.failed(format!("set {key} of {}", self.kind), errno))
    }

    /// Makes the file system and a mount of it that is not attached anywhere yet.
    pub fn mount(self, attributes: Attributes) -> Result<Tree, MountError> {
        rustix::mount::fsconfig_create(&self.context)
            .map_err(|errno| self.failed(format!("create the file system {}", self.kind), errno))?;
        let flags = FsMountFlags::FSMOUNT_CLOEXEC;
        let fd = rustix::mount::fsmount(&self.context, flags, attributes.flags())
            .map_err(|errno| self.failed(format!("mount the file system {}", self.kind), errno))?;
        Ok(Tree { fd })
    }

    fn failed(&self, step: String, errno: Errno) -> MountError {
        MountError { step, said: self.said(), source: errno.into() }
    }

    /// What the kernel wrote about this file system: one message per read.
    fn said(&self) -> String {
        let Ok(context) = self.context.try_clone() else { return String::new() };
        let mut log = File::from(context);
        let mut message = [0; 1024];
        let mut messages = Vec::new();
        while let Ok(length @ 1..) = log.read(&mut message) {
            let text = String::from_utf8_lossy(&message[..length]);
            messages.push(text.trim_start_matches(['e', 'w', 'i']).trim().to_owned());
        }
        if messages.is_empty() { String::new() } else { format!(" ({})", messages.join("; ")) }
    }
}

/// A mount, perhaps with mounts below, that is not attached anywhere yet.
/// Dropped, it is gone.
#[derive(Debug)]
pub struct Tree {
    fd: OwnedFd,
}

impl Tree {
    /// Copies the mount that `source` is in, seen from `source` on; links are followed.
    pub fn copy(source: &Path, reach: Reach) -> Result<Self, MountError> {
        let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        if reach == Reach::AllBelow {
            flags |= OpenTreeFlags::AT_RECURSIVE;
        }
        let fd = rustix::mount::open_tree(CWD, source, flags)
            .map_err(|errno| MountError::new(format!("open the tree {}", source.display()), errno))?;
        Ok(Self { fd })
    }

    /// Copies the mount that an open directory or file is in, seen from there on.
    pub fn copy_at(source: impl AsFd, reach: Reach) -> Result<Self, MountError> {
        let mut flags =
            OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
        if reach == Reach::AllBelow {
            flags |= OpenTreeFlags::AT_RECURSIVE;
        }
        let fd = rustix::mount::open_tree(source, "", flags)
            .map_err(|errno| MountError::new("open the tree of an open file", errno))?;
        Ok(Self { fd })
    }

    /// Sets what the mount forbids; what is not named stays as it is.
    pub fn forbid(&self, attributes: Attributes, reach: Reach) -> Result<(), MountError> {
        let attributes = MountAttr { set: attributes.flags().bits().into(), ..MountAttr::default() };
        mount_setattr(&self.fd, attributes, reach)
            .map_err(|errno| MountError::new("change the attributes of a mount", errno))
    }

    /// Sets how mounts below are passed on.
    pub fn propagate(&self, propagation: Propagation, reach: Reach) -> Result<(), MountError> {
        mount_setattr(&self.fd, propagation.attr(), reach)
            .map_err(|errno| MountError::new("change the propagation of a mount", errno))
    }

    /// Attaches it at `target`; links are followed.
    pub fn attach(self, target: &Path) -> Result<(), MountError> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
        rustix::mount::move_mount(&self.fd, "", CWD, target, flags)
            .map_err(|errno| MountError::new(format!("attach a mount at {}", target.display()), errno))
    }

    /// Attaches it at an open directory or file.
    pub fn attach_at(self, target: impl AsFd) -> Result<(), MountError> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        rustix::mount::move_mount(&self.fd, "", target, "", flags)
            .map_err(|errno| MountError::new("attach a mount at an open directory", errno))
    }
}

/// How a bind mount differs from its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindOptions {
    pub reach: Reach,
    pub attributes: Attributes,
    /// `None` leaves it as the target's parent decides.
    pub propagation: Option<Propagation>,
}

/// Shows `source` at `target` as well. Read-only is meant for all mounts below, too.
pub fn bind(source: &Path, target: &Path, options: BindOptions) -> Result<(), MountError> {
    let tree = Tree::copy(source, options.reach)?;
    if options.attributes != Attributes::default() {
        tree.forbid(options.attributes, options.reach)?;
    }
    if let Some(propagation) = options.propagation {
        tree.propagate(propagation, options.reach)?;
    }
    tree.attach(target)
}

/// Sets what the mount at `target` forbids; what is not named stays as it is.
pub fn forbid(target: &Path, attributes: Attributes) -> Result<(), MountError> {
    let step = || format!("change the attributes of {}", target.display());
    let flags = OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let fd = rustix::mount::open_tree(CWD, target, flags).map_err(|errno| MountError::new(step(), errno))?;
    let attributes = MountAttr { set: attributes.flags().bits().into(), ..MountAttr::default() };
    mount_setattr(&fd, attributes, Reach::ThisMount).map_err(|errno| MountError::new(step(), errno))
}

/// Runs `f` on a thread with a copy of the mount table that ends with it: nobody else sees what is
/// mounted there. What `f` opens loses sight of those mounts when it returns.
pub fn in_private<T: Send>(f: impl FnOnce() -> T + Send) -> Result<T, MountError> {
    let run = || {
        let failed = |errno| MountError::new("leave the mount table", errno);
        // SAFETY: the thread's own mount table and working directory are nobody else's; its
        // descriptors stay shared.
        #[expect(unsafe_code, reason = "rustix marks it so for the sake of other flags")]
        unsafe {
            rustix::thread::unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::FS).map_err(failed)?;
        }
        set_propagation(Path::new("/"), Propagation::Private, Reach::AllBelow)?;
        Ok(f())
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("mounts".to_owned()).spawn_scoped(scope, run);
        let thread = thread.map_err(|error| MountError::new("start a thread", error))?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Mounts an empty file system in memory. `size` is in bytes, `mode` that of its root.
pub fn tmpfs(target: &Path, size: Option<u64>, mode: u32, attributes: Attributes) -> Result<(), MountError> {
    let tmpfs = FileSystem::new("tmpfs")?;
    tmpfs.set("mode", format!("{mode:o}"))?;
    if let Some(size) = size {
        tmpfs.set("size", size.to_string())?;
    }
    tmpfs.mount(attributes)?.attach(target)
}

/// Changes the propagation of what is mounted at `target`.
pub fn set_propagation(target: &Path, propagation: Propagation, reach: Reach) -> Result<(), MountError> {
    let flags = OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let step = || format!("change the propagation of {}", target.display());
    let fd = rustix::mount::open_tree(CWD, target, flags).map_err(|errno| MountError::new(step(), errno))?;
    mount_setattr(&fd, propagation.attr(), reach).map_err(|errno| MountError::new(step(), errno))
}

/// Takes what is mounted at `target` out of sight at once; the kernel lets go
/// of it when nobody uses it any more. Nothing mounted there is fine.
pub fn unmount_lazily(target: &Path) -> Result<(), MountError> {
    match rustix::mount::unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => Ok(()),
        Err(errno) => Err(MountError::new(format!("unmount {}", target.display()), errno)),
    }
}

/// Unmounts `target`, or fails if somebody uses it (`EBUSY`).
pub fn unmount(target: &Path) -> Result<(), MountError> {
    rustix::mount::unmount(target, UnmountFlags::NOFOLLOW)
        .map_err(|errno| MountError::new(format!("unmount {}", target.display()), errno))
}

impl Propagation {
    /// `MS_*` of mount(2), which `mount_setattr` takes in its propagation field.
    fn attr(self) -> MountAttr {
        let flag = match self {
            Self::Private => libc::MS_PRIVATE,
            Self::Shared => libc::MS_SHARED,
            Self::Slave => libc::MS_SLAVE,
            Self::Unbindable => libc::MS_UNBINDABLE,
        };
        MountAttr { propagation: flag, ..MountAttr::default() }
    }
}

/// `struct mount_attr` of linux/mount.h, first version (32 bytes).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// mount_setattr(2), which rustix does not have.
fn mount_setattr(mount: &OwnedFd, attributes: MountAttr, reach: Reach) -> io::Result<()> {
    let below = if reach == Reach::AllBelow { libc::AT_RECURSIVE } else { 0 };
    let size = size_of::<MountAttr>();
    // SAFETY: the path is a static C string, the structure is valid for `size`
    // bytes, and the kernel writes to neither.
    #[expect(unsafe_code, reason = "rustix has no mount_setattr")]
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | below,
            &raw const attributes,
            size,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests;
