//! The engine's end: starts shims, finds them again, asks them.
//!
//! A [`Client`] is only the bundle's path; every request is a connection of
//! its own, so that clones may be used from many tasks at once and nothing has
//! to be kept alive across an engine's restart.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::bundle;
use crate::protocol::{
    Answer, Envelope, ExecSpec, Exit, Failure, FailureKind, Phase, ProcessId, Request, State, Stats, Streams,
    VERSION, frame,
};
use crate::spec::{Resources, TerminalSize};

mod attach;
mod launch;

pub use attach::{Attached, Chunk, Output, Stdin};
pub use launch::{LaunchError, cleanup, create};

/// Why a shim did not do what it was asked.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody listens: the shim has ended or was killed. [`bundle::exit`] says
    /// how the container ended, if that was seen; [`cleanup`] removes the rest.
    #[error("the shim of {bundle} is gone")]
    Gone {
        bundle: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot talk to the shim of {bundle}")]
    Io {
        bundle: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The shim's own sentence.
    #[error("{}", .0.message)]
    Refused(Failure),
    #[error("the shim of {bundle} answered something else than was asked")]
    Unexpected { bundle: PathBuf },
}

impl ClientError {
    /// What the shim said was wrong, if it was the shim who said it.
    pub fn kind(&self) -> Option<FailureKind> {
        match self {
            Self::Refused(failure) => Some(failure.kind),
            Self::Gone { .. } | Self::Io { .. } | Self::Unexpected { .. } => None,
        }
    }

    /// Whether there is no shim any more.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Gone { .. })
    }
}

/// A shim, by its bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    bundle: PathBuf,
}

impl Client {
    /// The client of a bundle, whether its shim lives or not: every request will tell.
    pub fn new(bundle: impl Into<PathBuf>) -> Self {
        Self { bundle: bundle.into() }
    }

    /// Finds the shim of a bundle and asks how its container is.
    ///
    /// When it is gone ([`ClientError::is_gone`]) but its container's end was
    /// recorded, use [`bundle::exit`].
    pub async fn connect(bundle: &Path) -> Result<(Self, State), ClientError> {
        let client = Self { bundle: bundle.to_owned() };
        let state = client.state().await?;
        Ok((client, state))
    }

    pub fn bundle(&self) -> &Path {
        &self.bundle
    }

    pub async fn state(&self) -> Result<State, ClientError> {
        let Answer::State(state) = self.ask(Request::State).await? else {
            return Err(self.unexpected());
        };
        Ok(state)
    }

    /// Lets the created container's program run; its process identifier on the host.
    pub async fn start(&self) -> Result<u32, ClientError> {
        self.started(Request::Start).await
    }

    /// Sends a signal to one process.
    pub async fn kill(&self, process: ProcessId, signal: i32) -> Result<(), ClientError> {
        self.done(Request::Kill { process, signal, all: false }).await
    }

    /// Sends a signal to every process of the container.
    pub async fn kill_all(&self, signal: i32) -> Result<(), ClientError> {
        self.done(Request::Kill { process: ProcessId::Init, signal, all: true }).await
    }

    /// Waits for the end of a process, however long that takes. Drop it to stop waiting.
    ///
    /// The end of the first process is told even when the shim is gone, if it
    /// was recorded.
    pub async fn wait(&self, process: ProcessId) -> Result<Exit, ClientError> {
        let first = process == ProcessId::Init;
        let answer = match self.ask(Request::Wait { process }).await {
            Err(error @ ClientError::Gone { .. }) if first => {
                return bundle::exit(&self.bundle).ok().flatten().ok_or(error);
            }
            answer => answer?,
        };
        let Answer::Exit(exit) = answer else {
            return Err(self.unexpected());
        };
        Ok(exit)
    }

    /// Prepares a further process: attach to it, then [`Self::exec_start`] it.
    pub async fn exec_create(&self, id: &str, exec: ExecSpec) -> Result<(), ClientError> {
        self.done(Request::ExecCreate { id: id.to_owned(), exec }).await
    }

    /// Starts a prepared process; its process identifier on the host.
    pub async fn exec_start(&self, id: &str) -> Result<u32, ClientError> {
        self.started(Request::ExecStart { id: id.to_owned() }).await
    }

    /// Forgets a further process; kills it if it still runs.
    pub async fn exec_remove(&self, id: &str) -> Result<(), ClientError> {
        self.done(Request::ExecRemove { id: id.to_owned() }).await
    }

    pub async fn resize(&self, process: ProcessId, size: TerminalSize) -> Result<(), ClientError> {
        self.done(Request::Resize { process, size }).await
    }

