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
    version: u32,
    /// The configuration document, byte for byte.
    pub(crate) document: String,
    /// The layers' blobs, lowest first, one per diff id.
    pub(crate) blobs: Vec<Blob>,
    /// RFC 3339.
    pub(crate) tagged: String,
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
        Self { version: Self::VERSION, document, blobs, tagged }
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

macro_rules! first_version {
    ($($record:ident in $table:literal),*) => {$(
        impl Record for $record {
            const TABLE: &'static str = $table;
            const VERSION: u32 = 1;

            fn version(&self) -> u32 {
                self.version
            }
        }
    )*};
}
first_version!(Image in "images", Name in "names", Layer in "layers", Snapshot in "snapshots", Step in "steps");
