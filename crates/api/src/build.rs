//! What builds have made before.

use serde::{Deserialize, Serialize};

/// One record of `GET /system/df`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BuildCache {
    /// The image that the step has made.
    #[serde(rename = "ID")]
    pub id: String,
    /// The one it began with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parents: Option<Vec<String>>,
    /// Always `regular`.
    pub r#type: String,
    /// The instruction.
    pub description: String,
    /// Whether an image was built on it.
    pub in_use: bool,
    /// Whether others have its files, too.
    pub shared: bool,
    /// Bytes of its files.
    pub size: i64,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339; not known.
    pub last_used_at: Option<String>,
    /// Not counted.
    pub usage_count: i64,
}

/// The answer of `POST /build/prune`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BuildPruneResponse {
    /// The records that are gone.
    pub caches_deleted: Option<Vec<String>>,
    /// Bytes.
    pub space_reclaimed: u64,
}
