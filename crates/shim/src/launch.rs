//! From the command line to a shim that serves.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use linux::cgroup::Hierarchies;
use runtime::bundle;
use runtime::protocol::{Answer, Failure, frame};

use crate::cleanup::cleanup;
use crate::container::Container;
use crate::failed;
use crate::server::Server;

/// SIGCHLD: something of ours, or adopted, has ended.
const SIGCHLD: i32 = 17;

/// Runs `shim --bundle <dir>` (create, then serve) or `shim --cleanup <dir>`;
/// `args` are what follows `shim`. The one answer of the launch goes to
/// descriptor 3, as a frame.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.collect();
    let [mode, directory] = &args[..] else { return ExitCode::from(2) };
    let directory = PathBuf::from(directory);
    let Ok(answer) = linux::process::inherited(3) else { return ExitCode::from(2) };
    match mode.to_str() {
        Some("--bundle") => serve(&directory, answer),
        Some("--cleanup") => {
            tell(answer, &cleanup(&directory).map_or_else(Answer::Failed, |()| Answer::Done))
        }
        Some(_) | None => ExitCode::from(2),
    }
}

fn serve(directory: &Path, answer: OwnedFd) -> ExitCode {
    // The launcher's child ends here; we go on as nobody's.
    if let Err(error) = linux::process::detach() {
        return tell(answer, &Answer::Failed(failed("cannot fork")(error)));
    }
    match start(directory) {
        Ok(server) => {
            let code = tell(answer, &Answer::State(server.state()));
            match server.run() {
                Ok(()) => code,
                Err(error) => {
                    note(directory, &format!("the shim ends: {error}"));
                    ExitCode::FAILURE
                }
            }
        }
        Err(failure) => {
            note(directory, &failure.message);
            tell(answer, &Answer::Failed(failure))
        }
    }
}

/// Everything up to a created container and a socket that listens.
fn start(directory: &Path) -> Result<Server, Failure> {
    let directory = directory.canonicalize().map_err(failed("cannot find the bundle"))?;
    std::env::set_current_dir("/").map_err(failed("cannot leave the working directory"))?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| failed("cannot adopt orphans")(error.into()))?;
    let signals = linux::process::block_signals(&[SIGCHLD]).map_err(failed("cannot watch children"))?;
    let hierarchies = Hierarchies::find().map_err(failed("cannot find the control groups"))?;
    hierarchies.leave().map_err(failed("cannot leave the engine's control group"))?;
    let listener = listen(&directory).map_err(failed("cannot listen"))?;
    write_pid(&directory).map_err(failed("cannot write the pid file"))?;
    let (container, process) = Container::create(&directory, &hierarchies)?;
    Server::new(directory, (listener, signals), container, process).map_err(failed("cannot open the log"))
}

/// A socket's address holds 107 bytes; through the directory's descriptor any
/// bundle path is short.
fn listen(directory: &Path) -> io::Result<UnixListener> {
    let opened = File::open(directory)?;
    let listener = UnixListener::bind(format!("/proc/self/fd/{}/{}", opened.as_raw_fd(), bundle::SOCKET))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn write_pid(directory: &Path) -> io::Result<()> {
    std::fs::write(directory.join(bundle::PID), std::process::id().to_string())
}

/// Gives the launcher its answer, as one frame.
fn tell(pipe: OwnedFd, answer: &Answer) -> ExitCode {
    let told = frame::encode(answer).and_then(|bytes| File::from(pipe).write_all(&bytes));
    if told.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What nobody is there to be told, for whoever looks later.
pub(crate) fn note(directory: &Path, text: &str) {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(directory.join(bundle::LOG));
    if let Ok(mut log) = log {
        // Nothing is left to do about a log that cannot be written.
        drop(writeln!(log, "{} {text}", jiff::Timestamp::now()));
    }
}
