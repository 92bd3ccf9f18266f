//! Which parts of a specification do not go together, in Docker's words.

use runtime::spec::capabilities::UnknownCapability;
use thiserror::Error;

use crate::cnm::access::{ALLOW, AllowError, allow_list};

use super::{ContainerSpec, MountKind, NamespaceMode, NetworkMode, RestartPolicy, Root};

mod limits;

pub(crate) use limits::check_available;

/// The longest name of a container or volume, in bytes.
const NAME_MAX: usize = 255;

/// Why a specification makes no sense.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SpecError {
    #[error("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")]
    Name { name: String },
    // Docker has no limit.
    #[error("Invalid container name ({name}), only {NAME_MAX} characters are allowed")]
    LongName { name: String },
    #[error("no command specified")]
    NoCommand,
    #[error("config cannot be empty in order to create a container")]
    NoImage,
    #[error("conflicting options: {what} and the network mode")]
    NetworkMode { what: &'static str },
    #[error("conflicting options: {mode} can't be used with links. This would result in undefined behavior")]
    Links { mode: &'static str },
    #[error("could not get container for {name}: No such container: {name}")]
    LinkTarget { name: String },
    #[error("invalid {ALLOW}: {problem}")]
    Allow { problem: AllowError },
    #[error(transparent)]
    Link(#[from] crate::cnm::spec::LinkError),
    #[error("conflicting options: {what} and the container type network mode")]
    ContainerMode { what: &'static str },
    #[error("invalid {field}: {unknown}")]
    Capability { field: &'static str, unknown: UnknownCapability },
    #[error("{message}")]
    Security { message: String },
    #[error("invalid network mode netns:{path}: there is no such file")]
    NoNamespace { path: String },
    #[error("conflicting options: hostname and the UTS mode")]
    Uts,
    #[error("can't create 'AutoRemove' container with restart policy")]
    AutoRemove,
    #[error("Minimum memory limit allowed is 6MB")]
    LeastMemory,
    #[error("Minimum memoryswap limit should be larger than memory limit, see usage")]
    SwapBelowMemory,
    #[error("You should always set the Memory limit when using Memoryswap limit, see usage")]
    SwapWithoutMemory,
    #[error("Conflicting options: Nano CPUs and CPU {what} cannot both be set.")]
    NanoCpus { what: &'static str },
    #[error("Minimum memory reservation allowed is 6MB")]
    LeastReservation,
    #[error("Minimum memory limit can not be less than memory reservation limit, see usage")]
    MemoryBelowReservation,
    #[error("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")]
    CpuPeriod,
    #[error("CPU cfs quota can not be less than 1ms (i.e. 1000)")]
    CpuQuota,
    #[error("Range of CPUs is from 0.01 to {count}.00, as there are only {count} CPUs available")]
    Cpus { count: u64 },
    #[error("Invalid value {asked} for {option}")]
    CpuSet { option: &'static str, asked: String },
    #[error("Requested {what} are not available - requested {asked}, available: {available}")]
    NotAvailable { what: &'static str, asked: String, available: String },
    #[error("invalid cgroup parent {parent:?}: it must not climb")]
    CgroupParent { parent: String },
    #[error("SHM size can not be less than 0")]
    ShmSize,
    #[error("invalid mount target, must be an absolute path in the container: {target}")]
    MountTarget { target: String },
    #[error("invalid mount path: '{target}' must not be the root of the container")]
    MountRoot { target: String },
    #[error("invalid tmpfs option {option:?}")]
    TmpfsOption { option: String },
    #[error("Duplicate mount point: {target}")]
    DuplicateMount { target: String },
    #[error(
        "invalid volume specification: {source_path}: the source of a bind mount must be an absolute path"
    )]
    BindSource { source_path: String },
    #[error("invalid mount config for type \"bind\": bind source path does not exist: {path}")]
    NoBindSource { path: String },
    #[error(
        "create {name}: \"{name}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    )]
    VolumeName { name: String },
    #[error("the working directory '{workdir}' is invalid, it needs to be an absolute path")]
    Workdir { workdir: String },
    #[error("ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}")]
    Ulimit { soft: i64, hard: i64 },
    #[error(transparent)]
    Log(#[from] crate::log_options::LogError),
    #[error("invalid environment variable: {text:?}")]
    Environment { text: String },
    #[error("invalid hostname {name:?}: at most 63 letters, digits, dots and hyphens")]
    Hostname { name: String },
    #[error("{what} of a container is not supported yet: {value}")]
    Unsupported { what: &'static str, value: String },
}

/// Refuses a specification whose parts contradict one another.
pub fn check(spec: &ContainerSpec) -> Result<(), SpecError> {
    if let Some(name) = &spec.name {
        check_name(name)?;
    }
    if matches!(&spec.root, Root::Image(reference) if reference.is_empty()) {
        return Err(SpecError::NoImage);
    }
    if spec.auto_remove && spec.restart != RestartPolicy::No {
        return Err(SpecError::AutoRemove);
    }
    check_command(spec)?;
    check_network(spec)?;
    check_allow(spec)?;
    limits::check(&spec.limits)?;
    check_mounts(spec)?;
    Ok(crate::log_options::check(&spec.log.driver, &spec.log.options)?)
}

/// Refuses a name that is not one.
pub(crate) fn check_name(name: &str) -> Result<(), SpecError> {
    match name {
        name if is_name(name) => Ok(()),
        name if is_word(name) => Err(SpecError::LongName { name: name.to_owned() }),
        name => Err(SpecError::Name { name: name.to_owned() }),
    }
}

/// Whether a text is `[a-zA-Z0-9][a-zA-Z0-9_.-]+` and not too long.
pub(crate) fn is_name(text: &str) -> bool {
    is_word(text) && text.len() <= NAME_MAX
}

fn is_word(text: &str) -> bool {
    let mut characters = text.chars();
    let first = characters.next().is_some_and(|c| c.is_ascii_alphanumeric());
    let others = characters.all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    first && others && text.len() >= 2
}

/// Refuses an allow-list that is none: the container would be open to everybody.
pub(crate) fn check_allow(spec: &ContainerSpec) -> Result<(), SpecError> {
    let list = spec.labels.get(ALLOW).map(|text| allow_list(text)).transpose();
    list.map(drop).map_err(|problem| SpecError::Allow { problem })
}

fn check_command(spec: &ContainerSpec) -> Result<(), SpecError> {
    let workdir = &spec.command.workdir;
    if !workdir.is_empty() && !workdir.starts_with('/') {
        return Err(SpecError::Workdir { workdir: workdir.clone() });
    }
    let wrong = |text: &&String| text.is_empty() || text.starts_with('=') || text.contains('\0');
    if let Some(text) = spec.command.env.iter().find(wrong) {
        return Err(SpecError::Environment { text: text.clone() });
    }
    match &spec.hostname {
        Some(name) if !is_hostname(name) => Err(SpecError::Hostname { name: name.clone() }),
        _ => Ok(()),
    }
}

fn is_hostname(name: &str) -> bool {
    let character = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    name.len() <= 63 && !name.starts_with('-') && name.chars().all(character)
}

/// What libnetwork.md §8.8 lists, in Docker's order.
fn check_network(spec: &ContainerSpec) -> Result<(), SpecError> {
    let network = &spec.network;
    let has_links = !network.links.is_empty();
    if spec.namespaces.uts == NamespaceMode::Host && spec.hostname.is_some() {
        return Err(SpecError::Uts);
    }
    match &network.mode {
        NetworkMode::Container(_) => check_container_mode(spec, has_links),
        NetworkMode::Host if has_links => Err(SpecError::Links { mode: "host type networking" }),
        NetworkMode::Bridge
        | NetworkMode::Network(_)
        | NetworkMode::Host
        | NetworkMode::None
        | NetworkMode::Path(_) => Ok(()),
    }
}

fn check_container_mode(spec: &ContainerSpec, has_links: bool) -> Result<(), SpecError> {
    let network = &spec.network;
    let dns = &network.dns;
    let refused = [
        (spec.hostname.is_some(), SpecError::NetworkMode { what: "hostname" }),
        (has_links, SpecError::Links { mode: "container type network" }),
        (
            !(dns.servers.is_empty() && dns.search.is_empty() && dns.options.is_empty()),
            SpecError::NetworkMode { what: "dns" },
        ),
        (!network.extra_hosts.is_empty(), SpecError::NetworkMode { what: "custom host-to-IP mapping" }),
        (
            !network.publish.is_empty() || network.publish_all,
            SpecError::ContainerMode { what: "port publishing" },
        ),
        (!network.exposed.is_empty(), SpecError::ContainerMode { what: "port exposing" }),
    ];
    match refused.into_iter().find(|(applies, _)| *applies) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

fn check_mounts(spec: &ContainerSpec) -> Result<(), SpecError> {
    let mut targets: Vec<&str> = Vec::new();
    for mount in &spec.mounts {
        let target = mount.target.as_str();
        if !target.starts_with('/') {
            return Err(SpecError::MountTarget { target: target.to_owned() });
        }
        let trimmed = target.trim_end_matches('/');
        if trimmed.is_empty() {
            return Err(SpecError::MountRoot { target: target.to_owned() });
        }
        if targets.contains(&trimmed) {
            return Err(SpecError::DuplicateMount { target: target.to_owned() });
        }
        targets.push(trimmed);
        check_mount_source(&mount.kind)?;
    }
    Ok(())
}

fn check_mount_source(kind: &MountKind) -> Result<(), SpecError> {
    match kind {
        MountKind::Bind { source, .. } if !source.is_absolute() => {
            Err(SpecError::BindSource { source_path: source.display().to_string() })
        }
        MountKind::Volume { name: Some(name), .. } if !is_name(name) => {
            Err(SpecError::VolumeName { name: name.clone() })
        }
        MountKind::Tmpfs { options, .. } => match options.iter().find(|option| !is_tmpfs_option(option)) {
            Some(option) => Err(SpecError::TmpfsOption { option: option.clone() }),
            None => Ok(()),
        },
        MountKind::Bind { .. } | MountKind::Volume { .. } => Ok(()),
    }
}

/// What moby's `mounts.mergeTmpfsOptions` knows and tmpfs(5) takes.
fn is_tmpfs_option(option: &str) -> bool {
    const FLAGS: [&str; 21] = [
        "defaults",
        "ro",
        "rw",
        "suid",
        "nosuid",
        "dev",
        "nodev",
        "exec",
        "noexec",
        "sync",
        "async",
        "dirsync",
        "mand",
        "nomand",
        "atime",
        "noatime",
        "diratime",
        "nodiratime",
        "relatime",
        "norelatime",
        "strictatime",
    ];
    const VALUES: [&str; 7] = ["mode", "size", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"];
    match option.split_once('=') {
        Some((name, _)) => VALUES.contains(&name),
        None => FLAGS.contains(&option),
    }
}

#[cfg(test)]
mod tests;
