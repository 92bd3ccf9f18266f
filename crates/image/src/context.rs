//! The files that a build may copy: an archive, unpacked aside for as long as the build takes.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use linux::root::Root;
use thiserror::Error;

use crate::compression::decompressed;
use crate::content::Scratch;
use crate::tape::{Tape, broken};
use crate::unpack::unpack_files;
use crate::{Images, TapeError, UnpackError};

/// Files in a directory that goes when this does.
#[derive(Debug)]
pub struct Context {
    root: Root,
    /// Goes after the descriptor of what is in it.
    _scratch: Scratch,
}

/// Why there are no such files.
#[derive(Debug, Error)]
pub enum ContextError {
    #[error("cannot read the archive")]
    Archive(#[from] TapeError),
    #[error("archives compressed with {format} are not read here: use gzip or zstd")]
    Compression { format: &'static str },
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    #[error("cannot keep the files of a build")]
    Io(#[from] io::Error),
}

/// Bytes by which a compression is known.
const HEAD: u64 = 6;
/// First bytes of what is not decompressed here.
const UNKNOWN: [(&[u8], &str); 2] = [(b"BZh", "bzip2"), (b"\xfd7zXZ", "xz")];

impl Context {
    /// The directory; no path leads out of it.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }
}

impl Images {
    /// Unpacks an archive, plain or compressed, that is no layer.
    pub fn context(&self, archive: impl Read) -> Result<Context, ContextError> {
        let (scratch, directory) = self.empty_context()?;
        let (mut first, mut archive) = (Vec::new(), archive);
        (&mut archive).take(HEAD).read_to_end(&mut first).map_err(broken)?;
        if let Some((_, format)) = UNKNOWN.into_iter().find(|(begin, _)| first.starts_with(begin)) {
            // Its sender is told when all of it was read.
            io::copy(&mut archive, &mut io::sink()).map_err(broken)?;
            return Err(ContextError::Compression { format });
        }
        let mut tape = Tape::new(decompressed(first.as_slice().chain(archive)).map_err(broken)?);
        unpack_files(&mut tape, &directory, self.limits)?;
        tape.drain()?;
        Ok(Context { root: Root::open(&directory)?, _scratch: scratch })
    }

    /// A directory of files of one's own making, given by name and content.
    pub fn context_of(&self, files: &[(&str, &[u8])]) -> Result<Context, ContextError> {
        let (scratch, directory) = self.empty_context()?;
        let root = Root::open(&directory)?;
        for (name, content) in files {
            io::copy(&mut &**content, &mut root.create_file(Path::new(name), 0o600)?)?;
            root.chmod(Path::new(name), 0o644)?;
        }
        Ok(Context { root, _scratch: scratch })
    }

    fn empty_context(&self) -> io::Result<(Scratch, PathBuf)> {
        let scratch = Scratch::new(&self.unfinished)?;
        let directory = scratch.free_path();
        fs::DirBuilder::new().mode(0o755).create(&directory)?;
        Ok((scratch, directory))
    }
}

/// Whether a file is an archive that [`Images::context`] reads.
#[must_use]
pub fn is_archive(file: impl Read) -> bool {
    decompressed(file).is_ok_and(|plain| matches!(Tape::new(plain).next(), Ok(Some(_))))
}

#[cfg(test)]
mod tests;
