//! What the engine is told when it begins.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

/// Where the engine keeps things, and what containers get that ask for nothing.
#[derive(Clone, Debug)]
pub struct Config {
    /// What outlives the machine's restart: records, logs, volumes.
    pub data_root: PathBuf,
    /// What does not: bundles and sockets of shims, mount points.
    pub exec_root: PathBuf,
    /// The program whose first argument `shim` leads to the shim: `/proc/self/exe` for our own.
    pub shim: PathBuf,
    /// The program bound into containers that want an init.
    pub init: Option<PathBuf>,
    /// Whether every container gets an init that does not refuse it.
    pub init_by_default: bool,
    /// Log driver of containers that have none.
    pub log_driver: String,
    /// Log options of containers that have that driver.
    pub log_options: BTreeMap<String, String>,
    /// Name servers, search domains and options of containers that have none; the host's if empty.
    pub dns_servers: Vec<IpAddr>,
    pub dns_search: Vec<String>,
    pub dns_options: Vec<String>,
    /// Whether containers of the default network have a resolver that follows the host's servers.
    pub dns_follow_host: bool,
    /// Whether containers find `name.network` on networks that they are not on.
    pub dns_across_networks: bool,
    /// Options of new bridge networks that do not say otherwise.
    pub network_options: BTreeMap<String, String>,
    /// The cgroup under which all containers are.
    pub cgroup_parent: String,
}

impl Config {
    /// Everything at its default, in these two directories, with this program as the shim.
    pub fn new(data_root: PathBuf, exec_root: PathBuf, shim: PathBuf) -> Self {
        Self {
            data_root,
            exec_root,
            shim,
            init: None,
            init_by_default: false,
            log_driver: "json-file".to_owned(),
            log_options: BTreeMap::new(),
            network_options: BTreeMap::new(),
            dns_servers: Vec::new(),
            dns_search: Vec::new(),
            dns_options: Vec::new(),
            dns_follow_host: true,
            dns_across_networks: false,
            cgroup_parent: "/tombolo".to_owned(),
        }
    }
}
