//! Volumes that programs of others keep.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{Engine, VolumeInspect};
use crate::{
    error::VolumeError,
    volume::{
        Volume, VolumeRecord,
        plugin::{DRIVER, Driver, Found},
    },
};

/// How long all plugins together may take to be asked what they have.
const PATIENCE: Duration = Duration::from_secs(4);

impl Engine {
    /// The plugin that keeps a volume.
    pub(super) async fn driver(&self, record: &VolumeRecord) -> Result<Driver, VolumeError> {
        let failed =
            |source| VolumeError::Driver { name: record.name.clone(), driver: record.driver.clone(), source };
        Driver::find(&self.plugins, &record.driver).await.map_err(failed)
    }

    /// Everything about a volume, its driver's own words included.
    ///
    /// # Errors
    /// If there is none, not even one that only a plugin knows.
    pub async fn volume_show(&self, name: &str) -> Result<VolumeInspect, VolumeError> {
        let known = self.volume_inspect(name);
        if known.as_ref().is_ok_and(|volume| volume.record.is_local()) {
            return known;
        }
        let found = match &known {
            Ok(volume) => {
                let driver = volume.record.driver.clone();
                self.found(&driver, name).await.map(|found| (driver, found))
            }
            Err(_) => self.found_anywhere(name).await,
        };
        match (known, found) {
            (Ok(volume), Some((_, found))) => Ok(VolumeInspect { status: found.status, ..volume }),
            (Ok(volume), None) => Ok(volume),
            (Err(_), Some((driver, found))) => Ok(foreign(&driver, found)),
            (Err(error), None) => Err(error),
        }
    }

    /// All volumes, those included that only plugins know, and which plugins did not answer.
    pub async fn volume_list_all(&self) -> (Vec<VolumeInspect>, Vec<String>) {
        let mut all = self.volume_list();
        let names = self.plugins.names();
        if names.is_empty() {
            return (all, Vec::new());
        }
        let known: BTreeSet<String> = all.iter().map(|volume| volume.record.name.clone()).collect();
        let mut warnings = Vec::new();
        for (driver, listed) in self.ask_all(names).await {
            match listed {
                Ok(volumes) => {
                    let new = volumes.into_iter().filter(|found| !known.contains(&found.name));
                    all.extend(new.map(|found| foreign(&driver, found)));
                }
                Err(warning) => warnings.push(warning),
            }
        }
        all.sort_by(|one, other| one.record.name.cmp(&other.record.name));
        (all, warnings)
    }

    /// What each plugin that drives volumes has.
    async fn ask_all(&self, names: BTreeSet<String>) -> Vec<(String, Result<Vec<Found>, String>)> {
        let ask = |name: String| async move {
            let listed = async {
                match Driver::find(&self.plugins, &name).await {
                    Ok(driver) => driver.list().await,
                    Err(net::plugin::PluginError::NotImplemented { .. }) => Ok(Vec::new()),
                    Err(error) => Err(error),
                }
            };
            let listed = match tokio::time::timeout(PATIENCE, listed).await {
                Ok(listed) => listed.map_err(|error| crate::chain(&error)),
                Err(_) => Err(format!("plugin \"{name}\" did not list its volumes")),
            };
            (name, listed)
        };
        futures_util::future::join_all(names.into_iter().map(ask)).await
    }

    /// Which plugin has a volume of this name, if one does.
    pub(super) async fn found_anywhere(&self, name: &str) -> Option<(String, Found)> {
        for driver in self.plugins.names() {
            if let Some(found) = self.found(&driver, name).await {
                return Some((driver, found));
            }
        }
        None
    }

    async fn found(&self, driver: &str, name: &str) -> Option<Found> {
        let get = async { Driver::find(&self.plugins, driver).await.ok()?.get(name).await.ok()? };
        tokio::time::timeout(PATIENCE, get).await.ok()?
    }

    /// Makes a volume at its plugin, and learns what it says about itself.
    pub(super) async fn make_at_plugin(
        &self,
        volume: &Volume,
        record: &VolumeRecord,
    ) -> Result<(), VolumeError> {
        let driver = self.driver(record).await?;
        let made = driver.create(&record.name, &record.options).await;
        made.map_err(|source| at_plugin("create", record, source))?;
        volume.now().scope = driver.scope().await;
        Ok(self.store.put_volume(record).await?)
    }

    /// Has a plugin remove its volume. If that is forced, what it says does not matter.
    pub(super) async fn remove_at_plugin(
        &self,
        record: &VolumeRecord,
        force: bool,
    ) -> Result<(), VolumeError> {
        let removed = async {
            let driver = self.driver(record).await?;
            let removed = driver.remove(&record.name).await;
            removed.map_err(|source| at_plugin("remove", record, source))
        };
        match removed.await {
            Err(error) if force => {
                tracing::warn!(
                    volume = record.name,
                    error = crate::chain(&error),
                    "forgot a plugin's volume"
                );
                Ok(())
            }
            other => other,
        }
    }

    /// Asks plugins where the volumes are that containers of an earlier engine have mounted.
    pub(super) fn ask_for_mountpoints(self: &Arc<Self>) {
        let foreign = self.volumes.list().into_iter().filter(|volume| !volume.record().is_local());
        for volume in foreign {
            let engine = Arc::clone(self);
            self.tasks.spawn(async move {
                let record = volume.record();
                let Ok(driver) = engine.driver(&record).await else { return };
                let (scope, found) = (driver.scope().await, driver.get(&record.name).await);
                let mut now = volume.now();
                now.scope = scope;
                if let (Ok(Some(found)), None) = (found, &now.mountpoint) {
                    now.mountpoint = Some(found.mountpoint.into()).filter(|_| !now.mounts.is_empty());
                }
            });
        }
    }

    /// The plugins that have said that they keep volumes.
    pub fn volume_drivers(&self) -> Vec<String> {
        self.plugins.known(DRIVER)
    }
}

pub(super) fn at_plugin(
    action: &'static str,
    record: &VolumeRecord,
    source: net::plugin::PluginError,
) -> VolumeError {
    VolumeError::Plugin { action, name: record.name.clone(), source }
}

/// A volume that only its plugin knows.
fn foreign(driver: &str, found: Found) -> VolumeInspect {
    let created = found.created_at.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    let record = VolumeRecord { driver: driver.to_owned(), created, ..VolumeRecord::new(Some(&found.name)) };
    VolumeInspect {
        record: Arc::new(record),
        mountpoint: found.mountpoint.into(),
        limit: None,
        users: 0,
        scope: "local",
        status: found.status,
    }
}
