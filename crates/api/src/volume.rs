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
