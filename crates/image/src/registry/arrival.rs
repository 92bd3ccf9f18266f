//! The half of a pull that blocks: unpacks layers as they come and makes the image.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::error::PullError;
use super::event::{Events, Stage};
use super::manifest::Descriptor;
use crate::content::{Scratch, Staged};
use crate::images::CollectError;
use crate::load::{LoadError, Plan, Progress};
use crate::store::Reads;
use crate::store::record::{self, Place};
use crate::{Digest, ImageDocument, Images, LayerId, Reference};

/// An image that is about to come.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) document: Vec<u8>,
    pub(super) parsed: ImageDocument,
    pub(super) manifest: Vec<u8>,
    /// The blobs of its layers, lowest first, one for each diff id.
    pub(super) blobs: Vec<Descriptor>,
    pub(super) names: Vec<Reference>,
    /// Where they come from.
    pub(super) repository: String,
}

/// The thread that waits for layers.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) images: Arc<Images>,
    pub(super) scratch: Arc<Scratch>,
    pub(super) events: Events,
}

/// Layers that are here, each with a blob and its unpacked size.
type Present = BTreeMap<LayerId, (Staged, u64)>;

/// A layer that came.
pub(super) type Arrived = (LayerId, Staged);

impl From<CollectError> for PullError {
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::Io(error) => Self::Io(error),
            CollectError::Store(error) => Self::Store(error),
        }
    }
}

impl Arrival {
    /// Says which layers are missing, unpacks them as they come, and makes the image. While it runs nothing
    /// that it counts on is removed.
    pub(super) fn run(
        self,
        expected: Expected,
        missing: oneshot::Sender<BTreeMap<LayerId, Descriptor>>,
        arriving: mpsc::Receiver<Arrived>,
    ) -> Result<(), PullError> {
        let images = Arc::clone(&self.images);
        images.keeping(|| {
            // What is unpacked is of no use if the rest does not come.
            images.want_collection();
            let mut known = self.known(&expected)?;
            let wanted = expected.parsed.rootfs.diff_ids.iter().copied().zip(expected.blobs.iter().cloned());
            let wanted: BTreeMap<_, _> = wanted.filter(|(layer, _)| !known.contains_key(layer)).collect();
            let awaited: BTreeSet<_> = wanted.keys().copied().collect();
            if missing.send(wanted).is_err() {
                return Err(PullError::Lost);
            }
            known.extend(self.unpack(arriving, &awaited)?);
            self.commit(expected, &known)
        })
    }

    /// The layers that are here already, each with a blob and its unpacked size.
    fn known(&self, expected: &Expected) -> Result<Present, PullError> {
        let view = self.images.store.view()?;
        let mut blobs: BTreeMap<LayerId, record::Blob> = BTreeMap::new();
        for (_, image) in view.all::<record::Image>()? {
            let Ok(document) = serde_json::from_str::<ImageDocument>(&image.document) else { continue };
            blobs.extend(document.rootfs.diff_ids.into_iter().zip(image.blobs));
        }
        // The very blob that the manifest names, if there are several.
        for (layer, blob) in expected.parsed.rootfs.diff_ids.iter().zip(&expected.blobs) {
            if blobs.contains_key(layer) && self.images.content.contains(blob.digest) {
                blobs.insert(*layer, record::Blob { digest: blob.digest, size: blob.size });
            }
        }
        let mut known = BTreeMap::new();
        for layer in &expected.parsed.rootfs.diff_ids {
            let record: Option<record::Layer> = view.get(&layer.to_string())?;
            let (Some(record), Some(blob)) = (record, blobs.get(layer)) else { continue };
            if self.images.layers.diff(*layer).is_dir() && self.images.content.contains(blob.digest) {
                known.insert(*layer, (self.images.content.staged(blob.digest, blob.size), record.size()));
            }
        }
        Ok(known)
    }

    /// Unpacks what comes, several at a time, until all that is awaited has come.
    fn unpack(
        &self,
        arriving: mpsc::Receiver<Arrived>,
        awaited: &BTreeSet<LayerId>,
    ) -> Result<Present, PullError> {
        let arriving = Mutex::new(arriving);
        let failed = AtomicBool::new(false);
        let done = Mutex::new(Present::new());
        let next = || arriving.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let work = || -> Result<(), PullError> {
            while let Some((layer, staged)) = next() {
                if failed.load(Ordering::Relaxed) {
                    break;
                }
                let size = self.unpack_one(layer, &staged).inspect_err(|_| {
                    failed.store(true, Ordering::Relaxed);
                })?;
                done.lock().unwrap_or_else(PoisonError::into_inner).insert(layer, (staged, size));
            }
            Ok(())
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(awaited.len());
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let join = |worker: std::thread::ScopedJoinHandle<'_, _>| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            workers.into_iter().map(join).collect::<Result<Vec<()>, PullError>>()
        })?;
        let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        // The other half ended before its work did: it knows why.
        if done.len() < awaited.len() { Err(PullError::Lost) } else { Ok(done) }
    }

    fn unpack_one(&self, layer: LayerId, staged: &Staged) -> Result<u64, LoadError> {
        let blob = staged.digest;
        let size = self.images.unpack_one(layer, staged, &|progress| match progress {
            Progress::Unpacking { bytes, total, .. } => {
                self.events.far(blob, Stage::Unpacking { bytes, total })
            }
            Progress::Reading { .. } | Progress::Unpacked { .. } | Progress::Exists { .. } => {}
        })?;
        self.events.layer_blocking(blob, Stage::Done);
        Ok(size)
    }

    fn commit(&self, expected: Expected, known: &Present) -> Result<(), PullError> {
        let Expected { document, parsed, manifest, blobs, names, repository } = expected;
        let stage = |bytes: &[u8]| -> Result<Staged, PullError> {
            let path = self.scratch.free_path();
            fs::write(&path, bytes)?;
            Ok(Staged { path, digest: Digest::of(bytes), size: bytes.len() as u64 })
        };
        let (document, manifest) = (stage(&document)?, stage(&manifest)?);
        let diff_ids = &parsed.rootfs.diff_ids;
        let own: Vec<Staged> = diff_ids.iter().map(|layer| known[layer].0.clone()).collect();
        // The manifest is kept only with the blobs it names.
        let is_whole = own.iter().zip(&blobs).all(|(own, blob)| own.digest == blob.digest);
        let sizes: Vec<_> = known.iter().map(|(layer, (_, size))| (*layer, *size)).collect();
        let place =
            |blob: &Descriptor| Place { blob: blob.digest, size: blob.size, repository: repository.clone() };
        let places: Vec<_> = diff_ids.iter().copied().zip(blobs.iter().map(place)).collect();
        let plan = Plan { document, parsed, blobs: own, names, manifest: is_whole.then_some(manifest) };
        self.images.settle(&[plan], &sizes, |change| {
            places.into_iter().try_for_each(|(layer, place)| change.remember(layer, place))
        })?;
        Ok(())
    }
}
