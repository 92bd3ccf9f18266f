//! `/version`, `/info`, `/system/df`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::build::BuildCache;
use crate::container::ContainerSummary;
use crate::image::ImageSummary;
use crate::volume::Volume;
use crate::{StringMap, omit};

/// `GET /version`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SystemVersion {
    /// The product.
    pub platform: ProductName,
    /// Its parts.
    #[serde(skip_serializing_if = "omit::no_items")]
    pub components: Option<Vec<Component>>,
    /// The version of the engine.
    pub version: String,
    /// The newest version of the API.
    pub api_version: String,
    /// The oldest version of the API.
    #[serde(rename = "MinAPIVersion")]
    pub min_api_version: String,
    /// The commit it was built from.
    pub git_commit: String,
    /// The compiler; clients print it, so it is always there.
    pub go_version: String,
    /// The operating system.
    pub os: String,
    /// The architecture, by Go's name.
    pub arch: String,
    /// The kernel's version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kernel_version: String,
    /// Whether features are on that may change.
    #[serde(skip_serializing_if = "omit::zero")]
    pub experimental: bool,
    /// RFC 3339.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub build_time: String,
}

/// The name of the product.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ProductName {
    /// The name.
    pub name: String,
}

/// A part of the product.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Component {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// Further facts.
    pub details: Option<StringMap>,
}

/// `GET /info`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SystemInfo {
    /// The id of this engine.
    #[serde(rename = "ID")]
    pub id: String,
    /// All containers.
    pub containers: i64,
    /// Running ones.
    pub containers_running: i64,
    /// Paused ones.
    pub containers_paused: i64,
    /// All others.
    pub containers_stopped: i64,
    /// Images.
    pub images: i64,
    /// The storage driver.
    pub driver: String,
    /// Facts of the storage driver.
    pub driver_status: Vec<[String; 2]>,
    /// Drivers and plugins.
    pub plugins: Plugins,
    /// Whether memory can be limited.
    pub memory_limit: bool,
    /// Whether swap can be limited.
    pub swap_limit: bool,
    /// Whether CPU time can be limited.
    pub cpu_cfs_period: bool,
    /// Whether CPU time can be limited.
    pub cpu_cfs_quota: bool,
    /// Whether CPU weights can be given.
    #[serde(rename = "CPUShares")]
    pub cpu_shares: bool,
    /// Whether CPUs can be chosen.
    #[serde(rename = "CPUSet")]
    pub cpu_set: bool,
    /// Whether processes can be limited.
    pub pids_limit: bool,
    /// Whether the OOM killer can be switched off.
    pub oom_kill_disable: bool,
    /// Whether the host forwards IPv4.
    #[serde(rename = "IPv4Forwarding")]
    pub ipv4_forwarding: bool,
    /// Whether the log is at debug level.
    pub debug: bool,
    /// Open descriptors.
    pub n_fd: i64,
    /// Threads.
    pub n_goroutines: i64,
    /// RFC 3339.
    pub system_time: String,
    /// The default log driver.
    pub logging_driver: String,
    /// `cgroupfs` or `systemd`.
    pub cgroup_driver: String,
    /// `1` or `2`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cgroup_version: String,
    /// Clients that listen to events.
    pub n_events_listener: i64,
    /// The kernel's version.
    pub kernel_version: String,
    /// The distribution.
    pub operating_system: String,
    /// Its version.
    #[serde(rename = "OSVersion")]
    pub os_version: String,
    /// `linux`.
    #[serde(rename = "OSType")]
    pub os_type: String,
    /// The architecture, by the kernel's name.
    pub architecture: String,
    /// The registry that names without one belong to.
    pub index_server_address: String,
    /// Settings of registries.
    pub registry_config: Option<RegistryConfig>,
    /// CPUs.
    #[serde(rename = "NCPU")]
    pub ncpu: i64,
    /// Bytes of memory.
    pub mem_total: i64,
    /// Always `null`.
    pub generic_resources: Option<Vec<StringMap>>,
    /// The data root.
    pub docker_root_dir: String,
    /// The proxy.
    pub http_proxy: String,
    /// The proxy.
    pub https_proxy: String,
    /// Names that do not use the proxy.
    pub no_proxy: String,
    /// The host's name.
    pub name: String,
    /// Labels of the engine.
    pub labels: Vec<String>,
    /// Whether features are on that may change.
    pub experimental_build: bool,
    /// The version of the engine.
    pub server_version: String,
    /// The OCI runtimes.
    pub runtimes: BTreeMap<String, Runtime>,
    /// The default one.
    pub default_runtime: String,
    /// Swarm, which is always inactive.
    pub swarm: Swarm,
    /// Whether containers outlive the engine.
    pub live_restore_enabled: bool,
    /// Windows only.
    pub isolation: String,
    /// The program of `--init`.
    pub init_binary: String,
    /// Not used.
    pub containerd_commit: Commit,
    /// Not used.
    pub runc_commit: Commit,
    /// Not used.
    pub init_commit: Commit,
    /// Such as `name=seccomp,profile=builtin`.
    pub security_options: Vec<String>,
    /// The licence, for products that have one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub product_license: String,
    /// Pools that networks are cut from.
    #[serde(skip_serializing_if = "omit::no_items")]
    pub default_address_pools: Option<Vec<AddressPool>>,
    /// How packets are filtered; since API 1.49.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firewall_backend: Option<FirewallBackend>,
    /// Where device descriptions are; since API 1.44.
    #[serde(rename = "CDISpecDirs")]
    pub cdi_spec_dirs: Option<Vec<String>>,
    /// Sentences for the user.
    pub warnings: Option<Vec<String>>,
}

