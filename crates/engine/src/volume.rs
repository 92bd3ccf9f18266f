//! Volumes: directories that outlive containers.
//!
//! A volume's data lies in `volumes/<name>/_data` below the data root.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ContainerId, record::time};

/// A volume as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeRecord {
    pub name: String,
    #[serde(with = "time")]
    pub created: Timestamp,
    pub labels: BTreeMap<String, String>,
    /// Nobody gave it a name.
    pub anonymous: bool,
}

/// All volumes.
#[derive(Debug)]
pub(crate) struct Volumes {
    root: PathBuf,
    records: Mutex<BTreeMap<String, VolumeRecord>>,
}

impl Volumes {
    /// The volumes below `root` that `records` know.
    pub(crate) fn new(root: PathBuf, records: Vec<VolumeRecord>) -> Self {
        let records = records.into_iter().map(|record| (record.name.clone(), record)).collect();
        Self { root, records: Mutex::new(records) }
    }

    /// Where a volume's data lies.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name).join("_data")
    }

    /// All of them, by name.
    pub(crate) fn list(&self) -> Vec<VolumeRecord> {
        self.records().values().cloned().collect()
    }

    /// The volume of this name.
    pub(crate) fn get(&self, name: &str) -> Option<VolumeRecord> {
        self.records().get(name).cloned()
    }

    /// Makes a volume unless there is one of this name. Says whether it is new.
    pub(crate) fn ensure(&self, record: &VolumeRecord) -> io::Result<bool> {
        if self.records().contains_key(&record.name) {
            return Ok(false);
        }
        std::fs::create_dir_all(self.path(&record.name))?;
        self.records().insert(record.name.clone(), record.clone());
        Ok(true)
    }

    /// Removes a volume and all that is in it.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        self.records().remove(name);
        ignore_missing(std::fs::remove_dir_all(self.root.join(name)))
    }

    fn records(&self) -> MutexGuard<'_, BTreeMap<String, VolumeRecord>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A volume nobody gave a name: its name is an id.
pub(crate) fn anonymous() -> VolumeRecord {
    VolumeRecord {
        name: ContainerId::random().to_string(),
        created: Timestamp::now(),
        labels: BTreeMap::new(),
        anonymous: true,
    }
}

/// A volume of this name.
pub(crate) fn named(name: &str) -> VolumeRecord {
    VolumeRecord {
        name: name.to_owned(),
        created: Timestamp::now(),
        labels: BTreeMap::new(),
        anonymous: false,
    }
}

/// Gone already is as good as gone.
pub(crate) fn ignore_missing(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
