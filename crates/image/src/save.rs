//! Writes images as one archive: an OCI layout that is at the same time what `docker save` writes,
//! as Docker does since 25. Each blob is in it once, as it is in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write};

use serde::Serialize;
use thiserror::Error;

use crate::compression::Compression;
use crate::images::{CollectError, resolve};
use crate::store::record;
use crate::store::{Reads, StoreError};
use crate::tape::{CopyError, Entry, Kind, Writer};
use crate::{Digest, Image, ImageId, Images, LookupError, Reference};

const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";

/// Why images were not saved.
#[derive(Debug, Error)]
pub enum SaveError {
    #[error(transparent)]
    Lookup(#[from] LookupError),
    #[error("cannot read blob {blob}")]
    Read { blob: Digest, source: io::Error },
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot remove what nobody needs any more")]
    Collect(#[source] io::Error),
}

impl From<CollectError> for SaveError {
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::Io(error) => Self::Collect(error),
            CollectError::Store(error) => Self::Store(error),
        }
    }
}

/// Images that are saved together, each with the names it is saved by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection(Vec<(Image, Vec<Reference>)>);

impl Selection {
    pub fn images(&self) -> impl Iterator<Item = &Image> {
        self.0.iter().map(|(image, _)| image)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: &'static str,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: &'static str,
    digest: Digest,
    size: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, String>,
}

impl Images {
    /// Finds what is to be saved. A repository without a tag means all its tags.
    pub fn select(&self, texts: &[String]) -> Result<Selection, LookupError> {
        let view = self.store.view()?;
        let mut chosen: BTreeMap<ImageId, Vec<Reference>> = BTreeMap::new();
        let mut order = Vec::new();
        for text in texts {
            for (id, name) in meant(&view, text)? {
                let names = chosen.entry(id).or_insert_with(|| {
                    order.push(id);
                    Vec::new()
                });
                names.extend(name.filter(|name| !names.contains(name)));
            }
        }
        let found = order.into_iter().map(|id| {
            let names = chosen.remove(&id).unwrap_or_default();
            self.get(id).map(|image| (image, names))
        });
        Ok(Selection(found.collect::<Result<_, _>>()?))
    }

