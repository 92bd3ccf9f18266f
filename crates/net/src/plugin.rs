//! Plugins by Docker's first protocol: programs that answer JSON over HTTP, mostly on a unix socket.
//!
//! A plugin is found by its name: a socket `NAME.sock` or `NAME/NAME.sock` in a directory for sockets, or an
//! address in a file `NAME.spec` or `NAME.json` in a directory for those. It is asked once what it implements.
//! Nothing here knows what it is asked then: drivers of volumes are asked by the engine.

mod client;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;

use client::Address;

/// How long a plugin may take to say what it is.
const ACTIVATION: Duration = Duration::from_secs(15);

/// Why a plugin did not do what it was asked.
#[derive(Debug, Error)]
pub enum PluginError {
    /// Docker's words.
    #[error("plugin \"{name}\" not found")]
    NotFound { name: String },
    #[error("plugin \"{name}\" does not implement {what}")]
    NotImplemented { name: String, what: String },
    #[error("invalid address of plugin \"{name}\": {address:?}")]
    Address { name: String, address: String },
    #[error("cannot reach plugin \"{name}\"")]
    Unreachable {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("plugin \"{name}\" did not answer {method} within {seconds} seconds")]
    Silent { name: String, method: String, seconds: u64 },
    #[error("plugin \"{name}\" answered {method} with what is no answer: {text}")]
    Garbled { name: String, method: String, text: String },
    /// What the plugin itself says.
    #[error("{method}: {text}")]
    Refused { method: String, text: String },
}

/// Where plugins are looked for, and those that were found.
#[derive(Debug)]
pub struct Plugins {
    sockets: Vec<PathBuf>,
    specs: Vec<PathBuf>,
    active: Mutex<BTreeMap<String, Arc<Plugin>>>,
}

/// A plugin that has said what it implements.
#[derive(Debug)]
pub struct Plugin {
    pub name: String,
    pub implements: Vec<String>,
    address: Address,
}

/// What `Plugin.Activate` is answered with.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Activation {
    implements: Vec<String>,
}

/// A plugin's file with its address. What it says about TLS is for addresses we do not serve.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Spec {
    addr: String,
}

impl Default for Plugins {
    /// Docker's directories, so that what is installed for it is found.
    fn default() -> Self {
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect();
        Self {
            sockets: paths(&["/run/tombolo/plugins", "/run/docker/plugins"]),
            specs: paths(&["/etc/tombolo/plugins", "/etc/docker/plugins", "/usr/lib/docker/plugins"]),
            active: Mutex::default(),
        }
    }
}

impl Plugins {
    /// The plugin of this name, which must implement `what` (`VolumeDriver`, `NetworkDriver`, `IpamDriver`).
    pub async fn get(&self, name: &str, what: &str) -> Result<Arc<Plugin>, PluginError> {
        let known = self.active().get(name).cloned();
        // Where it is may have changed since it was activated.
        let address = self.find(name)?;
        let plugin = match known.filter(|plugin| plugin.address == address) {
            Some(plugin) => plugin,
            None => self.activate(name, address).await?,
        };
        if plugin.implements.iter().any(|known| known == what) {
            return Ok(plugin);
        }
        Err(PluginError::NotImplemented { name: name.to_owned(), what: what.to_owned() })
    }

