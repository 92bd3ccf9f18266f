//! Volumes.

use serde::{Deserialize, Serialize};

use crate::StringMap;

/// A volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Volume {
    /// RFC 3339.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created_at: String,
    /// The driver.
    pub driver: String,
    /// Labels.
    pub labels: Option<StringMap>,
    /// The path on the host.
    pub mountpoint: String,
    /// The name.
    pub name: String,
    /// The driver's options.
    pub options: Option<StringMap>,
    /// `local` or `global`.
    pub scope: String,
    /// What the driver tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<serde_json::Map<String, serde_json::Value>>,
    /// Only in `GET /system/df`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_data: Option<UsageData>,
}

/// How much a volume is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UsageData {
    /// Bytes; -1 where nobody knows.
    pub size: i64,
    /// Containers that name it; -1 where nobody knows.
    pub ref_count: i64,
}

/// The answer of `GET /volumes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeListResponse {
    /// The volumes.
    pub volumes: Option<Vec<Volume>>,
    /// Sentences for the user.
    pub warnings: Option<Vec<String>>,
}

/// The body of `POST /volumes/create`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeCreateRequest {
    /// The name; empty for a random one.
    pub name: String,
    /// The driver; empty for `local`.
    pub driver: String,
    /// The driver's options.
    pub driver_opts: Option<StringMap>,
    /// Labels.
    pub labels: Option<StringMap>,
}

/// The answer of `POST /volumes/prune`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumesPruneResponse {
    /// The names of the removed volumes.
    pub volumes_deleted: Option<Vec<String>>,
    /// Bytes that are free now.
    pub space_reclaimed: u64,
}

/// The body of `POST /volumes/{name}/clone`, which Docker does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeCloneRequest {
    /// The name of the new volume.
    pub name: String,
    /// Its labels.
    pub labels: Option<StringMap>,
}

/// One line of the answers of `clone`, `snapshots` and `restore`: how far a copy is. The last has a volume or
/// an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeCopyStatus {
    /// Files that are copied.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those of the bytes that are shared with the original.
    pub shared: u64,
    /// The volume, when all is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<Volume>,
    /// What went wrong.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// A state of a volume that can be restored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeSnapshot {
    /// Its name.
    pub name: String,
    /// RFC 3339.
    pub created_at: String,
}
