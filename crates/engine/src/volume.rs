//! Volumes: directories that outlive containers.
//!
//! A volume's data lies in `volumes/<id>/_data` below the data root. Its name is in its record
//! only: no name becomes a path, and a renamed volume stays where it is.

pub(crate) mod local;
pub(crate) mod plugin;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ContainerId, error::VolumeError, record::time};

/// The driver of volumes that are directories of ours.
pub const LOCAL: &str = "local";

/// A volume as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeRecord {
    /// What containers refer to it by, and its directory is called. The first engines stored
    /// none and took the name.
    #[serde(default)]
    pub id: String,
    pub name: String,
    #[serde(with = "time")]
    pub created: Timestamp,
    pub labels: BTreeMap<String, String>,
    /// Nobody gave it a name.
    pub anonymous: bool,
    #[serde(default = "local")]
    pub driver: String,
    /// The driver's options, as they were given.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// States that can be restored, by name.
    #[serde(default)]
    pub snapshots: BTreeMap<String, Snapshot>,
}

/// A state of a volume that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// What its directory is called.
    pub id: String,
    #[serde(with = "time")]
    pub created: Timestamp,
}

fn local() -> String {
    LOCAL.to_owned()
}

impl VolumeRecord {
    /// A volume of this name; without one, a volume that nobody named, whose name is its id.
    pub(crate) fn new(name: Option<&str>) -> Self {
        let id = ContainerId::random().to_string();
        Self {
            name: name.map_or_else(|| id.clone(), str::to_owned),
            id,
            created: Timestamp::now(),
            labels: BTreeMap::new(),
            anonymous: name.is_none(),
            driver: local(),
            options: BTreeMap::new(),
            snapshots: BTreeMap::new(),
        }
    }

    /// Whether it is a directory of ours.
    pub fn is_local(&self) -> bool {
        self.driver == LOCAL
    }

    /// A record as it was written, by this engine or an older one.
    pub(crate) fn read(bytes: &[u8]) -> serde_json::Result<Self> {
        let mut record: Self = serde_json::from_slice(bytes)?;
        if record.id.is_empty() {
            record.id.clone_from(&record.name);
        }
        Ok(record)
    }
}

/// One volume.
#[derive(Debug)]
pub(crate) struct Volume {
    pub(crate) id: String,
    /// Held by who makes, mounts, copies, renames or removes it.
    pub(crate) turn: tokio::sync::Mutex<()>,
    now: Mutex<Now>,
}

/// What is true of a volume.
#[derive(Debug)]
pub(crate) struct Now {
    pub(crate) record: Arc<VolumeRecord>,
    pub(crate) stage: Stage,
    /// Containers that name it, running or not.
    pub(crate) users: BTreeSet<ContainerId>,
    /// Those of them that have it mounted.
    pub(crate) mounts: BTreeSet<ContainerId>,
    /// Who copies from it.
    pub(crate) readers: usize,
    /// `local`, or `global` if a plugin says so.
    pub(crate) scope: &'static str,
    /// Where a plugin has it.
    pub(crate) mountpoint: Option<PathBuf>,
}

/// Where in its life a volume is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Making,
    Ready,
    Gone,
}

impl Volume {
    fn new(record: VolumeRecord, stage: Stage) -> Self {
        let now = Now {
            stage,
            users: BTreeSet::new(),
            mounts: BTreeSet::new(),
            readers: 0,
            scope: LOCAL,
            mountpoint: None,
            record: Arc::new(record),
        };
        Self { id: now.record.id.clone(), turn: tokio::sync::Mutex::default(), now: Mutex::new(now) }
    }

    pub(crate) fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn record(&self) -> Arc<VolumeRecord> {
        Arc::clone(&self.now().record)
    }
}

/// All volumes.
#[derive(Debug)]
pub(crate) struct Volumes {
    root: PathBuf,
    index: Mutex<Index>,
}

#[derive(Debug, Default)]
struct Index {
    by_name: BTreeMap<String, Arc<Volume>>,
    by_id: BTreeMap<String, Arc<Volume>>,
}

impl Volumes {
    /// The volumes below `root` that `records` know.
    pub(crate) fn new(root: PathBuf, records: Vec<VolumeRecord>) -> Self {
        let volumes = Self { root, index: Mutex::default() };
        for record in records {
            volumes.insert(Arc::new(Volume::new(record, Stage::Ready)));
        }
        volumes
    }

    /// Removes what no record knows: of volumes whose making or removal was cut short.
    pub(crate) fn remove_strays(&self) -> io::Result<()> {
        for entry in unless_missing(std::fs::read_dir(&self.root))?.into_iter().flatten() {
            let path = entry?.path();
            let id = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let record = self.by_id(&id).map(|volume| volume.record());
            local::put_in_order(&path, record.as_deref())?;
        }
        Ok(())
    }

    /// The directory of a volume with all that belongs to it.
    pub(crate) fn directory(&self, id: &str) -> PathBuf {
        self.root.join(id)
    }

    /// Where a local volume's data lies.
    pub(crate) fn path(&self, id: &str) -> PathBuf {
        self.directory(id).join(local::DATA)
    }

