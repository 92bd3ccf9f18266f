//! Volumes as the engine's callers see them.

use std::{path::PathBuf, sync::Arc};

use super::{Engine, blocking};
use crate::{
    ContainerId,
    error::VolumeError,
    volume::{
        self, Stage, Volume, VolumeRecord,
        local::{self, LocalError, Options},
    },
};

/// A volume to be made, or found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeSpec {
    /// Empty for an anonymous one.
    pub name: String,
    /// Empty for the driver of the volume that there is, or `local`.
    pub driver: String,
    pub options: std::collections::BTreeMap<String, String>,
    pub labels: std::collections::BTreeMap<String, String>,
}

/// What can be seen of a volume.
#[derive(Clone, Debug)]
pub struct VolumeInspect {
    pub record: Arc<VolumeRecord>,
    /// Where it is; empty where only a plugin knows.
    pub mountpoint: PathBuf,
    /// Used and allowed bytes, if it has a limit.
    pub limit: Option<linux::quota::Usage>,
    /// How many containers name it, running or not.
    pub users: usize,
    /// `local` or `global`.
    pub scope: &'static str,
    /// What its driver tells.
    pub status: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Engine {
    /// All volumes, by name.
    pub fn volume_list(&self) -> Vec<VolumeInspect> {
        self.volumes.list().iter().map(|volume| self.look_at_volume(volume)).collect()
    }

    /// The volume of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn volume_inspect(&self, name: &str) -> Result<VolumeInspect, VolumeError> {
        Ok(self.look_at_volume(&*self.find_volume(name)?))
    }

    pub(super) fn find_volume(&self, name: &str) -> Result<Arc<Volume>, VolumeError> {
        self.volumes.get(name).ok_or_else(|| VolumeError::NotFound { name: name.to_owned() })
    }

    pub(super) fn look_at_volume(&self, volume: &Volume) -> VolumeInspect {
        let (record, users, scope) = {
            let now = volume.now();
            (Arc::clone(&now.record), now.users.len(), now.scope)
        };
        let limited = record.options.contains_key("size").then(|| self.volumes.path(&volume.id));
        let limit = limited.and_then(|path| linux::quota::usage(&path).ok().flatten());
        let mountpoint = self.volumes.mountpoint(volume);
        VolumeInspect { mountpoint, record, limit, users, scope, status: None }
    }

    /// Makes a volume, or finds it; an empty name makes an anonymous one.
    ///
    /// # Errors
    /// If what is asked for makes no sense, or cannot be had.
    pub async fn volume_create(self: &Arc<Self>, spec: VolumeSpec) -> Result<VolumeInspect, VolumeError> {
        let engine = Arc::clone(self);
        self.whole(async move {
            let volume = engine.ensure_volume(spec, None).await?;
            Ok(engine.look_at_volume(&volume))
        })
        .await
    }

    /// Removes a volume that no container mounts.
    ///
    /// # Errors
    /// If there is none, or a container has it, or its plugin refuses and that is not to be forced.
    pub async fn volume_remove(self: &Arc<Self>, name: &str, force: bool) -> Result<(), VolumeError> {
        let volume = self.find_volume(name)?;
        let engine = Arc::clone(self);
        self.whole(async move { engine.remove_volume(&volume, force).await }).await
    }

    /// Bytes of all files in a local volume that is a plain directory.
    pub async fn volume_size(&self, name: &str) -> Option<u64> {
        let volume = self.volumes.get(name).filter(|volume| volume.record().is_local())?;
        let path = self.volumes.path(&volume.id);
        blocking(move || image::tree_size(&path)).await.ok()
    }

    /// The volume a specification names, made unless it is there, and used by `user` from now on.
    pub(super) async fn ensure_volume(
        &self,
        spec: VolumeSpec,
        user: Option<ContainerId>,
    ) -> Result<Arc<Volume>, VolumeError> {
        if !spec.name.is_empty() {
            volume::check_name(&spec.name)?;
        }
        let name = Some(spec.name.as_str()).filter(|name| !name.is_empty());
        let mut wanted =
            VolumeRecord { labels: spec.labels, options: spec.options, ..VolumeRecord::new(name) };
        if !spec.driver.is_empty() {
            wanted.driver.clone_from(&spec.driver);
        } else if let Some(name) = name.filter(|name| self.volumes.get(name).is_none())
            && let Some((driver, _)) = self.found_anywhere(name).await
        {
            wanted.driver = driver;
        }
        loop {
            let volume = self.volumes.enter(&wanted);
            let _turn = volume.turn.lock().await;
            let stage = volume.now().stage;
            match stage {
                Stage::Gone => continue,
                Stage::Ready => {
                    agree(&volume.record(), &wanted, &spec.driver)?;
                }
                Stage::Making => self.make_volume(&volume).await?,
            }
            volume.now().users.extend(user);
            return Ok(Arc::clone(&volume));
        }
    }