    /// Writes an archive of images. The same images make the same bytes.
    pub fn save(&self, selection: &Selection, output: impl Write) -> Result<(), SaveError> {
        self.keeping(|| {
            let mut saving = Saving { images: self, writer: Writer::new(output), written: BTreeSet::new() };
            for directory in ["blobs", "blobs/sha256"] {
                saving.writer.begin(&entry(directory, Kind::Directory, 0)).map_err(SaveError::Write)?;
            }
            saving.run(selection)
        })
    }
}

/// The images that a person means by one word, with the names they mean them by.
fn meant(view: &impl Reads, text: &str) -> Result<Vec<(ImageId, Option<Reference>)>, LookupError> {
    if let Ok(name) = text.parse::<Reference>() {
        let is_whole = name.tag().is_none() && name.digest().is_none();
        let mut found = Vec::new();
        for (known, record) in view.all::<record::Name>()? {
            let known: Reference = known.parse()?;
            let is_meant = if is_whole {
                known.same_repository(&name) && known.digest().is_none()
            } else {
                known == name.clone().canonical()
            };
            if is_meant {
                found.push((record.image, Some(known).filter(|known| known.digest().is_none())));
            }
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(vec![(resolve(view, text)?, None)])
}

struct Saving<'a, W> {
    images: &'a Images,
    writer: Writer<W>,
    written: BTreeSet<Digest>,
}

impl<W: Write> Saving<'_, W> {
    fn run(mut self, Selection(selection): &Selection) -> Result<(), SaveError> {
        let (mut docker, mut index) = (Vec::new(), Vec::new());
        for (image, names) in selection {
            let manifest = self.image(image)?;
            index.extend(described(&manifest, names));
            let tags: Vec<String> = names.iter().map(Reference::familiar).collect();
            docker.push(DockerImage {
                config: path(image.id.0),
                repo_tags: Some(tags).filter(|tags| !tags.is_empty()),
                layers: image.layers.iter().map(|layer| path(layer.blob)).collect(),
            });
        }
        let index = Index { schema_version: 2, media_type: INDEX_TYPE, manifests: index };
        self.document("index.json", &json(&index))?;
        self.document("manifest.json", &json(&docker))?;
        self.document("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        self.document("repositories", &json(&repositories(selection)))?;
        self.writer.finish().map(drop).map_err(SaveError::Write)
    }

    /// Writes the blobs of an image, with a manifest; tells how the manifest is found.
    fn image(&mut self, image: &Image) -> Result<Descriptor, SaveError> {
        let text = self.images.document(image.id)?;
        let config = descriptor(CONFIG_TYPE, image.id.0, text.len() as u64);
        self.blob(image.id.0, text.len() as u64, text.as_bytes())?;
        let mut layers = Vec::with_capacity(image.layers.len());
        for layer in &image.layers {
            let failed = |source| SaveError::Read { blob: layer.blob, source };
            let mut file = File::open(self.images.content.path(layer.blob)).map_err(failed)?;
            let media_type = layer_type(Compression::of(&mut file).map_err(failed)?);
            layers.push(descriptor(media_type, layer.blob, layer.blob_size));
            self.blob(layer.blob, layer.blob_size, file)?;
        }
        let manifest = Manifest { schema_version: 2, media_type: MANIFEST_TYPE, config, layers };
        let text = json(&manifest);
        let digest = Digest::of(&text);
        self.blob(digest, text.len() as u64, text.as_slice())?;
        Ok(descriptor(MANIFEST_TYPE, digest, text.len() as u64))
    }

    /// Writes a blob that was not written yet.
    fn blob(&mut self, blob: Digest, size: u64, content: impl Read) -> Result<(), SaveError> {
        if !self.written.insert(blob) {
            return Ok(());
        }
        self.file(&path(blob), size, content).map_err(|error| match error {
            CopyError::Read(source) => SaveError::Read { blob, source },
            CopyError::Write(source) => SaveError::Write(source),
        })
    }

    fn document(&mut self, path: &str, text: &[u8]) -> Result<(), SaveError> {
        self.file(path, text.len() as u64, text).map_err(|error| match error {
            CopyError::Read(source) | CopyError::Write(source) => SaveError::Write(source),
        })
    }

    fn file(&mut self, path: &str, size: u64, content: impl Read) -> Result<(), CopyError> {
        self.writer.begin(&entry(path, Kind::File, size)).map_err(CopyError::Write)?;
        self.writer.content(content, size)
    }
}

fn entry(path: &str, kind: Kind, size: u64) -> Entry {
    let mode = if kind == Kind::Directory { 0o755 } else { 0o644 };
    Entry { mode, size, ..Entry::bare(kind, path.as_bytes().to_owned()) }
}

fn path(blob: Digest) -> String {
    format!("blobs/sha256/{}", blob.hex())
}

const fn descriptor(media_type: &'static str, digest: Digest, size: u64) -> Descriptor {
    Descriptor { media_type, digest, size, annotations: BTreeMap::new() }
}

const fn layer_type(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "application/vnd.oci.image.layer.v1.tar",
        Compression::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
        Compression::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
    }
}

/// A manifest once for each name, as containerd and Docker look for names.
fn described(manifest: &Descriptor, names: &[Reference]) -> Vec<Descriptor> {
    let named = |name: &Reference| {
        let tag = name.tag().unwrap_or("latest").to_owned();
        let annotations =
            [("io.containerd.image.name", name.to_string()), ("org.opencontainers.image.ref.name", tag)];
        Descriptor { annotations: annotations.into(), ..manifest.clone() }
    };
    if names.is_empty() { vec![manifest.clone()] } else { names.iter().map(named).collect() }
}

/// Repository → tag → the topmost layer: what Dockers before 1.10 look for.
fn repositories(selection: &[(Image, Vec<Reference>)]) -> BTreeMap<String, BTreeMap<&str, String>> {
    let mut all: BTreeMap<String, BTreeMap<&str, String>> = BTreeMap::new();
    for (image, names) in selection {
        let Some(top) = image.layers.last() else { continue };
        for name in names {
            let tags = all.entry(name.familiar_name()).or_default();
            tags.insert(name.tag().unwrap_or("latest"), top.blob.hex());
        }
    }
    all
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("these are texts and numbers")
}

#[cfg(test)]
mod tests;
