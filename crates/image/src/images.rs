//! The images of one data root.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};

use linux::root::Dir;
use thiserror::Error;

use crate::content::{Content, Scratch};
use crate::layers::Layers;
use crate::store::record::{self, Base};
use crate::store::{Reads, Store, StoreError};
use crate::unpack::Limits;
use crate::{Digest, ImageConfig, ImageDocument, ImageId, LayerId, Reference, Snapshots};

/// The images, layers and snapshots below one directory:
///
/// ```text
/// images.redb                      the records
/// blobs/sha256/<digest>            configurations and layers as they came
/// layers/<diff id>/diff            layers unpacked, read-only
/// snapshots/<container>/diff work merged
/// unfinished/                      emptied at start
/// nothing/                         the lower directory of an image without layers
/// ```
///
/// All functions block; share it between threads.
#[derive(Debug)]
pub struct Images {
    pub(crate) root: PathBuf,
    pub(crate) unfinished: PathBuf,
    pub(crate) limits: Limits,
    pub(crate) store: Store,
    pub(crate) content: Content,
    pub(crate) layers: Layers,
    /// Read by those who add content that no record names yet, written by who removes such.
    collecting: RwLock<()>,
    /// Whether there may be something to remove.
    garbage: AtomicBool,
}

/// Why the data root could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("cannot make {path}")]
    Directory { path: PathBuf, source: io::Error },
    #[error(
        "{path} is on an overlay file system, which cannot hold the layers of containers: \
         choose a data root on another file system"
    )]
    OnOverlay { path: PathBuf },
    #[error("cannot remove what an earlier engine left in {path}")]
    Leftovers { path: PathBuf, source: io::Error },
    #[error("another engine uses {path}")]
    InUse { path: PathBuf },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an image was not found.
#[derive(Debug, Error)]
pub enum LookupError {
    #[error("No such image: {name}")]
    NotFound { name: String },
    #[error("the id {prefix} is ambiguous: several images begin with it")]
    Ambiguous { prefix: String },
    #[error(transparent)]
    Name(#[from] crate::ParseReferenceError),
    #[error("the configuration of image {image} cannot be understood")]
    Document { image: ImageId, source: serde_json::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An image.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    pub id: ImageId,
    /// All its names, with tags or digests, sorted.
    pub names: Vec<Reference>,
    pub document: ImageDocument,
    /// Lowest first.
    pub layers: Vec<Layer>,
    /// RFC 3339: when it was loaded or last named.
    pub tagged: String,
}

/// A layer of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    pub id: LayerId,
    /// The archive as it came, perhaps compressed.
    pub blob: Digest,
    /// Bytes of the blob.
    pub blob_size: u64,
    /// Bytes of the unpacked files.
    pub size: u64,
}

/// One line of `docker history`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryLine {
    /// Only the newest step is an image.
    pub image: Option<ImageId>,
    pub created: Option<String>,
    pub created_by: String,
    pub comment: String,
    /// Bytes this step added.
    pub size: u64,
    /// The image's tags, at its newest step.
    pub tags: Vec<String>,
}

impl Image {
    /// What its containers are like.
    #[must_use]
    pub fn config(&self) -> &ImageConfig {
        &self.document.config
    }

    /// Bytes of all its files.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).sum()
    }

    /// Seconds since 1970; 0 if the image does not say.
    #[must_use]
    pub fn created(&self) -> i64 {
        let created: Option<jiff::Timestamp> = self.document.created.as_ref().and_then(|t| t.parse().ok());
        created.map_or(0, jiff::Timestamp::as_second)
    }

    /// The names with tags as people write them: `RepoTags`.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        self.names.iter().filter(|name| name.digest().is_none()).map(Reference::familiar).collect()
    }

    /// The names with digests as people write them: `RepoDigests`.
    #[must_use]
    pub fn digests(&self) -> Vec<String> {
        self.names.iter().filter(|name| name.digest().is_some()).map(Reference::familiar).collect()
    }

    /// How it was made, newest step first.
    #[must_use]
    pub fn history(&self) -> Vec<HistoryLine> {
        let mut layers = self.layers.iter();
        let line = |entry: &crate::HistoryEntry| HistoryLine {
            image: None,
            created: entry.created.clone(),
            created_by: entry.created_by.clone(),
            comment: entry.comment.clone(),
            size: if entry.empty_layer { 0 } else { layers.next().map_or(0, |layer| layer.size) },
            tags: Vec::new(),
        };
        let mut lines: Vec<_> = self.document.history.iter().map(line).collect();
        lines.reverse();
        if let Some(newest) = lines.first_mut() {
            newest.image = Some(self.id);
            newest.tags = self.tags();
        }
        lines
    }
}

impl Images {
    /// Opens the data root, made if it is missing, and removes what was not finished.
    pub fn open(root: &Path) -> Result<Self, OpenError> {
        Self::open_with(root, Limits::default())
    }

