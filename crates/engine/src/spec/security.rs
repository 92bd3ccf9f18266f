//! What a container may do, and which of the host's namespaces it shares.

use std::path::PathBuf;

use runtime::spec::defaults;
use serde::{Deserialize, Serialize};

/// Powers given and taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Security {
    pub privileged: bool,
    /// `NET_ADMIN`, `CAP_NET_ADMIN` or `ALL`, in any case.
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    /// `seccomp=unconfined`, `no-new-privileges`, …, as the user wrote them.
    pub options: Vec<String>,
    pub read_only_root: bool,
    /// Paths hidden from the container; Docker's defaults if absent.
    pub masked_paths: Option<Vec<String>>,
    pub readonly_paths: Option<Vec<String>>,
    /// Further groups of the first process, by name or number.
    pub group_add: Vec<String>,
    pub devices: Vec<DeviceSpec>,
    /// `c 1:3 rwm`
    pub device_cgroup_rules: Vec<String>,
}

impl Security {
    /// What is hidden from the container: Docker's defaults, nothing from a privileged one.
    pub fn hidden(&self) -> Option<Vec<String>> {
        self.or_default(self.masked_paths.as_ref(), defaults::MASKED)
    }

    /// What the container may read only.
    pub fn read_only(&self) -> Option<Vec<String>> {
        self.or_default(self.readonly_paths.as_ref(), defaults::READ_ONLY)
    }

    fn or_default(&self, asked: Option<&Vec<String>>, default: &[&str]) -> Option<Vec<String>> {
        let default = || default.iter().map(|path| (*path).to_owned()).collect();
        asked.cloned().or_else(|| (!self.privileged).then(default))
    }
}

/// A device of the host shown to the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceSpec {
    pub host: PathBuf,
    pub container: PathBuf,
    /// Of `r`, `w`, `m`.
    pub permissions: String,
}

/// The namespaces besides the network's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Namespaces {
    pub pid: NamespaceMode,
    pub ipc: NamespaceMode,
    pub uts: NamespaceMode,
    pub cgroup: NamespaceMode,
    pub user: NamespaceMode,
}

/// Where a namespace comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamespaceMode {
    /// Whatever the engine gives when nothing is asked: a private one, except for users.
    #[default]
    Default,
    Private,
    /// A private one that others may join (IPC).
    Shareable,
    Host,
    /// No /dev/shm at all (IPC).
    None,
    /// That of another container, by name or id.
    Container(String),
}

impl NamespaceMode {
    /// Docker's text for it; empty for the default.
    pub fn text(&self) -> String {
        match self {
            Self::Default => String::new(),
            Self::Private => "private".to_owned(),
            Self::Shareable => "shareable".to_owned(),
            Self::Host => "host".to_owned(),
            Self::None => "none".to_owned(),
            Self::Container(name) => format!("container:{name}"),
        }
    }
}
