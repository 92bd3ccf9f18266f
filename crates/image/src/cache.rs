//! What steps of builds have made before: by parent, instruction and content, to an image.

use crate::store::record;
use crate::store::{Change, Reads, StoreError};
use crate::{Digest, ImageId, Images};

impl Images {
    /// The image that a step of this key has made, if it is still there.
    pub fn built(&self, key: Digest) -> Result<Option<ImageId>, StoreError> {
        let view = self.store.view()?;
        let Some(step) = view.get::<record::Step>(&key.to_string())? else { return Ok(None) };
        Ok(view.get::<record::Image>(&step.image.to_string())?.map(|_| step.image))
    }

    /// All images that steps of builds have made, each once.
    pub fn all_built(&self) -> Result<Vec<ImageId>, StoreError> {
        let view = self.store.view()?;
        let steps = view.all::<record::Step>()?.into_iter().map(|(_, step)| step.image);
        let steps: std::collections::BTreeSet<ImageId> = steps.collect();
        let mut there = Vec::new();
        for image in steps {
            if view.get::<record::Image>(&image.to_string())?.is_some() {
                there.push(image);
            }
        }
        Ok(there)
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
