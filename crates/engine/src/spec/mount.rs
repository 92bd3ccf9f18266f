//! What a container sees besides its root file system.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::IdMap;

/// One mount, as asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountSpec {
    /// An absolute path inside.
    pub target: String,
    pub kind: MountKind,
    pub read_only: bool,
    /// Which of Docker's three ways of asking it came by, to show it there again.
    pub origin: MountOrigin,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountKind {
    /// A directory or file of the host.
    Bind { source: PathBuf, options: BindOptions },
    /// A volume, by name; one is made up if absent (an anonymous volume).
    Volume {
        name: Option<String>,
        no_copy: bool,
        subpath: Option<String>,
        /// How it is made if it is missing.
        #[serde(default)]
        create: VolumeWish,
    },
    /// Memory that vanishes with the container: size in bytes, mode bits, further mount options.
    Tmpfs { size: Option<u64>, mode: Option<u32>, options: Vec<String> },
}

/// How a bind mount behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BindOptions {
    pub propagation: Propagation,
    /// Mounts below the source are left out.
    pub non_recursive: bool,
    /// A missing source becomes a directory (`-v`) instead of an error (`--mount`).
    pub create_source: bool,
    /// A read-only mount leaves the mounts below it writable.
    pub read_only_non_recursive: bool,
    /// Refuse to start rather than to leave a mount below it writable.
    pub read_only_force_recursive: bool,
    /// Shows the files with other owners.
    pub id_map: Option<IdMap>,
    /// A file that is replaced on the host is replaced in the container, too.
    pub follow: bool,
}

/// How a volume is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeWish {
    pub driver: String,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
}

impl MountKind {
    /// A volume that is made up.
    pub fn anonymous() -> Self {
        Self::Volume { name: None, no_copy: false, subpath: None, create: VolumeWish::default() }
    }
}

impl MountSpec {
    /// Whether it is put together before the container takes it over.
    pub(crate) fn needs_stage(&self) -> bool {
        match &self.kind {
            MountKind::Bind { options, .. } => options.id_map.is_some(),
            MountKind::Volume { subpath, .. } => subpath.is_some(),
            MountKind::Tmpfs { .. } => false,
        }
    }
}

/// Whether mounts made on one side appear on the other, mount(8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Propagation {
    Private,
    #[default]
    Rprivate,
    Shared,
    Rshared,
    Slave,
    Rslave,
}

impl Propagation {
    /// The mount option of this name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Rprivate => "rprivate",
            Self::Shared => "shared",
            Self::Rshared => "rshared",
            Self::Slave => "slave",
            Self::Rslave => "rslave",
        }
    }
}

/// Where in a request a mount stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountOrigin {
    /// `HostConfig.Binds`, with the text as given.
    Bind(String),
    /// `HostConfig.Mounts`.
    Mount,
    /// `HostConfig.Tmpfs`, with the options as given.
    Tmpfs(String),
    /// `Config.Volumes`, the request's or the image's.
    Volume,
    /// `HostConfig.VolumesFrom`.
    From,
}
