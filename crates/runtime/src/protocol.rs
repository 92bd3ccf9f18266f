//! What the engine and a shim say to one another over the shim's socket.
//!
//! A frame is a length (four bytes, big endian) and that many bytes of JSON.
//! The engine sends an [`Envelope`], the shim answers with an [`Answer`]; a
//! connection may carry many, one after the other. After [`Request::Attach`]
//! was answered with `Done`, the connection carries [`stream`] frames instead.
//!
//! Only the shim's own user (by SO_PEERCRED) is listened to.

use serde::{Deserialize, Serialize};

use crate::spec::{Resources, TerminalSize, UserIds};

pub mod frame;
pub mod stats;
pub mod stream;

pub use stats::Stats;

/// The version both must speak; an engine that was upgraded speaks old ones too.
pub const VERSION: u32 = 1;

/// One request, with the version it is written in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    pub version: u32,
    pub request: Request,
}

/// All that can be asked of a shim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Answered with [`Answer::State`].
    State,
    /// Lets the created container's program run. Answered with `Started`.
    Start,
    /// Sends a signal to the first process, or to every process of the container.
    Kill {
        process: ProcessId,
        signal: i32,
        all: bool,
    },
    /// Answered with [`Answer::Exit`] when the process has ended; at once if it has.
    Wait {
        process: ProcessId,
    },
    /// Prepares a further process (its pipes), which [`Request::ExecStart`] starts.
    ExecCreate {
        id: String,
        exec: ExecSpec,
    },
    /// Answered with `Started`.
    ExecStart {
        id: String,
    },
    /// Forgets a further process; kills it if it still runs.
    ExecRemove {
        id: String,
    },
    Resize {
        process: ProcessId,
        size: TerminalSize,
    },
    /// Turns the connection into a stream of the process's stdio.
    Attach {
        process: ProcessId,
        streams: Streams,
    },
    /// Ends the process's standard input.
    CloseStdin {
        process: ProcessId,
    },
    Pause,
    Resume,
    /// Writes new limits; what is `None` stays.
    Update {
        resources: Box<Resources>,
    },
    /// Answered with [`Answer::Pids`]: every process, as the host numbers them.
    Pids,
    /// Answered with [`Answer::Stats`].
    Stats,
    /// Opens the log file anew by its name, after somebody moved it.
    ReopenLogs,
    /// Kills what is left, removes the cgroup and the runtime's state, answers, ends.
    Delete,
}

/// Which process of the container.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ProcessId {
    Init,
    Exec(String),
}

/// A further process in a running container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecSpec {
    pub args: Vec<String>,
    /// The whole environment, `NAME=value`.
    pub env: Vec<String>,
    /// Absolute, inside.
    pub cwd: String,
    pub user: UserIds,
    pub terminal: bool,
    pub terminal_size: Option<TerminalSize>,
    /// All capabilities, whatever the container has.
    pub privileged: bool,
    /// Gives it a standard input that clients write to; `/dev/null` otherwise.
    pub stdin: bool,
}

/// Which streams a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streams {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
}

impl Streams {
    pub const ALL: Self = Self { stdin: true, stdout: true, stderr: true };
    pub const OUTPUT: Self = Self { stdin: false, stdout: true, stderr: true };
}

/// What a shim answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    Done,
    Started { pid: u32 },
    State(State),
    Exit(Exit),
    Pids(Vec<u32>),
    Stats(Box<Stats>),
    Failed(Failure),
}

/// How a container is, as its shim sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The shim itself.
    pub shim_pid: u32,
    /// The first process, as the host numbers it.
    pub pid: u32,
    pub phase: Phase,
    /// Identifiers of further processes that were not removed.
    pub execs: Vec<String>,
}

/// Where in its life a container is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Set up, its program not yet running.
    Created,
    Running,
    Paused,
    Exited(Exit),
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// As a shell shows it: the status, or 128 and the signal.
    pub code: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether the kernel killed for want of memory in the container.
    pub oom_killed: bool,
    /// Nanoseconds since 1970, by the host's clock.
    pub at_unix_nanos: i64,
}

/// Why a request was not fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub kind: FailureKind,
    /// A sentence; for a program that could not be run, Docker's text.
    pub message: String,
}

/// What can be told apart about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// The program does not exist: exit code 127.
    CommandNotFound,
    /// The program cannot be run: exit code 126.
    CommandNotExecutable,
    /// There is no such process.
    NoSuchProcess,
    /// Not in this phase of the container's life.
    WrongPhase,
    /// A request this shim does not know, or a version it does not speak.
    NotUnderstood,
    /// Anything else that went wrong: exit code 128.
    Other,
}

impl FailureKind {
    /// What Docker gives as the exit code of a container that did not start
    /// (moby `daemon/start.go`, `translateContainerdStartErr`).
    pub fn exit_code(self) -> i32 {
        match self {
            Self::CommandNotFound => 127,
            Self::CommandNotExecutable => 126,
            Self::NoSuchProcess | Self::WrongPhase | Self::NotUnderstood | Self::Other => 128,
        }
    }
}
