//! Blobs by their digest: written aside, renamed, synced before a record names them.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use linux::root::Dir;

use crate::Digest;
use crate::digest::Hashed;

/// How much is copied at once.
const BUFFER: usize = 256 * 1024;

/// The directory of blobs.
#[derive(Debug)]
pub(crate) struct Content {
    blobs: PathBuf,
}

impl Content {
    pub(crate) fn new(blobs: PathBuf) -> Self {
        Self { blobs }
    }

    /// Where the blob is, if there is one.
    pub(crate) fn path(&self, digest: Digest) -> PathBuf {
        self.blobs.join(digest.hex())
    }

    pub(crate) fn contains(&self, digest: Digest) -> bool {
        self.path(digest).exists()
    }

    /// A blob that is a text.
    pub(crate) fn read_text(&self, digest: Digest) -> io::Result<String> {
        fs::read_to_string(self.path(digest))
    }

    /// Takes a staged file for a blob. Its digest was computed while it was written. It is safe on disk after the
    /// next sync of the file system; until a record names it, a start removes it.
    pub(crate) fn adopt(&self, staged: &Staged) -> io::Result<()> {
        if self.contains(staged.digest) {
            return Ok(());
        }
        fs::rename(&staged.path, self.path(staged.digest))
    }

    /// A blob that is in its place already.
    pub(crate) fn staged(&self, digest: Digest, size: u64) -> Staged {
        Staged { path: self.path(digest), digest, size }
    }

    /// All blobs there are.
    pub(crate) fn list(&self) -> io::Result<Vec<Digest>> {
        let names = Dir::open(&self.blobs)?.names()?;
        Ok(names.iter().filter_map(|name| Digest::from_hex(name.to_str()?)).collect())
    }

    pub(crate) fn remove(&self, digest: Digest) -> io::Result<()> {
        fs::remove_file(self.path(digest))
    }
}

/// A file that was written completely, and its digest, but that has no name yet.
#[derive(Clone, Debug)]
pub(crate) struct Staged {
    pub(crate) path: PathBuf,
    pub(crate) digest: Digest,
    /// Bytes.
    pub(crate) size: u64,
}

impl Staged {
    /// All of it, if it has at most `limit` bytes.
    pub(crate) fn read(&self, limit: u64) -> io::Result<Vec<u8>> {
        if self.size > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        fs::read(&self.path)
    }
}

/// Which side of a copy failed.
#[derive(Debug)]
pub(crate) enum StageError {
    Read(io::Error),
    Write(io::Error),
}

/// A directory for what is not finished; it goes with all that is left in it.
#[derive(Debug)]
pub(crate) struct Scratch {
    parent: PathBuf,
    name: String,
    next: std::sync::atomic::AtomicU64,
}

impl Scratch {
    pub(crate) fn new(parent: &Path) -> io::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let scratch = Self { parent: parent.to_owned(), name: hex::encode(random), next: 0.into() };
        fs::DirBuilder::new().mode(0o700).create(scratch.path())?;
        Ok(scratch)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.parent.join(&self.name)
    }

    /// A name that nothing in it has yet.
    pub(crate) fn free_path(&self) -> PathBuf {
        let number = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.path().join(number.to_string())
    }

    /// Has `f` write a new file.
    pub(crate) fn write<E>(
        &self,
        f: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> io::Result<Result<Staged, E>> {
        let path = self.free_path();
        let mut output = BufWriter::with_capacity(BUFFER, Hashed::new(File::create_new(&path)?));
        if let Err(error) = f(&mut output) {
            return Ok(Err(error));
        }
        let (digest, size) = output.into_inner().map_err(io::IntoInnerError::into_error)?.finish();
        Ok(Ok(Staged { path, digest, size }))
    }

    /// Writes all that `input` gives into a new file.
    pub(crate) fn stage(&self, input: impl Read) -> Result<Staged, StageError> {
        let path = self.free_path();
        let mut input = Hashed::new(input);
        let mut file = File::create_new(&path).map_err(StageError::Write)?;
        let mut buffer = vec![0; BUFFER];
        loop {
            match input.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => file.write_all(&buffer[..length]).map_err(StageError::Write)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(StageError::Read(error)),
            }
        }
        let (digest, size) = input.finish();
        Ok(Staged { path, digest, size })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let removed = Dir::open(&self.parent).and_then(|dir| dir.remove_all(self.name.as_ref()));
        if let Err(error) = removed {
            tracing::warn!(path = %self.path().display(), %error, "cannot remove what was not finished");
        }
    }
}
