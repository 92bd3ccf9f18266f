//! What a container mounts: volumes and the host's files, found, filled and made ready.
//!
//! The runtime mounts by path. What is more than a path (a part of a volume that cannot be left,
//! files with other owners) is mounted on a stage of the engine's own first, from where the
//! runtime takes it; the stage is gone once the container has its own mounts.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use linux::{
    mount::{Reach, Tree, unmount_lazily},
    root::{Progress, Root, copy_tree},
};
use runtime::spec::Mount;

use super::{Engine, blocking, shown, volume_plugins::at_plugin, volumes::local_options};
use crate::{
    BindOptions, ContainerId, MountKind, MountSpec, Propagation,
    error::{CreateError, MountError, StartError, VolumeError},
    process,
    record::Record,
    rootfs,
    volume::{self, Volume, VolumeRecord, local},
};

impl Engine {
    /// Makes every mount's source ready, in the order in which they are asked for.
    pub(super) async fn asked_mounts(&self, record: &Record) -> Result<Vec<Mount>, StartError> {
        let mut mounts = Vec::new();
        for (number, mount) in record.spec.mounts.iter().enumerate() {
            let stage = self.stage(&record.id).join(number.to_string());
            let source = match &mount.kind {
                MountKind::Tmpfs { .. } => continue,
                MountKind::Bind { source, options } => {
                    let (source, options) = (source.clone(), options.clone());
                    blocking(move || bind_source(&source, &options, &stage)).await?
                }
                MountKind::Volume { subpath, .. } => {
                    let Some(used) = record.volumes.get(&mount.target) else { continue };
                    let Some(volume) = self.volumes.by_id(&used.id) else { continue };
                    let path = self.mount_volume(&volume, record.id).await?;
                    self.tell_mounted(&volume, record, mount);
                    match subpath.clone() {
                        Some(below) => blocking(move || part(&path, &below, &stage)).await?,
                        None => path,
                    }
                }
            };
            mounts.push(process::bind(mount, source));
        }
        Ok(mounts)
    }

    /// Mounts a volume for a container, unless it has it, and tells where it is.
    pub(super) async fn mount_volume(
        &self,
        volume: &Volume,
        user: ContainerId,
    ) -> Result<PathBuf, MountError> {
        let _turn = volume.turn.lock().await;
        let record = volume.record();
        if !record.is_local() {
            return self.mount_at_plugin(volume, &record, user).await;
        }
        let path = self.volumes.mountpoint(volume);
        let failed = |source| MountError::Volume { path: shown(&path), source: Box::new(source) };
        let options = local_options(&record).map_err(failed)?;
        let at = path.clone();
        let name = record.name.clone();
        let not_mounted = |source| failed(VolumeError::Local { action: "mount", name, source });
        blocking(move || local::mount(&at, &options)).await.map_err(not_mounted)?;
        volume.now().mounts.insert(user);
        Ok(path)
    }

    /// Each container mounts it; the plugin counts.
    async fn mount_at_plugin(
        &self,
        volume: &Volume,
        record: &VolumeRecord,
        user: ContainerId,
    ) -> Result<PathBuf, MountError> {
        let has_it = volume.now().mounts.contains(&user);
        if let Some(path) = volume.now().mountpoint.clone().filter(|_| has_it) {
            return Ok(path);
        }
        let failed = |source| MountError::Volume { path: record.name.clone(), source: Box::new(source) };
        let driver = self.driver(record).await.map_err(failed)?;
        let mounted = driver.mount(&record.name, &user.to_string()).await;
        let path = mounted.map_err(|source| failed(at_plugin("mount", record, source)))?;
        let mut now = volume.now();
        now.mounts.insert(user);
        now.mountpoint = Some(path.clone());
        Ok(path)
    }

    async fn unmount_at_plugin(&self, record: &VolumeRecord, user: ContainerId) {
        let unmounted = async {
            let driver = self.driver(record).await?;
            let unmounted = driver.unmount(&record.name, &user.to_string()).await;
            unmounted.map_err(|source| at_plugin("unmount", record, source))
        };
        if let Err(error) = unmounted.await {
            tracing::warn!(volume = record.name, error = crate::chain(&error), "a volume stays mounted");
        }
    }

