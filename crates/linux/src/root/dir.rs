//! One open directory and the plain names in it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, RawMode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

/// An open directory whose entries are named by single names, never by paths.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
}

/// What kind of file something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    File,
    Directory,
    Symlink,
    Fifo,
    Socket,
    CharDevice,
    BlockDevice,
}

/// What a file is, as far as an archive or a listing wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    pub kind: FileKind,
    /// Permission bits with set-user-id, set-group-id and sticky.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// Modification time: seconds since 1970 and nanoseconds.
    pub mtime: (i64, u32),
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// File system and number of the file, which hard links share.
    pub identity: (u64, u64),
    /// How many names the file has.
    pub links: u64,
}

/// What `mknod` makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    Fifo,
    Socket,
    CharDevice { major: u32, minor: u32 },
    BlockDevice { major: u32, minor: u32 },
}

/// Access and modification time: seconds since 1970 and nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub accessed: (i64, u32),
    pub modified: (i64, u32),
}

impl Dir {
    /// Opens a directory of the host by its path.
    pub fn open(path: &Path) -> io::Result<Self> {
        super::open_directory(path).map(Self::from_fd)
    }

    /// Takes an open directory.
    #[must_use]
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// The open directory itself.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// The directory itself as a file, for owner, mode and times.
    pub fn to_file(&self) -> io::Result<File> {
        Ok(self.fd.try_clone()?.into())
    }

    /// What the directory itself is.
    pub fn own_status(&self) -> io::Result<Status> {
        Status::of(self.as_fd())
    }

    /// Whether nothing can be written here: by this mount or by the file system.
    pub fn is_read_only(&self) -> io::Result<bool> {
        use rustix::fs::StatVfsMountFlags;
        Ok(rustix::fs::fstatvfs(&self.fd)?.f_flag.contains(StatVfsMountFlags::RDONLY))
    }

    /// Sets an extended attribute of the directory itself.
    pub fn set_own_xattr(&self, key: &OsStr, value: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::fsetxattr(&self.fd, key, value, XattrFlags::empty())?)
    }

    /// Opens a directory in it; neither a link nor a mount point is followed.
    pub fn dir(&self, name: &OsStr) -> io::Result<Self> {
        use rustix::fs::ResolveFlags as R;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let within = R::BENEATH | R::NO_XDEV | R::NO_SYMLINKS;
        super::open_within(self.as_fd(), Path::new(plain(name)?), flags, within).map(Self::from_fd)
    }

    /// The same, into what is mounted there if something is.
    pub fn dir_across(&self, name: &OsStr) -> io::Result<Self> {
        use rustix::fs::ResolveFlags as R;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        super::open_within(self.as_fd(), Path::new(plain(name)?), flags, R::BENEATH | R::NO_SYMLINKS)
            .map(Self::from_fd)
    }

    /// The directory itself, opened once more.
    pub fn dir_again(&self) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { fd: rustix::fs::openat(&self.fd, ".", flags, Mode::empty())? })
    }

    /// All names in it but `.` and `..`, in the file system's order.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name.to_vec()));
            }
        }
        Ok(names)
    }

    /// What is there under this name; a link is not followed.
    pub fn status(&self, name: &OsStr) -> io::Result<Status> {
        Status::of(self.find(name)?.as_fd())
    }

    /// Opens a regular file for reading; a link is not followed.
    pub fn open_file(&self, name: &OsStr) -> io::Result<File> {
        let found = self.find(name)?;
        if Status::of(found.as_fd())?.kind != FileKind::File {
            return Err(Errno::INVAL.into());
        }
        reopen(found.as_fd(), OFlags::RDONLY).map(File::from)
    }

    /// Makes a new, empty regular file; what is there already is an error.
    pub fn create_file(&self, name: &OsStr, mode: u32) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.fd, plain(name)?, flags, Mode::RUSR | Mode::WUSR)?;
        rustix::fs::fchmod(&file, bits(mode))?;
        Ok(File::from(file))
    }

    /// Makes a directory; what is there already is an error.
    pub fn mkdir(&self, name: &OsStr, mode: u32) -> io::Result<()> {
        rustix::fs::mkdirat(&self.fd, plain(name)?, Mode::RWXU)?;
        self.chmod(name, mode)
    }

    /// Makes a symbolic link; `target` is stored as it is.
    pub fn symlink(&self, target: &Path, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::symlinkat(target, &self.fd, plain(name)?)?)
    }

    /// Gives a file, which may itself be a link, another name in `to`.
    pub fn hard_link(&self, name: &OsStr, to: &Self, new: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::linkat(&self.fd, plain(name)?, &to.fd, plain(new)?, AtFlags::empty())?)
    }

    /// Makes a fifo, a socket or a device.
    pub fn mknod(&self, name: &OsStr, node: Node, mode: u32) -> io::Result<()> {
        let (kind, device) = match node {
            Node::Fifo => (FileType::Fifo, 0),
            Node::Socket => (FileType::Socket, 0),
            Node::CharDevice { major, minor } => {
                (FileType::CharacterDevice, rustix::fs::makedev(major, minor))
            }
            Node::BlockDevice { major, minor } => (FileType::BlockDevice, rustix::fs::makedev(major, minor)),
        };
        rustix::fs::mknodat(&self.fd, plain(name)?, kind, Mode::RUSR | Mode::WUSR, device)?;
        self.chmod(name, mode)
    }

    /// The target of a symbolic link, as it is written there.
    pub fn read_link(&self, name: &OsStr) -> io::Result<PathBuf> {
        let target = rustix::fs::readlinkat(&self.fd, plain(name)?, Vec::new())?;
        Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    /// Changes owner and group; of a link, not of what it points to.
    pub fn chown(&self, name: &OsStr, uid: u32, gid: u32) -> io::Result<()> {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        Ok(rustix::fs::chownat(&self.fd, plain(name)?, Some(uid), Some(gid), flags)?)
    }

    /// Changes the permission bits; a link has none, which is an error (`EOPNOTSUPP`).
    pub fn chmod(&self, name: &OsStr, mode: u32) -> io::Result<()> {
        // fchmodat(2) follows links; a found descriptor cannot be exchanged.
        let found = self.find(name)?;
        Ok(rustix::fs::chmodat(CWD, by_descriptor(found.as_fd()), bits(mode), AtFlags::empty())?)
    }

    /// Sets access and modification times; of a link, not of what it points to.
    pub fn set_times(&self, name: &OsStr, times: Times) -> io::Result<()> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        Ok(rustix::fs::utimensat(&self.fd, plain(name)?, &times.stamps(), flags)?)
    }

    /// Sets an extended attribute; of a link, not of what it points to.
    pub fn set_xattr(&self, name: &OsStr, key: &OsStr, value: &[u8]) -> io::Result<()> {
        let found = self.find(name)?;
        Ok(rustix::fs::setxattr(by_descriptor(found.as_fd()), key, value, XattrFlags::empty())?)
    }

    /// The value of an extended attribute, or `None` if it is not set.
    pub fn xattr(&self, name: &OsStr, key: &OsStr) -> io::Result<Option<Vec<u8>>> {
        let found = self.find(name)?;
        value(&by_descriptor(found.as_fd()), key)
    }

    /// The names of all extended attributes.
    pub fn xattrs(&self, name: &OsStr) -> io::Result<Vec<OsString>> {
        let found = self.find(name)?;
        keys(&by_descriptor(found.as_fd()))
    }

    /// All extended attributes, names and values, sorted.
    pub fn attributes(&self, name: &OsStr) -> io::Result<Vec<(OsString, Vec<u8>)>> {
        let found = self.find(name)?;
        let found = by_descriptor(found.as_fd());
        let mut attributes = Vec::new();
        for key in keys(&found)? {
            if let Some(value) = value(&found, &key)? {
                attributes.push((key, value));
            }
        }
        attributes.sort();
        Ok(attributes)
    }

    /// Removes a file, a link or an empty directory.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        let name = plain(name)?;
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Err(Errno::ISDIR) => Ok(rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR)?),
            other => Ok(other?),
        }
    }

    /// Gives something another name, in `to`; what has that name is replaced.
    pub fn rename(&self, name: &OsStr, to: &Self, new: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.fd, plain(name)?, &to.fd, plain(new)?)?)
    }

    /// Waits until everything written to the file system of this directory is on disk.
    pub fn sync_file_system(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.fd)?)
    }

    /// Waits until the names in this directory are on disk.
    pub fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.fd)?)
    }

    fn find(&self, name: &OsStr) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.fd, plain(name)?, flags, Mode::empty())?)
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Times {
    fn stamps(self) -> Timestamps {
        let stamp = |(tv_sec, nanoseconds): (i64, u32)| Timespec { tv_sec, tv_nsec: nanoseconds.into() };
        Timestamps { last_access: stamp(self.accessed), last_modification: stamp(self.modified) }
    }
}

