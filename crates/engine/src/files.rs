//! The files the engine writes for a container: hosts, hostname, resolv.conf.
//!
//! They are written in place, never replaced: the container has them mounted.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use runtime::spec::Mount;

use crate::{
    ContainerSpec, ManagedFiles,
    cnm::{
        Model, SandboxId,
        files::{self, HostFile, Loopback},
    },
};

/// Where a host that runs systemd-resolved has the servers behind its stub.
const BEHIND_STUB: &str = "/run/systemd/resolve/resolv.conf";
const STUB: &str = "127.0.0.53";

/// The three files below a container's directory.
pub(crate) fn paths(directory: &Path) -> ManagedFiles {
    ManagedFiles {
        resolv_conf: directory.join("resolv.conf"),
        hostname: directory.join("hostname"),
        hosts: directory.join("hosts"),
        log: None,
    }
}

/// Writes what a sandbox says now. A sandbox that is gone says nothing.
pub(crate) fn write(paths: &ManagedFiles, model: &Model, sandbox: &SandboxId) -> io::Result<()> {
    let Some(known) = model.sandbox(sandbox) else { return Ok(()) };
    let (path, text) = host_resolv_conf();
    let host = HostFile { path, text: &text };
    let host_hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    fs::write(&paths.hostname, files::hostname(known))?;
    let hosts = files::hosts(model, sandbox, loopback(), &host_hosts);
    fs::write(&paths.hosts, hosts.unwrap_or_default())?;
    let resolv_conf = files::resolv_conf(model, sandbox, host);
    fs::write(&paths.resolv_conf, resolv_conf.unwrap_or_default())
}

/// Binds the files into the container, unless it has something of its own there.
pub(crate) fn mounts(paths: &ManagedFiles, spec: &ContainerSpec) -> Vec<Mount> {
    let files = [
        (&paths.resolv_conf, "/etc/resolv.conf"),
        (&paths.hostname, "/etc/hostname"),
        (&paths.hosts, "/etc/hosts"),
    ];
    let is_free = |target: &str| !spec.mounts.iter().any(|mount| mount.target == target);
    let files = files.into_iter().filter(|(source, target)| is_free(target) && source.exists());
    files.map(|(source, target): (&PathBuf, &str)| Mount::bind(source, target)).collect()
}

/// The host's file, or the one behind the stub it names; nothing where it has none.
fn host_resolv_conf() -> (&'static str, String) {
    let path = "/etc/resolv.conf";
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver")).map(str::trim);
    let stub = servers.next() == Some(STUB) && servers.next().is_none();
    match fs::read_to_string(BEHIND_STUB) {
        Ok(behind) if stub => (BEHIND_STUB, behind),
        Ok(_) | Err(_) => (path, text),
    }
}

/// A kernel without IPv6 has no `::1` anywhere.
fn loopback() -> Loopback {
    if Path::new("/proc/net/if_inet6").exists() { Loopback::Dual } else { Loopback::V4 }
}
