//! What containers take up on disk.

use std::sync::Arc;

use super::{Engine, blocking};
use crate::ContainerId;

/// Bytes of a container's files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContainerSizes {
    /// What it has written.
    pub written: u64,
    /// All that it sees of its image, and what it has written.
    pub root: u64,
    /// Its log, and what else the engine keeps for it.
    pub kept: u64,
}

impl Engine {
    /// What a container takes up; nothing of one that is gone.
    pub async fn container_sizes(&self, id: &ContainerId) -> ContainerSizes {
        let (images, directory, id) = (Arc::clone(&self.images), self.directory(id), id.to_string());
        let image = self.registry.find(&id).ok().and_then(|container| container.record().image.clone());
        blocking(move || {
            let written = images.snapshots().size(&id).unwrap_or(0);
            let below = image.and_then(|image| images.get(image.parse().ok()?).ok());
            let root = written + below.map_or(0, |image| image.size());
            ContainerSizes { written, root, kept: image::tree_size(&directory).unwrap_or(0) }
        })
        .await
    }
}
