//! Loads images from archives: what `docker save` writes, and OCI layouts.

mod docker;
mod oci;
mod staged;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use thiserror::Error;

use crate::config::ImageDocument;
use crate::content::{Scratch, StageError, Staged};
use crate::images::CollectError;
use crate::layers::LayerError;
use crate::store::record::{self, Blob};
use crate::store::{Change, Reads, StoreError};
use crate::tape::broken;
use crate::{Digest, ImageId, Images, LayerId, ParseReferenceError, Reference};
use staged::StagedArchive;

/// The most bytes of a manifest, an index or a configuration.
pub(crate) const DOCUMENT_LIMIT: u64 = 16 << 20;

/// How far a load is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Bytes of the archive, decompressed, that were read.
    Reading { bytes: u64 },
    /// Bytes of a layer's blob that were unpacked, of how many.
    Unpacking { layer: LayerId, bytes: u64, total: u64 },
    /// The layer is complete.
    Unpacked { layer: LayerId },
    /// The layer was there already.
    Exists { layer: LayerId },
}

/// Who is told how far a load is; from several threads.
pub type OnProgress<'a> = &'a (dyn Fn(Progress) + Sync);

/// An image that was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    pub image: ImageId,
    /// The names it got; none if the archive gave it none.
    pub names: Vec<Reference>,
}

/// Why an archive could not be loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error("the archive is not an image archive: it has neither manifest.json nor index.json")]
    NotAnImage,
    #[error("cannot read the archive")]
    Archive(#[from] crate::TapeError),
    #[error("the archive has more than the limit of {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the archive has no file {path}")]
    Missing { path: String },
    #[error("the file {path} in the archive cannot be understood")]
    Document { path: String, source: serde_json::Error },
    #[error("the file {path} in the archive is larger than {DOCUMENT_LIMIT} bytes")]
    DocumentTooLarge { path: String },
    #[error("the file {path} in the archive has the digest {actual}")]
    WrongDigest { path: String, actual: Digest },
    #[error("the image {image} has {layers} layers, but its configuration names {diff_ids}")]
    LayerCount { image: String, layers: usize, diff_ids: usize },
    #[error("the image {image} is for {os}, not for linux")]
    WrongSystem { image: String, os: String },
    #[error("the archive has no image for {wanted}, only for {}", found.join(", "))]
    NoPlatform { wanted: String, found: Vec<String> },
    #[error("the archive calls an image {name:?}")]
    Name { name: String, source: ParseReferenceError },
    #[error("cannot unpack layer {layer}")]
    Layer { layer: LayerId, source: LayerError },
    #[error("cannot write to the image store")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An image as the archive describes it.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) document: Staged,
    pub(crate) parsed: ImageDocument,
    /// One blob per layer, lowest first.
    pub(crate) blobs: Vec<Staged>,
    pub(crate) names: Vec<Reference>,
    /// The manifest a registry had of it, if it names exactly these blobs.
    pub(crate) manifest: Option<Staged>,
}

impl From<StageError> for LoadError {
    fn from(error: StageError) -> Self {
        match error {
            StageError::Read(error) => Self::Archive(broken(error)),
            StageError::Write(error) => Self::Io(error),
        }
    }
}

impl From<CollectError> for LoadError {
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::Io(error) => Self::Io(error),
            CollectError::Store(error) => Self::Store(error),
        }
    }
}

impl Images {
    /// Loads all images of an archive, plain or compressed: one commit at the end,
    /// and until then nothing that anybody sees.
    pub fn load(&self, archive: impl Read, progress: OnProgress<'_>) -> Result<Vec<Loaded>, LoadError> {
        self.keeping(|| {
            let scratch = Scratch::new(&self.unfinished)?;
            let archive = StagedArchive::read(archive, &scratch, self.limits.bytes, progress)?;
            self.adopt(&plans(&archive)?, progress)
        })
    }

    /// Makes images of what was staged.
    pub(crate) fn adopt(&self, plans: &[Plan], progress: OnProgress<'_>) -> Result<Vec<Loaded>, LoadError> {
        self.adopt_and(plans, progress, |_| Ok(()))
    }

    /// The same, with something more in the same commit.
    pub(crate) fn adopt_and(
        &self,
        plans: &[Plan],
        progress: OnProgress<'_>,
        more: impl FnOnce(&Change) -> Result<(), StoreError>,
    ) -> Result<Vec<Loaded>, LoadError> {
        // If it fails half-way, or replaces blobs by others of the same layers.
        self.want_collection();
        let mut layers = BTreeMap::new();
        for plan in plans {
            layers.extend(plan.parsed.rootfs.diff_ids.iter().copied().zip(&plan.blobs));
        }
        let sizes = self.unpack_all(&layers.into_iter().collect::<Vec<_>>(), progress)?;
        self.settle(plans, &sizes, more)
    }