    /// Where containers find a volume, as far as that is known.
    pub(crate) fn mountpoint(&self, volume: &Volume) -> PathBuf {
        let now = volume.now();
        match &now.mountpoint {
            Some(path) => path.clone(),
            None if now.record.is_local() => self.path(&volume.id),
            None => PathBuf::new(),
        }
    }

    /// All of them, by name.
    pub(crate) fn list(&self) -> Vec<Arc<Volume>> {
        // While it is renamed, it has two names here.
        let is_ready = |(name, volume): &(&String, &Arc<Volume>)| {
            let now = volume.now();
            now.stage == Stage::Ready && now.record.name == **name
        };
        let index = self.index();
        index.by_name.iter().filter(is_ready).map(|(_, volume)| Arc::clone(volume)).collect()
    }

    /// The volume of this name.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Volume>> {
        let found = self.index().by_name.get(name).cloned();
        found.filter(|volume| volume.now().stage == Stage::Ready)
    }

    /// The volume that a container's record names.
    pub(crate) fn by_id(&self, id: &str) -> Option<Arc<Volume>> {
        self.index().by_id.get(id).cloned()
    }

    /// The volume of the record's name, or a new one, which the caller makes.
    pub(crate) fn enter(&self, record: &VolumeRecord) -> Arc<Volume> {
        let mut index = self.index();
        if let Some(found) = index.by_name.get(&record.name) {
            return Arc::clone(found);
        }
        let volume = Arc::new(Volume::new(record.clone(), Stage::Making));
        index.insert(&volume, &record.name);
        volume
    }

    /// Takes a name for a volume that is about to have it. False if it is taken.
    pub(crate) fn reserve(&self, name: &str, volume: &Arc<Volume>) -> bool {
        let mut index = self.index();
        let is_free = !index.by_name.contains_key(name);
        if is_free {
            index.by_name.insert(name.to_owned(), Arc::clone(volume));
        }
        is_free
    }

    /// Gives a name back that was taken.
    pub(crate) fn release(&self, name: &str) {
        self.index().by_name.remove(name);
    }

    /// Gives a volume the name that was taken for it; the old one is free.
    pub(crate) fn rename(&self, volume: &Arc<Volume>, record: VolumeRecord) {
        let mut index = self.index();
        let mut now = volume.now();
        index.by_name.remove(&now.record.name);
        index.by_name.insert(record.name.clone(), Arc::clone(volume));
        now.record = Arc::new(record);
    }

    /// Forgets a volume.
    pub(crate) fn forget(&self, volume: &Volume) {
        let mut index = self.index();
        let mut now = volume.now();
        now.stage = Stage::Gone;
        index.by_name.remove(&now.record.name);
        index.by_id.remove(&volume.id);
    }

    fn insert(&self, volume: Arc<Volume>) {
        let name = volume.record().name.clone();
        self.index().insert(&volume, &name);
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    fn insert(&mut self, volume: &Arc<Volume>, name: &str) {
        self.by_name.insert(name.to_owned(), Arc::clone(volume));
        self.by_id.insert(volume.id.clone(), Arc::clone(volume));
    }
}

/// Refuses a name that is none.
pub(crate) fn check_name(name: &str) -> Result<(), VolumeError> {
    if crate::spec::is_name(name) { Ok(()) } else { Err(VolumeError::Name { name: name.to_owned() }) }
}

/// Gone already is as good as gone.
pub(crate) fn ignore_missing(outcome: io::Result<()>) -> io::Result<()> {
    unless_missing(outcome).map(drop)
}

/// What there is, if there is any.
fn unless_missing<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a tree, but nothing of what is mounted in it.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    match unless_missing(linux::root::Dir::open(parent))? {
        Some(parent) => parent.remove_all(name),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the first engines wrote it. Never change this text.
    const FIRST: &str =
        r#"{"name":"data","created":"2026-01-02T03:04:05Z","labels":{"a":"b"},"anonymous":false}"#;

    #[test]
    fn the_first_form_is_still_read() {
        let record = VolumeRecord::read(FIRST.as_bytes()).expect("a record");
        assert_eq!(
            (record.id.as_str(), record.name.as_str(), record.driver.as_str()),
            ("data", "data", "local")
        );
        let again = serde_json::to_vec(&record).expect("JSON");
        assert_eq!(VolumeRecord::read(&again).expect("a record"), record);
    }

    #[test]
    fn a_renamed_volume_keeps_its_directory() {
        let volumes = Volumes::new("/v".into(), vec![VolumeRecord::new(Some("old"))]);
        let volume = volumes.get("old").expect("a volume");
        let path = volumes.mountpoint(&volume);
        let record = VolumeRecord { name: "new".to_owned(), ..VolumeRecord::clone(&volume.record()) };
        volumes.rename(&volume, record);
        assert!(volumes.get("old").is_none());
        assert_eq!(volumes.mountpoint(&volumes.get("new").expect("a volume")), path);
        assert!(volumes.by_id(&volume.id).is_some());
    }
}
