//! What the documents of registries say; pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::platform::Platform;
use crate::Digest;

pub(super) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(super) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(super) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub(super) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const DOCKER_SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+json";
const DOCKER_SCHEMA_1_SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

/// All that a manifest may be.
pub(super) const ACCEPTED: [&str; 4] = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST];

pub(super) const GZIP_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
pub(super) const ZSTD_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
const OCI_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const LAYERS: [&str; 6] = [
    GZIP_LAYER,
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    OCI_GZIP,
    ZSTD_LAYER,
    "application/vnd.oci.image.layer.v1.tar",
];
/// What BuildKit calls the platform of what is no image.
const NO_IMAGE: &str = "unknown";

/// Why a document is not that of an image.
#[derive(Debug, Error)]
pub enum ManifestError {
    #[error("the manifest cannot be understood")]
    Json(#[from] serde_json::Error),
    #[error("the manifest says it is {inner}, but was sent as {outer}")]
    TwoTypes { inner: String, outer: String },
    #[error("the manifest is both an image's and a list of images")]
    Ambiguous,
    #[error(
        "Docker Image Format v1 and Docker Image manifest version 2, schema 1 are not supported: rebuild the \
         image, or convert it with a newer registry"
    )]
    Schema1,
    #[error("unsupported manifest schema version {version}")]
    Version { version: i64 },
    #[error("unsupported manifest media type {media_type:?}")]
    Type { media_type: String },
    #[error("this is no image: its configuration is of the type {media_type:?}")]
    NoImage { media_type: String },
    #[error(
        "layer {digest} is of the type {media_type:?}, which may not be kept in a registry: it would have to be \
         fetched from elsewhere, and is not"
    )]
    Foreign { digest: Digest, media_type: String },
    #[error("layer {digest} is of the unknown type {media_type:?}")]
    Layer { digest: Digest, media_type: String },
    #[error("the lists of images are nested too deep")]
    Nested,
}

/// Points at content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    #[serde(default)]
    pub media_type: String,
    /// Bytes.
    pub size: u64,
    pub digest: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urls: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl Descriptor {
    pub(super) fn new(media_type: &str, size: u64, digest: Digest) -> Self {
        let media_type = media_type.to_owned();
        Self { media_type, size, digest, urls: None, annotations: None, platform: None }
    }
}

/// One image: its configuration, and its layers, lowest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    pub(super) schema_version: i64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) media_type: String,
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
}

/// A document under a tag or a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Document {
    Image(Box<Manifest>),
    /// The same image for several platforms.
    Index(Vec<Descriptor>),
}

/// What every document may have.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Any {
    #[serde(default)]
    schema_version: i64,
    #[serde(default)]
    media_type: String,
    config: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    fs_layers: Option<serde::de::IgnoredAny>,
    manifests: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

/// Reads a document that was sent as `sent_as`, the header's media type; gives its own type, too.
pub(super) fn parse(sent_as: &str, bytes: &[u8]) -> Result<(String, Document), ManifestError> {
    let any: Any = serde_json::from_slice(bytes)?;
    let media_type = media_type(sent_as, &any)?;
    let has_image = any.config.is_some() || any.layers.is_some();
    // One document with two meanings would have one digest for two images.
    if has_image && any.manifests.is_some() {
        return Err(ManifestError::Ambiguous);
    }
    if any.schema_version == 1 || any.fs_layers.is_some() {
        return Err(ManifestError::Schema1);
    }
    if any.schema_version != 2 {
        return Err(ManifestError::Version { version: any.schema_version });
    }
    let document = match media_type.as_str() {
        DOCKER_MANIFEST | OCI_MANIFEST => Document::Image(Box::new(image(bytes)?)),
        DOCKER_LIST | OCI_INDEX => {
            let Index { manifests } = serde_json::from_slice(bytes)?;
            Document::Index(manifests)
        }
        DOCKER_SCHEMA_1 | DOCKER_SCHEMA_1_SIGNED => return Err(ManifestError::Schema1),
        _ => return Err(ManifestError::Type { media_type }),
    };
    Ok((media_type, document))
}

