//! Making an image of a container, and telling what it has changed.

use std::sync::Arc;

use image::{FileChange, ImageConfig, ImageId, Reference, Step};

use super::{Engine, blocking};
use crate::{
    State,
    container::Container,
    error::{ChangesError, CommitError},
    process,
};

/// What an image of a container is told about itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Commit {
    pub name: Option<Reference>,
    pub config: ImageConfig,
    pub author: String,
    pub comment: String,
    /// Freeze the container meanwhile, so that its files fit together.
    pub pause: bool,
}

impl Engine {
    /// Makes an image of what a container has changed.
    ///
    /// # Errors
    /// If there is no such container, its root is no image, or the image cannot be made.
    pub async fn commit(self: &Arc<Self>, term: &str, commit: Commit) -> Result<ImageId, CommitError> {
        let container = self.registry.find(term)?;
        let engine = Arc::clone(self);
        self.whole(async move { engine.commit_whole(&container, commit).await }).await
    }

    async fn commit_whole(&self, container: &Container, commit: Commit) -> Result<ImageId, CommitError> {
        let _turn = container.turn().await?;
        let pauses = commit.pause && matches!(container.record().state, State::Running(_));
        if pauses {
            self.pause_now(container).await?;
        }
        let made = self.make_image(container, commit).await;
        if pauses {
            self.unpause_now(container).await?;
        }
        made
    }

    async fn make_image(&self, container: &Container, commit: Commit) -> Result<ImageId, CommitError> {
        let record = container.record();
        let Some(parent) = record.image.as_ref().and_then(|image| image.parse().ok()) else {
            return Err(CommitError::NoImage { id: record.id.to_string() });
        };
        let Commit { name, config, author, comment, pause: _ } = commit;
        let (id, images) = (record.id.to_string(), Arc::clone(&self.images));
        let created_by = process::arguments(&record.spec).join(" ");
        let attributes = [
            ("comment", comment.clone()),
            ("imageRef", name.as_ref().map(Reference::familiar).unwrap_or_default()),
        ];
        let made = blocking(move || -> Result<ImageId, CommitError> {
            let rootfs = images.snapshots().find(&id)?;
            let changed = rootfs.and_then(|rootfs| rootfs.overlay);
            let changed = changed.as_ref();
            Ok(images.commit(Step {
                parent: Some(parent),
                changed,
                config,
                author,
                comment,
                created_by,
                name,
                cache_key: None,
            })?)
        })
        .await?;
        let [comment, reference] = attributes;
        self.tell_container(&record, "commit", &[comment, ("imageID", made.to_string()), reference]);
        Ok(made)
    }

    /// What a container has changed in its files, sorted by path.
    ///
    /// # Errors
    /// If there is no such container, or its files cannot be read.
    pub async fn changes(&self, term: &str) -> Result<Vec<FileChange>, ChangesError> {
        let container = self.registry.find(term)?;
        let (id, images) = (container.id.to_string(), Arc::clone(&self.images));
        Ok(blocking(move || images.snapshots().changes(&id)).await?)
    }
}
