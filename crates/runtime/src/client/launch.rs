//! Starts a shim: the engine's own program, executed anew.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use linux::process::{Spawn, Spawned};
use thiserror::Error;
use tokio::net::unix::pipe;

use super::{Client, receive};
use crate::protocol::{Answer, Failure, State};

/// Why there is no shim, or no container in it.
#[derive(Debug, Error)]
pub enum LaunchError {
    #[error("cannot start {program} for {bundle}")]
    Spawn {
        program: PathBuf,
        bundle: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The shim came up and could not create the container; it has cleaned up and ended.
    #[error("{}", .0.message)]
    Refused(Failure),
    #[error("the shim of {bundle} died before it said anything; see {log}")]
    Silent { bundle: PathBuf, log: PathBuf },
}

/// Starts a shim for a bundle ([`crate::bundle::write`]) and lets it create
/// the container: set up, its program not yet running.
///
/// `program` is the binary whose first argument `shim` leads to the shim:
/// `/proc/self/exe` for the engine itself. The shim gets a session of its own,
/// no descriptor of the caller's, leaves the caller's cgroup, and outlives it.
pub async fn create(program: &Path, bundle: &Path) -> Result<(Client, State), LaunchError> {
    match run(program, bundle, "--bundle").await? {
        Answer::State(state) => Ok((Client { bundle: bundle.to_owned() }, state)),
        Answer::Failed(failure) => Err(LaunchError::Refused(failure)),
        Answer::Started { .. } | Answer::Done | Answer::Exit(_) | Answer::Pids(_) | Answer::Stats(_) => {
            Err(silent(bundle))
        }
    }
}

/// Removes what a shim that was killed has left: processes, cgroup, mounts of
/// the runtime. Writes an exit record (killed) if there is none. Idempotent.
pub async fn cleanup(program: &Path, bundle: &Path) -> Result<(), LaunchError> {
    match run(program, bundle, "--cleanup").await? {
        Answer::Done => Ok(()),
        Answer::Failed(failure) => Err(LaunchError::Refused(failure)),
        Answer::Started { .. } | Answer::State(_) | Answer::Exit(_) | Answer::Pids(_) | Answer::Stats(_) => {
            Err(silent(bundle))
        }
    }
}

/// Runs `<program> shim <mode> <bundle>` and reads its one answer from descriptor 3.
async fn run(program: &Path, bundle: &Path, mode: &str) -> Result<Answer, LaunchError> {
    let failed =
        |source| LaunchError::Spawn { program: program.to_owned(), bundle: bundle.to_owned(), source };
    let (reader, child) = start(program, bundle, mode).map_err(failed)?;
    let mut reader = pipe::Receiver::from_owned_fd(reader).map_err(failed)?;
    // Not to the end of the pipe: a created container's process still holds it.
    let answer = receive(&mut reader).await;
    // The child has ended, or is about to: the shim itself is its orphaned
    // child. Waiting takes microseconds and leaves no zombie.
    child.wait().map_err(failed)?;
    answer.map_err(|_| silent(bundle))
}

fn start(program: &Path, bundle: &Path, mode: &str) -> io::Result<(OwnedFd, Spawned)> {
    let (reader, writer) = linux::process::pipe_nonblocking_reader()?;
    let child = Spawn::new(program)
        .arg("shim")
        .arg(mode)
        .arg(bundle)
        .descriptor(writer) // becomes 3
        .new_session()
        .spawn()?;
    Ok((reader, child))
}

fn silent(bundle: &Path) -> LaunchError {
    LaunchError::Silent { bundle: bundle.to_owned(), log: bundle.join(crate::bundle::LOG) }
}
