//! What a caller may ask of a container.
//!
//! Every field is of a type that cannot hold nonsense by itself; whether the
//! fields go together is [`check`]'s business. The merged form (with what the
//! image says) is what is stored and what `inspect` shows.

mod check;
mod health;
mod id_map;
mod limits;
mod mount;
mod network;
mod security;

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

pub use check::{SpecError, check};
pub(crate) use check::{check_allow, check_available, check_name, is_name};
pub use health::{HealthCheck, HealthCheckError, HealthTest};
pub use id_map::{IdMap, ParseIdMapError};
pub use limits::{Limits, RestartPolicy, Ulimit};
pub use mount::{BindOptions, MountKind, MountOrigin, MountSpec, Propagation, VolumeWish};
pub use network::{DnsSpec, EndpointSpec, NetworkMode, NetworkSettings, ParseNetworkModeError};
pub use security::{DeviceSpec, NamespaceMode, Namespaces, Security};

use crate::Signal;

/// A container to be made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerSpec {
    /// Without the leading slash; a name is made up if absent.
    pub name: Option<String>,
    pub root: Root,
    pub command: Command,
    /// The short id if absent, the host's name on the host's network.
    pub hostname: Option<String>,
    pub domainname: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub network: NetworkSettings,
    pub mounts: Vec<MountSpec>,
    /// Most bytes of what is written to the root file system.
    pub root_size: Option<u64>,
    pub limits: Limits,
    pub security: Security,
    pub namespaces: Namespaces,
    pub sysctls: BTreeMap<String, String>,
    /// Size of /dev/shm in bytes; 64 MiB if absent.
    pub shm_size: Option<u64>,
    /// Run a small first process that reaps orphans and forwards signals.
    pub init: Option<bool>,
    pub restart: RestartPolicy,
    /// Remove the container, with its anonymous volumes, when it exits.
    pub auto_remove: bool,
    /// It is a step of a build, and goes when the build ends, or the engine that builds.
    pub build_step: bool,
    pub log: LogSpec,
    pub health: HealthCheck,
    pub stop_signal: Option<Signal>,
    /// Seconds until a stop becomes a kill; negative waits for ever; 10 if absent.
    pub stop_timeout: Option<i64>,
    /// Columns and rows of a terminal at start.
    pub console_size: Option<(u16, u16)>,
    /// What the caller wants to have back from `inspect`; kept, and not looked at.
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// Where the root file system comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Root {
    /// An image, by reference or id.
    Image(String),
    /// A directory of the host.
    Directory {
        path: PathBuf,
        /// Writes go to a layer of the container's own and are thrown away with it.
        overlay: bool,
    },
}

impl Root {
    /// The image or directory as it was named.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Image(reference) => reference.clone(),
            Self::Directory { path, .. } => path.display().to_string(),
        }
    }
}

impl Default for Root {
    fn default() -> Self {
        Self::Image(String::new())
    }
}

/// The first process and its standard streams.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Command {
    /// The image's if absent; none if empty.
    pub entrypoint: Option<Vec<String>>,
    /// The image's if absent and no entrypoint is given.
    pub args: Option<Vec<String>>,
    /// `NAME=value`; `NAME` alone removes the image's.
    pub env: Vec<String>,
    pub workdir: String,
    /// `name`, `uid`, `name:group`, `uid:gid`; root if empty.
    pub user: String,
    /// What runs texts: the image's if empty, `/bin/sh -c` if that says nothing.
    pub shell: Vec<String>,
    pub tty: bool,
    /// Keep standard input open although nobody is attached.
    pub open_stdin: bool,
    /// Close standard input when the first who attached leaves.
    pub stdin_once: bool,
    /// What the creator announced to attach to: stdin, stdout, stderr. Shown, not acted upon.
    pub attach: [bool; 3],
}

/// Where the output of the first process goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogSpec {
    /// `json-file`, `local`, `syslog` or `none`; the engine's own if empty.
    pub driver: String,
    /// As the user wrote them.
    pub options: BTreeMap<String, String>,
}
