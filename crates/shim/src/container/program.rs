//! Finds the program as runc does, and says in Docker's words why it cannot run.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use runtime::oci;
use runtime::protocol::{Failure, FailureKind};
use rustix::thread::CapabilitySet;

/// The program of a process: by its path, or in the process's own `PATH`.
pub(super) fn find(process: &oci::Process) -> Result<PathBuf, Failure> {
    let name = process.args().iter().flatten().next().map_or("", String::as_str);
    if name.contains('/') {
        return usable(Path::new(name)).map(|()| PathBuf::from(name)).map_err(|error| {
            let stat = if error.kind() == io::ErrorKind::NotFound {
                format!("stat {name}: ")
            } else {
                String::new()
            };
            failure(format!("exec: {name:?}: {stat}{}", text(&error)), &error)
        });
    }
    let path = variable(process, "PATH").unwrap_or_default();
    let directories = path.split(':').map(|directory| if directory.is_empty() { "." } else { directory });
    let mut found = directories.map(|directory| Path::new(directory).join(name));
    match found.find(|candidate| !name.is_empty() && usable(candidate).is_ok()) {
        Some(program) => Ok(program),
        None => Err(Failure {
            kind: FailureKind::CommandNotFound,
            message: format!("exec: {name:?}: executable file not found in $PATH"),
        }),
    }
}

/// A file somebody may execute; whether we may, execve(2) will tell.
fn usable(path: &Path) -> io::Result<()> {
    let status = path.metadata()?;
    if status.is_dir() {
        return Err(io::Error::from_raw_os_error(rustix::io::Errno::ISDIR.raw_os_error()));
    }
    if status.permissions().mode() & 0o111 == 0 {
        return Err(io::Error::from_raw_os_error(rustix::io::Errno::ACCESS.raw_os_error()));
    }
    Ok(())
}

/// execve(2) itself refused.
pub(super) fn not_executed(program: &Path, error: &io::Error) -> Failure {
    failure(format!("exec {}: {}", program.display(), text(error)), error)
}

/// The working directory cannot be entered.
pub(super) fn cwd(cwd: &Path, error: &io::Error) -> Failure {
    let message =
        format!("chdir to cwd ({:?}) set in config.json failed: {}", cwd.display().to_string(), text(error));
    failure(message, error)
}

fn failure(message: String, error: &io::Error) -> Failure {
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound, PermissionDenied};
    // Docker tells these apart (moby `daemon/start.go`): not there, and there but unusable.
    let unusable = [PermissionDenied, NotADirectory, IsADirectory];
    let kind = if error.kind() == NotFound {
        FailureKind::CommandNotFound
    } else if unusable.contains(&error.kind()) {
        FailureKind::CommandNotExecutable
    } else {
        FailureKind::Other
    };
    Failure { kind, message }
}

/// An error number in the words of Go's `syscall.Errno`, which clients know.
pub(super) fn text(error: &io::Error) -> String {
    let full = error.to_string();
    let words = full.split(" (os error").next().unwrap_or(&full);
    let mut letters = words.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

/// The environment, with a `HOME` by the container's own `/etc/passwd` if it has none.
pub(super) fn environment(process: &oci::Process) -> Vec<String> {
    let mut environment = process.env().clone().unwrap_or_default();
    if variable(process, "HOME").is_none() {
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let user = runtime::user::resolve(&process.user().uid().to_string(), &[], &passwd, "");
        environment.push(format!("HOME={}", user.map_or_else(|_| "/".to_owned(), |user| user.home)));
    }
    environment
}

fn variable<'a>(process: &'a oci::Process, name: &str) -> Option<&'a str> {
    let entries = process.env().iter().flatten();
    entries.filter_map(|entry| entry.split_once('=')).rfind(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The kernel's bits of a set of names.
pub(super) fn capability_set(names: &Option<oci::Capabilities>) -> CapabilitySet {
    let numbers = names.iter().flatten().filter_map(|name| {
        let full = format!("CAP_{name}");
        runtime::spec::capabilities::number(&full)
    });
    numbers.fold(CapabilitySet::empty(), |set, number| set | CapabilitySet::from_bits_retain(1 << number))
}
