//! Containers: create, update, list, wait, top, changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::host_config::{HostConfig, PortMap, Resources, RestartPolicy};
use crate::image::Descriptor;
use crate::json::embeds;
use crate::mount::MountPoint;
use crate::network::{EndpointSettings, NetworkingConfig};
use crate::{StringMap, StringSet, omit};

/// What `Image` begins with when the root file system is a directory of the host instead of an image:
/// `rootfs:///srv/root`, or `rootfs:///srv/root:O` to throw away what is written. No image can have such a name.
pub const ROOTFS: &str = "rootfs://";

/// The label that says who alone reaches published ports: `10.0.0.0/8,5432=wg0`.
pub const PUBLISH_ALLOW: &str = "tombolo.publish.allow";

/// What runs in a container: the part of its settings that an image can also have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, rename = "CreateRequest")]
pub struct ContainerConfig {
    /// The host name; empty for the first twelve characters of the id.
    pub hostname: String,
    /// The domain name.
    pub domainname: String,
    /// `user`, `uid`, `user:group` or `uid:gid`.
    pub user: String,
    /// Whether standard input is attached.
    pub attach_stdin: bool,
    /// Whether standard output is attached.
    pub attach_stdout: bool,
    /// Whether standard error is attached.
    pub attach_stderr: bool,
    /// Ports such as `80/tcp`.
    #[serde(skip_serializing_if = "omit::no_entries")]
    pub exposed_ports: Option<StringSet>,
    /// Whether the process has a terminal.
    pub tty: bool,
    /// Whether standard input is kept open.
    pub open_stdin: bool,
    /// Whether standard input is closed when the first client goes away.
    pub stdin_once: bool,
    /// `NAME=value`, or `NAME` to remove it.
    pub env: Option<Vec<String>>,
    /// The command, or the arguments of the entry point.
    #[serde(deserialize_with = "words")]
    pub cmd: Option<Vec<String>>,
    /// How to see whether the container is healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthConfig>,
    /// Windows only.
    #[serde(skip_serializing_if = "omit::zero")]
    pub args_escaped: bool,
    /// The image, as the user named it.
    pub image: String,
    /// Paths that are anonymous volumes.
    pub volumes: Option<StringSet>,
    /// The working directory.
    pub working_dir: String,
    /// The entry point.
    #[serde(deserialize_with = "words")]
    pub entrypoint: Option<Vec<String>>,
    /// Whether there is no network at all.
    #[serde(skip_serializing_if = "omit::zero")]
    pub network_disabled: bool,
    /// The MAC address on the first network; before API 1.44.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mac_address: String,
    /// Instructions for images built on this one.
    pub on_build: Option<Vec<String>>,
    /// Labels.
    pub labels: Option<StringMap>,
    /// The signal that stops the container, by name or number.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// Seconds between that signal and `SIGKILL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// The shell of commands given as text.
    #[serde(deserialize_with = "words", skip_serializing_if = "omit::no_items")]
    pub shell: Option<Vec<String>>,
}

/// Words, of which one may stand alone without brackets (Go's `strslice`, whose error is that of the one word).
pub(crate) fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    use serde_json::Value;
    let value = Value::deserialize(deserializer)?;
    let found = match &value {
        Value::Null => return Ok(None),
        Value::String(word) => return Ok(Some(vec![word.clone()])),
        Value::Array(words) => {
            let word =
                |word: &Value| if word.is_null() { Some("") } else { word.as_str() }.map(str::to_owned);
            if let Some(words) = words.iter().map(word).collect() {
                return Ok(Some(words));
            }
            "array"
        }
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::Object(_) => "object",
    };
    let text = format!("json: cannot unmarshal {found} into Go value of type string");
    Err(serde::de::Error::custom(text))
}

/// How to see whether a container is healthy. Times are in nanoseconds, 0 is the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthConfig {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", text]`.
    #[serde(skip_serializing_if = "omit::no_items")]
    pub test: Option<Vec<String>>,
    /// The time between two tests.
    #[serde(skip_serializing_if = "omit::zero")]
    pub interval: i64,
    /// The time one test may take.
    #[serde(skip_serializing_if = "omit::zero")]
    pub timeout: i64,
    /// The time a container has before failures count.
    #[serde(skip_serializing_if = "omit::zero")]
    pub start_period: i64,
    /// The time between two tests during the start period.
    #[serde(skip_serializing_if = "omit::zero")]
    pub start_interval: i64,
    /// The failures in a row that make it unhealthy.
    #[serde(skip_serializing_if = "omit::zero")]
    pub retries: i64,
}

/// The body of `POST /containers/create`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, remote = "Self", rename = "CreateRequest")]
pub struct ContainerCreateRequest {
    /// What runs.
    #[serde(flatten, skip_deserializing)]
    pub config: ContainerConfig,
    /// How it runs on this host.
    pub host_config: Option<HostConfig>,
    /// The settings of its endpoints, by network.
    pub networking_config: Option<NetworkingConfig>,
}

