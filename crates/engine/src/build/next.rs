//! The next image of a chain: what it depends on, and whether it was made before.

use image::{CommitError, Digest, ImageConfig, ImageId, Images, Overlay, StoreError};
use serde::Serialize;

/// A step that is about to become an image.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Next {
    pub(crate) parent: Option<ImageId>,
    /// What containers of the new image are like.
    pub(crate) config: ImageConfig,
    pub(crate) author: String,
    /// The instruction, with what identifies the files that it copies.
    pub(crate) created_by: String,
    #[serde(skip)]
    pub(crate) uses_cache: bool,
}

impl Next {
    /// The image that the same step has made before.
    pub(crate) fn made_before(&self, images: &Images) -> Result<Option<ImageId>, StoreError> {
        if self.uses_cache { images.built(self.key()) } else { Ok(None) }
    }

    /// Makes the image; `changed` has the files that the step has made.
    pub(crate) fn make(&self, images: &Images, changed: Option<&Overlay>) -> Result<ImageId, CommitError> {
        images.commit(image::Step {
            parent: self.parent,
            changed,
            config: self.config.clone(),
            author: self.author.clone(),
            created_by: self.created_by.clone(),
            cache_key: Some(self.key()),
            ..image::Step::default()
        })
    }

    /// The digest of all that the step depends on.
    fn key(&self) -> Digest {
        let text = serde_json::to_vec(self).expect("texts, numbers and maps with texts as keys are JSON");
        Digest::of(&text)
    }
}