    /// Gives a volume back; the last who had it mounted unmounts it.
    pub(super) async fn unmount_volume(&self, volume: &Volume, user: ContainerId) {
        let _turn = volume.turn.lock().await;
        let record = volume.record();
        let (had_it, is_last) = {
            let mut now = volume.now();
            let had_it = now.mounts.remove(&user);
            if now.mounts.is_empty() {
                now.mountpoint = None;
            }
            (had_it, had_it && now.mounts.is_empty())
        };
        if !record.is_local() {
            if had_it {
                self.unmount_at_plugin(&record, user).await;
            }
            return;
        }
        if !is_last || !record.options.contains_key("type") {
            return;
        }
        let path = self.volumes.path(&volume.id);
        if let Err(error) = blocking(move || local::unmount(&path)).await {
            tracing::warn!(volume = record.name, error = crate::chain(&error), "a volume stays mounted");
        }
    }

    /// Gives back all volumes of a container that has ended.
    pub(super) async fn release_volumes(&self, record: &Record) {
        for used in record.volumes.values() {
            let Some(volume) = self.volumes.by_id(&used.id) else { continue };
            let was_mounted = volume.now().mounts.contains(&record.id);
            if was_mounted {
                self.unmount_volume(&volume, record.id).await;
                let container = ("container", record.id.to_string());
                self.tell_volume(&volume.record(), "unmount", &[container]);
            }
        }
    }

    /// Unmounts what an earlier engine had mounted and nobody has any more.
    pub(super) fn unmount_unused(&self) {
        for volume in self.volumes.list() {
            let (record, is_used) = {
                let now = volume.now();
                (Arc::clone(&now.record), !now.mounts.is_empty())
            };
            if is_used || !record.is_local() || !record.options.contains_key("type") {
                continue;
            }
            if let Err(error) = local::unmount(&self.volumes.path(&volume.id)) {
                tracing::warn!(volume = record.name, error = crate::chain(&error), "a volume stays mounted");
            }
        }
    }

    fn tell_mounted(&self, volume: &Volume, record: &Record, mount: &MountSpec) {
        let facts = [
            ("container", record.id.to_string()),
            ("destination", mount.target.clone()),
            ("propagation", String::new()),
            ("read/write", (!mount.read_only).to_string()),
        ];
        self.tell_volume(&volume.record(), "mount", &facts);
    }

    /// Fills empty volumes with what the image has where they are mounted, owner and mode included.
    pub(super) async fn fill_volumes(&self, record: &Record) -> Result<(), CreateError> {
        let wanted = record.spec.mounts.iter().filter_map(|mount| match &mount.kind {
            MountKind::Volume { no_copy: false, subpath: None, .. } => {
                Some((mount, self.volumes.by_id(&record.volumes.get(&mount.target)?.id)?))
            }
            MountKind::Volume { .. } | MountKind::Bind { .. } | MountKind::Tmpfs { .. } => None,
        });
        let wanted: Vec<(&MountSpec, Arc<Volume>)> = wanted.collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let (images, id) = (Arc::clone(&self.images), record.id);
        let root = blocking(move || rootfs::mount(&images, &id)).await?;
        let mut outcome = Ok(());
        for (mount, volume) in &wanted {
            outcome = self.fill_volume(&root, mount, volume, id).await;
            if outcome.is_err() {
                break;
            }
        }
        let images = Arc::clone(&self.images);
        blocking(move || rootfs::unmount(&images, &id)).await?;
        outcome
    }

    async fn fill_volume(
        &self,
        root: &Path,
        mount: &MountSpec,
        volume: &Volume,
        user: ContainerId,
    ) -> Result<(), CreateError> {
        let data = self.mount_volume(volume, user).await?;
        let (root, target) = (root.to_owned(), PathBuf::from(&mount.target));
        let filled = blocking(move || fill(&root, &target, &data)).await;
        self.unmount_volume(volume, user).await;
        let failed = |source: io::Error| {
            if source.kind() == io::ErrorKind::NotADirectory {
                return CreateError::MountOverFile { target: mount.target.clone() };
            }
            CreateError::Fill { name: volume.record().name.clone(), source }
        };
        filled.map_err(failed)
    }

    /// Where mounts of a container are put together before it takes them over.
    fn stage(&self, id: &ContainerId) -> PathBuf {
        self.config.exec_root.join("stages").join(id.to_string())
    }

    /// Takes a container's stage down. Its own mounts stay.
    pub(super) async fn clear_stage(&self, id: &ContainerId) {
        let stage = self.stage(id);
        let shown = shown(&stage);
        if let Err(error) = blocking(move || clear(&stage)).await {
            tracing::warn!(path = shown, %error, "a stage is left");
        }
    }

