//! Copies files and trees from one root into another, by the rules of `COPY`.
//!
//! A directory's content goes into the destination; a file goes there under its name or
//! another. What is in the way goes, unless both are directories. Every path is resolved in
//! its root; what is made is a plain name in the directory that was found.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use linux::root::{Dir, FileKind, Node, Root, Status, Times};
use sha2::{Digest as _, Sha256};

use crate::Digest;
use crate::unpack::is_kept;
use crate::walk::{ELOOP, Found, Mounts, Walk};

/// As many links as the kernel follows in one lookup (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// What becomes of owners and modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyAttributes {
    /// User and group of all that is copied, and of directories that are made for it; those of
    /// the source if absent.
    pub owner: Option<(u32, u32)>,
    /// Mode of all files; that of the source if absent.
    pub mode: Option<u32>,
}

/// One copy from one root into another.
#[derive(Debug)]
pub struct TreeCopy<'a> {
    from: &'a Root,
    to: &'a Root,
    attributes: CopyAttributes,
    /// The first name of each file with several.
    names: BTreeMap<(u64, u64), PathBuf>,
    /// Times are set last: what is made in a directory changes its own.
    times: Vec<(PathBuf, Times)>,
}

impl<'a> TreeCopy<'a> {
    #[must_use]
    pub fn new(from: &'a Root, to: &'a Root, attributes: CopyAttributes) -> Self {
        Self { from, to, attributes, names: BTreeMap::new(), times: Vec::new() }
    }

    /// Copies what is at `source`, or what a link there leads to, to `destination`, which is a
    /// directory if it ends in a slash or is one already.
    pub fn put(&mut self, source: &Path, destination: &Path) -> io::Result<()> {
        if self.from.target_status(source)?.kind == FileKind::Directory {
            return self.put_directory(source, destination);
        }
        let is_slashed = destination.as_os_str().as_bytes().ends_with(b"/");
        let is_directory =
            self.to.target_status(destination).is_ok_and(|status| status.kind == FileKind::Directory);
        let destination = match source.file_name() {
            Some(name) if is_slashed || is_directory => destination.join(name),
            Some(_) | None => destination.to_owned(),
        };
        self.put_file(source, &destination)?;
        self.finish()
    }

    fn put_file(&mut self, source: &Path, destination: &Path) -> io::Result<()> {
        let source = followed(self.from, source)?;
        let (dir, name) = self.from.parent(&source)?;
        let found = Found { status: dir.status(name)?, dir: Arc::new(dir), path: name.into() };
        let destination = followed(self.to, destination)?;
        let parent = self.make_directories(destination.parent().unwrap_or(Path::new("")))?;
        let name = destination.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        self.make(&found, &parent.join(name))
    }

    fn put_directory(&mut self, source: &Path, destination: &Path) -> io::Result<()> {
        let top = self.from.dir(source)?;
        let is_new = self.to.target_status(destination).is_err();
        let base = self.make_directories(destination)?;
        if is_new && !base.as_os_str().is_empty() {
            let status = top.own_status()?;
            self.finish_attributes(&base, &status)?;
            self.times.push((base.clone(), times(&status)));
        }
        let mut walk = Walk::new(top, Mounts::AreLeftOut)?;
        while let Some(found) = walk.next()? {
            self.make(&found, &base.join(&found.path))?;
        }
        self.finish()
    }

    /// Makes a directory and those above it; says where it is, free of links.
    fn make_directories(&self, path: &Path) -> io::Result<PathBuf> {
        let mut here = PathBuf::new();
        for component in path.components() {
            let Component::Normal(name) = component else {
                if component == Component::ParentDir {
                    here.pop();
                }
                continue;
            };
            let next = here.join(name);
            let is_new = self.to.target_status(&next).is_err();
            here = self.to.mkdir_all(&next, 0o755)?;
            if let (true, Some((uid, gid))) = (is_new, self.attributes.owner) {
                self.to.chown(&here, uid, gid)?;
            }
        }
        Ok(here)
    }

    /// Makes what was found again, at a path that is free of links but for its own name.
    fn make(&mut self, found: &Found, path: &Path) -> io::Result<()> {
        let status = &found.status;
        let (dir, name) = self.to.parent(path)?;
        let is_directory = |status: Status| status.kind == FileKind::Directory;
        if status.kind == FileKind::Socket {
            return Ok(());
        }
        if status.kind != FileKind::Directory || !dir.status(name).is_ok_and(is_directory) {
            dir.remove_all(name)?;
        }
        let first = if status.links > 1 { self.names.get(&status.identity) } else { None };
        if let (Some(first), false) = (first, is_directory(*status)) {
            return self.to.hard_link(first, path);
        }
        match status.kind {
            FileKind::File => {
                let mut file = dir.create_file(name, 0o600)?;
                io::copy(&mut found.dir.open_file(found.name())?, &mut file)?;
                self.finish_file(&file, &dir, found, name)?;
            }
            FileKind::Directory => {
                match dir.mkdir(name, 0o700) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    made => made?,
                }
                self.finish_attributes(path, status)?;
                self.times.push((path.to_owned(), times(status)));
            }
            FileKind::Symlink => dir.symlink(&found.dir.read_link(found.name())?, name)?,
            FileKind::Fifo => dir.mknod(name, Node::Fifo, 0o600)?,
            FileKind::CharDevice | FileKind::BlockDevice => dir.mknod(name, device(status), 0o600)?,
            FileKind::Socket => unreachable!("sockets are left out above"),
        }
        if !matches!(status.kind, FileKind::File | FileKind::Directory) {
            self.finish_attributes(path, status)?;
            dir.set_times(name, times(status))?;
        }
        if status.links > 1 && !is_directory(*status) {
            self.names.insert(status.identity, path.to_owned());
        }
        Ok(())
    }

    /// Owner first: changing it clears set-user-id bits and capabilities.
    fn finish_file(&self, file: &File, dir: &Dir, found: &Found, name: &OsStr) -> io::Result<()> {
        let (uid, gid) = self.owner(&found.status);
        std::os::unix::fs::fchown(file, Some(uid), Some(gid))?;
        let mode = self.attributes.mode.unwrap_or(found.status.mode);
        file.set_permissions(Permissions::from_mode(mode))?;
        for (key, value) in found.dir.attributes(found.name())? {
            if is_kept(key.as_bytes()) {
                dir.set_xattr(name, &key, &value)?;
            }
        }
        dir.set_times(name, times(&found.status))
    }

    fn finish_attributes(&self, path: &Path, status: &Status) -> io::Result<()> {
        let (uid, gid) = self.owner(status);
        self.to.chown(path, uid, gid)?;
        if status.kind == FileKind::Symlink {
            return Ok(());
        }
        self.to.chmod(path, self.attributes.mode.unwrap_or(status.mode))
    }

    fn owner(&self, status: &Status) -> (u32, u32) {
        self.attributes.owner.unwrap_or((status.uid, status.gid))
    }

    fn finish(&mut self) -> io::Result<()> {
        for (path, times) in self.times.drain(..).rev() {
            self.to.set_times(&path, times)?;
        }
        Ok(())
    }
}

