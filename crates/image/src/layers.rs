//! Layers, unpacked once: `<root>/layers/<diff id>/diff`, shared by all that use them.

use std::fs::{self, DirBuilder};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::LayerId;
use crate::compression::decompressed;
use crate::content::Scratch;
use crate::digest::{Digest, Hashed};
use crate::tape::{Tape, TapeError};
use crate::unpack::{EntryError, Limits, UnpackError, Unpacked, unpack};

/// Why a layer could not be made.
#[derive(Debug, Error)]
pub enum LayerError {
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    #[error("its content has the digest {actual}")]
    WrongDigest { actual: Digest },
    #[error("cannot read it")]
    Read(#[source] io::Error),
    #[error("cannot store it")]
    Store(#[source] io::Error),
}

/// The directory of all layers.
#[derive(Debug)]
pub(crate) struct Layers {
    dir: PathBuf,
    unfinished: PathBuf,
}

impl Layers {
    pub(crate) fn new(dir: PathBuf, unfinished: PathBuf) -> Self {
        Self { dir, unfinished }
    }

    /// The directory that overlayfs joins.
    pub(crate) fn diff(&self, layer: LayerId) -> PathBuf {
        self.dir.join(layer.0.hex()).join("diff")
    }

    /// Unpacks an archive, plain or compressed, aside and, if it is the layer it
    /// should be, moves it to its place. It is safe on disk after the next sync
    /// of the file system.
    pub(crate) fn unpack(
        &self,
        layer: LayerId,
        archive: impl Read,
        limits: Limits,
    ) -> Result<Unpacked, LayerError> {
        let scratch = Scratch::new(&self.unfinished).map_err(LayerError::Store)?;
        let aside = scratch.free_path();
        let diff = aside.join("diff");
        let mut directories = DirBuilder::new();
        directories.recursive(true).mode(0o755).create(&diff).map_err(LayerError::Store)?;
        let plain = decompressed(archive).map_err(LayerError::Read)?;
        let (unpacked, actual) = unpack_hashed(plain, &diff, limits)?;
        if actual != layer.0 {
            return Err(LayerError::WrongDigest { actual });
        }
        self.place(&aside, layer).map_err(LayerError::Store)?;
        Ok(unpacked)
    }

    /// Somebody else may have unpacked the same layer meanwhile; then theirs stays.
    fn place(&self, aside: &Path, layer: LayerId) -> io::Result<()> {
        match fs::rename(aside, self.dir.join(layer.0.hex())) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            other => other,
        }
    }

    /// All layers there are, whether recorded or not.
    pub(crate) fn list(&self) -> io::Result<Vec<LayerId>> {
        let names = linux::root::Dir::open(&self.dir)?.names()?;
        Ok(names.iter().filter_map(|name| Digest::from_hex(name.to_str()?).map(LayerId)).collect())
    }

    /// Takes a layer out of its place; it is gone when the scratch directory is.
    pub(crate) fn discard(&self, layer: LayerId, to: &Scratch) -> io::Result<()> {
        fs::rename(self.dir.join(layer.0.hex()), to.free_path())
    }
}

fn unpack_hashed(plain: impl Read, diff: &Path, limits: Limits) -> Result<(Unpacked, Digest), LayerError> {
    let mut hashed = Hashed::new(plain);
    let mut tape = Tape::new(&mut hashed);
    let unpacked = unpack(&mut tape, diff, limits)?;
    let after = |error: TapeError| UnpackError { entry: String::new(), cause: EntryError::from(error) };
    tape.drain().map_err(after)?;
    let (actual, _) = hashed.finish();
    Ok((unpacked, actual))
}
