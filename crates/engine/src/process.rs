//! From a container to what the runtime is told of it.
//!
//! Pure: where the root file system is, which namespaces are joined and who
//! the user is comes in as [`Place`].

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

pub(crate) use runtime::{
    client::{Client, ClientError, LaunchError},
    protocol::{Exit, FailureKind, ProcessId, Streams},
    spec::{Namespace, TerminalSize},
};
use runtime::{
    spec::{
        CapabilityRequest, ContainerSpec as RuntimeSpec, Device, Mount, Resources, Rlimit, SeccompProfile,
        Tmpfs, UserIds, capabilities, resources::DeviceKind,
    },
    user::User,
};

use crate::{
    ContainerSpec, DeviceSpec, Limits, MountKind, NamespaceMode, NetworkMode, Propagation, Security,
    error::ProcessError, record::Record, spec::SpecError,
};

/// `PATH` of a container whose image says nothing (moby `oci.DefaultPathEnv`).
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a container's specification does not say itself.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) rootfs: PathBuf,
    pub(crate) network: Namespace,
    pub(crate) pid: Namespace,
    pub(crate) ipc: Namespace,
    pub(crate) uts: Namespace,
    /// Another container's /dev/shm, or the host's.
    pub(crate) shm: Option<PathBuf>,
    pub(crate) hostname: String,
    pub(crate) user: User,
    /// What is bound, in order: the managed files first, then what was asked for.
    pub(crate) mounts: Vec<Mount>,
    pub(crate) init: Option<PathBuf>,
    pub(crate) cgroup_path: String,
}

/// All that the runtime has to know.
pub(crate) fn runtime_spec(record: &Record, place: Place) -> Result<RuntimeSpec, ProcessError> {
    let spec = &*record.spec;
    let security = &spec.security;
    let options = SecurityOptions::parse(&security.options)?;
    let mut wanted = RuntimeSpec::new(place.rootfs, arguments(spec), place.cgroup_path);
    wanted.env = environment(spec, &place.hostname, &place.user.home);
    wanted.cwd.clone_from(&spec.command.workdir);
    wanted.user = place.user.ids;
    wanted.hostname = Some(place.hostname);
    wanted.domainname = Some(spec.domainname.clone()).filter(|name| !name.is_empty());
    wanted.read_only = security.read_only_root;
    wanted.terminal = spec.command.tty;
    wanted.terminal_size = spec.console_size.map(|(columns, rows)| TerminalSize { rows, columns });
    wanted.mounts = place.mounts;
    wanted.tmpfs = spec.mounts.iter().filter_map(tmpfs).collect();
    wanted.network = place.network;
    wanted.pid = place.pid;
    wanted.ipc = place.ipc;
    wanted.uts = place.uts;
    wanted.cgroup_namespace = cgroup_namespace(spec);
    wanted.capabilities = CapabilityRequest {
        add: security.cap_add.clone(),
        drop: security.cap_drop.clone(),
        privileged: security.privileged,
    };
    wanted.seccomp = options.seccomp;
    wanted.no_new_privileges = options.no_new_privileges;
    wanted.masked_paths.clone_from(&security.masked_paths);
    wanted.readonly_paths.clone_from(&security.readonly_paths);
    if options.unmask_all {
        wanted.masked_paths = Some(Vec::new());
        wanted.readonly_paths = Some(Vec::new());
    }
    wanted.rlimits = rlimits(&spec.limits);
    wanted.resources = resources(&spec.limits, &security.device_cgroup_rules);
    wanted.devices = devices(security)?;
    wanted.sysctls = sysctls(spec);
    wanted.shm_size = spec.shm_size.unwrap_or_default();
    wanted.shm_source = place.shm;
    wanted.init = place.init;
    wanted.oom_score_adj = spec.limits.oom_score_adj.unwrap_or_default();
    wanted.annotations.clone_from(&spec.annotations);
    Ok(wanted)
}

/// Refuses powers that nobody knows.
pub(crate) fn check_security(security: &Security) -> Result<(), SpecError> {
    for (field, asked) in [("CapAdd", &security.cap_add), ("CapDrop", &security.cap_drop)] {
        let request = CapabilityRequest { add: asked.clone(), ..CapabilityRequest::default() };
        capabilities::names(&request).map_err(|unknown| SpecError::Capability { field, unknown })?;
    }
    let options = SecurityOptions::parse(&security.options);
    options.map(drop).map_err(|error| SpecError::Security { message: error.to_string() })
}

/// The program and its arguments.
pub(crate) fn arguments(spec: &ContainerSpec) -> Vec<String> {
    let entrypoint = spec.command.entrypoint.iter().flatten();
    entrypoint.chain(spec.command.args.iter().flatten()).cloned().collect()
}

