//! Mounts: as they are asked for, and as they are shown.

use serde::{Deserialize, Serialize};

use crate::StringMap;
use crate::omit;

/// A mount as `--mount` asks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Mount {
    /// `bind`, `volume`, `tmpfs`, `image`, `npipe` or `cluster`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub r#type: String,
    /// A path of the host, the name of a volume, or nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The path in the container.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// Whether the container may not write.
    #[serde(skip_serializing_if = "omit::zero")]
    pub read_only: bool,
    /// Ignored on Linux.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub consistency: String,
    /// Only for `bind`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind_options: Option<BindOptions>,
    /// Only for `volume`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_options: Option<VolumeOptions>,
    /// Only for `image`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_options: Option<ImageOptions>,
    /// Only for `tmpfs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs_options: Option<TmpfsOptions>,
}

/// How a bind mount behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BindOptions {
    /// `rprivate`, `private`, `rshared`, `shared`, `rslave` or `slave`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub propagation: String,
    /// Whether mounts below the source stay outside.
    #[serde(skip_serializing_if = "omit::zero")]
    pub non_recursive: bool,
    /// Whether a missing source is created as a directory.
    #[serde(skip_serializing_if = "omit::zero")]
    pub create_mountpoint: bool,
    /// Whether mounts below the source stay writable.
    #[serde(skip_serializing_if = "omit::zero")]
    pub read_only_non_recursive: bool,
    /// Whether it is an error when mounts below the source cannot be made read-only.
    #[serde(skip_serializing_if = "omit::zero")]
    pub read_only_force_recursive: bool,
    /// Which owners on the host are which others in the container: `1000:999`. Not in Docker.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id_map: String,
    /// Whether a file that is replaced on the host is replaced in the container, too. Not in Docker.
    #[serde(skip_serializing_if = "omit::zero")]
    pub follow: bool,
}

/// How a volume is mounted, and made when it is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeOptions {
    /// Whether an empty volume stays empty instead of receiving the image's content.
    #[serde(skip_serializing_if = "omit::zero")]
    pub no_copy: bool,
    /// Labels of the volume.
    #[serde(skip_serializing_if = "omit::no_entries")]
    pub labels: Option<StringMap>,
    /// A path inside the volume.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subpath: String,
    /// The volume's driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver_config: Option<VolumeDriver>,
}

/// The driver of a volume and what it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeDriver {
    /// The driver's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The driver's own options.
    #[serde(skip_serializing_if = "omit::no_entries")]
    pub options: Option<StringMap>,
}

/// How an image is mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageOptions {
    /// A path inside the image.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subpath: String,
}

/// How a tmpfs is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TmpfsOptions {
    /// The size limit in bytes; 0 is the kernel's default.
    #[serde(skip_serializing_if = "omit::zero")]
    pub size_bytes: i64,
    /// The permission bits of its root.
    #[serde(skip_serializing_if = "omit::zero")]
    pub mode: u32,
    /// Mount options, each alone or with a value.
    #[serde(skip_serializing_if = "omit::no_items")]
    pub options: Option<Vec<Vec<String>>>,
}

/// A mount as `inspect` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MountPoint {
    /// `bind`, `volume`, `tmpfs` or `image`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub r#type: String,
    /// The name of the volume.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The path on the host.
    pub source: String,
    /// The path in the container.
    pub destination: String,
    /// The volume's driver.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// The mode text of `-v` (`ro`, `z`).
    pub mode: String,
    /// Whether the container may write.
    #[serde(rename = "RW")]
    pub rw: bool,
    /// How mounts spread.
    pub propagation: String,
}
