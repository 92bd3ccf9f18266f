//! Puts the OCI document together.

use std::collections::{BTreeSet, HashMap};

use oci_spec::runtime as oci;
use thiserror::Error;

use super::capabilities::{self, UnknownCapability};
use super::mounts::{self, INIT_PATH};
use super::{ContainerSpec, Host, Namespace, Rlimit, SeccompProfile, defaults, resources};
use crate::seccomp::{self, ProfileError};

/// Why there is no OCI document for a container.
#[derive(Debug, Error)]
pub enum SpecError {
    #[error("No command specified")] // moby daemon/create.go
    NoCommand,
    #[error(transparent)]
    Capability(#[from] UnknownCapability),
    #[error("invalid rlimit type: {name}")]
    Rlimit { name: String },
    #[error("the working directory '{cwd}' is invalid, it needs to be an absolute path")]
    Cwd { cwd: String },
    #[error(transparent)]
    Seccomp(#[from] ProfileError),
}

/// The OCI runtime spec of a container, complete: any OCI runtime can run it.
pub fn oci_spec(spec: &ContainerSpec, host: &Host) -> Result<oci::Spec, SpecError> {
    let mut root = oci::Root::default();
    root.set_path(spec.rootfs.clone()).set_readonly(spec.read_only.then_some(true));
    let mut document = oci::Spec::default();
    document
        .set_version("1.2.0".to_owned())
        .set_root(Some(root))
        .set_process(Some(process(spec, host)?))
        .set_mounts(Some(mounts::mounts(spec, host)))
        .set_linux(Some(linux(spec)?))
        .set_hostname(spec.hostname.clone().filter(|_| spec.uts == Namespace::Private))
        .set_domainname(spec.domainname.clone().filter(|_| spec.uts == Namespace::Private))
        .set_annotations((!spec.annotations.is_empty()).then(|| pairs(&spec.annotations)));
    Ok(document)
}

fn process(spec: &ContainerSpec, host: &Host) -> Result<oci::Process, SpecError> {
    if spec.args.is_empty() {
        return Err(SpecError::NoCommand);
    }
    let cwd = if spec.cwd.is_empty() { "/" } else { &spec.cwd };
    if !cwd.starts_with('/') {
        return Err(SpecError::Cwd { cwd: spec.cwd.clone() });
    }
    let mut args = spec.args.clone();
    if spec.init.is_some() {
        args.splice(0..0, [INIT_PATH.to_owned(), "--".to_owned()]);
    }
    let mut user = oci::User::default();
    user.set_uid(spec.user.uid)
        .set_gid(spec.user.gid)
        .set_umask(spec.umask)
        .set_additional_gids(Some(spec.user.additional_gids.clone()).filter(|gids| !gids.is_empty()));
    let names = capabilities::names(&spec.capabilities)?;
    let mut process = oci::Process::default();
    process
        .set_terminal(spec.terminal.then_some(true))
        .set_console_size(spec.terminal_size.filter(|_| spec.terminal).map(super::TerminalSize::oci))
        .set_user(user)
        .set_args(Some(args))
        .set_env(Some(spec.env.clone()))
        .set_cwd(cwd.into())
        .set_capabilities(Some(capabilities::sets(&names, spec.user.uid)))
        .set_rlimits(rlimits(&spec.rlimits, host)?)
        .set_no_new_privileges(spec.no_new_privileges.then_some(true))
        .set_oom_score_adj((spec.oom_score_adj != 0).then_some(spec.oom_score_adj));
    Ok(process)
}

fn linux(spec: &ContainerSpec) -> Result<oci::Linux, SpecError> {
    let privileged = spec.capabilities.privileged;
    let names: BTreeSet<&str> = capabilities::names(&spec.capabilities)?.into_iter().collect();
    let paths = |asked: &Option<Vec<String>>, defaults: &[&str]| match asked {
        Some(paths) => paths.clone(),
        None if privileged => Vec::new(),
        None => defaults.iter().map(|path| (*path).to_owned()).collect(),
    };
    let devices: Vec<_> = spec.devices.iter().map(resources::oci_device).collect();
    let mut linux = oci::Linux::default();
    linux
        .set_namespaces(Some(namespaces(spec)))
        .set_cgroups_path(Some(spec.cgroup_path.clone().into()))
        .set_resources(Some(resources::oci_resources(&spec.resources, &spec.devices, privileged)))
        .set_devices((!devices.is_empty()).then_some(devices))
        .set_sysctl((!spec.sysctls.is_empty()).then(|| pairs(&spec.sysctls)))
        .set_masked_paths(Some(paths(&spec.masked_paths, defaults::MASKED)))
        .set_readonly_paths(Some(paths(&spec.readonly_paths, defaults::READ_ONLY)))
        .set_rootfs_propagation(propagation(spec))
        .set_seccomp(match &spec.seccomp {
            _ if privileged && spec.seccomp == SeccompProfile::Default => None,
            SeccompProfile::Unconfined => None,
            SeccompProfile::Default => Some(seccomp::default_profile().resolve(&names)?),
            SeccompProfile::Json(text) => Some(seccomp::Profile::parse(text)?.resolve(&names)?),
        });
    Ok(linux)
}

/// A mount that is to show on the host, or the host's to show inside, needs a
/// root that does not cut the tie (moby `daemon/oci_linux.go`, `withMounts`).
fn propagation(spec: &ContainerSpec) -> Option<String> {
    use super::Propagation::{Rshared, Rslave, Shared, Slave};
    let has =
        |kinds: [super::Propagation; 2]| spec.mounts.iter().any(|mount| kinds.contains(&mount.propagation));
    if has([Shared, Rshared]) {
        Some("shared".to_owned())
    } else if has([Slave, Rslave]) {
        Some("slave".to_owned())
    } else {
        None
    }
}

fn namespaces(spec: &ContainerSpec) -> Vec<oci::LinuxNamespace> {
    use oci::LinuxNamespaceType as Kind;
    let asked = [
        (Kind::Mount, &Namespace::Private),
        (Kind::Network, &spec.network),
        (Kind::Uts, &spec.uts),
        (Kind::Pid, &spec.pid),
        (Kind::Ipc, &spec.ipc),
        (Kind::Cgroup, &spec.cgroup_namespace),
    ];
    asked.into_iter().filter_map(|(kind, namespace)| oci_namespace(kind, namespace)).collect()
}

fn oci_namespace(kind: oci::LinuxNamespaceType, namespace: &Namespace) -> Option<oci::LinuxNamespace> {
    let path = match namespace {
        Namespace::Host => return None,
        Namespace::Private => None,
        Namespace::Path(path) => Some(path.clone()),
    };
    let mut section = oci::LinuxNamespace::default();
    section.set_typ(kind).set_path(path);
    Some(section)
}

/// The limits, none above what the engine itself may have.
fn rlimits(asked: &[Rlimit], host: &Host) -> Result<Option<Vec<oci::PosixRlimit>>, SpecError> {
    let clamped = asked.iter().map(|limit| {
        let ceiling = host.hard_limits.get(&limit.name).copied().unwrap_or(u64::MAX);
        let kind = format!("RLIMIT_{}", limit.name.to_ascii_uppercase());
        let kind = serde_json::from_value(kind.into())
            .map_err(|_| SpecError::Rlimit { name: limit.name.clone() })?;
        let kind: oci::PosixRlimitType = kind;
        let section = oci::PosixRlimitBuilder::default().typ(kind);
        let section = section.soft(limit.soft.min(ceiling)).hard(limit.hard.min(ceiling));
        Ok(section.build().expect("all three fields are set"))
    });
    let limits = clamped.collect::<Result<Vec<_>, SpecError>>()?;
    Ok((!limits.is_empty()).then_some(limits))
}

fn pairs(map: &std::collections::BTreeMap<String, String>) -> HashMap<String, String> {
    map.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}