/// Drivers and plugins by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Plugins {
    /// Volume drivers.
    pub volume: Vec<String>,
    /// Network drivers.
    pub network: Vec<String>,
    /// Authorization plugins.
    pub authorization: Option<Vec<String>>,
    /// Log drivers.
    pub log: Vec<String>,
}

/// Settings of registries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RegistryConfig {
    /// Subnets whose registries may be insecure.
    #[serde(rename = "InsecureRegistryCIDRs")]
    pub insecure_registry_cidrs: Option<Vec<String>>,
    /// Settings by registry.
    pub index_configs: BTreeMap<String, IndexConfig>,
    /// Mirrors of the default registry.
    pub mirrors: Option<Vec<String>>,
}

/// Settings of one registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IndexConfig {
    /// Its name.
    pub name: String,
    /// Its mirrors.
    pub mirrors: Vec<String>,
    /// Whether it must use TLS.
    pub secure: bool,
    /// Whether it is the default one.
    pub official: bool,
}

/// An OCI runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Runtime {
    /// The program.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Its arguments.
    #[serde(skip_serializing_if = "omit::no_items")]
    pub runtime_args: Option<Vec<String>>,
    /// What it says of itself.
    #[serde(skip_serializing_if = "omit::no_entries")]
    pub status: Option<StringMap>,
}

/// A commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Commit {
    /// Its id.
    #[serde(rename = "ID")]
    pub id: String,
}

/// The state of swarm mode.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Swarm {
    /// Empty.
    #[serde(rename = "NodeID")]
    pub node_id: String,
    /// Empty.
    pub node_addr: String,
    /// `inactive`.
    pub local_node_state: String,
    /// False.
    pub control_available: bool,
    /// Empty.
    pub error: String,
    /// `null`.
    pub remote_managers: Option<Vec<StringMap>>,
}

/// A pool that networks are cut from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AddressPool {
    /// Address and prefix length.
    pub base: String,
    /// The prefix length of each network.
    pub size: u8,
}

/// How packets are filtered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FirewallBackend {
    /// `nftables`.
    pub driver: String,
    /// Further facts.
    #[serde(skip_serializing_if = "omit::no_items")]
    pub info: Option<Vec<[String; 2]>>,
}

/// `GET /system/df`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DiskUsage {
    /// Bytes of all layers.
    pub layers_size: i64,
    /// The images.
    pub images: Vec<ImageSummary>,
    /// The containers, with their sizes.
    pub containers: Vec<ContainerSummary>,
    /// The volumes.
    pub volumes: Vec<Volume>,
    /// What builds have made before, which is not among the images.
    pub build_cache: Vec<BuildCache>,
}