    /// Takes down the stages of an earlier engine.
    pub(super) fn clear_stages(&self) {
        let stages = std::fs::read_dir(self.config.exec_root.join("stages"));
        for entry in stages.into_iter().flatten().flatten() {
            if let Err(error) = clear(&entry.path()) {
                tracing::warn!(path = %entry.path().display(), %error, "a stage is left");
            }
        }
    }
}

/// A file or directory of the host, with other owners if that was asked for.
fn bind_source(source: &Path, options: &BindOptions, stage: &Path) -> Result<PathBuf, StartError> {
    if options.create_source && !source.exists() {
        let failed = |error| StartError::Files { what: "bind source", source: error };
        std::fs::create_dir_all(source).map_err(failed)?;
    }
    if !source.exists() {
        return Err(StartError::NoBindSource { path: shown(source) });
    }
    if options.follow && source.is_dir() {
        return Err(MountError::FollowedDirectory { path: shown(source) }.into());
    }
    check_propagation(source, options.propagation)?;
    let Some(map) = &options.id_map else { return Ok(source.to_owned()) };
    let failed = |error: linux::mount::MountError| MountError::IdMap {
        path: shown(source),
        file_system: linux::mount::file_system_of(source).unwrap_or_else(|_| "unknown".to_owned()),
        source: error.source,
    };
    let reach = if options.non_recursive { Reach::ThisMount } else { Reach::AllBelow };
    let tree = Tree::copy(source, reach).map_err(failed)?;
    tree.map_ids(&map.extents(), reach).map_err(failed)?;
    on_stage(tree, source.is_dir(), stage).map_err(|error| MountError::Stage { source: error })?;
    Ok(stage.to_owned())
}

/// What is mounted on one side can show on the other only where the host lets it (moby `daemon/oci_linux.go`).
fn check_propagation(source: &Path, asked: Propagation) -> Result<(), MountError> {
    let wanted: &[&str] = match asked {
        Propagation::Private | Propagation::Rprivate => return Ok(()),
        Propagation::Shared | Propagation::Rshared => &["shared:"],
        Propagation::Slave | Propagation::Rslave => &["shared:", "master:"],
    };
    let source = std::fs::canonicalize(source).unwrap_or_else(|_| source.to_owned());
    let Ok(mount) = linux::mount::mount_of(&source) else { return Ok(()) };
    let is_wanted = |tag: &String| wanted.iter().any(|start| tag.starts_with(start));
    if mount.propagation.iter().any(is_wanted) {
        return Ok(());
    }
    Err(MountError::Propagation {
        path: shown(&source),
        target: shown(&mount.target),
        what: if wanted.len() == 1 { "shared" } else { "shared or slave" },
    })
}

/// A part of a volume, which no link leads out of.
fn part(volume: &Path, below: &str, stage: &Path) -> Result<PathBuf, MountError> {
    let failed = |source: io::Error| {
        let escapes = source.kind() == io::ErrorKind::CrossesDevices;
        let path = shown(&volume.join(below));
        if escapes { MountError::Escapes { path } } else { MountError::Part { path, source } }
    };
    let found = Root::open_strict(volume).and_then(|root| root.find(Path::new(below))).map_err(failed)?;
    let is_directory = std::fs::File::from(found.try_clone().map_err(failed)?).metadata().map_err(failed)?;
    let tree = Tree::copy_at(&found, Reach::AllBelow).map_err(|error| failed(error.source))?;
    on_stage(tree, is_directory.is_dir(), stage).map_err(|source| MountError::Stage { source })?;
    Ok(stage.to_owned())
}

/// Attaches a mount on a place of our own.
fn on_stage(tree: Tree, is_directory: bool, stage: &Path) -> io::Result<()> {
    std::fs::create_dir_all(stage.parent().unwrap_or(stage))?;
    if is_directory {
        std::fs::create_dir(stage)?;
    } else {
        std::fs::write(stage, "")?;
    }
    tree.attach(stage).map_err(|error| error.source)
}

fn clear(stage: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(stage) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        unmount_lazily(&entry?.path()).map_err(|error| error.source)?;
    }
    volume::remove_tree(stage)
}

/// Copies what a root file system has at `target` into an empty directory.
fn fill(root: &Path, target: &Path, data: &Path) -> io::Result<()> {
    let root = Root::open(root)?;
    let from = match root.dir(target) {
        Ok(from) => from,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let to = Root::open(data)?;
    if !to.top().names()?.is_empty() {
        return Ok(());
    }
    copy_tree(&Root::from_fd(from.into_fd()), &to, &Progress::default())
}
