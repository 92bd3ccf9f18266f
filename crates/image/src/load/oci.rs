//! OCI image layouts: `index.json` leads to manifests, perhaps through further indices.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::staged::StagedArchive;
use super::{LoadError, Plan, parse_name, plan};
use crate::{Digest, Reference, host_architecture};

pub(super) const INDEX: &str = "index.json";
/// An image's name, or only its tag (OCI image specification, annotations.md).
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// An image's full name (containerd).
const IMAGE_NAME: &str = "io.containerd.image.name";
/// How deep indices may be nested.
const DEPTH_LIMIT: usize = 4;
/// What BuildKit calls the platform of what is no image.
const NO_IMAGE: &str = "unknown";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: Digest,
    platform: Option<Platform>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

pub(super) fn plans(archive: &StagedArchive) -> Result<Vec<Plan>, LoadError> {
    let index: Index = archive.document(INDEX)?;
    let mut found = BTreeMap::new();
    for descriptor in choose(&index.manifests)? {
        let manifest = manifest(archive, descriptor, DEPTH_LIMIT)?;
        let (path, document) = archive.blob(manifest.config.digest)?;
        let layers = manifest.layers.iter();
        let blobs = layers.map(|layer| archive.blob(layer.digest).map(|(_, blob)| blob.clone()));
        let plan = plan(archive, (&path, document), blobs.collect::<Result<_, _>>()?, names(descriptor)?)?;
        // Several names of one image come as several descriptors.
        let known = found.entry(plan.document.digest).or_insert_with(|| Plan { names: Vec::new(), ..plan });
        for name in names(descriptor)? {
            if !known.names.contains(&name) {
                known.names.push(name);
            }
        }
    }
    Ok(found.into_values().collect())
}

/// The descriptors for this machine: all that name no platform, and those that name ours.
fn choose(manifests: &[Descriptor]) -> Result<Vec<&Descriptor>, LoadError> {
    let fits = |platform: &Platform| platform.os == "linux" && platform.architecture == host_architecture();
    let chosen = manifests.iter().filter(|manifest| manifest.platform.as_ref().is_none_or(fits));
    let chosen: Vec<_> = chosen.collect();
    if !chosen.is_empty() {
        return Ok(chosen);
    }
    let platforms = manifests.iter().filter_map(|manifest| manifest.platform.as_ref());
    let images = platforms.filter(|platform| platform.os != NO_IMAGE);
    let found = images.map(|platform| format!("{}/{}", platform.os, platform.architecture)).collect();
    Err(LoadError::NoPlatform { wanted: format!("linux/{}", host_architecture()), found })
}

/// The manifest a descriptor means, through nested indices.
fn manifest(archive: &StagedArchive, descriptor: &Descriptor, depth: usize) -> Result<Manifest, LoadError> {
    let (path, _) = archive.blob(descriptor.digest)?;
    let nested = descriptor.media_type.ends_with(".index.v1+json")
        || descriptor.media_type.ends_with(".manifest.list.v2+json");
    if !nested {
        return archive.document(&path);
    }
    let index: Index = archive.document(&path)?;
    match choose(&index.manifests)?.first() {
        Some(inner) if depth > 0 => manifest(archive, inner, depth - 1),
        Some(_) | None => Err(LoadError::NotAnImage),
    }
}

/// The names a descriptor gives; a lone tag names nothing, as nobody says of what.
fn names(descriptor: &Descriptor) -> Result<Vec<Reference>, LoadError> {
    let annotation = |key| descriptor.annotations.as_ref().and_then(|all| all.get(key));
    if let Some(name) = annotation(IMAGE_NAME) {
        return Ok(vec![parse_name(name)?]);
    }
    match annotation(REF_NAME) {
        Some(name) if name.contains(['/', ':']) => Ok(vec![parse_name(name)?]),
        Some(_) | None => Ok(Vec::new()),
    }
}
