//! What the engine wants of a container, and the OCI runtime spec that says so.
//!
//! Pure: nothing here looks at the machine. What depends on it (the limits the
//! engine itself may not exceed, the cgroup version) is passed in as [`Host`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub mod capabilities;
pub mod defaults;
mod document;
pub mod mounts;
pub mod resources;

pub use capabilities::CapabilityRequest;
pub use document::{SpecError, oci_spec};
pub use mounts::{Mount, Propagation, Tmpfs};
pub use resources::{Device, Resources, Throttle, WeightDevice};

/// All that decides what the processes of a container see and may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// The program and its arguments; never empty.
    pub args: Vec<String>,
    /// `NAME=value`, in order.
    pub env: Vec<String>,
    /// An absolute path inside; empty means `/`.
    pub cwd: String,
    pub user: UserIds,
    /// Ignored without a UTS namespace of its own.
    pub hostname: Option<String>,
    pub domainname: Option<String>,
    /// The mounted root file system, as the host sees it.
    pub rootfs: PathBuf,
    pub read_only: bool,
    /// The first process gets a pseudo terminal instead of three pipes.
    pub terminal: bool,
    /// Rows and columns of the terminal at its birth.
    pub terminal_size: Option<TerminalSize>,
    /// Bind mounts, in the order in which they are made.
    pub mounts: Vec<Mount>,
    pub tmpfs: Vec<Tmpfs>,
    pub network: Namespace,
    pub pid: Namespace,
    pub ipc: Namespace,
    pub uts: Namespace,
    pub cgroup_namespace: Namespace,
    pub capabilities: CapabilityRequest,
    pub seccomp: SeccompProfile,
    /// `None`: Docker's list; `Some(vec![])`: nothing is masked.
    pub masked_paths: Option<Vec<String>>,
    /// `None`: Docker's list.
    pub readonly_paths: Option<Vec<String>>,
    pub rlimits: Vec<Rlimit>,
    pub resources: Resources,
    pub devices: Vec<Device>,
    pub sysctls: BTreeMap<String, String>,
    /// Bytes of `/dev/shm`; 0 means Docker's 64 MiB.
    pub shm_size: u64,
    /// A directory of the host to be `/dev/shm` instead of a tmpfs of its own
    /// (IPC shared with the host or with another container).
    pub shm_source: Option<PathBuf>,
    /// The init program on the host that is bound to `/sbin/docker-init` and
    /// becomes the first process.
    pub init: Option<PathBuf>,
    pub no_new_privileges: bool,
    pub oom_score_adj: i32,
    pub umask: Option<u32>,
    pub annotations: BTreeMap<String, String>,
    /// Absolute, below every controller's mount point: `/tombolo/<id>`.
    pub cgroup_path: String,
}

impl ContainerSpec {
    /// A container with Docker's defaults: every name space its own, default
    /// capabilities and system calls, no limits.
    pub fn new(rootfs: impl Into<PathBuf>, args: Vec<String>, cgroup_path: impl Into<String>) -> Self {
        Self {
            args,
            env: vec![defaults::PATH.to_owned()],
            cwd: "/".to_owned(),
            user: UserIds::default(),
            hostname: None,
            domainname: None,
            rootfs: rootfs.into(),
            read_only: false,
            terminal: false,
            terminal_size: None,
            mounts: Vec::new(),
            tmpfs: Vec::new(),
            network: Namespace::Private,
            pid: Namespace::Private,
            ipc: Namespace::Private,
            uts: Namespace::Private,
            cgroup_namespace: Namespace::Private,
            capabilities: CapabilityRequest::default(),
            seccomp: SeccompProfile::Default,
            masked_paths: None,
            readonly_paths: None,
            rlimits: Vec::new(),
            resources: Resources::default(),
            devices: Vec::new(),
            sysctls: BTreeMap::new(),
            shm_size: 0,
            shm_source: None,
            init: None,
            no_new_privileges: false,
            oom_score_adj: 0,
            umask: None,
            annotations: BTreeMap::new(),
            cgroup_path: cgroup_path.into(),
        }
    }
}

/// Who a process runs as, in numbers; names are resolved by [`crate::user`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserIds {
    pub uid: u32,
    pub gid: u32,
    pub additional_gids: Vec<u32>,
}

/// Rows and columns of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    pub rows: u16,
    pub columns: u16,
}

impl TerminalSize {
    /// The OCI form.
    pub fn oci(self) -> oci_spec::runtime::Box {
        let size = oci_spec::runtime::BoxBuilder::default();
        let size = size.height(u64::from(self.rows)).width(u64::from(self.columns));
        size.build().expect("both fields are set")
    }
}

/// Which name space of one kind a container lives in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Namespace {
    /// A new one, that ends with the container.
    #[default]
    Private,
    /// The one the shim was started in.
    Host,
    /// An existing one, by its file (`/proc/<pid>/ns/…` or a bind mount of it).
    Path(PathBuf),
}

/// Which system calls are let through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SeccompProfile {
    /// Docker's default profile, adjusted to the capabilities.
    #[default]
    Default,
    /// No filter.
    Unconfined,
    /// A profile in Docker's JSON form.
    Json(String),
}

/// One resource limit; `u64::MAX` is unlimited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// Docker's name: `nofile`, `core`, …
    pub name: String,
    pub soft: u64,
    pub hard: u64,
}

/// What of the machine a spec depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// The engine's own hard limits by Docker's name (`nofile` → 20000). A
    /// process without `CAP_SYS_RESOURCE` cannot give more than it has; what
    /// is not listed is not clamped.
    pub hard_limits: BTreeMap<String, u64>,
    /// Whether the machine has the unified cgroup hierarchy alone (version 2).
    pub cgroup_v2: bool,
}
