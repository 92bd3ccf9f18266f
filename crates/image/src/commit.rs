//! Makes an image of another one: what has changed in its files becomes a layer.

use linux::overlayfs::Overlay;
use thiserror::Error;

use crate::cache;
use crate::config::{HistoryEntry, ImageConfig, ImageDocument, RootfsLayers, host_architecture};
use crate::content::{Scratch, Staged};
use crate::diff::write_layer;
use crate::images::CollectError;
use crate::load::Plan;
use crate::tape::empty_digest;
use crate::{Digest, Image, ImageId, Images, LayerId, LoadError, LookupError, PackError, Reference};

/// One step from an image to the next.
#[derive(Clone, Debug, Default)]
pub struct Step<'a> {
    /// The image it begins with; without one, with nothing.
    pub parent: Option<ImageId>,
    /// The root file system whose changes become a layer. Somebody may be writing to it.
    pub changed: Option<&'a Overlay>,
    /// What containers of the new image are like.
    pub config: ImageConfig,
    pub author: String,
    pub comment: String,
    /// The command that made the changes.
    pub created_by: String,
    /// The new image's name; another image loses it.
    pub name: Option<Reference>,
    /// Under which key [`Images::built`] finds the new image.
    pub cache_key: Option<Digest>,
}

/// Why no image was made.
#[derive(Debug, Error)]
pub enum CommitError {
    #[error(transparent)]
    Lookup(#[from] LookupError),
    #[error("cannot make a layer of what has changed")]
    Layer(#[from] PackError),
    #[error(transparent)]
    Store(#[from] LoadError),
}

impl From<CollectError> for CommitError {
    fn from(error: CollectError) -> Self {
        Self::Store(error.into())
    }
}

impl Images {
    /// Makes an image of another one and what has changed. A step that changes no file makes no layer.
    pub fn commit(&self, step: Step<'_>) -> Result<ImageId, CommitError> {
        self.keeping(|| {
            let parent = step.parent.map(|parent| self.get(parent)).transpose()?;
            let scratch = Scratch::new(&self.unfinished).map_err(LoadError::Io)?;
            let layer = step.changed.map(|overlay| self.stage_layer(overlay, &scratch)).transpose()?;
            // What is equal to nothing, Docker adds neither.
            let layer = layer.filter(|layer| layer.digest != empty_digest());
            self.adopt_step(step, parent.as_ref(), layer, &scratch)
        })
    }

    fn stage_layer(&self, overlay: &Overlay, scratch: &Scratch) -> Result<Staged, CommitError> {
        let staged = scratch.write(|output| write_layer(overlay, output));
        let staged = staged.map_err(LoadError::Io)??;
        let limit = self.limits.bytes;
        if staged.size > limit {
            return Err(LoadError::TooLarge { limit }.into());
        }
        Ok(staged)
    }

    fn adopt_step(
        &self,
        step: Step<'_>,
        parent: Option<&Image>,
        layer: Option<Staged>,
        scratch: &Scratch,
    ) -> Result<ImageId, CommitError> {
        let parsed = document(&step, parent, layer.as_ref().map(|layer| LayerId(layer.digest)));
        let text = serde_json::to_vec(&parsed)
            .map_err(|source| LoadError::Document { path: "config.json".to_owned(), source })?;
        let document = scratch.stage(text.as_slice()).map_err(LoadError::from)?;
        let id = ImageId(document.digest);
        let below = parent.into_iter().flat_map(|parent| &parent.layers);
        let below = below.map(|layer| self.content.staged(layer.blob, layer.blob_size));
        let plan = Plan {
            document,
            parsed,
            blobs: below.chain(layer).collect(),
            names: step.name.map(Reference::or_latest).into_iter().collect(),
            manifest: None,
        };
        self.adopt_and(&[plan], &|_| {}, |change| match step.cache_key {
            Some(key) => cache::remember(change, key, id),
            None => Ok(()),
        })?;
        Ok(id)
    }
}

fn document(step: &Step<'_>, parent: Option<&Image>, layer: Option<LayerId>) -> ImageDocument {
    let now = jiff::Timestamp::now().to_string();
    let before = parent.map(|parent| parent.document.clone());
    let before = before.unwrap_or_else(|| ImageDocument {
        architecture: host_architecture().to_owned(),
        os: "linux".to_owned(),
        ..ImageDocument::default()
    });
    let mut history = before.history;
    history.push(HistoryEntry {
        created: Some(now.clone()),
        created_by: step.created_by.clone(),
        author: step.author.clone(),
        comment: step.comment.clone(),
        empty_layer: layer.is_none(),
    });
    let mut diff_ids = before.rootfs.diff_ids;
    diff_ids.extend(layer);
    ImageDocument {
        created: Some(now),
        author: step.author.clone(),
        comment: step.comment.clone(),
        docker_version: String::new(),
        parent: step.parent.map(|parent| parent.to_string()),
        config: step.config.clone(),
        rootfs: RootfsLayers { kind: "layers".to_owned(), diff_ids },
        history,
        architecture: before.architecture,
        variant: before.variant,
        os: before.os,
    }
}

#[cfg(test)]
mod tests;
