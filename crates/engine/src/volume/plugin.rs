//! Drivers of volumes that are programs of others (Docker's `VolumeDriver` protocol).

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use net::plugin::{Plugin, PluginError, Plugins};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What is asked of a plugin that drives volumes.
pub(crate) const DRIVER: &str = "VolumeDriver";

/// Making and mounting may take long (moby `volume/drivers/proxy.go`).
const LONG: Duration = Duration::from_secs(120);
const SHORT: Duration = Duration::from_secs(60);
/// A list is not worth more.
const LIST: Duration = Duration::from_secs(3);

/// One driver.
#[derive(Clone, Debug)]
pub(crate) struct Driver(Arc<Plugin>);

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Question<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    opts: Option<&'a BTreeMap<String, String>>,
    /// Who mounts it.
    #[serde(rename = "ID", skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
}

impl<'a> Question<'a> {
    const fn of(name: &'a str) -> Self {
        Self { name, opts: None, id: None }
    }
}

/// Everything a driver answers with; most of it is absent in each answer.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Answer {
    mountpoint: Option<String>,
    volume: Option<Found>,
    volumes: Option<Vec<Found>>,
    capabilities: Option<Capabilities>,
}

/// A volume as its driver shows it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) mountpoint: String,
    pub(crate) created_at: String,
    pub(crate) status: Option<Map<String, Value>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Capabilities {
    scope: String,
}

impl Driver {
    pub(crate) async fn find(plugins: &Plugins, name: &str) -> Result<Self, PluginError> {
        plugins.get(name, DRIVER).await.map(Self)
    }

    /// Makes a volume, unless the driver has one of this name.
    pub(crate) async fn create(
        &self,
        name: &str,
        opts: &BTreeMap<String, String>,
    ) -> Result<(), PluginError> {
        if self.get(name).await?.is_some() {
            return Ok(());
        }
        let question = Question { opts: Some(opts), ..Question::of(name) };
        self.ask("Create", &question, LONG).await.map(drop)
    }

    pub(crate) async fn remove(&self, name: &str) -> Result<(), PluginError> {
        self.ask("Remove", &Question::of(name), SHORT).await.map(drop)
    }

    /// Mounts a volume for a container, and tells where.
    pub(crate) async fn mount(&self, name: &str, id: &str) -> Result<PathBuf, PluginError> {
        let question = Question { id: Some(id), ..Question::of(name) };
        let answer = self.ask("Mount", &question, LONG).await?;
        match answer.mountpoint.filter(|path| path.starts_with('/')) {
            Some(path) => Ok(path.into()),
            None => Err(PluginError::Garbled {
                name: self.0.name.clone(),
                method: format!("{DRIVER}.Mount"),
                text: "no absolute Mountpoint".to_owned(),
            }),
        }
    }

    pub(crate) async fn unmount(&self, name: &str, id: &str) -> Result<(), PluginError> {
        let question = Question { id: Some(id), ..Question::of(name) };
        self.ask("Unmount", &question, LONG).await.map(drop)
    }

    /// The volume, if the driver has it. A driver says so by refusing.
    pub(crate) async fn get(&self, name: &str) -> Result<Option<Found>, PluginError> {
        match self.ask("Get", &Question::of(name), SHORT).await {
            Ok(answer) => Ok(answer.volume.filter(|found| !found.name.is_empty())),
            Err(PluginError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn list(&self) -> Result<Vec<Found>, PluginError> {
        Ok(self.ask("List", &Map::new(), LIST).await?.volumes.unwrap_or_default())
    }

    /// `local` or `global`; a driver that does not say is local.
    pub(crate) async fn scope(&self) -> &'static str {
        let answer = self.ask("Capabilities", &Map::new(), LIST).await.unwrap_or_default();
        let scope = answer.capabilities.map(|found| found.scope).unwrap_or_default();
        if scope.eq_ignore_ascii_case("global") { "global" } else { "local" }
    }

    async fn ask<Q: Serialize + Sync>(
        &self,
        method: &str,
        question: &Q,
        patience: Duration,
    ) -> Result<Answer, PluginError> {
        self.0.call(&format!("{DRIVER}.{method}"), question, patience).await
    }
}