    /// Opens it with other limits on what a layer may cost.
    pub fn open_with(root: &Path, limits: Limits) -> Result<Self, OpenError> {
        // Layers hold other people's set-user-id programs: they are no host user's business.
        let make = |name: &str| {
            let path = root.join(name);
            let made = DirBuilder::new().recursive(true).mode(0o710).create(&path);
            made.map(|()| path.clone()).map_err(|source| OpenError::Directory { path, source })
        };
        make("")?;
        let failed = |source| OpenError::Directory { path: root.to_owned(), source };
        if linux::overlayfs::is_on_overlay(root).map_err(failed)? {
            return Err(OpenError::OnOverlay { path: root.to_owned() });
        }
        let (blobs, layers) = (make("blobs/sha256")?, make("layers")?);
        let unfinished = make("unfinished")?;
        make("snapshots")?;
        let nothing = make("nothing")?;
        // Its owner and mode are those of `/` in the containers of an image without layers.
        fs::set_permissions(&nothing, Permissions::from_mode(0o755)).map_err(failed)?;
        let store = Store::open(&root.join("images.redb")).map_err(|error| in_use(root, error))?;
        let images = Self {
            root: root.to_owned(),
            limits,
            store,
            content: Content::new(blobs),
            layers: Layers::new(layers, unfinished.clone()),
            unfinished: unfinished.clone(),
            collecting: RwLock::new(()),
            garbage: AtomicBool::new(false),
        };
        let left = |source| OpenError::Leftovers { path: root.to_owned(), source };
        Dir::open(&unfinished).and_then(|dir| dir.clear()).map_err(left)?;
        images.snapshots().remove_strays()?;
        images.collect_garbage().map_err(|error| match error {
            CollectError::Io(source) => left(source),
            CollectError::Store(error) => OpenError::Store(error),
        })?;
        Ok(images)
    }

    /// The writable layers of containers.
    #[must_use]
    pub fn snapshots(&self) -> Snapshots<'_> {
        Snapshots::new(self)
    }

    /// The image of this id.
    pub fn get(&self, id: ImageId) -> Result<Image, LookupError> {
        let view = self.store.view()?;
        let record = view.get(&id.to_string())?;
        let record = record.ok_or_else(|| LookupError::NotFound { name: id.to_string() })?;
        image(&view, id, &record, names_of(&view, id)?)
    }

    /// The image that a person means: by name, by id, or by the beginning of an id.
    pub fn find(&self, text: &str) -> Result<Image, LookupError> {
        let view = self.store.view()?;
        let id = resolve(&view, text)?;
        let record = view.get(&id.to_string())?;
        let record = record.ok_or_else(|| not_found(text))?;
        image(&view, id, &record, names_of(&view, id)?)
    }

    /// All images, newest first.
    pub fn list(&self) -> Result<Vec<Image>, LookupError> {
        let view = self.store.view()?;
        let names = view.all::<record::Name>()?;
        let mut images = Vec::new();
        for (key, record) in view.all::<record::Image>()? {
            let Ok(id) = key.parse::<ImageId>() else { continue };
            let own = names.iter().filter(|(_, name)| name.image == id);
            let own = own.map(|(name, _)| name.parse()).collect::<Result<_, _>>()?;
            images.push(image(&view, id, &record, own)?);
        }
        images.sort_by_key(|image| (std::cmp::Reverse(image.created()), image.id));
        Ok(images)
    }

    /// The configuration document, byte for byte.
    pub fn document(&self, id: ImageId) -> Result<String, LookupError> {
        let record: Option<record::Image> = self.store.view()?.get(&id.to_string())?;
        let record = record.ok_or_else(|| LookupError::NotFound { name: id.to_string() })?;
        Ok(record.document)
    }

    /// Runs `f`, during which content that no record names yet is not removed.
    pub(crate) fn keeping<T, E: From<CollectError>>(&self, f: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let kept = self.collecting.read().expect("nobody panics while collecting");
        let outcome = f();
        drop(kept);
        let collected = self.collect_if_wanted();
        let value = outcome?;
        collected?;
        Ok(value)
    }

    /// Says that there may be layers and blobs that nobody needs.
    pub(crate) fn want_collection(&self) {
        self.garbage.store(true, Ordering::SeqCst);
    }

    /// Removes layers and blobs that no image and no snapshot needs.
    pub(crate) fn collect_garbage(&self) -> Result<(), CollectError> {
        self.want_collection();
        self.collect_if_wanted()
    }

    /// While content is being added, or somebody else collects, nothing is removed
    /// here: they look afterwards whether it is wanted.
    fn collect_if_wanted(&self) -> Result<(), CollectError> {
        while self.garbage.load(Ordering::SeqCst) {
            let Ok(_alone) = self.collecting.try_write() else { return Ok(()) };
            self.garbage.store(false, Ordering::SeqCst);
            self.sweep()?;
        }
        Ok(())
    }

    fn sweep(&self) -> Result<(), CollectError> {
        let needed = Needed::read(&self.store.view()?)?;
        let layers: Vec<_> = self.layers.list()?;
        let layers: Vec<_> = layers.into_iter().filter(|layer| !needed.layers.contains(layer)).collect();
        for blob in self.content.list()? {
            if !needed.blobs.contains(&blob) {
                self.content.remove(blob)?;
            }
        }
        self.store.change(crate::cache::forget_gone)?;
        if layers.is_empty() {
            return Ok(());
        }
        // The record first: a layer with a record must have a directory.
        self.store.change(|change| {
            layers.iter().try_for_each(|layer| {
                change.remove::<record::Known>(&layer.to_string())?;
                change.remove::<record::Layer>(&layer.to_string())
            })
        })?;
        let scratch = Scratch::new(&self.unfinished)?;
        Ok(layers.iter().try_for_each(|layer| self.layers.discard(*layer, &scratch))?)
    }
}

