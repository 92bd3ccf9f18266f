//! Archives of `docker save`: `manifest.json` lists the images.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::staged::StagedArchive;
use super::{LoadError, Plan, parse_name, plan};
use crate::Reference;

pub(super) const MANIFEST: &str = "manifest.json";
/// Repository → tag → the directory of its topmost layer; older than the manifest.
const REPOSITORIES: &str = "repositories";

type Repositories = BTreeMap<String, BTreeMap<String, String>>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ManifestItem {
    /// The path of the configuration.
    config: String,
    repo_tags: Option<Vec<String>>,
    /// Paths of archives, lowest first.
    layers: Option<Vec<String>>,
}

pub(super) fn plans(archive: &StagedArchive) -> Result<Vec<Plan>, LoadError> {
    let items: Vec<ManifestItem> = archive.document(MANIFEST)?;
    let repositories: Repositories =
        if archive.has(REPOSITORIES) { archive.document(REPOSITORIES)? } else { Repositories::new() };
    items.iter().map(|item| item_plan(archive, item, &repositories)).collect()
}

fn item_plan(
    archive: &StagedArchive,
    item: &ManifestItem,
    repositories: &Repositories,
) -> Result<Plan, LoadError> {
    let layers = item.layers.as_deref().unwrap_or_default();
    let blobs = layers.iter().map(|path| archive.file(path).cloned()).collect::<Result<_, _>>()?;
    let tags = item.repo_tags.as_deref().unwrap_or_default();
    let mut names = tags.iter().map(|tag| parse_name(tag)).collect::<Result<Vec<_>, _>>()?;
    for name in older_names(layers, repositories)? {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    plan(archive, (&item.config, archive.file(&item.config)?), blobs, names)
}

/// The names that `repositories` gives to the image with this topmost layer.
fn older_names(layers: &[String], repositories: &Repositories) -> Result<Vec<Reference>, LoadError> {
    let Some((top, _)) = layers.last().and_then(|path| path.rsplit_once('/')) else {
        return Ok(Vec::new());
    };
    let tags = repositories.iter().flat_map(|(name, tags)| tags.iter().map(move |(tag, id)| (name, tag, id)));
    tags.filter(|(_, _, id)| *id == top).map(|(name, tag, _)| parse_name(&format!("{name}:{tag}"))).collect()
}