impl Status {
    pub(super) fn of(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let stat = rustix::fs::fstat(fd)?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => FileKind::File,
            FileType::Directory => FileKind::Directory,
            FileType::Symlink => FileKind::Symlink,
            FileType::Fifo => FileKind::Fifo,
            FileType::Socket => FileKind::Socket,
            FileType::CharacterDevice => FileKind::CharDevice,
            FileType::BlockDevice => FileKind::BlockDevice,
            FileType::Unknown => return Err(Errno::INVAL.into()),
        };
        Ok(Self {
            kind,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime: (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or(0)),
            device: (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)),
            identity: (stat.st_dev, stat.st_ino),
            links: stat.st_nlink,
        })
    }
}

fn value(path: &str, key: &OsStr) -> io::Result<Option<Vec<u8>>> {
    sized(|buffer| rustix::fs::getxattr(path, key, buffer))
}

fn keys(path: &str) -> io::Result<Vec<OsString>> {
    let list = sized(|buffer| rustix::fs::listxattr(path, buffer))?.unwrap_or_default();
    let names = list.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(|name| OsString::from_vec(name.to_vec())).collect())
}

/// What `read` gives, most often little; `None` if there is nothing of the kind.
fn sized(read: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> io::Result<Option<Vec<u8>>> {
    // XATTR_SIZE_MAX and XATTR_LIST_MAX of linux/limits.h.
    for most in [256, 65_536] {
        let mut buffer = vec![0; most];
        match read(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(Some(buffer));
            }
            Err(Errno::RANGE) => {}
            Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        }
    }
    Err(Errno::RANGE.into())
}

/// Opens what a descriptor refers to once more, with other rights.
pub(super) fn reopen(fd: BorrowedFd<'_>, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(rustix::fs::openat(CWD, by_descriptor(fd), flags, Mode::empty())?)
}

/// A path to the very file a descriptor refers to, even if that is a link.
fn by_descriptor(fd: BorrowedFd<'_>) -> String {
    format!("/proc/thread-self/fd/{}", fd.as_raw_fd())
}

/// Refuses what is not one plain name.
fn plain(name: &OsStr) -> io::Result<&OsStr> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') {
        return Err(Errno::INVAL.into());
    }
    Ok(name)
}

pub(super) fn bits(mode: u32) -> Mode {
    Mode::from_raw_mode((mode & 0o7777) as RawMode)
}

/// Major and minor number of a device as stat(2) gives it.
#[must_use]
pub fn device_numbers(device: u64) -> (u32, u32) {
    (rustix::fs::major(device), rustix::fs::minor(device))
}
