//! Volumes renamed, cloned, kept as they are and put back: the driver `local` beyond Docker's.
//!
//! What is copied shares its blocks with the original where the file system can. A copy is
//! made aside and counts when its record is kept; what a crash leaves is removed at the next start.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use linux::root::{Progress, Root, copy_tree};
use tokio::sync::oneshot;

use super::{
    Engine, VolumeInspect, blocking,
    volumes::{finish, joined, local_options},
};
use crate::{
    ContainerId,
    error::VolumeError,
    volume::{
        self, Snapshot, Stage, Volume, VolumeRecord,
        local::{self, LocalError},
    },
};

/// A copy under way, and how it ends.
#[derive(Debug)]
pub struct VolumeCopy {
    pub progress: Arc<Progress>,
    pub outcome: oneshot::Receiver<Result<VolumeInspect, VolumeError>>,
}

/// What a copy is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeTask {
    /// A new volume with the same content and options.
    Clone { name: String, labels: BTreeMap<String, String> },
    /// A state that can be restored. Containers may be frozen meanwhile.
    Snapshot { name: String, pause: bool },
    /// The content of a snapshot instead of what there is.
    Restore { snapshot: String },
}

/// A volume somebody reads from: it stays as long as this value.
struct Reading(Arc<Volume>);

impl Reading {
    fn begin(volume: &Arc<Volume>) -> Self {
        volume.now().readers += 1;
        Self(Arc::clone(volume))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.now().readers -= 1;
    }
}

impl Engine {
    /// Gives a volume another name. Containers that have it keep it.
    ///
    /// # Errors
    /// If there is none, or the new name is taken or none.
    pub async fn volume_rename(self: &Arc<Self>, name: &str, new: &str) -> Result<(), VolumeError> {
        let volume = self.find_volume(name)?;
        volume::check_name(new)?;
        let (engine, new) = (Arc::clone(self), new.to_owned());
        self.whole(async move { engine.rename_volume(&volume, new).await }).await
    }

    async fn rename_volume(&self, volume: &Arc<Volume>, new: String) -> Result<(), VolumeError> {
        let _turn = volume.turn.lock().await;
        let old = volume.record();
        check_plain("rename", &old, true)?;
        if !self.volumes.reserve(&new, volume) {
            return Err(VolumeError::Exists { name: new });
        }
        let record = VolumeRecord { name: new.clone(), anonymous: false, ..VolumeRecord::clone(&old) };
        if let Err(error) = self.store.put_volume(&record).await {
            self.volumes.release(&new);
            return Err(error.into());
        }
        self.volumes.rename(volume, record);
        self.tell_volume(&volume.record(), "rename", &[("oldName", old.name.clone())]);
        Ok(())
    }

    /// Begins to copy a volume, or a state of it.
    ///
    /// # Errors
    /// If it cannot even begin.
    pub fn volume_copy(self: &Arc<Self>, name: &str, task: VolumeTask) -> Result<VolumeCopy, VolumeError> {
        let volume = self.find_volume(name)?;
        let progress = Arc::new(Progress::default());
        let (done, outcome) = oneshot::channel();
        let (engine, seen) = (Arc::clone(self), Arc::clone(&progress));
        self.tasks.spawn(async move {
            let copied = match task {
                VolumeTask::Clone { name, labels } => engine.clone_volume(&volume, name, labels, &seen).await,
                VolumeTask::Snapshot { name, pause } => engine.keep_state(&volume, name, pause, &seen).await,
                VolumeTask::Restore { snapshot } => engine.restore_state(&volume, &snapshot, &seen).await,
            };
            // Who asked may have gone; the copy is there all the same.
            let _nobody_waits = done.send(copied.map(|volume| engine.look_at_volume(&volume)));
        });
        Ok(VolumeCopy { progress, outcome })
    }