/// Docker's variables, then the container's, which win.
pub(crate) fn environment(spec: &ContainerSpec, hostname: &str, home: &str) -> Vec<String> {
    let mut variables: Vec<(String, String)> =
        vec![("PATH".to_owned(), DEFAULT_PATH.to_owned()), ("HOSTNAME".to_owned(), hostname.to_owned())];
    if spec.command.tty {
        variables.push(("TERM".to_owned(), "xterm".to_owned()));
    }
    for text in &spec.command.env {
        set(&mut variables, text);
    }
    if !variables.iter().any(|(name, _)| name == "HOME") {
        variables.push(("HOME".to_owned(), home.to_owned()));
    }
    variables.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

/// Sets a variable, or removes it where there is no `=`.
pub(crate) fn set(variables: &mut Vec<(String, String)>, text: &str) {
    let Some((name, value)) = text.split_once('=') else {
        variables.retain(|(name, _)| name != text);
        return;
    };
    match variables.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => value.clone_into(old),
        None => variables.push((name.to_owned(), value.to_owned())),
    }
}

/// One bind mount, of what is at `source` by now.
pub(crate) fn bind(mount: &crate::MountSpec, source: PathBuf) -> Mount {
    let mut bound = Mount::bind(source, mount.target.clone());
    bound.read_only = mount.read_only;
    if let MountKind::Bind { options, .. } = &mount.kind {
        bound.propagation = propagation(options.propagation);
        bound.non_recursive = options.non_recursive;
        bound.read_only_non_recursive = options.read_only_non_recursive;
    }
    bound
}

const fn propagation(asked: Propagation) -> runtime::spec::Propagation {
    match asked {
        Propagation::Private => runtime::spec::Propagation::Private,
        Propagation::Rprivate => runtime::spec::Propagation::Rprivate,
        Propagation::Shared => runtime::spec::Propagation::Shared,
        Propagation::Rshared => runtime::spec::Propagation::Rshared,
        Propagation::Slave => runtime::spec::Propagation::Slave,
        Propagation::Rslave => runtime::spec::Propagation::Rslave,
    }
}

fn tmpfs(mount: &crate::MountSpec) -> Option<Tmpfs> {
    let MountKind::Tmpfs { size, mode, options } = &mount.kind else { return None };
    let mut options = options.clone();
    options.extend(size.map(|bytes| format!("size={bytes}")));
    options.extend(mode.map(|bits| format!("mode={bits:o}")));
    if mount.read_only {
        options.push("ro".to_owned());
    }
    Some(Tmpfs { target: mount.target.clone(), options })
}

/// Settles what the request leaves to the machine, so that `inspect` shows it (moby `adaptContainerSettings`): with
/// cgroup v1 the host's namespace, with v2 the container's own.
pub(crate) fn settle(spec: &mut ContainerSpec, cgroup_v2: bool) {
    let mode = &mut spec.namespaces.cgroup;
    if *mode == NamespaceMode::Default {
        *mode = if cgroup_v2 { NamespaceMode::Private } else { NamespaceMode::Host };
    }
}

fn cgroup_namespace(spec: &ContainerSpec) -> Namespace {
    match spec.namespaces.cgroup {
        NamespaceMode::Host => Namespace::Host,
        NamespaceMode::Private
        | NamespaceMode::Default
        | NamespaceMode::Shareable
        | NamespaceMode::None
        | NamespaceMode::Container(_) => Namespace::Private,
    }
}

fn rlimits(limits: &Limits) -> Vec<Rlimit> {
    let value = |limit: i64| u64::try_from(limit).unwrap_or(u64::MAX);
    let rlimit = |limit: &crate::Ulimit| Rlimit {
        name: limit.name.clone(),
        soft: value(limit.soft),
        hard: value(limit.hard),
    };
    limits.ulimits.iter().map(rlimit).collect()
}

/// The limits as cgroups know them; billionths of processors become a quota of 100 ms.
pub(crate) fn resources(limits: &Limits, device_rules: &[String]) -> Resources {
    const PERIOD: u64 = 100_000;
    let nano = limits.nano_cpus.filter(|nano| *nano > 0);
    let quota = nano.and_then(|nano| i64::try_from(nano / (1_000_000_000 / PERIOD)).ok());
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    Resources {
        memory: limits.memory,
        // Docker gives as much swap as memory where nothing is said.
        memory_swap: limits
            .memory_swap
            .or_else(|| limits.memory.and_then(|bytes| i64::try_from(bytes * 2).ok())),
        memory_reservation: limits.memory_reservation,
        swappiness: limits.memory_swappiness,
        oom_kill_disable: limits.oom_kill_disable.unwrap_or_default(),
        cpu_shares: limits.cpu_shares,
        cpu_quota: quota.or(limits.cpu_quota),
        cpu_period: nano.map(|_| PERIOD).or(limits.cpu_period),
        cpuset_cpus: some(&limits.cpuset_cpus),
        cpuset_mems: some(&limits.cpuset_mems),
        pids: limits.pids,
        blkio_weight: limits.blkio_weight,
        device_rules: device_rules.to_vec(),
        ..Resources::default()
    }
}

