//! Bases that are not here.

use std::sync::Arc;

use image::{Events, Image, LookupError, PullRequest, Reference, Tags};
use tokio::sync::mpsc;

use super::Building;
use crate::{BuildEvent, build::Source, engine::blocking, error::BuildError};

/// Events of a pull that wait to be told.
const QUEUE: usize = 64;

impl Building {
    /// The image of this name, pulled if it is not here, or if `is_stale`.
    pub(super) async fn find_or_pull(&self, name: &str, is_stale: bool) -> Result<Image, BuildError> {
        match self.find(name).await {
            Err(BuildError::Lookup(LookupError::NotFound { .. })) => {}
            found if !is_stale => return found,
            _ => {}
        }
        if let (Some(source), Ok(reference)) = (&self.recipe.spec.source, name.parse::<Reference>()) {
            self.pull(source, reference.or_latest()).await?;
        }
        self.find(name).await
    }

    async fn find(&self, name: &str) -> Result<Image, BuildError> {
        let (images, wanted) = (Arc::clone(&self.engine.images), name.to_owned());
        Ok(blocking(move || images.find(&wanted)).await?)
    }

    /// Pulls an image, and tells how far it is. A pull that nobody wants any more leaves nothing.
    async fn pull(&self, source: &Source, reference: Reference) -> Result<(), BuildError> {
        let name = reference.familiar();
        let credentials = source.credentials.get(reference.domain()).cloned();
        let request = PullRequest { reference, tags: Tags::One, platform: None, credentials };
        let (events, mut told) = mpsc::channel(QUEUE);
        let pulling = source.registry.pull(request, Events::new(events));
        let telling = async {
            while let Some(event) = told.recv().await {
                self.tell(BuildEvent::Pull(event)).await;
            }
        };
        let is_new = tokio::select! {
            (pulled, ()) = async { tokio::join!(pulling, telling) } => pulled?,
            () = self.cancelled() => return Err(BuildError::Cancelled),
        };
        let status = if is_new { "Downloaded newer image for" } else { "Image is up to date for" };
        self.tell(BuildEvent::Status(format!("Status: {status} {name}"))).await;
        Ok(())
    }
}