    async fn clone_volume(
        &self,
        source: &Arc<Volume>,
        name: String,
        labels: BTreeMap<String, String>,
        progress: &Arc<Progress>,
    ) -> Result<Arc<Volume>, VolumeError> {
        let original = source.record();
        check_plain("clone", &original, false)?;
        volume::check_name(&name)?;
        let options = original.options.clone();
        let record = VolumeRecord { labels, options, ..VolumeRecord::new(Some(&name)) };
        let new = self.volumes.enter(&record);
        if new.id != record.id {
            return Err(VolumeError::Exists { name });
        }
        let turn = new.turn.lock().await;
        let reading = Reading::begin(source);
        let made = self.make_clone(source, &record, progress).await;
        drop(reading);
        if let Err(error) = made {
            self.volumes.forget(&new);
            let directory = self.volumes.directory(&new.id);
            if let Err(error) = blocking(move || local::remove(&directory)).await {
                tracing::warn!(volume = name, error = crate::chain(&error), "an unfinished clone is left");
            }
            return Err(error);
        }
        new.now().stage = Stage::Ready;
        self.tell_volume(&record, "create", &[("clonedFrom", original.name.clone())]);
        drop(turn);
        Ok(new)
    }

    async fn make_clone(
        &self,
        source: &Volume,
        record: &VolumeRecord,
        progress: &Arc<Progress>,
    ) -> Result<(), VolumeError> {
        let options = local_options(record)?;
        let directory = self.volumes.directory(&record.id);
        let (at, from) = (directory.clone(), self.volumes.path(&source.id));
        let progress = Arc::clone(progress);
        let copy = move || {
            local::make(&at, &options)?;
            copy(&from, &at.join(local::DATA), &progress)
        };
        blocking(copy).await.map_err(failed("clone", record))?;
        self.store.put_volume(record).await?;
        finish(&directory, record);
        Ok(())
    }

    async fn keep_state(
        &self,
        volume: &Arc<Volume>,
        name: String,
        pause: bool,
        progress: &Arc<Progress>,
    ) -> Result<Arc<Volume>, VolumeError> {
        let _turn = volume.turn.lock().await;
        let old = volume.record();
        check_plain("snapshot", &old, false)?;
        if !crate::spec::is_name(&name) {
            return Err(VolumeError::SnapshotName { name });
        }
        if old.snapshots.contains_key(&name) {
            return Err(VolumeError::SnapshotExists { name: old.name.clone(), snapshot: name });
        }
        let snapshot = Snapshot { id: ContainerId::random().to_string(), created: Timestamp::now() };
        let directory = self.volumes.directory(&volume.id);
        let (seen, id) = (Arc::clone(progress), snapshot.id.clone());
        let frozen = if pause { self.freeze_users(volume).await } else { Vec::new() };
        let kept = blocking(move || keep(&directory, &id, &seen)).await;
        for client in frozen {
            // One that has ended meanwhile needs no thaw.
            drop(client.resume().await);
        }
        kept.map_err(failed("snapshot", &old))?;
        let mut record = VolumeRecord::clone(&old);
        record.snapshots.insert(name, snapshot);
        self.store.put_volume(&record).await?;
        volume.now().record = Arc::new(record);
        Ok(Arc::clone(volume))
    }

    /// Freezes the containers that have a volume mounted and run.
    async fn freeze_users(&self, volume: &Volume) -> Vec<crate::process::Client> {
        let users: Vec<ContainerId> = volume.now().mounts.iter().copied().collect();
        let mut frozen = Vec::new();
        for container in users.iter().filter_map(|id| self.registry.get(id)) {
            let runs = matches!(container.record().state, crate::State::Running(_));
            if let Some(client) = container.client().filter(|_| runs)
                && client.pause().await.is_ok()
            {
                frozen.push(client);
            }
        }
        frozen
    }

