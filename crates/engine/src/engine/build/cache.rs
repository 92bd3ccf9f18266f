//! What builds have made before: shown, and removed.

use std::sync::Arc;

use image::{CachedStep, ImageId};

use crate::{
    Engine,
    build::prune::{PruneBuilds, choose},
    engine::blocking,
    error::PruneBuildsError,
};

impl Engine {
    /// The images without names that steps of builds have made, oldest first.
    ///
    /// # Errors
    /// If the image store cannot be read.
    pub async fn build_cache(&self) -> Result<Vec<CachedStep>, PruneBuildsError> {
        let images = Arc::clone(&self.images);
        Ok(blocking(move || images.cached_steps()).await?)
    }

    /// Removes what is wanted of them, says which, and how many bytes they had. What a
    /// container or a build uses stays.
    ///
    /// # Errors
    /// If the image store fails.
    pub async fn prune_builds(
        &self,
        prune: PruneBuilds,
        wanted: impl Fn(&CachedStep) -> bool + Send + 'static,
    ) -> Result<(Vec<ImageId>, u64), PruneBuildsError> {
        let (images, uses) = (Arc::clone(&self.images), self.image_uses());
        let done = blocking::<Result<_, PruneBuildsError>>(move || {
            let is_used = |step: &CachedStep| uses.iter().any(|used| used.image == step.image);
            let stays = |step: &CachedStep| is_used(step) || !wanted(step);
            let (chosen, bytes) = choose(images.cached_steps()?, prune, stays);
            images.remove_steps(&chosen)?;
            Ok((chosen, bytes))
        });
        let (chosen, bytes) = done.await?;
        self.tell("builder", "prune", "", [("reclaimed".to_owned(), bytes.to_string())].into());
        Ok((chosen, bytes))
    }
}