/// Why garbage could not be collected.
#[derive(Debug, Error)]
pub(crate) enum CollectError {
    #[error("cannot remove what nobody needs")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the records need.
struct Needed {
    layers: BTreeSet<LayerId>,
    blobs: BTreeSet<Digest>,
}

impl Needed {
    fn read(view: &impl Reads) -> Result<Self, CollectError> {
        let mut needed = Self { layers: BTreeSet::new(), blobs: BTreeSet::new() };
        for (id, image) in view.all::<record::Image>()? {
            needed.layers.extend(diff_ids(&image)?);
            needed.blobs.extend(image.blobs.iter().map(|blob| blob.digest).chain(image.manifest));
            needed.blobs.extend(id.parse::<Digest>());
        }
        for (_, snapshot) in view.all::<record::Snapshot>()? {
            if let Base::Image { layers, .. } = snapshot.base {
                needed.layers.extend(layers);
            }
        }
        Ok(needed)
    }
}

/// A document that cannot be parsed any more must not make its layers garbage.
fn diff_ids(image: &record::Image) -> Result<Vec<LayerId>, CollectError> {
    let parsed: Result<ImageDocument, _> = serde_json::from_str(&image.document);
    parsed.map(|document| document.rootfs.diff_ids).map_err(|error| CollectError::Io(io::Error::other(error)))
}

fn in_use(root: &Path, error: StoreError) -> OpenError {
    match &error {
        StoreError::Database(cause) if matches!(**cause, redb::Error::DatabaseAlreadyOpen) => {
            OpenError::InUse { path: root.to_owned() }
        }
        StoreError::Database(_) | StoreError::Record { .. } | StoreError::Version { .. } => error.into(),
    }
}

/// The id that a person means.
pub(crate) fn resolve(view: &impl Reads, text: &str) -> Result<ImageId, LookupError> {
    let exact = text.parse().ok().or_else(|| Digest::from_hex(text).map(ImageId));
    if let Some(id) = exact {
        let found: Option<record::Image> = view.get(&id.to_string())?;
        return found.map(|_| id).ok_or_else(|| not_found(text));
    }
    let reference: Reference = text.parse()?;
    if let Some(found) = view.get::<record::Name>(&reference.canonical().to_string())? {
        return Ok(found.image);
    }
    by_prefix(view, text)?.ok_or_else(|| not_found(text))
}

/// The one image whose id begins with these digits.
fn by_prefix(view: &impl Reads, text: &str) -> Result<Option<ImageId>, LookupError> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let prefix = format!("sha256:{digits}");
    let ids = view.all::<record::Image>()?;
    let mut ids = ids.iter().filter(|(id, _)| id.starts_with(&prefix)).filter_map(|(id, _)| id.parse().ok());
    match (ids.next(), ids.next()) {
        (Some(_), Some(_)) => Err(LookupError::Ambiguous { prefix: text.to_owned() }),
        (found, _) => Ok(found),
    }
}

/// Docker names what it looked for with its tag.
fn not_found(text: &str) -> LookupError {
    let name = text.parse::<Reference>().map_or_else(|_| text.to_owned(), |name| name.or_latest().familiar());
    LookupError::NotFound { name }
}

/// All names of an image, sorted.
pub(crate) fn names_of(view: &impl Reads, id: ImageId) -> Result<Vec<Reference>, LookupError> {
    let names = view.all::<record::Name>()?;
    let own = names.into_iter().filter(|(_, name)| name.image == id);
    Ok(own.map(|(name, _)| name.parse()).collect::<Result<_, _>>()?)
}

fn image(
    view: &impl Reads,
    id: ImageId,
    record: &record::Image,
    names: Vec<Reference>,
) -> Result<Image, LookupError> {
    let document: ImageDocument = serde_json::from_str(&record.document)
        .map_err(|source| LookupError::Document { image: id, source })?;
    let mut layers = Vec::with_capacity(record.blobs.len());
    for (layer, blob) in document.rootfs.diff_ids.iter().zip(&record.blobs) {
        let known: Option<record::Layer> = view.get(&layer.to_string())?;
        let size = known.map_or(0, |known| known.size);
        layers.push(Layer { id: *layer, blob: blob.digest, blob_size: blob.size, size });
    }
    Ok(Image { id, names, document, layers, tagged: record.tagged.clone() })
}
