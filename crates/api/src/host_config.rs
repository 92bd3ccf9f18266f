//! How a container runs on this host: mounts, networks, rights, limits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::container::words;
use crate::json::embeds;
use crate::mount::Mount;
use crate::{StringMap, omit};

/// Ports of a container with the host's ports that lead to them: `{"80/tcp": [{"HostPort": "8080"}]}`.
pub type PortMap = BTreeMap<String, Option<Vec<PortBinding>>>;

/// One address and port of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PortBinding {
    /// The address; empty for every one.
    pub host_ip: String,
    /// The port, a range `8000-8010`, or empty for any free one.
    pub host_port: String,
}

/// How a container runs on this host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, remote = "Self")]
pub struct HostConfig {
    /// `source:target[:mode]`.
    pub binds: Option<Vec<String>>,
    /// The file that the client writes the id to.
    #[serde(rename = "ContainerIDFile")]
    pub container_id_file: String,
    /// Where the output goes.
    pub log_config: LogConfig,
    /// `bridge`, `host`, `none`, `container:<name|id>`, `netns:<path>` or a network.
    pub network_mode: String,
    /// Published ports.
    pub port_bindings: Option<PortMap>,
    /// What happens when it exits.
    pub restart_policy: RestartPolicy,
    /// Whether it is removed when it exits.
    pub auto_remove: bool,
    /// The driver of volumes in `Binds`.
    pub volume_driver: String,
    /// Containers whose volumes are mounted.
    pub volumes_from: Option<Vec<String>>,
    /// The first size of the terminal: height, width.
    pub console_size: [u32; 2],
    /// Annotations for the OCI runtime.
    #[serde(skip_serializing_if = "omit::no_entries")]
    pub annotations: Option<StringMap>,
    /// Capabilities beyond the default ones.
    #[serde(deserialize_with = "words")]
    pub cap_add: Option<Vec<String>>,
    /// Default capabilities that are taken away.
    #[serde(deserialize_with = "words")]
    pub cap_drop: Option<Vec<String>>,
    /// `private` or `host`.
    pub cgroupns_mode: String,
    /// Name servers.
    pub dns: Option<Vec<String>>,
    /// Options of the resolver.
    pub dns_options: Option<Vec<String>>,
    /// Domains to search.
    pub dns_search: Option<Vec<String>>,
    /// `name:address` for the hosts file.
    pub extra_hosts: Option<Vec<String>>,
    /// Further groups of the process.
    pub group_add: Option<Vec<String>>,
    /// `none`, `private`, `shareable`, `host` or `container:<name|id>`.
    pub ipc_mode: String,
    /// A cgroup to share.
    pub cgroup: String,
    /// `container:alias`.
    pub links: Option<Vec<String>>,
    /// Between -1000 and 1000.
    pub oom_score_adj: i64,
    /// ``, `host` or `container:<name|id>`.
    pub pid_mode: String,
    /// Whether it has all rights.
    pub privileged: bool,
    /// Whether every exposed port is published on a free port.
    pub publish_all_ports: bool,
    /// Whether the root file system is read-only.
    pub readonly_rootfs: bool,
    /// `seccomp=…`, `apparmor=…`, `no-new-privileges`, `label=…`.
    pub security_opt: Option<Vec<String>>,
    /// Options of the writable layer.
    #[serde(skip_serializing_if = "omit::no_entries")]
    pub storage_opt: Option<StringMap>,
    /// Paths with their tmpfs options.
    #[serde(skip_serializing_if = "omit::no_entries")]
    pub tmpfs: Option<StringMap>,
    /// `` or `host`.
    #[serde(rename = "UTSMode")]
    pub uts_mode: String,
    /// `` or `host`.
    pub userns_mode: String,
    /// Bytes of `/dev/shm`; 0 is the default.
    pub shm_size: i64,
    /// Kernel settings of the container's namespaces.
    #[serde(skip_serializing_if = "omit::no_entries")]
    pub sysctls: Option<StringMap>,
    /// The OCI runtime.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub runtime: String,
    /// Windows only.
    pub isolation: String,
    /// Limits and devices.
    #[serde(flatten, skip_deserializing)]
    pub resources: Resources,
    /// Mounts.
    #[serde(skip_serializing_if = "omit::no_items")]
    pub mounts: Option<Vec<Mount>>,
    /// Paths that are hidden; `null` is the default set.
    pub masked_paths: Option<Vec<String>>,
    /// Paths that are read-only; `null` is the default set.
    pub readonly_paths: Option<Vec<String>>,
    /// Whether a small init reaps orphans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
}

