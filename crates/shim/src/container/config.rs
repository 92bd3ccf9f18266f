//! What the library is told: the container's spec without what [`super::executor`] does.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use linux::cgroup::{Hierarchies, Version};
use linux::mount::{Propagation, Reach};
use runtime::oci;
use runtime::protocol::ExecSpec;
use runtime::spec::capabilities;

/// The library's bundle, inside ours.
pub(super) const DIRECTORY: &str = "oci";
/// Where the library keeps its state.
pub(super) const STATE: &str = "state";
const EXEC: &str = "exec.json";

/// Writes the library's `config.json`.
pub(super) fn write(directory: &Path, spec: &oci::Spec, hierarchies: &Hierarchies) -> io::Result<()> {
    std::fs::create_dir_all(directory.join(STATE))?;
    std::fs::create_dir_all(directory.join(DIRECTORY))?;
    let adapted = adapt(spec.clone(), hierarchies);
    std::fs::write(directory.join(DIRECTORY).join("config.json"), serde_json::to_vec(&adapted)?)
}

fn adapt(mut spec: oci::Spec, hierarchies: &Hierarchies) -> oci::Spec {
    let process = spec.process().clone().map(strip);
    let mut linux = spec.linux().clone().unwrap_or_default();
    linux.set_seccomp(None);
    let mounts = spec.mounts().clone().unwrap_or_default();
    let mounts = match hierarchies.version() {
        Version::V2 => mounts,
        Version::V1 => own_cgroups(mounts, &mut linux, hierarchies),
    };
    spec.set_process(process).set_mounts(Some(mounts)).set_linux(Some(linux));
    spec
}

/// Targets of bind mounts and how they are to spread, in the order in which they are made.
pub(super) fn propagation(spec: &oci::Spec) -> Vec<(PathBuf, Propagation, Reach)> {
    let asked = |mount: &oci::Mount| {
        let options = mount.options().as_ref()?;
        options.iter().any(|option| option == "bind" || option == "rbind").then_some(())?;
        let (propagation, reach) = options.iter().find_map(|option| spreading(option))?;
        Some((mount.destination().clone(), propagation, reach))
    };
    spec.mounts().iter().flatten().filter_map(asked).collect()
}

fn spreading(option: &str) -> Option<(Propagation, Reach)> {
    Some(match option {
        "private" => (Propagation::Private, Reach::ThisMount),
        "rprivate" => (Propagation::Private, Reach::AllBelow),
        "shared" => (Propagation::Shared, Reach::ThisMount),
        "rshared" => (Propagation::Shared, Reach::AllBelow),
        "slave" => (Propagation::Slave, Reach::ThisMount),
        "rslave" => (Propagation::Slave, Reach::AllBelow),
        _ => return None,
    })
}

/// Takes out of a process what the executor does.
fn strip(mut process: oci::Process) -> oci::Process {
    process
        .set_capabilities(None)
        .set_no_new_privileges(None)
        .set_oom_score_adj(None) // the library would set it for the shim itself
        .set_cwd("/".into());
    process
}

/// Replaces the version 1 cgroup mount by bind mounts of the container's own
/// groups: the library would mount every controller writable, and a container
/// could lift its own limits.
fn own_cgroups(
    mounts: Vec<oci::Mount>,
    linux: &mut oci::Linux,
    hierarchies: &Hierarchies,
) -> Vec<oci::Mount> {
    let mut all = Vec::new();
    for mount in mounts {
        if mount.typ().as_deref() != Some("cgroup") {
            all.push(mount);
            continue;
        }
        let read_only = mount.options().iter().flatten().any(|option| option == "ro");
        all.extend(cgroup_binds(&mount, linux, hierarchies, read_only));
        if read_only {
            let mut paths = linux.readonly_paths().clone().unwrap_or_default();
            paths.push(mount.destination().display().to_string());
            linux.set_readonly_paths(Some(paths));
        }
    }
    all
}

fn cgroup_binds(
    mount: &oci::Mount,
    linux: &oci::Linux,
    hierarchies: &Hierarchies,
    read_only: bool,
) -> Vec<oci::Mount> {
    let path = linux.cgroups_path().clone().unwrap_or_default();
    let group = hierarchies.group(&path.to_string_lossy());
    let top = mount.destination();
    // Filled below, hence writable; the read-only path above closes it.
    let mut all = vec![made(top, "tmpfs", Path::new("tmpfs"), &["noexec", "nosuid", "nodev", "mode=755"])];
    for (controller, _) in hierarchies.controllers() {
        let Some(source) = group.directory(controller) else { continue };
        let mut options = vec!["bind", "nosuid", "noexec", "nodev"];
        options.extend(read_only.then_some("ro"));
        all.push(made(&top.join(controller), "bind", source, &options));
    }
    all
}

fn made(target: &Path, kind: &str, source: &Path, options: &[&str]) -> oci::Mount {
    let mut mount = oci::Mount::default();
    mount
        .set_destination(target.to_owned())
        .set_typ(Some(kind.to_owned()))
        .set_source(Some(source.to_owned()))
        .set_options(Some(options.iter().map(|option| (*option).to_owned()).collect()));
    mount
}

/// The OCI form of a further process: the container's limits and privileges,
/// its own program, user, directory and terminal.
pub(super) fn exec_process(spec: &oci::Spec, exec: &ExecSpec) -> oci::Process {
    let container = spec.process().clone().unwrap_or_default();
    let bounding = container.capabilities().as_ref().and_then(|sets| sets.bounding().clone());
    let kept: Vec<String> = bounding.iter().flatten().map(|name| format!("CAP_{name}")).collect();
    let names: Vec<&str> =
        if exec.privileged { capabilities::ALL.to_vec() } else { kept.iter().map(String::as_str).collect() };
    let mut user = oci::User::default();
    user.set_uid(exec.user.uid)
        .set_gid(exec.user.gid)
        .set_umask(container.user().umask())
        .set_additional_gids(Some(exec.user.additional_gids.clone()).filter(|gids| !gids.is_empty()));
    let mut process = container;
    process
        .set_terminal(exec.terminal.then_some(true))
        .set_console_size(exec.terminal_size.filter(|_| exec.terminal).map(runtime::spec::TerminalSize::oci))
        .set_user(user)
        .set_args(Some(exec.args.clone()))
        .set_env(Some(exec.env.clone()))
        .set_cwd(if exec.cwd.is_empty() { "/".into() } else { exec.cwd.clone().into() })
        .set_capabilities(Some(capabilities::sets(&names, exec.user.uid)));
    process
}

/// Writes a further process for the library, without the executor's part.
pub(super) fn write_exec(directory: &Path, process: &oci::Process) -> io::Result<PathBuf> {
    let path = directory.join(DIRECTORY).join(EXEC);
    std::fs::write(&path, serde_json::to_vec(&strip(process.clone()))?)?;
    Ok(path)
}

/// Removes what starting a further process leaves: our file, the library's sockets.
pub(super) fn forget_exec(directory: &Path) {
    drop(std::fs::remove_file(directory.join(DIRECTORY).join(EXEC)));
    let state = directory.join(STATE).join(super::NAME);
    let Ok(entries) = std::fs::read_dir(state) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with("tenant-") {
            drop(std::fs::remove_file(entry.path()));
        }
    }
}

/// Listens at a path of any length.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let directory = File::open(path.parent().unwrap_or(Path::new("/")))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    UnixListener::bind(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()))
}
