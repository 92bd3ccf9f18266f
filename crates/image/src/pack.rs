//! Writes the archive of a tree that somebody may be changing.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use linux::root::{Dir, FileKind, Status};
use thiserror::Error;

use crate::tape::{CopyError, Entry, Kind, PATH_LIMIT, Writer};
use crate::unpack::is_kept;
use crate::walk::{Found, Mounts, Walk, unless_gone};

/// Why no archive could be made of a tree.
#[derive(Debug, Error)]
pub enum PackError {
    #[error("cannot read {path} of the tree")]
    Read { path: PathBuf, source: io::Error },
    #[error("the path {path} is longer than {PATH_LIMIT} bytes")]
    TooLong { path: PathBuf },
    #[error(
        "{path} was renamed or changed by an overlay mount that keeps its content in another place ({key}), \
         which a layer cannot say"
    )]
    Elsewhere { path: PathBuf, key: &'static str },
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
}

impl PackError {
    pub(crate) fn reading(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Read { path: path.to_owned(), source }
    }
}

/// Writes the archive of all that is in a directory, and under `name` the directory itself.
/// Without a name, what is in it is at the top of the archive.
pub fn pack_directory<W: Write>(
    top: Dir,
    name: Option<&Path>,
    mounts: Mounts,
    output: W,
) -> Result<(), PackError> {
    let failed = || PackError::reading(Path::new("/"));
    let mut packer = Packer::new(output);
    if let Some(name) = name {
        let status = top.own_status().map_err(failed())?;
        packer.header(&entry(&status, name)?.expect("a directory is no socket"))?;
    }
    let mut walk = Walk::new(top, mounts).map_err(failed())?;
    while let Some(found) = walk.next().map_err(failed())? {
        let path = name.map_or_else(|| found.path.clone(), |name| name.join(&found.path));
        packer.add(&found, &path)?;
    }
    packer.finish()
}

/// Writes the archive of one thing in a directory; of a directory, of itself alone.
pub fn pack_file<W: Write>(dir: Dir, file: &OsStr, name: &Path, output: W) -> Result<(), PackError> {
    let mut packer = Packer::new(output);
    let status = dir.status(file).map_err(PackError::reading(name))?;
    packer.add(&Found { dir: Arc::new(dir), path: file.into(), status }, name)?;
    packer.finish()
}

/// An archive that is being made of files.
pub(crate) struct Packer<W> {
    writer: Writer<W>,
    /// The first name of each file with several, by file system and number.
    names: HashMap<(u64, u64), Vec<u8>>,
}

impl<W: Write> Packer<W> {
    pub(crate) fn new(output: W) -> Self {
        Self { writer: Writer::new(output), names: HashMap::new() }
    }

    /// Adds what was found, under another path. Sockets are left out, and what is gone by now.
    pub(crate) fn add(&mut self, found: &Found, path: &Path) -> Result<(), PackError> {
        let (dir, name, status) = (&found.dir, found.name(), &found.status);
        let failed = || PackError::reading(path);
        let Some(mut entry) = entry(status, path)? else { return Ok(()) };
        if let Some(first) = self.first_name(status, &entry.path) {
            entry = Entry { kind: Kind::HardLink, link: first, ..entry };
            return self.header(&entry);
        }
        let Some(attributes) = unless_gone(dir.attributes(name)).map_err(failed())? else { return Ok(()) };
        for (key, value) in attributes {
            if is_kept(key.as_bytes()) {
                entry.xattrs.push((key.as_bytes().to_owned(), value));
            }
        }
        if entry.kind == Kind::Symlink {
            let Some(target) = unless_gone(dir.read_link(name)).map_err(failed())? else { return Ok(()) };
            target.as_os_str().as_bytes().clone_into(&mut entry.link);
        }
        if entry.kind != Kind::File {
            return self.header(&entry);
        }
        // Somebody may have put something else in its place.
        let Some(file) = unless_gone(dir.open_file(name)).map_err(failed())? else { return Ok(()) };
        self.header(&entry)?;
        self.writer.content(file, entry.size).map_err(|error| match error {
            CopyError::Read(source) => PackError::reading(path)(source),
            CopyError::Write(source) => PackError::Write(source),
        })
    }

    /// Adds an entry without content.
    pub(crate) fn header(&mut self, entry: &Entry) -> Result<(), PackError> {
        self.writer.begin(entry).map_err(PackError::Write)
    }

    /// Adds an empty file.
    pub(crate) fn marker(&mut self, path: &Path, like: &Status) -> Result<(), PackError> {
        let mut marker = bare(Kind::File, path)?;
        marker.mtime = (like.mtime.0, 0);
        self.header(&marker)
    }

    pub(crate) fn finish(self) -> Result<(), PackError> {
        self.writer.finish().map(drop).map_err(PackError::Write)
    }

    /// The name under which a file is in the archive already.
    fn first_name(&mut self, status: &Status, path: &[u8]) -> Option<Vec<u8>> {
        if status.links < 2 || status.kind == FileKind::Directory {
            return None;
        }
        match self.names.get(&status.identity) {
            Some(first) => Some(first.clone()),
            None => {
                self.names.insert(status.identity, path.to_owned());
                None
            }
        }
    }
}

/// What an archive says about a file, without what must be read of it; nothing about a socket.
pub(crate) fn entry(status: &Status, path: &Path) -> Result<Option<Entry>, PackError> {
    let kind = match status.kind {
        FileKind::File => Kind::File,
        FileKind::Directory => Kind::Directory,
        FileKind::Symlink => Kind::Symlink,
        FileKind::Fifo => Kind::Fifo,
        FileKind::CharDevice => Kind::CharDevice,
        FileKind::BlockDevice => Kind::BlockDevice,
        FileKind::Socket => return Ok(None),
    };
    Ok(Some(Entry {
        mode: status.mode,
        uid: status.uid.into(),
        gid: status.gid.into(),
        mtime: (status.mtime.0, 0),
        device: status.device,
        size: if kind == Kind::File { status.size } else { 0 },
        ..bare(kind, path)?
    }))
}

fn bare(kind: Kind, path: &Path) -> Result<Entry, PackError> {
    // With the slash of a directory.
    if path.as_os_str().len() >= PATH_LIMIT {
        return Err(PackError::TooLong { path: path.to_owned() });
    }
    Ok(Entry::bare(kind, path.as_os_str().as_bytes().to_owned()))
}
