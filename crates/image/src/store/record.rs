//! The stored forms. A field that is added raises the version in the same commit.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Record;
use crate::{Digest, ImageId, LayerId};

/// What every record has.
#[derive(Deserialize)]
pub(crate) struct Version {
    pub(crate) version: u32,
}

/// An image; the key is its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Image {
    #[serde(deserialize_with = "renewed")]
    version: u32,
    /// The configuration document, byte for byte.
    pub(crate) document: String,
    /// The layers' blobs, lowest first, one per diff id.
    pub(crate) blobs: Vec<Blob>,
    /// RFC 3339.
    pub(crate) tagged: String,
    /// The manifest a registry had of it, which names exactly these blobs; since version 2.
    #[serde(default)]
    pub(crate) manifest: Option<Digest>,
}

/// A blob in the content store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Blob {
    pub(crate) digest: Digest,
    /// Bytes.
    pub(crate) size: u64,
}

/// What a name stands for; the key is the full reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Name {
    version: u32,
    pub(crate) image: ImageId,
}

/// An unpacked layer; the key is its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Layer {
    version: u32,
    /// Bytes of all its regular files.
    pub(crate) size: u64,
}

/// Where registries have a layer; the key is its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Known {
    version: u32,
    /// The newest first.
    pub(crate) places: Vec<Place>,
}

/// A repository that has a layer, as this blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    pub(crate) blob: Digest,
    /// Bytes.
    pub(crate) size: u64,
    /// Registry and path, such as `docker.io/library/busybox`.
    pub(crate) repository: String,
}

/// The writable part of a container's root file system; the key is the container's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Snapshot {
    version: u32,
    pub(crate) base: Base,
}

/// What a step of a build has made; the key is the digest of all that the step depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    version: u32,
    pub(crate) image: ImageId,
}

/// What is below the writable part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Base {
    /// Layers of an image, lowest first.
    Image { image: ImageId, layers: Vec<LayerId> },
    /// A directory of the user's, written to directly or below an overlay.
    Directory { path: PathBuf, overlay: bool },
}

impl Image {
    pub(crate) fn new(document: String, blobs: Vec<Blob>, tagged: String) -> Self {
        Self { version: Self::VERSION, document, blobs, tagged, manifest: None }
    }

    pub(crate) fn with_manifest(self, manifest: Option<Digest>) -> Self {
        Self { manifest, ..self }
    }
}

impl Name {
    pub(crate) fn new(image: ImageId) -> Self {
        Self { version: Self::VERSION, image }
    }
}

impl Layer {
    pub(crate) fn new(size: u64) -> Self {
        Self { version: Self::VERSION, size }
    }

    pub(crate) fn size(self) -> u64 {
        self.size
    }
}

impl Known {
    pub(crate) fn new(places: Vec<Place>) -> Self {
        Self { version: Self::VERSION, places }
    }
}

impl Step {
    pub(crate) fn new(image: ImageId) -> Self {
        Self { version: Self::VERSION, image }
    }
}

impl Snapshot {
    pub(crate) fn new(base: Base) -> Self {
        Self { version: Self::VERSION, base }
    }
}

/// An old form is read as the newest: its version is that of what is written.
fn renewed<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    u32::deserialize(deserializer).map(|_| Image::VERSION)
}

macro_rules! records {
    ($($record:ident $version:literal in $table:literal),*) => {$(
        impl Record for $record {
            const TABLE: &'static str = $table;
            const VERSION: u32 = $version;

            fn version(&self) -> u32 {
                self.version
            }
        }
    )*};
}
records!(Image 2 in "images", Name 1 in "names", Layer 1 in "layers", Snapshot 1 in "snapshots", Known 1 in "known", Step 1 in "steps");
