//! The files of an archive, in a scratch directory, each with its digest.
//!
//! An archive comes as a stream and its manifest may be its last file.

use std::collections::BTreeMap;
use std::io::Read;

use serde::de::DeserializeOwned;

use super::{DOCUMENT_LIMIT, LoadError, OnProgress, Progress, Told};
use crate::Digest;
use crate::compression::decompressed;
use crate::content::{Scratch, Staged};
use crate::tape::{Kind, Tape, TapeError, broken};

/// The most files of an archive; each costs an inode until the load ends.
const FILES_LIMIT: usize = 1 << 16;
/// How many links are followed to a file.
const LINKS_LIMIT: usize = 8;

/// An archive on disk.
#[derive(Debug)]
pub(crate) struct StagedArchive {
    files: BTreeMap<String, Item>,
}

#[derive(Debug)]
enum Item {
    File(Staged),
    /// Old archives link equal layers to one another.
    Link(String),
}

impl StagedArchive {
    /// Reads an archive whose files have at most `limit` bytes.
    pub(crate) fn read(
        archive: impl Read,
        scratch: &Scratch,
        limit: u64,
        progress: OnProgress<'_>,
    ) -> Result<Self, LoadError> {
        let mut left = limit;
        let plain = decompressed(archive).map_err(broken)?;
        let told =
            Told { inner: plain, read: 0, told: 0, tell: |bytes| progress(Progress::Reading { bytes }) };
        let mut tape = Tape::new(told);
        let mut files = BTreeMap::new();
        while let Some(entry) = tape.next()? {
            left = left.checked_sub(entry.size).ok_or(LoadError::TooLarge { limit })?;
            let path = normal(&String::from_utf8_lossy(&entry.path), "");
            let link = String::from_utf8_lossy(&entry.link).into_owned();
            let item = match entry.kind {
                Kind::File if entry.pieces.is_some() => return Err(TapeError::Sparse.into()),
                Kind::File => Item::File(scratch.stage(tape.content())?),
                Kind::Symlink => Item::Link(normal(&link, &path)),
                Kind::HardLink => Item::Link(normal(&link, "")),
                Kind::Directory | Kind::CharDevice | Kind::BlockDevice | Kind::Fifo => continue,
            };
            files.insert(path, item);
            if files.len() > FILES_LIMIT {
                return Err(LoadError::NotAnImage);
            }
        }
        tape.drain()?;
        Ok(Self { files })
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// The file of this path, through links.
    pub(crate) fn file(&self, path: &str) -> Result<&Staged, LoadError> {
        let mut at = normal(path, "");
        for _ in 0..LINKS_LIMIT {
            match self.files.get(&at) {
                Some(Item::File(staged)) => return Ok(staged),
                Some(Item::Link(target)) => at.clone_from(target),
                None => break,
            }
        }
        Err(LoadError::Missing { path: path.to_owned() })
    }

    /// The blob of an OCI layout, if its content is what its name says.
    pub(crate) fn blob(&self, digest: Digest) -> Result<(String, &Staged), LoadError> {
        let path = format!("blobs/sha256/{}", digest.hex());
        let staged = self.file(&path)?;
        if staged.digest != digest {
            return Err(LoadError::WrongDigest { path, actual: staged.digest });
        }
        Ok((path, staged))
    }

    /// Parses a file.
    pub(crate) fn document<T: DeserializeOwned>(&self, path: &str) -> Result<T, LoadError> {
        let staged = self.file(path)?;
        if staged.size > DOCUMENT_LIMIT {
            return Err(LoadError::DocumentTooLarge { path: path.to_owned() });
        }
        let bytes = staged.read(DOCUMENT_LIMIT)?;
        serde_json::from_slice(&bytes).map_err(|source| LoadError::Document { path: path.to_owned(), source })
    }
}

/// A path within the archive without `.` and `..`; a link is seen from `from`.
/// Nothing is ever opened by such a path: it is only a key.
fn normal(path: &str, from: &str) -> String {
    let directory = if path.starts_with('/') { "" } else { from.rsplit_once('/').map_or("", |(dir, _)| dir) };
    let mut names = Vec::new();
    for name in directory.split('/').chain(path.split('/')) {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names.join("/")
}