/// What Docker sets where the container has a network stack of its own: low
/// ports and ping for everyone, since the stack is nobody else's.
fn sysctls(spec: &ContainerSpec) -> BTreeMap<String, String> {
    let own = spec.network.mode.is_private() || spec.network.mode == NetworkMode::None;
    let defaults =
        [("net.ipv4.ip_unprivileged_port_start", "0"), ("net.ipv4.ping_group_range", "0 2147483647")];
    let defaults = defaults.into_iter().filter(|_| own);
    let mut all: BTreeMap<_, _> = defaults.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    all.extend(spec.sysctls.clone());
    all
}

/// What `--security-opt` asks for.
#[derive(Debug, PartialEq, Eq)]
struct SecurityOptions {
    seccomp: SeccompProfile,
    no_new_privileges: bool,
    unmask_all: bool,
}

impl SecurityOptions {
    fn parse(options: &[String]) -> Result<Self, ProcessError> {
        let mut parsed =
            Self { seccomp: SeccompProfile::Default, no_new_privileges: false, unmask_all: false };
        for option in options {
            let invalid = || ProcessError::Invalid { message: format!("invalid --security-opt: {option:?}") };
            let (name, value) =
                option.split_once('=').or_else(|| option.split_once(':')).unwrap_or((option, ""));
            match (name, value) {
                ("no-new-privileges", "" | "true") => parsed.no_new_privileges = true,
                ("no-new-privileges", "false") => parsed.no_new_privileges = false,
                ("seccomp", "unconfined") => parsed.seccomp = SeccompProfile::Unconfined,
                ("seccomp", "builtin") => parsed.seccomp = SeccompProfile::Default,
                ("seccomp", profile) if profile.trim_start().starts_with('{') => {
                    parsed.seccomp = SeccompProfile::Json(profile.to_owned());
                }
                ("systempaths", "unconfined") => parsed.unmask_all = true,
                // Neither is enforced here: the most that can be asked for is to be left alone.
                ("apparmor" | "label", _) => {}
                _ => return Err(invalid()),
            }
        }
        Ok(parsed)
    }
}

/// The devices asked for; all of the host's for a privileged container.
fn devices(security: &Security) -> Result<Vec<Device>, ProcessError> {
    if security.privileged {
        let mut all = Vec::new();
        every_device(Path::new("/dev"), &mut all);
        return Ok(all);
    }
    let failed = |asked: &DeviceSpec, source: io::Error| ProcessError::Invalid {
        message: format!(
            "error gathering device information while adding custom device {:?}: {}",
            asked.host,
            if source.kind() == io::ErrorKind::NotFound {
                "no such file or directory".to_owned()
            } else {
                source.to_string()
            }
        ),
    };
    let one = |asked: &DeviceSpec| device(asked).map_err(|error| failed(asked, error));
    security.devices.iter().map(one).collect()
}

fn device(asked: &DeviceSpec) -> io::Result<Device> {
    let metadata = fs::metadata(&asked.host)?;
    let kind = match metadata.file_type() {
        kind if kind.is_char_device() => DeviceKind::Character,
        kind if kind.is_block_device() => DeviceKind::Block,
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a device node")),
    };
    let (major, minor) = numbers(metadata.rdev());
    Ok(Device {
        path: asked.container.display().to_string(),
        kind,
        major,
        minor,
        mode: metadata.mode() & 0o777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        access: if asked.permissions.is_empty() { "rwm".to_owned() } else { asked.permissions.clone() },
    })
}

/// Major and minor of a device number, makedev(3).
const fn numbers(device: u64) -> (i64, i64) {
    let major = ((device >> 8) & 0xfff) | ((device >> 32) & !0xfff);
    let minor = (device & 0xff) | ((device >> 12) & !0xff);
    (major.cast_signed(), minor.cast_signed())
}

/// The device nodes of the host, without those every container has of its own.
fn every_device(directory: &Path, found: &mut Vec<Device>) {
    const OWN: [&str; 7] = ["pts", "shm", "fd", "mqueue", "console", "ptmx", "core"];
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if OWN.iter().any(|own| entry.file_name() == *own) {
            continue;
        }
        if kind.is_dir() {
            every_device(&path, found);
        }
        let same = DeviceSpec { host: path.clone(), container: path, permissions: "rwm".to_owned() };
        found.extend(
            Some(())
                .filter(|()| kind.is_char_device() || kind.is_block_device())
                .and_then(|()| device(&same).ok()),
        );
    }
}

