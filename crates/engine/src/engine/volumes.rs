//! Volumes as the engine's callers see them.

use std::sync::Arc;

use super::{Engine, shown};
use crate::{
    error::{CreateError, VolumeError},
    volume::{self, VolumeRecord},
};

impl Engine {
    /// All volumes, by name.
    pub fn volume_list(&self) -> Vec<VolumeRecord> {
        self.volumes.list()
    }

    /// The volume of this name, and where it lies.
    ///
    /// # Errors
    /// If there is none.
    pub fn volume_inspect(&self, name: &str) -> Result<(VolumeRecord, std::path::PathBuf), VolumeError> {
        let found = self.volumes.get(name).ok_or_else(|| VolumeError::NotFound { name: name.to_owned() })?;
        Ok((found, self.volumes.path(name)))
    }

    /// Makes a volume, or finds it; an empty name makes an anonymous one.
    ///
    /// # Errors
    /// If the name is none, or the volume cannot be kept.
    pub async fn volume_create(
        self: &Arc<Self>,
        name: &str,
        labels: std::collections::BTreeMap<String, String>,
    ) -> Result<VolumeRecord, VolumeError> {
        if !name.is_empty() && !crate::spec::is_name(name) {
            return Err(VolumeError::Name { name: name.to_owned() });
        }
        let base = if name.is_empty() { volume::anonymous() } else { volume::named(name) };
        let record = VolumeRecord { labels, ..base };
        self.ensure_volume(record.clone()).await.map_err(|error| VolumeError::Make(Box::new(error)))?;
        Ok(self.volumes.get(&record.name).unwrap_or(record))
    }

    /// Removes a volume that no container mounts.
    ///
    /// # Errors
    /// If there is none, or a container has it.
    pub async fn volume_remove(&self, name: &str) -> Result<(), VolumeError> {
        self.volume_inspect(name)?;
        let users: Vec<_> = self.volume_users(name).collect();
        if !users.is_empty() {
            return Err(VolumeError::InUse { name: name.to_owned(), users: users.join(", ") });
        }
        self.discard_volume(name).await;
        Ok(())
    }

    fn volume_users<'a>(&self, name: &'a str) -> impl Iterator<Item = String> + use<'a> {
        let uses = move |container: Arc<crate::container::Container>| {
            let record = container.record();
            record.volumes.values().any(|used| used.name == name).then(|| record.id.to_string())
        };
        self.registry.all().into_iter().filter_map(uses)
    }

    /// Makes a volume unless it is there.
    pub(super) async fn ensure_volume(&self, record: VolumeRecord) -> Result<(), CreateError> {
        let failed =
            |source| CreateError::Directory { path: shown(&self.volumes.path(&record.name)), source };
        if self.volumes.ensure(&record).map_err(failed)? {
            self.store.put_volume(&record).await?;
            self.tell("volume", "create", &record.name, [("driver".to_owned(), "local".to_owned())].into());
        }
        Ok(())
    }

    /// Removes a volume; what stays is logged.
    pub(super) async fn discard_volume(&self, name: &str) {
        if let Err(error) = self.store.delete_volume(name).await {
            tracing::warn!(volume = name, error = crate::chain(&error), "a volume's record is left");
        }
        if let Err(error) = self.volumes.remove(name) {
            tracing::warn!(volume = name, %error, "a volume's data is left");
        }
        self.tell("volume", "destroy", name, [("driver".to_owned(), "local".to_owned())].into());
    }
}