embeds!(HostConfig { resources: Resources });

/// Limits and devices. 0 and `null` are "no limit".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, rename = "HostConfig")]
pub struct Resources {
    /// The relative weight against other containers.
    pub cpu_shares: i64,
    /// Bytes of memory.
    pub memory: i64,
    /// CPUs in units of 10⁻⁹.
    pub nano_cpus: i64,
    /// The cgroup above.
    pub cgroup_parent: String,
    /// Between 10 and 1000.
    pub blkio_weight: u16,
    /// Weights by device.
    pub blkio_weight_device: Option<Vec<WeightDevice>>,
    /// Bytes read per second by device.
    pub blkio_device_read_bps: Option<Vec<ThrottleDevice>>,
    /// Bytes written per second by device.
    pub blkio_device_write_bps: Option<Vec<ThrottleDevice>>,
    /// Reads per second by device.
    #[serde(rename = "BlkioDeviceReadIOps")]
    pub blkio_device_read_iops: Option<Vec<ThrottleDevice>>,
    /// Writes per second by device.
    #[serde(rename = "BlkioDeviceWriteIOps")]
    pub blkio_device_write_iops: Option<Vec<ThrottleDevice>>,
    /// The period of the CPU quota, in microseconds.
    pub cpu_period: i64,
    /// Microseconds of CPU in each period.
    pub cpu_quota: i64,
    /// The period of the real-time quota, in microseconds.
    pub cpu_realtime_period: i64,
    /// Microseconds of real-time CPU in each period.
    pub cpu_realtime_runtime: i64,
    /// CPUs such as `0-3,5`.
    pub cpuset_cpus: String,
    /// Memory nodes such as `0`.
    pub cpuset_mems: String,
    /// Devices of the host.
    pub devices: Option<Vec<DeviceMapping>>,
    /// Rules such as `c 13:* rwm`.
    pub device_cgroup_rules: Option<Vec<String>>,
    /// Devices to be found by drivers.
    pub device_requests: Option<Vec<DeviceRequest>>,
    /// Bytes that are kept when memory is short.
    pub memory_reservation: i64,
    /// Bytes of memory and swap; -1 is no limit.
    pub memory_swap: i64,
    /// Between 0 and 100; -1 is the host's.
    pub memory_swappiness: Option<i64>,
    /// Whether the kernel does not kill it when memory is out.
    pub oom_kill_disable: Option<bool>,
    /// The number of processes; 0 and -1 are no limit.
    pub pids_limit: Option<i64>,
    /// Limits of each process.
    pub ulimits: Option<Vec<Ulimit>>,
    /// Windows only.
    pub cpu_count: i64,
    /// Windows only.
    pub cpu_percent: i64,
    /// Windows only.
    #[serde(rename = "IOMaximumIOps")]
    pub io_maximum_iops: u64,
    /// Windows only.
    #[serde(rename = "IOMaximumBandwidth")]
    pub io_maximum_bandwidth: u64,
}

/// Where the output of a container goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LogConfig {
    /// The driver; empty for the engine's default.
    pub r#type: String,
    /// The driver's options.
    pub config: Option<StringMap>,
}

/// What happens when a container exits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RestartPolicy {
    /// ``, `no`, `always`, `on-failure` or `unless-stopped`.
    pub name: String,
    /// Only for `on-failure`; 0 is no limit.
    pub maximum_retry_count: i64,
}

/// The weight of a block device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WeightDevice {
    /// The path of the device.
    pub path: String,
    /// Between 10 and 1000.
    pub weight: u16,
}

/// The limit of a block device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ThrottleDevice {
    /// The path of the device.
    pub path: String,
    /// Per second.
    pub rate: u64,
}

/// A device of the host in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeviceMapping {
    /// The path on the host.
    pub path_on_host: String,
    /// The path in the container.
    pub path_in_container: String,
    /// Of `r`, `w`, `m`.
    pub cgroup_permissions: String,
}

/// Devices to be found by a driver (`--gpus`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeviceRequest {
    /// The driver.
    pub driver: String,
    /// How many; -1 is all.
    pub count: i64,
    /// Which ones.
    #[serde(rename = "DeviceIDs")]
    pub device_ids: Option<Vec<String>>,
    /// A disjunction of conjunctions of abilities.
    pub capabilities: Option<Vec<Vec<String>>>,
    /// The driver's options.
    pub options: Option<StringMap>,
}

/// A limit of each process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ulimit {
    /// Such as `nofile`.
    pub name: String,
    /// What root in the container may raise it to.
    pub hard: i64,
    /// What holds at first.
    pub soft: i64,
}