/// A further process, as the runtime has to know it.
pub(crate) fn exec_spec(record: &Record, exec: &crate::ExecSpec, user: User) -> runtime::protocol::ExecSpec {
    let spec = &record.spec;
    let hostname = spec.hostname.clone().unwrap_or_else(|| record.id.short());
    let mut with_own = ContainerSpec::clone(spec);
    with_own.command.tty |= exec.tty;
    with_own.command.env.extend(exec.env.iter().cloned());
    let cwd = [&exec.workdir, &spec.command.workdir].into_iter().find(|path| !path.is_empty());
    let UserIds { uid, gid, additional_gids } = user.ids;
    runtime::protocol::ExecSpec {
        args: exec.args.clone(),
        env: environment(&with_own, &hostname, &user.home),
        cwd: cwd.cloned().unwrap_or_else(|| "/".to_owned()),
        user: UserIds { uid, gid, additional_gids },
        terminal: exec.tty,
        terminal_size: exec.console_size.map(|(columns, rows)| TerminalSize { rows, columns }),
        privileged: exec.privileged,
        stdin: exec.stdin,
    }
}

impl From<ClientError> for ProcessError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(failure) => failure.into(),
            ClientError::Gone { .. } => Self::Gone,
            ClientError::Io { bundle: _, source } => {
                Self::Io { what: "talk to the container's shim".to_owned(), source }
            }
            ClientError::Unexpected { bundle } => Self::Io {
                what: format!("understand the shim of {}", bundle.display()),
                source: io::ErrorKind::InvalidData.into(),
            },
        }
    }
}

impl From<LaunchError> for ProcessError {
    fn from(error: LaunchError) -> Self {
        match error {
            LaunchError::Refused(failure) => failure.into(),
            other @ (LaunchError::Spawn { .. } | LaunchError::Silent { .. }) => Self::Io {
                what: "start the container's shim".to_owned(),
                source: io::Error::other(crate::chain(&other)),
            },
        }
    }
}

impl From<runtime::protocol::Failure> for ProcessError {
    fn from(failure: runtime::protocol::Failure) -> Self {
        let program =
            matches!(failure.kind, FailureKind::CommandNotFound | FailureKind::CommandNotExecutable);
        match failure.kind {
            FailureKind::NoSuchProcess => Self::NoSuchProcess,
            FailureKind::CommandNotFound
            | FailureKind::CommandNotExecutable
            | FailureKind::WrongPhase
            | FailureKind::NotUnderstood
            | FailureKind::Other => {
                Self::Failed { exit_code: failure.kind.exit_code(), message: failure.message, program }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_dockers_then_the_containers() {
        let mut spec = ContainerSpec::default();
        spec.command.env = ["A=1", "PATH=/bin", "A=2", "HOSTNAME"].map(str::to_owned).to_vec();
        assert_eq!(environment(&spec, "box", "/root"), ["PATH=/bin", "A=2", "HOME=/root"]);
        spec.command.tty = true;
        spec.command.env = vec!["HOME=/x".to_owned()];
        let expected = [&format!("PATH={DEFAULT_PATH}"), "HOSTNAME=box", "TERM=xterm", "HOME=/x"];
        assert_eq!(environment(&spec, "box", "/root"), expected);
    }

    #[test]
    fn device_numbers_are_the_kernels() {
        assert_eq!(numbers(0x0103), (1, 3));
        assert_eq!(numbers(0x8_8000_0103_u64 & 0xffff), (1, 3));
        assert_eq!(numbers(0x1000_0500), (5, 0x10_000));
    }

    #[test]
    fn billionths_of_processors_are_a_quota() {
        let limits = Limits { nano_cpus: Some(1_500_000_000), memory: Some(64 << 20), ..Limits::default() };
        let resources = resources(&limits, &[]);
        assert_eq!((resources.cpu_quota, resources.cpu_period), (Some(150_000), Some(100_000)));
        assert_eq!(resources.memory_swap, Some(128 << 20));
    }

    #[test]
    fn security_options_are_known_or_refused() {
        let parse = |options: &[&str]| {
            SecurityOptions::parse(&options.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
        };
        let parsed =
            parse(&["seccomp=unconfined", "no-new-privileges", "apparmor=unconfined"]).expect("known ones");
        assert_eq!((parsed.seccomp, parsed.no_new_privileges), (SeccompProfile::Unconfined, true));
        let error = parse(&["bogus=1"]).expect_err("an unknown one");
        assert_eq!(error.to_string(), "invalid --security-opt: \"bogus=1\"");
    }
}
