//! What steps of builds have made before: by parent, instruction and content, to an image.
//!
//! Such an image without a name is the cache. One that an image of somebody's was built on
//! makes its next build faster; the others are there for builds that may never come.

use std::collections::{BTreeMap, BTreeSet};

use crate::images::CollectError;
use crate::store::record;
use crate::store::{Change, Reads, StoreError};
use crate::{Digest, Image, ImageId, Images, LayerId, LookupError, RemoveError};

/// An image without a name that a step of a build has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedStep {
    pub image: ImageId,
    /// The image the step began with.
    pub parent: Option<ImageId>,
    /// The instruction.
    pub created_by: String,
    /// RFC 3339.
    pub created: String,
    /// Bytes of the layer that the step has made.
    pub size: u64,
    /// An image that is no part of the cache has the layer, too, or another step does.
    pub is_shared: bool,
    /// An image that is no part of the cache was built on it.
    pub is_needed: bool,
}

impl Images {
    /// The image that a step of this key has made, if it is still there.
    pub fn built(&self, key: Digest) -> Result<Option<ImageId>, StoreError> {
        let view = self.store.view()?;
        let Some(step) = view.get::<record::Step>(&key.to_string())? else { return Ok(None) };
        Ok(view.get::<record::Image>(&step.image.to_string())?.map(|_| step.image))
    }

    /// The whole cache, oldest first.
    pub fn cached_steps(&self) -> Result<Vec<CachedStep>, LookupError> {
        let steps = self.store.view()?.all::<record::Step>()?;
        let built = steps.into_iter().map(|(_, step)| step.image).collect();
        Ok(cache_of(&self.list()?, &built))
    }

    /// Removes steps; what was built on them stays.
    pub fn remove_steps(&self, steps: &[ImageId]) -> Result<(), RemoveError> {
        self.store.change(|change| {
            steps.iter().try_for_each(|step| change.remove::<record::Image>(&step.to_string()))
        })?;
        self.collect_garbage().map_err(|error| match error {
            CollectError::Io(error) => RemoveError::Io(error),
            CollectError::Store(error) => error.into(),
        })
    }
}

/// Remembers what a step has made, in the same commit as the image.
pub(crate) fn remember(change: &Change, key: Digest, image: ImageId) -> Result<(), StoreError> {
    change.put(&key.to_string(), &record::Step::new(image))
}

/// Forgets what made images that are gone.
pub(crate) fn forget_gone(change: &Change) -> Result<(), StoreError> {
    for (key, step) in change.all::<record::Step>()? {
        if change.get::<record::Image>(&step.image.to_string())?.is_none() {
            change.remove::<record::Step>(&key)?;
        }
    }
    Ok(())
}

fn parent(image: &Image) -> Option<ImageId> {
    image.document.parent.as_ref().and_then(|parent| parent.parse().ok())
}

fn cache_of(images: &[Image], built: &BTreeSet<ImageId>) -> Vec<CachedStep> {
    let by_id: BTreeMap<ImageId, &Image> = images.iter().map(|image| (image.id, image)).collect();
    let is_cache = |image: &&Image| image.names.is_empty() && built.contains(&image.id);
    let (cache, others): (Vec<&Image>, Vec<&Image>) = images.iter().partition(is_cache);
    let mut needed = BTreeSet::new();
    for image in &others {
        let mut above = parent(image);
        while let Some(id) = above.filter(|id| needed.insert(*id)) {
            above = by_id.get(&id).and_then(|image| parent(image));
        }
    }
    let mut layers: BTreeSet<LayerId> =
        others.iter().flat_map(|image| &image.layers).map(|layer| layer.id).collect();
    let mut steps: Vec<_> = cache.into_iter().collect();
    steps.sort_by_key(|image| (image.document.created.clone(), image.id));
    let step = |image: &Image| {
        let above = parent(image).and_then(|id| by_id.get(&id));
        let own =
            image.layers.last().filter(|_| above.is_none_or(|above| above.layers.len() < image.layers.len()));
        CachedStep {
            image: image.id,
            parent: parent(image),
            created_by: image.document.history.last().map(|line| line.created_by.clone()).unwrap_or_default(),
            created: image.document.created.clone().unwrap_or_default(),
            size: own.map_or(0, |layer| layer.size),
            is_shared: own.is_some_and(|layer| !layers.insert(layer.id)),
            is_needed: needed.contains(&image.id),
        }
    };
    steps.into_iter().map(step).collect()
}
