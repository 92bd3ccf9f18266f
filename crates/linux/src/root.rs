//! Paths resolved inside a directory that they cannot leave (openat2, `RESOLVE_IN_ROOT`).
//!
//! A root file system belongs to whoever wrote the image or runs in the
//! container: its links may point anywhere. Every path given here is resolved
//! by the kernel against an open directory, so that `..` and links stop at it;
//! what is then made, changed or removed is a plain name in the directory that
//! was found ([`Dir`]), which nobody can exchange in between.

mod copy;
mod dir;
mod tree;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

pub use copy::{Progress, copy_tree};
pub use dir::{Dir, FileKind, Node, Status, Times, device_numbers};

/// How often a lookup is repeated that the kernel gave up because something was
/// renamed meanwhile (`EAGAIN`, openat2(2)).
const LOOKUP_ATTEMPTS: usize = 128;

/// As many links as the kernel follows in one lookup (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// What happens to a link that points out of the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    /// It ends at the root, as in a container.
    StopsAtRoot,
    /// It is an error (`EXDEV`), and so is an absolute link.
    IsRefused,
}

/// A directory that paths resolved in it cannot leave.
#[derive(Debug)]
pub struct Root {
    dir: Dir,
    leaving: Leaving,
}

impl Root {
    /// Opens a directory as a container sees it: absolute links start here and `..` stops here.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { dir: Dir::open(path)?, leaving: Leaving::StopsAtRoot })
    }

    /// Opens a directory in which a path that passes a link pointing out, or
    /// an absolute one, is an error.
    pub fn open_strict(path: &Path) -> io::Result<Self> {
        Ok(Self { dir: Dir::open(path)?, leaving: Leaving::IsRefused })
    }

    /// Takes an open directory for the root.
    #[must_use]
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { dir: Dir::from_fd(fd), leaving: Leaving::StopsAtRoot }
    }

    /// The root file system of a process, with all that is mounted in it: what the process
    /// sees, whatever it does meanwhile. Whoever asks checks that it is the process that was
    /// meant: another may have its number by now.
    pub fn of_process(pid: u32) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self::from_fd(rustix::fs::open(format!("/proc/{pid}/root"), flags, Mode::empty())?))
    }

    /// The root itself, as a directory of names.
    #[must_use]
    pub fn top(&self) -> &Dir {
        &self.dir
    }

    /// Opens the directory at `path`, following links.
    pub fn dir(&self, path: &Path) -> io::Result<Dir> {
        self.lookup(path, OFlags::RDONLY | OFlags::DIRECTORY).map(Dir::from_fd)
    }

    /// Opens whatever is at `path`, following links, to be mounted elsewhere or looked at.
    pub fn find(&self, path: &Path) -> io::Result<OwnedFd> {
        self.lookup(path, OFlags::PATH)
    }

    /// Opens the directory that holds `path`, and says under which name.
    ///
    /// Links are followed on the way; the name itself may be one or be missing.
    pub fn parent<'a>(&self, path: &'a Path) -> io::Result<(Dir, &'a OsStr)> {
        let name = match path.components().next_back() {
            Some(Component::Normal(name)) => name,
            Some(Component::RootDir | Component::CurDir | Component::ParentDir | Component::Prefix(_))
            | None => return Err(Errno::INVAL.into()),
        };
        Ok((self.dir(path.parent().unwrap_or(Path::new("")))?, name))
    }

    /// Opens a regular file for reading, following links.
    ///
    /// What is not a regular file is refused before it is opened: a fifo would
    /// block and a device would act.
    pub fn open_file(&self, path: &Path) -> io::Result<File> {
        let found = self.lookup(path, OFlags::PATH)?;
        match Status::of(found.as_fd())?.kind {
            FileKind::File => dir::reopen(found.as_fd(), OFlags::RDONLY).map(File::from),
            FileKind::Directory => Err(Errno::ISDIR.into()),
            FileKind::Symlink
            | FileKind::Fifo
            | FileKind::Socket
            | FileKind::CharDevice
            | FileKind::BlockDevice => Err(Errno::INVAL.into()),
        }
    }

    /// Reads a regular file of at most `limit` bytes, following links.
    pub fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        self.open_file(path)?.take(limit.saturating_add(1)).read_to_end(&mut content)?;
        if content.len() as u64 > limit {
            return Err(Errno::FBIG.into());
        }
        Ok(content)
    }

    /// Makes a new, empty regular file; what is there already is an error.
    pub fn create_file(&self, path: &Path, mode: u32) -> io::Result<File> {
        let (dir, name) = self.parent(path)?;
        dir.create_file(name, mode)
    }

    /// Makes a directory; what is there already is an error.
    pub fn mkdir(&self, path: &Path, mode: u32) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        dir.mkdir(name, mode)
    }

    /// Makes a directory and those above it; links are followed, dangling ones too.
    ///
    /// Returns where the directory is, relative to the root and free of links.
    pub fn mkdir_all(&self, path: &Path, mode: u32) -> io::Result<PathBuf> {
        let mut ahead = names_backwards(path);
        let mut here = PathBuf::new();
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            if name == ".." {
                self.step_up(&mut here)?;
                continue;
            }
            let dir = self.dir(&here)?;
            match dir.status(&name) {
                Ok(status) if status.kind == FileKind::Symlink => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Errno::LOOP.into());
                    }
                    self.follow(&dir.read_link(&name)?, &mut here, &mut ahead)?;
                }
                Ok(status) if status.kind == FileKind::Directory => here.push(name),
                Ok(_) => return Err(Errno::NOTDIR.into()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    mkdir_or_found(&dir, &name, mode)?;
                    here.push(name);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(here)
    }

    /// Where `path` leads to, relative to the root and free of links. What is missing may be made there.
    pub fn real_path(&self, path: &Path) -> io::Result<PathBuf> {
        let mut ahead = names_backwards(path);
        let mut here = PathBuf::new();
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            if name == ".." {
                self.step_up(&mut here)?;
                continue;
            }
            let found = self.dir(&here).and_then(|dir| dir.status(&name).map(|status| (dir, status)));
            match found {
                Ok((dir, status)) if status.kind == FileKind::Symlink => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Errno::LOOP.into());
                    }
                    self.follow(&dir.read_link(&name)?, &mut here, &mut ahead)?;
                }
                Ok(_) => here.push(name),
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
                {
                    here.push(name);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(here)
    }

    /// The target of a symbolic link, as it is written there.
    pub fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        let (dir, name) = self.parent(path)?;
        dir.read_link(name)
    }

    /// Makes a symbolic link; `target` is stored as it is.
    pub fn symlink(&self, target: &Path, path: &Path) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        dir.symlink(target, name)
    }

    /// Gives the file `original`, which may itself be a link, another name.
    pub fn hard_link(&self, original: &Path, path: &Path) -> io::Result<()> {
        let (from, old) = self.parent(original)?;
        let (to, new) = self.parent(path)?;
        from.hard_link(old, &to, new)
    }

    /// Makes a fifo, a socket or a device.
    pub fn mknod(&self, path: &Path, node: Node, mode: u32) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        dir.mknod(name, node, mode)
    }

    /// What is at `path`; a link at its end is not followed.
    pub fn status(&self, path: &Path) -> io::Result<Status> {
        if names_backwards(path).is_empty() {
            return Status::of(self.dir.as_fd());
        }
        let (dir, name) = self.parent(path)?;
        dir.status(name)
    }

    /// What is at `path`, following links.
    pub fn target_status(&self, path: &Path) -> io::Result<Status> {
        Status::of(self.lookup(path, OFlags::PATH)?.as_fd())
    }

    /// Changes owner and group; of a link, not of what it points to.
    pub fn chown(&self, path: &Path, uid: u32, gid: u32) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        dir.chown(name, uid, gid)
    }

    /// Changes the permission bits; a link has none, which is an error (`EOPNOTSUPP`).
    pub fn chmod(&self, path: &Path, mode: u32) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        dir.chmod(name, mode)
    }

    /// Sets access and modification times; of a link, not of what it points to.
    pub fn set_times(&self, path: &Path, times: Times) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        dir.set_times(name, times)
    }

    /// Sets an extended attribute; of a link, not of what it points to.
    pub fn set_xattr(&self, path: &Path, key: &OsStr, value: &[u8]) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        dir.set_xattr(name, key, value)
    }

    /// Removes a file, a link or an empty directory.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        dir.remove(name)
    }

    /// Removes whatever is at `path` with all that is below; nothing there is fine.
    /// A mount point below is an error, and what is mounted there is not touched.
    pub fn remove_all(&self, path: &Path) -> io::Result<()> {
        match self.parent(path) {
            Ok((dir, name)) => dir.remove_all(name),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn lookup(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let within = match self.leaving {
            Leaving::StopsAtRoot => ResolveFlags::IN_ROOT,
            Leaving::IsRefused => ResolveFlags::BENEATH,
        };
        let relative = path.strip_prefix("/").unwrap_or(path);
        let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        open_within(self.dir.as_fd(), relative, flags, within | ResolveFlags::NO_MAGICLINKS)
    }

    fn step_up(&self, here: &mut PathBuf) -> io::Result<()> {
        if !here.pop() && self.leaving == Leaving::IsRefused {
            return Err(Errno::XDEV.into());
        }
        Ok(())
    }

    fn follow(&self, target: &Path, here: &mut PathBuf, ahead: &mut Vec<OsString>) -> io::Result<()> {
        if target.is_absolute() {
            if self.leaving == Leaving::IsRefused {
                return Err(Errno::XDEV.into());
            }
            here.clear();
        }
        ahead.extend(names_backwards(target));
        Ok(())
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

/// Exchanges two directories of the host, in one step.
pub fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    Ok(rustix::fs::renameat_with(CWD, one, CWD, other, rustix::fs::RenameFlags::EXCHANGE)?)
}

/// Opens `path` in `dir`, again and again while others rename things on the way.
fn open_within(
    dir: BorrowedFd<'_>,
    path: &Path,
    flags: OFlags,
    resolve: ResolveFlags,
) -> io::Result<OwnedFd> {
    for _ in 0..LOOKUP_ATTEMPTS {
        match openat2(dir, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            opened => return Ok(opened?),
        }
    }
    Err(Errno::AGAIN.into())
}

/// Opens a directory of the host by its path.
fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(CWD, path, flags, Mode::empty())?)
}

/// The names and `..`s of a path, last first, ready to be popped.
fn names_backwards(path: &Path) -> Vec<OsString> {
    let name = |component: Component<'_>| match component {
        Component::Normal(_) | Component::ParentDir => Some(component.as_os_str().to_owned()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(name).collect()
}

/// Makes a directory unless somebody else was faster.
fn mkdir_or_found(dir: &Dir, name: &OsStr, mode: u32) -> io::Result<()> {
    match dir.mkdir(name, mode) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

#[cfg(test)]
mod tests;
