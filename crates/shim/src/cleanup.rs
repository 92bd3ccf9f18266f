//! What is left of a container: after its end, or after its shim was killed.

use std::io;
use std::path::Path;
use std::time::Duration;

use linux::cgroup::{Group, Hierarchies};
use runtime::protocol::{Exit, Failure, FailureKind};
use runtime::{bundle, oci};

use crate::failed;

/// How long killed processes may take to vanish.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Does what a shim that was killed can not: kills the container, records its
/// end if nobody has, removes its group and the library's state. A shim that
/// is alive is not disturbed: that is an error.
pub(crate) fn cleanup(directory: &Path) -> Result<(), Failure> {
    let socket = std::fs::File::open(directory).and_then(|opened| {
        use std::os::fd::AsRawFd;
        std::os::unix::net::UnixStream::connect(format!(
            "/proc/self/fd/{}/{}",
            opened.as_raw_fd(),
            bundle::SOCKET
        ))
    });
    if socket.is_ok() {
        let message = "the shim is alive: ask it to delete the container".to_owned();
        return Err(Failure { kind: FailureKind::WrongPhase, message });
    }
    let config = std::fs::read(directory.join(bundle::CONFIG)).map_err(failed("cannot read config.json"))?;
    let spec: oci::Spec = serde_json::from_slice(&config)
        .map_err(|error| failed("cannot read config.json")(io::Error::other(error)))?;
    let path = spec.linux().as_ref().and_then(|linux| linux.cgroups_path().clone()).unwrap_or_default();
    let hierarchies = Hierarchies::find().map_err(failed("cannot find the control groups"))?;
    let group = hierarchies.group(&path.to_string_lossy());
    if group.exists() {
        group.kill(PATIENCE, || ()).map_err(failed("cannot kill the container"))?;
        group.remove(PATIENCE).map_err(failed("cannot remove the control group"))?;
    }
    if bundle::exit(directory).ok().flatten().is_none() {
        let exit = Exit { code: 137, signal: Some(9), oom_killed: false, at_unix_nanos: crate::stats::now() };
        bundle::write_exit(directory, &exit).map_err(failed("cannot record the end"))?;
    }
    remove_state(directory);
    drop(std::fs::remove_file(directory.join(bundle::SOCKET)));
    drop(std::fs::remove_file(directory.join(bundle::PID)));
    Ok(())
}

/// After a creation that failed: whatever was made until then.
pub(crate) fn remove_traces(directory: &Path, group: &Group) {
    let reap = || while let Ok(Some(_)) = rustix::process::wait(rustix::process::WaitOptions::NOHANG) {};
    let removed = group.kill(PATIENCE, reap).and_then(|()| group.remove(PATIENCE));
    if let Err(error) = removed {
        crate::launch::note(directory, &format!("the control group is left behind: {error}"));
    }
    remove_state(directory);
    drop(std::fs::remove_file(directory.join(bundle::SOCKET)));
    drop(std::fs::remove_file(directory.join(bundle::PID)));
}

/// The library's own files.
pub(crate) fn remove_state(directory: &Path) {
    for name in ["oci", "state"] {
        match std::fs::remove_dir_all(directory.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                crate::launch::note(directory, &format!("{name} is left behind: {error}"));
            }
            Ok(()) | Err(_) => {}
        }
    }
}
