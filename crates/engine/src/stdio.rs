//! The standard streams of a process, between a client and the shim.

use bytes::Bytes;
use tokio::sync::mpsc;

/// Which stream a piece of output came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Also all output of a terminal.
    Stdout,
    Stderr,
}

/// A piece of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub stream: Stream,
    pub data: Bytes,
}

/// A client's hold of a process's streams. Dropping it detaches and ends nothing.
#[derive(Debug)]
pub struct Attached {
    /// Ends when the process has ended and all was read.
    pub output: mpsc::Receiver<Output>,
    /// Absent where standard input was not asked for, or is not open.
    pub input: Option<Input>,
    /// Whether the process has a terminal: its output is then one raw stream.
    pub tty: bool,
}

/// The way to a process's standard input. Dropping it leaves it open.
#[derive(Clone, Debug)]
pub struct Input(pub(crate) mpsc::Sender<Bytes>);

impl Input {
    /// Sends `data`, waiting for room. False when nobody reads any more.
    pub async fn send(&self, data: Bytes) -> bool {
        data.is_empty() || self.0.send(data).await.is_ok()
    }

    /// Ends standard input.
    pub async fn close(&self) {
        let _already_gone = self.0.send(Bytes::new()).await;
    }
}

/// Which streams to attach to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttachOptions {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    /// Begin with what was logged.
    pub logs: bool,
    /// Go on with what is written from now on.
    pub stream: bool,
}