    /// The names of all that there are, whatever they implement.
    pub fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for (directories, ends) in [(&self.sockets, &["sock"][..]), (&self.specs, &["spec", "json"][..])] {
            for entry in directories.iter().filter_map(|path| fs::read_dir(path).ok()).flatten().flatten() {
                let path = entry.path();
                let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
                let is_file = path.extension().is_some_and(|end| ends.iter().any(|known| end == *known));
                let is_inside = |end: &&str| path.join(format!("{stem}.{end}")).exists();
                if is_file || ends.iter().any(is_inside) {
                    names.insert(stem.to_owned());
                }
            }
        }
        names
    }

    /// Those that were asked and implement `what`.
    pub fn known(&self, what: &str) -> Vec<String> {
        let is_it = |plugin: &&Arc<Plugin>| plugin.implements.iter().any(|known| known == what);
        self.active().values().filter(is_it).map(|plugin| plugin.name.clone()).collect()
    }

    fn find(&self, name: &str) -> Result<Address, PluginError> {
        let not_found = || PluginError::NotFound { name: name.to_owned() };
        // A name is no path.
        if name.is_empty() || name.contains('/') || name.starts_with('.') {
            return Err(not_found());
        }
        let places = |directory: &Path, end: &str| {
            [directory.join(format!("{name}.{end}")), directory.join(name).join(format!("{name}.{end}"))]
        };
        for path in self.sockets.iter().flat_map(|directory| places(directory, "sock")) {
            if path.exists() {
                return Ok(Address::Unix(path));
            }
        }
        for path in self.specs.iter().flat_map(|directory| places(directory, "spec")) {
            if let Ok(text) = fs::read_to_string(&path) {
                return address(name, text.trim());
            }
        }
        for path in self.specs.iter().flat_map(|directory| places(directory, "json")) {
            if let Ok(text) = fs::read_to_string(&path) {
                let spec: Spec = serde_json::from_str(&text).unwrap_or_default();
                return address(name, &spec.addr);
            }
        }
        Err(not_found())
    }

    async fn activate(&self, name: &str, address: Address) -> Result<Arc<Plugin>, PluginError> {
        let mut plugin = Plugin { name: name.to_owned(), implements: Vec::new(), address };
        let Activation { implements } = plugin.call("Plugin.Activate", &(), ACTIVATION).await?;
        plugin.implements = implements;
        let plugin = Arc::new(plugin);
        self.active().insert(name.to_owned(), Arc::clone(&plugin));
        Ok(plugin)
    }

    fn active(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Plugin>>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plugin {
    /// Asks it one thing: `VolumeDriver.Mount`.
    pub async fn call<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        method: &str,
        question: &Q,
        patience: Duration,
    ) -> Result<A, PluginError> {
        let question = serde_json::to_vec(question).unwrap_or_default();
        let answered = tokio::time::timeout(patience, self.ask(method, question)).await;
        let silent = |_| PluginError::Silent {
            name: self.name.clone(),
            method: method.to_owned(),
            seconds: patience.as_secs(),
        };
        let bytes = answered.map_err(silent)??;
        let garbled = |_| self.garbled(method, &bytes);
        serde_json::from_slice(&bytes).map_err(garbled)
    }

    async fn ask(&self, method: &str, question: Vec<u8>) -> Result<Vec<u8>, PluginError> {
        let unreachable = |source| PluginError::Unreachable { name: self.name.clone(), source };
        let (is_ok, bytes) = client::post(&self.address, method, question).await.map_err(unreachable)?;
        let said: Option<Said> = serde_json::from_slice(&bytes).ok();
        let refused = |text: String| PluginError::Refused { method: method.to_owned(), text };
        match said {
            Some(Said { err }) if !err.is_empty() => Err(refused(err)),
            Some(_) | None if is_ok => Ok(bytes),
            Some(_) | None => Err(refused(String::from_utf8_lossy(&bytes).trim().to_owned())),
        }
    }

    fn garbled(&self, method: &str, bytes: &[u8]) -> PluginError {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        PluginError::Garbled { name: self.name.clone(), method: method.to_owned(), text }
    }
}

/// What every answer may have: why it was not done.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Said {
    err: String,
}

fn address(name: &str, text: &str) -> Result<Address, PluginError> {
    Address::parse(text)
        .ok_or_else(|| PluginError::Address { name: name.to_owned(), address: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugins(directory: &Path) -> Plugins {
        Plugins {
            sockets: vec![directory.join("sockets")],
            specs: vec![directory.join("specs")],
            active: Mutex::default(),
        }
    }

    #[test]
    fn plugins_are_found_where_docker_finds_them() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |path: &str| directory.path().join(path);
        fs::create_dir_all(at("sockets/deep")).expect("made");
        fs::create_dir_all(at("specs")).expect("made");
        for path in ["sockets/flat.sock", "sockets/deep/deep.sock", "sockets/other"] {
            fs::write(at(path), "").expect("written");
        }
        fs::write(at("specs/far.spec"), "tcp://127.0.0.1:8080\n").expect("written");
        fs::write(at("specs/json.json"), r#"{"Name":"json","Addr":"unix:///x.sock"}"#).expect("written");
        fs::write(at("specs/bad.spec"), "gopher://x").expect("written");
        let plugins = plugins(directory.path());
        let names: Vec<String> = plugins.names().into_iter().collect();
        assert_eq!(names, ["bad", "deep", "far", "flat", "json"]);
        assert_eq!(plugins.find("flat").expect("found"), Address::Unix(at("sockets/flat.sock")));
        assert_eq!(plugins.find("deep").expect("found"), Address::Unix(at("sockets/deep/deep.sock")));
        assert_eq!(plugins.find("far").expect("found"), Address::Tcp("127.0.0.1:8080".to_owned()));
        assert_eq!(plugins.find("json").expect("found"), Address::Unix("/x.sock".into()));
        for name in ["nobody", "../sockets/flat", "", ".", "other"] {
            let error = plugins.find(name).expect_err(name);
            assert_eq!(error.to_string(), format!("plugin \"{name}\" not found"));
        }
        assert!(plugins.find("bad").is_err());
    }
}