/// The paths below a directory that are wanted, sorted.
pub fn find_files(root: &Root, below: &Path, wanted: impl Fn(&Path) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut walk = Walk::new(root.dir(below)?, Mounts::AreLeftOut)?;
    let mut found = Vec::new();
    while let Some(next) = walk.next()? {
        let path = below.join(&next.path);
        if wanted(&path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// A digest of all that [`TreeCopy::put`] makes of what is at `source`: names, kinds, modes,
/// content, and owners if they are kept. Times do not count.
pub fn checksum(root: &Root, source: &Path, attributes: CopyAttributes) -> io::Result<Digest> {
    let mut sum = Sum { hash: Sha256::new(), attributes };
    if root.target_status(source)?.kind == FileKind::Directory {
        let top = root.dir(source)?;
        sum.status(&top.own_status()?);
        let mut walk = Walk::new(top, Mounts::AreLeftOut)?;
        while let Some(found) = walk.next()? {
            sum.add(&found, found.path.as_os_str())?;
        }
    } else {
        let name = source.file_name().unwrap_or_default();
        let target = followed(root, source)?;
        let (dir, target) = root.parent(&target)?;
        let status = dir.status(target)?;
        sum.add(&Found { dir: Arc::new(dir), path: target.into(), status }, name)?;
    }
    Ok(Digest::from_bytes(sum.hash.finalize().into()))
}

struct Sum {
    hash: Sha256,
    attributes: CopyAttributes,
}

impl Sum {
    fn add(&mut self, found: &Found, name: &OsStr) -> io::Result<()> {
        self.bytes(name.as_bytes());
        self.status(&found.status);
        match found.status.kind {
            FileKind::Symlink => self.bytes(found.dir.read_link(found.name())?.as_os_str().as_bytes()),
            FileKind::File => {
                for (key, value) in found.dir.attributes(found.name())? {
                    if is_kept(key.as_bytes()) {
                        self.bytes(key.as_bytes());
                        self.bytes(&value);
                    }
                }
                self.content(found.dir.open_file(found.name())?)?;
            }
            FileKind::Directory
            | FileKind::Fifo
            | FileKind::Socket
            | FileKind::CharDevice
            | FileKind::BlockDevice => {}
        }
        Ok(())
    }

    fn status(&mut self, status: &Status) {
        let kind = status.kind as u8;
        let (uid, gid) = self.attributes.owner.unwrap_or((status.uid, status.gid));
        let size = if status.kind == FileKind::File { status.size } else { 0 };
        let mode = self.attributes.mode.unwrap_or(status.mode);
        let (major, minor) = status.device;
        self.bytes(format!("{kind} {mode:o} {uid} {gid} {size} {major} {minor}").as_bytes());
    }

    /// With its length, so that no two lists of texts are the same bytes.
    fn bytes(&mut self, bytes: &[u8]) {
        self.hash.update((bytes.len() as u64).to_le_bytes());
        self.hash.update(bytes);
    }

    fn content(&mut self, mut file: File) -> io::Result<()> {
        let mut buffer = vec![0; 128 * 1024];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(length) => self.hash.update(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Where a path leads when its last name is a link, too; what is not there leads nowhere else.
fn followed(root: &Root, path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let found = root.parent(&path).and_then(|(dir, name)| Ok((dir.status(name)?.kind, dir, name)));
        let (dir, name) = match found {
            Ok((FileKind::Symlink, dir, name)) => (dir, name),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(_) | Err(_) => return Ok(path),
        };
        let target = dir.read_link(name)?;
        path =
            if target.is_absolute() { target } else { path.parent().unwrap_or(Path::new("")).join(target) };
    }
    Err(io::Error::from_raw_os_error(ELOOP))
}

fn times(status: &Status) -> Times {
    Times { accessed: status.mtime, modified: status.mtime }
}

fn device(status: &Status) -> Node {
    let (major, minor) = status.device;
    match status.kind {
        FileKind::BlockDevice => Node::BlockDevice { major, minor },
        FileKind::CharDevice
        | FileKind::File
        | FileKind::Directory
        | FileKind::Symlink
        | FileKind::Fifo
        | FileKind::Socket => Node::CharDevice { major, minor },
    }
}

#[cfg(test)]
mod tests;