    /// Joins the process's stdio from here on; works before it was started.
    pub async fn attach(&self, process: ProcessId, streams: Streams) -> Result<Attached, ClientError> {
        let mut connection = self.open().await?;
        let Answer::Done = self.exchange(&mut connection, Request::Attach { process, streams }).await? else {
            return Err(self.unexpected());
        };
        Ok(Attached::new(connection))
    }

    /// Ends the process's standard input for good.
    pub async fn close_stdin(&self, process: ProcessId) -> Result<(), ClientError> {
        self.done(Request::CloseStdin { process }).await
    }

    pub async fn pause(&self) -> Result<(), ClientError> {
        self.done(Request::Pause).await
    }

    pub async fn resume(&self) -> Result<(), ClientError> {
        self.done(Request::Resume).await
    }

    /// Writes new limits; what is `None` stays as it is.
    pub async fn update(&self, resources: Resources) -> Result<(), ClientError> {
        self.done(Request::Update { resources: Box::new(resources) }).await
    }

    /// Every process of the container, as the host numbers them.
    pub async fn pids(&self) -> Result<Vec<u32>, ClientError> {
        let Answer::Pids(pids) = self.ask(Request::Pids).await? else {
            return Err(self.unexpected());
        };
        Ok(pids)
    }

    pub async fn stats(&self) -> Result<Stats, ClientError> {
        let Answer::Stats(stats) = self.ask(Request::Stats).await? else {
            return Err(self.unexpected());
        };
        Ok(*stats)
    }

    /// Makes the shim open its log anew, after somebody moved the file away.
    pub async fn reopen_logs(&self) -> Result<(), ClientError> {
        self.done(Request::ReopenLogs).await
    }

    /// Kills what is left of the container, removes its cgroup, ends the shim.
    /// The bundle stays, with the exit record in it.
    pub async fn delete(&self) -> Result<(), ClientError> {
        self.done(Request::Delete).await
    }

    async fn done(&self, request: Request) -> Result<(), ClientError> {
        let Answer::Done = self.ask(request).await? else {
            return Err(self.unexpected());
        };
        Ok(())
    }

    async fn started(&self, request: Request) -> Result<u32, ClientError> {
        let Answer::Started { pid } = self.ask(request).await? else {
            return Err(self.unexpected());
        };
        Ok(pid)
    }

    async fn ask(&self, request: Request) -> Result<Answer, ClientError> {
        let mut connection = self.open().await?;
        self.exchange(&mut connection, request).await
    }

    /// A refusal becomes an error here, and only here.
    async fn exchange(&self, connection: &mut UnixStream, request: Request) -> Result<Answer, ClientError> {
        let broken = |source| self.broken(source);
        let bytes = frame::encode(&Envelope { version: VERSION, request }).map_err(broken)?;
        connection.write_all(&bytes).await.map_err(broken)?;
        let answer = receive(connection).await.map_err(broken)?;
        if let Answer::Failed(failure) = answer {
            return Err(ClientError::Refused(failure));
        }
        Ok(answer)
    }

    async fn open(&self) -> Result<UnixStream, ClientError> {
        connect(&self.bundle).await.map_err(|source| self.broken(source))
    }

    /// Nobody there, or nobody there any more, is told apart from the rest.
    fn broken(&self, source: io::Error) -> ClientError {
        use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound, UnexpectedEof};
        let gone = [BrokenPipe, ConnectionRefused, ConnectionReset, NotFound, UnexpectedEof];
        let bundle = self.bundle.clone();
        if gone.contains(&source.kind()) {
            ClientError::Gone { bundle, source }
        } else {
            ClientError::Io { bundle, source }
        }
    }

    fn unexpected(&self) -> ClientError {
        ClientError::Unexpected { bundle: self.bundle.clone() }
    }
}

impl State {
    /// How the first process ended, if it has.
    pub fn exit(&self) -> Option<&Exit> {
        match &self.phase {
            Phase::Exited(exit) => Some(exit),
            Phase::Created | Phase::Running | Phase::Paused => None,
        }
    }
}

/// A socket's address holds 107 bytes; through the directory's descriptor any
/// bundle path is short.
async fn connect(bundle: &Path) -> io::Result<UnixStream> {
    let directory = std::fs::File::open(bundle)?;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&directory);
    UnixStream::connect(format!("/proc/self/fd/{fd}/{}", bundle::SOCKET)).await
}

async fn receive(connection: &mut (impl AsyncRead + Unpin)) -> io::Result<Answer> {
    let mut header = [0; 4];
    connection.read_exact(&mut header).await?;
    let mut bytes = vec![0; frame::length(header)?];
    connection.read_exact(&mut bytes).await?;
    Ok(serde_json::from_slice(&bytes)?)
}
