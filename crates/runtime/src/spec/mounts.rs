//! The mounts of a container: Docker's own, then what was asked for.

use std::path::PathBuf;

use oci_spec::runtime as oci;
use serde::{Deserialize, Serialize};

use super::{ContainerSpec, Host, Namespace};

/// One bind mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// On the host.
    pub source: PathBuf,
    /// Inside, absolute.
    pub target: String,
    pub read_only: bool,
    pub propagation: Propagation,
    /// Without the mounts below the source (`bind` instead of `rbind`).
    pub non_recursive: bool,
    /// Leaves the mounts below a read-only source writable.
    pub read_only_non_recursive: bool,
}

impl Mount {
    /// A writable, recursive, private bind mount.
    pub fn bind(source: impl Into<PathBuf>, target: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            target: target.into(),
            read_only: false,
            propagation: Propagation::default(),
            non_recursive: false,
            read_only_non_recursive: false,
        }
    }
}

/// How mounts made later on one side show on the other (mount_namespaces(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Propagation {
    Private,
    #[default]
    Rprivate,
    Shared,
    Rshared,
    Slave,
    Rslave,
}

impl Propagation {
    /// The mount option's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Rprivate => "rprivate",
            Self::Shared => "shared",
            Self::Rshared => "rshared",
            Self::Slave => "slave",
            Self::Rslave => "rslave",
        }
    }
}

/// A file system in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tmpfs {
    /// Inside, absolute.
    pub target: String,
    /// Beyond Docker's `noexec,nosuid,nodev`: `size=64m`, `mode=1777`, `exec`, …
    pub options: Vec<String>,
}

/// Docker's 64 MiB (moby `daemon/config.DefaultShmSize`).
const DEFAULT_SHM_SIZE: u64 = 64 << 20;

/// Where the init program of `--init` is bound, as in Docker.
pub const INIT_PATH: &str = "/sbin/docker-init";

/// All mounts of a container, parents before children.
pub(super) fn mounts(spec: &ContainerSpec, host: &Host) -> Vec<oci::Mount> {
    let targets =
        spec.mounts.iter().map(|mount| &mount.target).chain(spec.tmpfs.iter().map(|tmpfs| &tmpfs.target));
    let targets: Vec<String> = targets.map(|target| normal(target)).collect();
    // Ours must not cover what was asked for, nor be covered by it.
    let taken = |own: &oci::Mount| {
        let own = normal(&own.destination().display().to_string());
        targets.iter().any(|target| own == *target || own.starts_with(&format!("{target}/")))
    };
    let mut all = own(spec, host);
    all.retain(|mount| !taken(mount));
    let mut asked: Vec<(usize, oci::Mount)> = Vec::new();
    asked.extend(spec.tmpfs.iter().map(|tmpfs| (depth(&tmpfs.target), memory(tmpfs))));
    asked.extend(spec.mounts.iter().map(|bound| (depth(&bound.target), bind(bound))));
    asked.sort_by_key(|(depth, _)| *depth); // stable: equal depths keep their order
    all.extend(asked.into_iter().map(|(_, mount)| mount));
    if let Some(init) = &spec.init {
        let mut bound = Mount::bind(init, INIT_PATH);
        bound.read_only = true;
        all.push(bind(&bound));
    }
    all
}

/// Docker's own mounts (moby `oci/defaults.go`, `DefaultSpec`).
fn own(spec: &ContainerSpec, host: &Host) -> Vec<oci::Mount> {
    let privileged = spec.capabilities.privileged;
    let sysfs = if privileged { "rw" } else { "ro" };
    let shm_size = if spec.shm_size == 0 { DEFAULT_SHM_SIZE } else { spec.shm_size };
    let mut all = vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount("/dev/pts", "devpts", "devpts", DEVPTS),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", sysfs]),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &[sysfs, "nosuid", "noexec", "nodev"]),
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    ];
    if host.cgroup_v2 && spec.cgroup_namespace == Namespace::Host {
        all.retain(|mount| mount.destination().as_os_str() != "/sys/fs/cgroup");
        all.push(mount(
            "/sys/fs/cgroup",
            "bind",
            "/sys/fs/cgroup",
            &["rbind", sysfs, "nosuid", "noexec", "nodev"],
        ));
    }
    // Memory shared by name belongs to the IPC name space.
    let host_shm = PathBuf::from("/dev/shm");
    let shared = spec.shm_source.as_ref().or((spec.ipc == Namespace::Host).then_some(&host_shm));
    all.push(match shared {
        Some(source) => mount("/dev/shm", "bind", &source.display().to_string(), &["rbind", "rprivate"]),
        None => mount(
            "/dev/shm",
            "tmpfs",
            "shm",
            &["nosuid", "noexec", "nodev", "mode=1777", &format!("size={shm_size}")],
        ),
    });
    all
}

const DEVPTS: &[&str] = &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];

fn bind(bound: &Mount) -> oci::Mount {
    let depth = if bound.non_recursive { "bind" } else { "rbind" };
    let mut options = vec![depth, bound.propagation.name()];
    if bound.read_only {
        options.push(if bound.read_only_non_recursive { "ro" } else { "rro" });
    }
    mount(&bound.target, "bind", &bound.source.display().to_string(), &options)
}

/// Docker's defaults, unless the opposite was asked for.
fn memory(tmpfs: &Tmpfs) -> oci::Mount {
    let asked = |option: &str| tmpfs.options.iter().any(|given| given == option);
    let defaults = [("noexec", "exec"), ("nosuid", "suid"), ("nodev", "dev")];
    let mut options: Vec<&str> =
        defaults.iter().filter(|(_, opposite)| !asked(opposite)).map(|(default, _)| *default).collect();
    options.extend(
        tmpfs
            .options
            .iter()
            .map(String::as_str)
            .filter(|given| !defaults.iter().any(|(default, _)| default == given)),
    );
    mount(&tmpfs.target, "tmpfs", "tmpfs", &options)
}

fn mount(target: &str, kind: &str, source: &str, options: &[&str]) -> oci::Mount {
    let mut mount = oci::Mount::default();
    mount
        .set_destination(target.into())
        .set_typ(Some(kind.to_owned()))
        .set_source(Some(source.into()))
        .set_options(Some(options.iter().map(|option| (*option).to_owned()).collect()));
    mount
}

/// How many components a path has.
fn depth(path: &str) -> usize {
    path.split('/').filter(|part| !part.is_empty()).count()
}

/// A path without doubled or trailing slashes.
fn normal(path: &str) -> String {
    path.split('/').filter(|part| !part.is_empty()).fold(String::new(), |path, part| path + "/" + part)
}
