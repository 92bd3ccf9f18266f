//! Images: list, inspect, history, delete.

use serde::{Deserialize, Serialize};

use crate::container::ContainerConfig;
use crate::{StringMap, omit};

/// Where a layered file system is on the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GraphDriver {
    /// The driver's facts; for `overlay2`: `LowerDir`, `UpperDir`, `WorkDir`, `MergedDir`.
    pub data: Option<StringMap>,
    /// The driver.
    pub name: String,
}

/// An OCI content descriptor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Descriptor {
    /// What the content is.
    pub media_type: String,
    /// `sha256:<hex>`.
    pub digest: String,
    /// Bytes.
    pub size: i64,
    /// Other places of the content.
    #[serde(skip_serializing_if = "omit::no_items")]
    pub urls: Option<Vec<String>>,
    /// Annotations.
    #[serde(skip_serializing_if = "omit::no_entries")]
    pub annotations: Option<StringMap>,
    /// The machine it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The kind of artifact.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub artifact_type: String,
}

/// The machine an image is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Platform {
    /// The architecture, by Go's name.
    pub architecture: String,
    /// The operating system.
    pub os: String,
    /// The version of the operating system.
    #[serde(rename = "os.version", skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    /// Features of the operating system.
    #[serde(rename = "os.features", skip_serializing_if = "omit::no_items")]
    pub os_features: Option<Vec<String>>,
    /// The variant of the architecture.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

/// One line of `GET /images/json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageSummary {
    /// How many containers use it; -1 when not counted.
    pub containers: i64,
    /// Seconds since 1970.
    pub created: i64,
    /// `sha256:<hex>`.
    pub id: String,
    /// Labels; `null` when there are none.
    pub labels: Option<StringMap>,
    /// The image it was built on.
    pub parent_id: String,
    /// The manifest or index; since API 1.48.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<Descriptor>,
    /// `name@digest`.
    pub repo_digests: Vec<String>,
    /// `name:tag`.
    pub repo_tags: Vec<String>,
    /// Bytes shared with other images; -1 when not counted.
    pub shared_size: i64,
    /// Bytes.
    pub size: i64,
    /// The same as `size`; before API 1.44.
    #[serde(skip_serializing_if = "omit::zero")]
    pub virtual_size: i64,
}

/// `GET /images/{name}/json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageInspect {
    /// `sha256:<hex>`.
    pub id: String,
    /// `name:tag`.
    pub repo_tags: Vec<String>,
    /// `name@digest`.
    pub repo_digests: Vec<String>,
    /// The image it was built on; before API 1.52.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The message of the commit.
    pub comment: String,
    /// RFC 3339 with nanoseconds.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created: String,
    /// The version of Docker that built it; before API 1.52.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker_version: Option<String>,
    /// Who made it.
    pub author: String,
    /// The defaults of its containers.
    pub config: Option<ContainerConfig>,
    /// The architecture, by Go's name.
    pub architecture: String,
    /// The variant of the architecture.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// The operating system.
    pub os: String,
    /// The version of the operating system.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    /// Bytes.
    pub size: i64,
    /// The same as `size`; before API 1.44.
    #[serde(skip_serializing_if = "omit::zero")]
    pub virtual_size: i64,
    /// Where its files are.
    pub graph_driver: Option<GraphDriver>,
    /// Its layers.
    #[serde(rename = "RootFS")]
    pub root_fs: RootFs,
    /// What this machine knows of it.
    pub metadata: ImageMetadata,
    /// The manifest or index; since API 1.48.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<Descriptor>,
}

/// The layers of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RootFs {
    /// `layers`.
    pub r#type: String,
    /// The digests of the unpacked layers, the lowest first.
    #[serde(skip_serializing_if = "omit::no_items")]
    pub layers: Option<Vec<String>>,
}

/// What this machine knows of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageMetadata {
    /// RFC 3339; `0001-01-01T00:00:00Z` when never tagged.
    pub last_tag_time: String,
}

/// One line of `GET /images/{name}/history`, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageHistoryItem {
    /// The message.
    pub comment: String,
    /// Seconds since 1970.
    pub created: i64,
    /// The instruction.
    pub created_by: String,
    /// `sha256:<hex>` or `<missing>`.
    pub id: String,
    /// Bytes of the layer.
    pub size: i64,
    /// `name:tag`; `null` when there are none.
    pub tags: Option<Vec<String>>,
}

/// One line of the answer of `DELETE /images/{name}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageDeleteItem {
    /// The id of what is gone.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deleted: String,
    /// The name that is gone.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub untagged: String,
}

/// The answer of `POST /images/prune`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImagesPruneResponse {
    /// What is gone; `null` when nothing.
    pub images_deleted: Option<Vec<ImageDeleteItem>>,
    /// Bytes that are free now.
    pub space_reclaimed: u64,
}