    async fn restore_state(
        &self,
        volume: &Arc<Volume>,
        snapshot: &str,
        progress: &Arc<Progress>,
    ) -> Result<Arc<Volume>, VolumeError> {
        let _turn = volume.turn.lock().await;
        let record = volume.record();
        let id = find_snapshot(&record, snapshot)?;
        {
            let now = volume.now();
            if !now.mounts.is_empty() || now.readers > 0 {
                let (name, users) = (record.name.clone(), joined(&now.mounts));
                return Err(VolumeError::InUse { action: "restore", name, users });
            }
        }
        let options = local_options(&record)?;
        let (directory, seen) = (self.volumes.directory(&volume.id), Arc::clone(progress));
        let put_back = move || {
            let (data, new) = (directory.join(local::DATA), directory.join(local::INCOMPLETE));
            local::make_data(&new, &options)?;
            copy(&directory.join(local::SNAPSHOTS).join(&id), &new, &seen)?;
            local::exchange(&data, &new)
        };
        blocking(put_back).await.map_err(failed("restore", &record))?;
        Ok(Arc::clone(volume))
    }

    /// Forgets a state that was kept.
    ///
    /// # Errors
    /// If there is none, or it cannot be removed.
    pub async fn volume_forget_snapshot(
        self: &Arc<Self>,
        name: &str,
        snapshot: &str,
    ) -> Result<(), VolumeError> {
        let volume = self.find_volume(name)?;
        let (engine, snapshot) = (Arc::clone(self), snapshot.to_owned());
        self.whole(async move { engine.forget_state(&volume, &snapshot).await }).await
    }

    async fn forget_state(&self, volume: &Volume, snapshot: &str) -> Result<(), VolumeError> {
        let _turn = volume.turn.lock().await;
        let mut record = VolumeRecord::clone(&volume.record());
        let id = find_snapshot(&record, snapshot)?;
        record.snapshots.remove(snapshot);
        self.store.put_volume(&record).await?;
        let path = self.volumes.directory(&volume.id).join(local::SNAPSHOTS).join(id);
        let name = record.name.clone();
        volume.now().record = Arc::new(record);
        let failed = |source| VolumeError::Io { action: "remove the snapshot of", name, source };
        blocking(move || volume::remove_tree(&path)).await.map_err(failed)
    }
}

fn find_snapshot(record: &VolumeRecord, snapshot: &str) -> Result<String, VolumeError> {
    let missing = || VolumeError::NoSnapshot { name: record.name.clone(), snapshot: snapshot.to_owned() };
    record.snapshots.get(snapshot).map(|found| found.id.clone()).ok_or_else(missing)
}

/// Only a directory of ours can be copied; what a name is good for, every local volume.
fn check_plain(action: &'static str, record: &VolumeRecord, any_local: bool) -> Result<(), VolumeError> {
    if record.is_local() && (any_local || !record.options.contains_key("type")) {
        return Ok(());
    }
    Err(VolumeError::NotPlain { action, name: record.name.clone() })
}

fn failed(action: &'static str, record: &VolumeRecord) -> impl FnOnce(LocalError) -> VolumeError + use<> {
    let name = record.name.clone();
    move |source| VolumeError::Local { action, name, source }
}

fn copy(from: &Path, to: &Path, progress: &Progress) -> Result<(), LocalError> {
    let failed = |source| LocalError::Io { step: "copy", path: from.to_owned(), source };
    let roots = Root::open(from).and_then(|from| Ok((from, Root::open(to)?)));
    roots.and_then(|(from, to)| copy_tree(&from, &to, progress)).map_err(failed)
}

/// Copies a volume's data aside, and then to its place.
fn keep(directory: &Path, id: &str, progress: &Progress) -> Result<(), LocalError> {
    let failed = |path: &Path| {
        let path: PathBuf = path.to_owned();
        move |source| LocalError::Io { step: "make", path, source }
    };
    let (new, all) = (directory.join(local::INCOMPLETE), directory.join(local::SNAPSHOTS));
    volume::remove_tree(&new).map_err(failed(&new))?;
    std::fs::create_dir(&new).map_err(failed(&new))?;
    copy(&directory.join(local::DATA), &new, progress)?;
    std::fs::create_dir_all(&all).map_err(failed(&all))?;
    std::fs::rename(&new, all.join(id)).map_err(failed(&all))
}
