//! `GET /containers/{id}/json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::container::ContainerConfig;
use crate::host_config::{HostConfig, PortMap};
use crate::image::{Descriptor, GraphDriver};
use crate::mount::MountPoint;
use crate::network::EndpointSettings;
use crate::omit;
use crate::version::Version;

/// A container with all its details.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerInspect {
    /// The id.
    pub id: String,
    /// RFC 3339 with nanoseconds.
    pub created: String,
    /// The program.
    pub path: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// The state.
    pub state: ContainerState,
    /// The id of the image.
    pub image: String,
    /// The host's path of `/etc/resolv.conf`.
    pub resolv_conf_path: String,
    /// The host's path of `/etc/hostname`.
    pub hostname_path: String,
    /// The host's path of `/etc/hosts`.
    pub hosts_path: String,
    /// The host's path of the log.
    pub log_path: String,
    /// The name with a slash in front.
    pub name: String,
    /// How often the restart policy started it.
    pub restart_count: i64,
    /// The storage driver.
    pub driver: String,
    /// The operating system.
    pub platform: String,
    /// The manifest of the image; since API 1.48.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_manifest_descriptor: Option<Descriptor>,
    /// SELinux label of the mounts.
    pub mount_label: String,
    /// SELinux label of the process.
    pub process_label: String,
    /// The AppArmor profile.
    pub app_armor_profile: String,
    /// Running exec instances; `null` when there are none.
    #[serde(rename = "ExecIDs")]
    pub exec_ids: Option<Vec<String>>,
    /// How it runs on this host.
    pub host_config: HostConfig,
    /// Where its files are; since API 1.52 only for graph drivers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph_driver: Option<GraphDriver>,
    /// Bytes it has written; only when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_rw: Option<i64>,
    /// Bytes of all its files; only when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_root_fs: Option<i64>,
    /// The mounts.
    pub mounts: Vec<MountPoint>,
    /// What runs in it.
    pub config: ContainerConfig,
    /// Its networks.
    pub network_settings: NetworkSettings,
}

impl ContainerInspect {
    /// The shape that `version` has: members of other versions are left out.
    #[must_use]
    pub fn shaped(mut self, version: Version) -> Self {
        if version >= Version::v1(52) {
            self.network_settings.legacy = None;
        }
        if version < Version::v1(48) {
            self.image_manifest_descriptor = None;
        }
        if version >= Version::v1(44) {
            self.config.mac_address.clear();
        }
        self
    }
}

/// Whether a container runs, and what was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerState {
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`.
    pub status: String,
    /// Whether there is a process; a paused container runs.
    pub running: bool,
    /// Whether its processes are frozen.
    pub paused: bool,
    /// Whether it waits to be started again.
    pub restarting: bool,
    /// Whether memory was out.
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    /// Whether its removal failed.
    pub dead: bool,
    /// The process id on the host; 0 when there is none.
    pub pid: i64,
    /// The last exit status.
    pub exit_code: i64,
    /// Why it could not be started.
    pub error: String,
    /// RFC 3339; `0001-01-01T00:00:00Z` when never.
    pub started_at: String,
    /// RFC 3339; `0001-01-01T00:00:00Z` when never.
    pub finished_at: String,
    /// Its health.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

/// The health of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Health {
    /// `none`, `starting`, `healthy` or `unhealthy`.
    pub status: String,
    /// Failures in a row.
    pub failing_streak: i64,
    /// The last tests.
    pub log: Option<Vec<HealthcheckResult>>,
}

/// One test of the health.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthcheckResult {
    /// RFC 3339.
    pub start: String,
    /// RFC 3339.
    pub end: String,
    /// 0 is healthy.
    pub exit_code: i64,
    /// What it printed.
    pub output: String,
}

/// The networks of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkSettings {
    /// The id of the sandbox.
    #[serde(rename = "SandboxID")]
    pub sandbox_id: String,
    /// The path of the network namespace.
    pub sandbox_key: String,
    /// Exposed ports with the host's ports that lead to them.
    pub ports: Option<PortMap>,
    /// Members that repeat the default network's endpoint; before API 1.52.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub legacy: Option<LegacyNetworkSettings>,
    /// The endpoints by network.
    pub networks: Option<BTreeMap<String, EndpointSettings>>,
}

/// Members that repeat the default network's endpoint; before API 1.52.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LegacyNetworkSettings {
    /// Always empty.
    pub bridge: String,
    /// Always false.
    pub hairpin_mode: bool,
    /// Always empty.
    #[serde(rename = "LinkLocalIPv6Address")]
    pub link_local_ipv6_address: String,
    /// Always 0.
    #[serde(rename = "LinkLocalIPv6PrefixLen")]
    pub link_local_ipv6_prefix_len: u8,
    /// Always `null`.
    #[serde(rename = "SecondaryIPAddresses")]
    pub secondary_ip_addresses: Option<Vec<Address>>,
    /// Always `null`.
    #[serde(rename = "SecondaryIPv6Addresses")]
    pub secondary_ipv6_addresses: Option<Vec<Address>>,
    /// The id of the endpoint.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// The IPv4 gateway.
    pub gateway: String,
    /// The IPv6 address.
    #[serde(rename = "GlobalIPv6Address")]
    pub global_ipv6_address: String,
    /// The length of its prefix.
    #[serde(rename = "GlobalIPv6PrefixLen")]
    pub global_ipv6_prefix_len: u8,
    /// The IPv4 address.
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    /// The length of its prefix.
    #[serde(rename = "IPPrefixLen")]
    pub ip_prefix_len: u8,
    /// The IPv6 gateway.
    #[serde(rename = "IPv6Gateway")]
    pub ipv6_gateway: String,
    /// The MAC address.
    pub mac_address: String,
}

impl From<&EndpointSettings> for LegacyNetworkSettings {
    fn from(endpoint: &EndpointSettings) -> Self {
        Self {
            endpoint_id: endpoint.endpoint_id.clone(),
            gateway: endpoint.gateway.clone(),
            global_ipv6_address: endpoint.global_ipv6_address.clone(),
            global_ipv6_prefix_len: endpoint.global_ipv6_prefix_len,
            ip_address: endpoint.ip_address.clone(),
            ip_prefix_len: endpoint.ip_prefix_len,
            ipv6_gateway: endpoint.ipv6_gateway.clone(),
            mac_address: endpoint.mac_address.clone(),
            ..Self::default()
        }
    }
}

/// An address and the length of its prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Address {
    /// The address.
    pub addr: String,
    /// The length of its prefix.
    #[serde(skip_serializing_if = "omit::zero")]
    pub prefix_len: u8,
}