    /// Makes what was entered, whose turn the caller holds; forgets it if that fails.
    async fn make_volume(&self, volume: &Volume) -> Result<(), VolumeError> {
        let record = volume.record();
        let made = self.make_volume_parts(volume, &record).await;
        if made.is_err() {
            self.volumes.forget(volume);
            let directory = self.volumes.directory(&volume.id);
            if let Err(error) = blocking(move || local::remove(&directory)).await {
                tracing::warn!(volume = record.name, error = crate::chain(&error), "a directory is left");
            }
            return made;
        }
        volume.now().stage = Stage::Ready;
        self.tell_volume(&record, "create", &[]);
        Ok(())
    }

    async fn make_volume_parts(&self, volume: &Volume, record: &VolumeRecord) -> Result<(), VolumeError> {
        let name = record.name.clone();
        if !record.is_local() {
            return self.make_at_plugin(volume, record).await;
        }
        let options = local_options(record)?;
        let directory = self.volumes.directory(&volume.id);
        let at = directory.clone();
        let failed = |source| VolumeError::Local { action: "create", name, source };
        blocking(move || local::make(&at, &options)).await.map_err(failed)?;
        self.store.put_volume(record).await?;
        finish(&directory, record);
        Ok(())
    }

    pub(super) async fn remove_volume(&self, volume: &Volume, force: bool) -> Result<(), VolumeError> {
        let _turn = volume.turn.lock().await;
        let record = volume.record();
        let name = record.name.clone();
        {
            let now = volume.now();
            if now.stage == Stage::Gone {
                return Err(VolumeError::NotFound { name });
            }
            if !now.users.is_empty() || now.readers > 0 {
                return Err(VolumeError::InUse { action: "remove", name, users: joined(&now.users) });
            }
        }
        if !record.is_local() {
            self.remove_at_plugin(&record, force).await?;
        }
        let directory = self.volumes.directory(&volume.id);
        // From here on it goes, whatever happens: first to this engine, at the latest to the next.
        let failed = |source| VolumeError::Io { action: "remove", name: name.clone(), source };
        local::condemn(&directory).map_err(failed)?;
        self.store.delete_volume(&volume.id).await?;
        self.volumes.forget(volume);
        let failed = |source: LocalError| VolumeError::Local { action: "remove", name: name.clone(), source };
        blocking(move || local::remove(&directory)).await.map_err(failed)?;
        self.tell_volume(&record, "destroy", &[]);
        Ok(())
    }

    /// Says that a container has gone, and removes its anonymous volumes if that was asked for.
    pub(super) async fn leave_volumes(&self, record: &crate::record::Record, and_remove: bool) {
        for used in record.volumes.values() {
            let Some(volume) = self.volumes.by_id(&used.id) else { continue };
            volume.now().users.remove(&record.id);
            if !used.anonymous || !and_remove {
                continue;
            }
            match self.remove_volume(&volume, false).await {
                // With `--volumes-from` another container has it, too.
                Ok(()) | Err(VolumeError::InUse { .. } | VolumeError::NotFound { .. }) => {}
                Err(error) => {
                    tracing::warn!(volume = used.id, error = crate::chain(&error), "a volume is left");
                }
            }
        }
    }

    pub(super) fn tell_volume(&self, record: &VolumeRecord, action: &str, more: &[(&str, String)]) {
        let driver = [("driver".to_owned(), record.driver.clone())].into_iter();
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        self.tell("volume", action, &record.name, driver.chain(more).collect());
    }
}

/// What the options of a local volume ask for.
pub(super) fn local_options(record: &VolumeRecord) -> Result<Options, VolumeError> {
    let failed = |source| VolumeError::Options { name: record.name.clone(), source };
    Options::parse(&record.options).map_err(failed)
}

/// A volume that is there is the one that was asked for only if it is of that kind.
fn agree(found: &VolumeRecord, wanted: &VolumeRecord, driver: &str) -> Result<(), VolumeError> {
    let name = found.name.clone();
    if !driver.is_empty() && found.driver != wanted.driver {
        return Err(VolumeError::OtherDriver { name, driver: found.driver.clone() });
    }
    if wanted.options.is_empty() || wanted.options == found.options {
        return Ok(());
    }
    let options: Vec<String> =
        found.options.iter().map(|(option, value)| format!("{option}={value}")).collect();
    let options = if options.is_empty() { "none".to_owned() } else { options.join(" ") };
    Err(VolumeError::OtherOptions { name, options })
}

/// The record is kept: what is left of the making does not matter much.
pub(super) fn finish(directory: &std::path::Path, record: &VolumeRecord) {
    if let Err(error) = local::finish(directory) {
        tracing::warn!(volume = record.name, %error, "a volume counts as unfinished until the next start");
    }
}

/// Containers, as Docker lists them.
pub(super) fn joined(users: &std::collections::BTreeSet<ContainerId>) -> String {
    users.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