    /// Makes images whose layers were unpacked and have these sizes, and something more in the same commit.
    pub(crate) fn settle(
        &self,
        plans: &[Plan],
        sizes: &[(LayerId, u64)],
        more: impl FnOnce(&Change) -> Result<(), StoreError>,
    ) -> Result<Vec<Loaded>, LoadError> {
        for plan in plans {
            for staged in plan.blobs.iter().chain([&plan.document]).chain(&plan.manifest) {
                self.content.adopt(staged)?;
            }
        }
        linux::root::Dir::open(&self.root)?.sync_file_system()?;
        let now = jiff::Timestamp::now().to_string();
        let texts = plans.iter().map(|plan| self.content.read_text(plan.document.digest));
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        self.store.change(|change| {
            for (layer, size) in sizes {
                change.put(&layer.to_string(), &record::Layer::new(*size))?;
            }
            for (plan, text) in plans.iter().zip(texts) {
                let id = ImageId(plan.document.digest);
                let blobs = plan.blobs.iter().map(|blob| Blob { digest: blob.digest, size: blob.size });
                let image = record::Image::new(text, blobs.collect(), now.clone());
                let image = image.with_manifest(plan.manifest.as_ref().map(|manifest| manifest.digest));
                change.put(&id.to_string(), &image)?;
                for name in &plan.names {
                    change.put(&name.to_string(), &record::Name::new(id))?;
                }
            }
            Ok::<(), LoadError>(more(change)?)
        })?;
        let loaded = |plan: &Plan| Loaded { image: ImageId(plan.document.digest), names: plan.names.clone() };
        Ok(plans.iter().map(loaded).collect())
    }

    /// Unpacks the layers that are not there yet, several at a time; says what they take.
    fn unpack_all(
        &self,
        layers: &[(LayerId, &Staged)],
        progress: OnProgress<'_>,
    ) -> Result<Vec<(LayerId, u64)>, LoadError> {
        let next = AtomicUsize::new(0);
        let sizes = Mutex::new(Vec::new());
        let work = || -> Result<(), LoadError> {
            while let Some((layer, staged)) = layers.get(next.fetch_add(1, Ordering::Relaxed)) {
                let size = self.unpack_one(*layer, staged, progress).inspect_err(|_| {
                    next.store(layers.len(), Ordering::Relaxed);
                })?;
                sizes.lock().expect("no thread panics with it").push((*layer, size));
            }
            Ok(())
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(layers.len());
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let join = |worker: std::thread::ScopedJoinHandle<'_, _>| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            workers.into_iter().map(join).collect::<Result<Vec<()>, LoadError>>()
        })?;
        Ok(sizes.into_inner().expect("no thread panics with it"))
    }

    pub(crate) fn unpack_one(
        &self,
        layer: LayerId,
        staged: &Staged,
        progress: OnProgress<'_>,
    ) -> Result<u64, LoadError> {
        let known = self.store.view()?.get::<record::Layer>(&layer.to_string())?;
        if let Some(known) = known.filter(|_| self.layers.diff(layer).is_dir()) {
            progress(Progress::Exists { layer });
            return Ok(known.size);
        }
        let file = File::open(&staged.path)?;
        let told = Told {
            inner: file,
            read: 0,
            told: 0,
            tell: |bytes| {
                progress(Progress::Unpacking { layer, bytes, total: staged.size });
            },
        };
        let unpacked = self.layers.unpack(layer, told, self.limits);
        let unpacked = unpacked.map_err(|source| LoadError::Layer { layer, source })?;
        progress(Progress::Unpacked { layer });
        Ok(unpacked.bytes)
    }
}

fn plans(archive: &StagedArchive) -> Result<Vec<Plan>, LoadError> {
    if archive.has(docker::MANIFEST) {
        docker::plans(archive)
    } else if archive.has(oci::INDEX) {
        oci::plans(archive)
    } else {
        Err(LoadError::NotAnImage)
    }
}

/// Checks that a configuration fits the layers it came with.
pub(crate) fn plan(
    archive: &StagedArchive,
    (path, document): (&str, &Staged),
    blobs: Vec<Staged>,
    names: Vec<Reference>,
) -> Result<Plan, LoadError> {
    let parsed: ImageDocument = archive.document(path)?;
    let image = || ImageId(document.digest).to_string();
    if !parsed.os.is_empty() && parsed.os != "linux" {
        return Err(LoadError::WrongSystem { image: image(), os: parsed.os });
    }
    let diff_ids = parsed.rootfs.diff_ids.len();
    if blobs.len() != diff_ids {
        return Err(LoadError::LayerCount { image: image(), layers: blobs.len(), diff_ids });
    }
    Ok(Plan { document: document.clone(), parsed, blobs, names, manifest: None })
}

/// Parses a name of an image in an archive.
fn parse_name(name: &str) -> Result<Reference, LoadError> {
    let parsed: Result<Reference, _> = name.parse();
    parsed.map(Reference::or_latest).map_err(|source| LoadError::Name { name: name.to_owned(), source })
}

/// How many bytes pass between two words about progress.
const STEP: u64 = 1 << 20;

/// A reader that tells how much was read, once per [`STEP`] and at the end.
pub(crate) struct Told<R, F> {
    pub(crate) inner: R,
    pub(crate) read: u64,
    pub(crate) told: u64,
    pub(crate) tell: F,
}

impl<R: Read, F: FnMut(u64)> Read for Told<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.read += length as u64;
        if self.read - self.told >= STEP || (length == 0 && self.read > self.told) {
            self.told = self.read;
            (self.tell)(self.read);
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests;