/// The type of a document: as it says itself, as it was sent, or as its fields have it.
fn media_type(sent_as: &str, any: &Any) -> Result<String, ManifestError> {
    let outer = sent_as.split(';').next().unwrap_or_default().trim();
    // Servers of files do not know what they send.
    let outer = if matches!(outer, "application/json" | "text/plain" | "application/octet-stream") {
        ""
    } else {
        outer
    };
    let inner = any.media_type.as_str();
    match (inner.is_empty(), outer.is_empty()) {
        (false, false) if inner != outer => {
            Err(ManifestError::TwoTypes { inner: inner.to_owned(), outer: outer.to_owned() })
        }
        (false, _) => Ok(inner.to_owned()),
        (true, false) => Ok(outer.to_owned()),
        (true, true) => Ok(if any.manifests.is_some() { OCI_INDEX } else { OCI_MANIFEST }.to_owned()),
    }
}

fn image(bytes: &[u8]) -> Result<Manifest, ManifestError> {
    let manifest: Manifest = serde_json::from_slice(bytes)?;
    let media_type = &manifest.config.media_type;
    if !matches!(media_type.as_str(), DOCKER_CONFIG | OCI_CONFIG | "application/octet-stream" | "") {
        return Err(ManifestError::NoImage { media_type: media_type.clone() });
    }
    for layer in &manifest.layers {
        let (digest, media_type) = (layer.digest, layer.media_type.clone());
        if media_type.contains(".foreign.") || media_type.contains(".nondistributable.") {
            return Err(ManifestError::Foreign { digest, media_type });
        }
        if !LAYERS.contains(&media_type.as_str()) {
            return Err(ManifestError::Layer { digest, media_type });
        }
    }
    Ok(manifest)
}

/// The image for a platform, or else the platforms there are.
pub(super) fn choose<'a>(index: &'a [Descriptor], wanted: &Platform) -> Result<&'a Descriptor, Vec<String>> {
    let mut best: Option<(u8, &Descriptor)> = None;
    for entry in index {
        let Some(platform) = &entry.platform else { continue };
        let suits = wanted.suits(platform);
        // The first of equals.
        if let Some(suits) = suits.filter(|suits| best.is_none_or(|(known, _)| *suits > known)) {
            best = Some((suits, entry));
        }
    }
    let lone = || index.first().filter(|entry| index.len() == 1 && entry.platform.is_none());
    best.map(|(_, entry)| entry).or_else(lone).ok_or_else(|| {
        let platforms = index.iter().filter_map(|entry| entry.platform.as_ref());
        platforms.filter(|platform| platform.os != NO_IMAGE).map(ToString::to_string).collect()
    })
}

/// The platforms of an index, without what is no image.
pub(super) fn platforms(index: &[Descriptor]) -> Vec<Platform> {
    let all = index.iter().filter_map(|entry| entry.platform.clone());
    all.filter(|platform| platform.os != NO_IMAGE).collect()
}

/// The manifest of an image that has none yet, byte for byte as Docker writes it where it can express it.
pub(super) fn write(config: Descriptor, layers: Vec<Descriptor>) -> (String, Vec<u8>) {
    let is_oci = layers.iter().any(|layer| layer.media_type.starts_with("application/vnd.oci."));
    let media_type = if is_oci { OCI_MANIFEST } else { DOCKER_MANIFEST };
    let config_type = if is_oci { OCI_CONFIG } else { DOCKER_CONFIG };
    let one_family = |layer: Descriptor| {
        let media_type = if is_oci && layer.media_type == GZIP_LAYER { OCI_GZIP } else { &layer.media_type };
        Descriptor { media_type: media_type.to_owned(), ..layer }
    };
    let manifest = Manifest {
        schema_version: 2,
        media_type: media_type.to_owned(),
        config: Descriptor { media_type: config_type.to_owned(), ..config },
        layers: layers.into_iter().map(one_family).collect(),
    };
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"   ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    manifest.serialize(&mut serializer).expect("a vector takes everything");
    (media_type.to_owned(), bytes)
}

/// Reads arbitrary bytes as whatever comes from a registry; for the fuzzer.
pub fn read_anything(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    drop(text.parse::<crate::Reference>());
    drop(text.parse::<Platform>());
    for sent_as in ["", DOCKER_MANIFEST, OCI_INDEX] {
        if let Ok((_, Document::Index(index))) = parse(sent_as, bytes) {
            drop(choose(&index, &Platform::host()).cloned());
        }
    }
    drop(serde_json::from_slice::<crate::ImageDocument>(bytes));
}

#[cfg(test)]
mod tests;
