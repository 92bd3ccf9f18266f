//! Attaching to a container's first process, before or while it runs.

use std::sync::Arc;

use bytes::Bytes;
use runtime::client;
use tokio::sync::mpsc;

use super::Engine;
use crate::{
    AttachOptions, Attached, Input, LogOptions, Output, State, Stream,
    container::{Container, Waiting},
    error::{AttachError, ProcessError},
    process::{Client, ProcessId, Streams},
};

/// So many pieces of output wait for a slow client before the shim has to.
const PIECES: usize = 64;

impl Engine {
    /// Attaches. A container that does not run yet is waited for.
    ///
    /// # Errors
    /// If the container is frozen, or about to be started again.
    pub async fn attach(
        self: &Arc<Self>,
        term: &str,
        options: AttachOptions,
    ) -> Result<Attached, AttachError> {
        let container = self.registry.find(term)?;
        let id = container.id.to_string();
        let record = container.record();
        match &record.state {
            State::Paused(_) => return Err(AttachError::Paused { id }),
            State::Restarting(_) => return Err(AttachError::Restarting { id }),
            State::Created { .. }
            | State::Running(_)
            | State::Exited(_)
            | State::Removing(_)
            | State::Dead(_) => {}
        }
        let wants_input = options.stdin && options.stream && record.spec.command.open_stdin;
        let Ends { output, input, attached } = ends(wants_input, record.spec.command.tty);
        let streams = Streams { stdin: wants_input, stdout: options.stdout, stderr: options.stderr };
        let waiting = Waiting { streams, output, input };
        self.tell_container(&record, "attach", &[]);
        if options.logs {
            self.replay(&container, options, &waiting.output).await;
        }
        if options.stream {
            let of = |source| AttachError::Process { id, source };
            self.join_streams(&container, waiting).await.map_err(of)?;
        }
        Ok(attached)
    }

    /// Joins at once where there is a process, or leaves word for the start.
    async fn join_streams(
        self: &Arc<Self>,
        container: &Container,
        waiting: Waiting,
    ) -> Result<(), ProcessError> {
        let client = {
            let mut live = container.live();
            match live.client.clone() {
                Some(client) => client,
                None => {
                    live.waiting.push(waiting);
                    return Ok(());
                }
            }
        };
        self.attach_waiting(&client, waiting).await
    }

    /// Joins somebody to the first process.
    pub(super) async fn attach_waiting(&self, client: &Client, waiting: Waiting) -> Result<(), ProcessError> {
        let attached = client.attach(ProcessId::Init, waiting.streams).await?;
        let closing = self.closing.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = exchange(attached, &waiting.output, waiting.input) => {}
                () = closing.cancelled() => {}
            }
        });
        Ok(())
    }

    /// Sends what was logged, in a task of its own since the client may read slowly.
    async fn replay(
        self: &Arc<Self>,
        container: &Container,
        options: AttachOptions,
        output: &mpsc::Sender<Output>,
    ) {
        let wanted = LogOptions { stdout: options.stdout, stderr: options.stderr, ..LogOptions::default() };
        let id = container.id.to_string();
        let Ok(mut entries) = self.logs(&id, wanted).await else { return };
        let output = output.clone();
        self.tasks.spawn(async move {
            while let Some(Ok(entry)) = entries.recv().await {
                if output.send(Output { stream: entry.stream, data: entry.line }).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Passes on output and input until the process has ended, the shim has gone, or
/// nobody listens. Both ways stay open until then: to close one is to detach.
/// What a client wrote before it left still arrives.
pub(super) async fn exchange(
    attached: client::Attached,
    to: &mpsc::Sender<Output>,
    input: Option<mpsc::Receiver<Bytes>>,
) {
    let client::Attached { output, mut stdin } = attached;
    let passing = async {
        pass_input(&mut stdin, input).await;
        to.closed().await;
    };
    let telling = async {
        pass_output(output, to).await;
        if to.is_closed() {
            // The client's input has ended, too: what is still passed is what was queued.
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = telling => {}
        () = passing => {}
    }
}

async fn pass_output(mut from: client::Output, to: &mpsc::Sender<Output>) {
    while let Ok(Some(chunk)) = from.next().await {
        let stream = match chunk.stream {
            runtime::protocol::stream::STDERR => Stream::Stderr,
            _ => Stream::Stdout,
        };
        if to.send(Output { stream, data: chunk.data }).await.is_err() {
            return;
        }
    }
}

/// Passes on what a client writes, until it leaves or the process takes no more.
async fn pass_input(stdin: &mut client::Stdin, input: Option<mpsc::Receiver<Bytes>>) {
    let Some(mut input) = input else { return };
    while let Some(data) = input.recv().await {
        let passed = if data.is_empty() { stdin.close().await } else { stdin.write_all(&data).await };
        if passed.is_err() {
            return;
        }
    }
}

/// A client's ends of a process's streams, and ours.
pub(super) struct Ends {
    pub(super) output: mpsc::Sender<Output>,
    pub(super) input: Option<mpsc::Receiver<Bytes>>,
    pub(super) attached: Attached,
}

/// A way for output and, if wanted, one for input.
pub(super) fn ends(wants_input: bool, tty: bool) -> Ends {
    let (output, received) = mpsc::channel(PIECES);
    let (sender, input) = wants_input.then(|| mpsc::channel(PIECES)).unzip();
    Ends { output, input, attached: Attached { output: received, input: sender.map(Input), tty } }
}