embeds!(ContainerCreateRequest { config: ContainerConfig });

/// The answer of `POST /containers/create`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerCreateResponse {
    /// The id of the container.
    pub id: String,
    /// Sentences for the user; an empty list when there are none.
    pub warnings: Vec<String>,
}

/// The body of `POST /containers/{id}/update`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, remote = "Self")]
pub struct ContainerUpdateRequest {
    /// New limits; 0 and `null` leave a limit as it is.
    #[serde(flatten, skip_deserializing)]
    pub resources: Resources,
    /// The new restart policy; an empty name leaves it as it is.
    pub restart_policy: RestartPolicy,
    /// Ports to publish besides those that are. Not Docker's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_add: Option<PortMap>,
    /// Ports to publish no longer, as `8080/tcp`, `8080:80` or `:80`. Not Docker's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_remove: Option<Vec<String>>,
    /// Who reaches published ports from now on, as `5432=10.0.0.0/8`; everybody if it is empty. Not Docker's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_allow: Option<Vec<String>>,
}

embeds!(ContainerUpdateRequest { resources: Resources });

/// The answer of `POST /containers/{id}/update`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerUpdateResponse {
    /// Sentences for the user.
    pub warnings: Option<Vec<String>>,
}

/// One line of `GET /containers/json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerSummary {
    /// The id.
    pub id: String,
    /// Names with a slash in front.
    pub names: Vec<String>,
    /// The image, as the user named it, or its id when that name is now another's.
    pub image: String,
    /// The id of the image.
    #[serde(rename = "ImageID")]
    pub image_id: String,
    /// The manifest of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_manifest_descriptor: Option<Descriptor>,
    /// The entry point and its arguments, in one text.
    pub command: String,
    /// Seconds since 1970.
    pub created: i64,
    /// Ports, exposed and published.
    pub ports: Vec<PortSummary>,
    /// Bytes that the container has written; only when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_rw: Option<i64>,
    /// Bytes of all its files; only when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_root_fs: Option<i64>,
    /// Labels.
    pub labels: StringMap,
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`.
    pub state: String,
    /// The state as a sentence, `Up 5 minutes`.
    pub status: String,
    /// The network mode.
    pub host_config: HostConfigSummary,
    /// The endpoints.
    pub network_settings: Option<NetworkSettingsSummary>,
    /// The mounts.
    pub mounts: Vec<MountPoint>,
    /// The health; since API 1.52.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthSummary>,
}

/// The part of the host configuration that a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HostConfigSummary {
    /// The network mode.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub network_mode: String,
    /// Annotations; since API 1.46.
    #[serde(skip_serializing_if = "omit::no_entries")]
    pub annotations: Option<StringMap>,
}

/// The part of the network settings that a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkSettingsSummary {
    /// The endpoints by network.
    pub networks: Option<BTreeMap<String, EndpointSettings>>,
}

/// The part of the health that a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthSummary {
    /// `none`, `starting`, `healthy` or `unhealthy`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// Failures in a row.
    pub failing_streak: i64,
}

/// One port of a container in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PortSummary {
    /// The address of the host on which it is published.
    #[serde(rename = "IP", skip_serializing_if = "String::is_empty")]
    pub ip: String,
    /// The port in the container.
    pub private_port: u16,
    /// The port of the host; 0 when it is only exposed.
    #[serde(skip_serializing_if = "omit::zero")]
    pub public_port: u16,
    /// `tcp`, `udp` or `sctp`.
    pub r#type: String,
}

/// The answer of `POST /containers/{id}/wait`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerWaitResponse {
    /// What went wrong while waiting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<WaitError>,
    /// The exit status.
    pub status_code: i64,
}

/// What went wrong while waiting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WaitError {
    /// A sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// The answer of `GET /containers/{id}/top`: a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerTopResponse {
    /// One row for each process.
    pub processes: Option<Vec<Vec<String>>>,
    /// The names of the columns.
    pub titles: Option<Vec<String>>,
}

/// One line of `GET /containers/{id}/changes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FilesystemChange {
    /// 0 changed, 1 added, 2 deleted.
    pub kind: u8,
    /// The path in the container.
    pub path: String,
}

/// What is at a path in a container: the header `X-Docker-Container-Path-Stat`, in base 64.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PathStat {
    /// The last part of the path.
    pub name: String,
    /// Bytes.
    pub size: i64,
    /// Go's `fs.FileMode`.
    pub mode: u32,
    /// RFC 3339.
    pub mtime: String,
    /// Where a link leads to in the container, if it is one.
    pub link_target: String,
}

/// The answer of `POST /containers/prune`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainersPruneResponse {
    /// The ids of the removed containers; `null` when there were none.
    pub containers_deleted: Option<Vec<String>>,
    /// Bytes that are free now.
    pub space_reclaimed: u64,
}
