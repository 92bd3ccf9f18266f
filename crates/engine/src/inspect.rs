//! What can be seen of a container.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    sync::Arc,
};

use jiff::Timestamp;

use crate::{
    ContainerId, ContainerSpec, EndpointSpec, ExecId, Health, State,
    cnm::{EndpointId, Mac, NetworkId, PortBinding, Ports, SandboxId},
};

/// All about one container, at one moment.
#[derive(Clone, Debug)]
pub struct Inspect {
    pub id: ContainerId,
    /// Without the leading slash.
    pub name: String,
    pub created: Timestamp,
    /// With what the image says merged in.
    pub spec: Arc<ContainerSpec>,
    /// `sha256:…`; absent where the root is a directory.
    pub image_id: Option<String>,
    /// The program and its arguments as they are run.
    pub path: String,
    pub args: Vec<String>,
    pub state: State,
    /// Absent where nothing tests it.
    pub health: Option<Health>,
    /// How often the restart policy started it again.
    pub restart_count: u32,
    pub files: ManagedFiles,
    /// As the container sees it.
    pub hostname: String,
    /// Those of the default network, as `/name:/own name/alias`.
    pub links: Vec<String>,
    pub execs: Vec<ExecId>,
    pub mounts: Vec<MountPoint>,
    pub network: NetworkState,
}

/// The files the engine keeps for a container on the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManagedFiles {
    /// Absent until the container has started once.
    pub resolv_conf: PathBuf,
    pub hostname: PathBuf,
    pub hosts: PathBuf,
    /// Absent where nothing is logged to a file.
    pub log: Option<PathBuf>,
}

/// A mount as it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountPoint {
    /// `bind`, `volume` or `tmpfs`.
    pub kind: &'static str,
    /// The volume's name.
    pub name: Option<String>,
    pub source: PathBuf,
    pub destination: String,
    /// Of a volume.
    pub driver: Option<String>,
    /// The mode as given with `-v`.
    pub mode: String,
    pub writable: bool,
    pub propagation: String,
}

/// Where a container is on the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkState {
    pub sandbox: Option<SandboxId>,
    /// The path of the namespace.
    pub sandbox_key: Option<PathBuf>,
    /// What is published now.
    pub bindings: Vec<PortBinding>,
    /// What is announced and may or may not be published.
    pub exposed: Vec<Ports>,
    /// By network name.
    pub networks: BTreeMap<String, Connection>,
}

/// One connection to one network: as asked for, and as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    pub spec: EndpointSpec,
    /// Names it answers to; empty where the network resolves none.
    pub dns_names: Vec<String>,
    /// Absent while the network is only known by what the user wrote.
    pub network: Option<NetworkId>,
    /// What follows is absent while the container does not run.
    pub live: Option<LiveConnection>,
}

/// What is true of a connection while the container runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveConnection {
    pub endpoint: EndpointId,
    pub mac: Option<Mac>,
    /// Address and prefix length.
    pub v4: Option<(Ipv4Addr, u8)>,
    pub v6: Option<(Ipv6Addr, u8)>,
    pub gateway_v4: Option<IpAddr>,
    pub gateway_v6: Option<IpAddr>,
}

/// How the root file system is put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GraphDriver {
    pub name: String,
    /// `LowerDir`, `UpperDir`, `MergedDir`, `WorkDir`.
    pub data: BTreeMap<String, String>,
}

/// The processes of a container, as `ps -ef` shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Top {
    pub titles: Vec<String>,
    pub processes: Vec<Vec<String>>,
}

/// Counts for `docker info`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub containers: usize,
    pub running: usize,
    pub paused: usize,
    pub stopped: usize,
}
