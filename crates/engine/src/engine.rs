//! The engine: every operation, each in a file of its own below.

use std::{future::Future, sync::Arc};

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::{
    AttachOptions, Attached, Config, ContainerId, ContainerSpec, Counts, EndpointSpec, ExecId, ExecInspect,
    ExecSpec, Inspect, Limits, ListOptions, LogEntry, LogOptions, RestartPolicy, Signal, Subscription,
    Summary, Top,
    error::{
        AttachError, ConnectError, CreateError, DisconnectError, ExecError, FindError, KillError, LogsError,
        OpenError, PauseError, RemoveError, RenameError, ResizeError, RestartError, StartError, StopError,
        TopError, UpdateError, WaitError,
    },
};

/// A container that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    pub id: ContainerId,
    /// What was asked for and will not be had.
    pub warnings: Vec<String>,
}

/// Whether there was anything to do; the edge answers 304 if not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    Now,
    Already,
}

/// How to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StopOptions {
    /// The container's own if absent.
    pub signal: Option<Signal>,
    /// Seconds until it is killed; negative waits for ever; the container's own if absent.
    pub timeout: Option<i64>,
}

/// What else goes with a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoveOptions {
    /// Kill it if it runs.
    pub force: bool,
    /// Its anonymous volumes.
    pub volumes: bool,
}

/// What to wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitCondition {
    /// It does not run; true at once if it does not.
    #[default]
    NotRunning,
    /// The next end of the first process.
    NextExit,
    /// It has been removed.
    Removed,
}

/// How a wait ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitExit {
    pub code: i32,
    /// Why the container could not be waited for to the end.
    pub error: Option<String>,
}

/// What to change of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// What is absent or empty stays.
    pub limits: Limits,
    pub restart: Option<RestartPolicy>,
}

/// The containers of one machine.
#[derive(Debug)]
pub struct Engine {}

#[expect(clippy::todo, reason = "signatures first; bodies follow")]
impl Engine {
    /// Reads the records and finds the shims of what still runs.
    pub async fn open(config: Config) -> Result<Arc<Self>, OpenError> {
        todo!("{config:?}")
    }

    /// Makes a container; `spec.name` and what the image says are filled in.
    pub async fn create(&self, spec: ContainerSpec) -> Result<Created, CreateError> {
        todo!("{spec:?}")
    }

    pub async fn start(&self, term: &str) -> Result<Done, StartError> {
        todo!("{term}")
    }

    pub async fn stop(&self, term: &str, options: StopOptions) -> Result<Done, StopError> {
        todo!("{term} {options:?}")
    }

    pub async fn restart(&self, term: &str, options: StopOptions) -> Result<(), RestartError> {
        todo!("{term} {options:?}")
    }

    pub async fn kill(&self, term: &str, signal: Signal) -> Result<(), KillError> {
        todo!("{term} {signal:?}")
    }

    /// Begins to wait: what ends after this returns is not missed.
    pub fn wait(
        &self,
        term: &str,
        condition: WaitCondition,
    ) -> Result<impl Future<Output = WaitExit> + Send + 'static, WaitError> {
        if term.is_empty() {
            return Ok(std::future::ready(WaitExit::default()));
        }
        todo!("{term} {condition:?}")
    }

    pub async fn remove(&self, term: &str, options: RemoveOptions) -> Result<(), RemoveError> {
        todo!("{term} {options:?}")
    }

    pub async fn rename(&self, term: &str, name: &str) -> Result<(), RenameError> {
        todo!("{term} {name}")
    }

    pub async fn pause(&self, term: &str) -> Result<(), PauseError> {
        todo!("{term}")
    }

    pub async fn unpause(&self, term: &str) -> Result<(), PauseError> {
        todo!("{term}")
    }

    /// Tells the first process's terminal its size.
    pub async fn resize(&self, term: &str, columns: u16, rows: u16) -> Result<(), ResizeError> {
        todo!("{term} {columns} {rows}")
    }

    pub async fn update(&self, term: &str, update: Update) -> Result<Vec<String>, UpdateError> {
        todo!("{term} {update:?}")
    }

    pub fn inspect(&self, term: &str) -> Result<Inspect, FindError> {
        todo!("{term}")
    }

    /// The newest first.
    pub fn list(&self, options: &ListOptions) -> Vec<Summary> {
        todo!("{options:?}")
    }

    pub async fn top(&self, term: &str) -> Result<Top, TopError> {
        todo!("{term}")
    }

    /// Entries in the order in which they were written; the channel closes at the end.
    pub async fn logs(
        &self,
        term: &str,
        options: LogOptions,
    ) -> Result<mpsc::Receiver<std::io::Result<LogEntry>>, LogsError> {
        todo!("{term} {options:?}")
    }

    pub async fn attach(&self, term: &str, options: AttachOptions) -> Result<Attached, AttachError> {
        todo!("{term} {options:?}")
    }

    pub async fn exec_create(&self, term: &str, spec: ExecSpec) -> Result<ExecId, ExecError> {
        todo!("{term} {spec:?}")
    }

    /// Starts it with the streams its specification names; `detach` leaves them all.
    pub async fn exec_start(&self, id: &str, detach: bool) -> Result<Option<Attached>, ExecError> {
        todo!("{id} {detach}")
    }

    pub fn exec_inspect(&self, id: &str) -> Result<ExecInspect, ExecError> {
        todo!("{id}")
    }

    pub async fn exec_resize(&self, id: &str, columns: u16, rows: u16) -> Result<(), ExecError> {
        todo!("{id} {columns} {rows}")
    }

    pub async fn connect(
        &self,
        term: &str,
        network: &str,
        settings: EndpointSpec,
    ) -> Result<(), ConnectError> {
        todo!("{term} {network} {settings:?}")
    }

    pub async fn disconnect(&self, term: &str, network: &str, force: bool) -> Result<(), DisconnectError> {
        todo!("{term} {network} {force}")
    }

    /// What happens from now on, after what has happened since `since`.
    pub fn events(&self, since: Option<Timestamp>) -> Subscription {
        todo!("{since:?}")
    }

    pub fn counts(&self) -> Counts {
        todo!()
    }
}
