//! Being joined to a process: its input, its output, its size, its signals, its end.
//!
//! ```text
//! attach ──► wait (told before the start) ──► start ──► carry both ways ──► exit code
//! ```

use api::container::ContainerWaitResponse;

use crate::client::{Call, Client, ClientError, Hijacked, HijackedReader, HijackedWriter};
use crate::failure::Failure;
use crate::stdio;
use crate::{output, signals, terminal};
use api::detach::DetachKeys;

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The process has nothing more to say.
    Output,
    /// The person went away; the process goes on.
    Detached,
}

/// Which streams are joined, and how.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
    pub(crate) tty: bool,
    /// The keys that detach, as typed.
    pub(crate) keys: String,
}

impl Streams {
    /// Refuses input from something that is no terminal for a process that has one.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.stdin && self.tty && !terminal::is_interactive() {
            return Err(Failure::Said(
                "the input device is not a TTY; leave out -t to use a pipe".to_owned(),
            ));
        }
        DetachKeys::parse(&self.keys)?;
        Ok(())
    }
}

/// A container to be joined to.
#[derive(Debug)]
pub(crate) struct Attachment<'a> {
    pub(crate) client: &'a Client,
    pub(crate) id: &'a str,
    pub(crate) streams: Streams,
    pub(crate) passes_signals: bool,
    /// What ends the wait: `next-exit`, `removed`, or empty for not running.
    pub(crate) condition: &'static str,
}

impl Attachment<'_> {
    /// Joins the container, starts it if that is wanted, and stays until it ends; its exit code is the failure.
    pub(crate) async fn stay(&self, starts: bool) -> Result<(), Failure> {
        let Self { client, id, streams, passes_signals, condition } = self;
        let call = Call::post(["containers", id, "attach"])
            .switch("stream", true)
            .query("detachKeys", &streams.keys);
        let call = call.switch("stdin", streams.stdin).switch("stdout", streams.stdout);
        let attached = client.hijack(call.switch("stderr", streams.stderr)).await?;
        let waiting =
            client.send(Call::post(["containers", id, "wait"]).query("condition", condition)).await?;
        if starts {
            client.done(Call::post(["containers", id, "start"])).await?;
        }
        let resize = async || {
            if let Some((columns, rows)) = terminal::size().filter(|_| streams.tty) {
                let call = Call::post(["containers", id, "resize"]).query("w", &columns.to_string());
                drop(client.done(call.query("h", &rows.to_string())).await);
            }
        };
        resize().await;
        let carrying = carry(attached, streams, resize);
        let end = if *passes_signals && !streams.tty {
            tokio::select! {
                end = carrying => end?,
                failure = signals::pass_on(client, id) => return Err(failure),
            }
        } else {
            carrying.await?
        };
        if end == End::Detached {
            return Ok(());
        }
        let exit: ContainerWaitResponse = if *passes_signals && !streams.tty {
            tokio::select! {
                exit = waiting.json() => exit?,
                failure = signals::pass_on(client, id) => return Err(failure),
            }
        } else {
            waiting.json().await?
        };
        exit_code(exit)
    }
}

/// The process's exit code as a failure.
pub(crate) fn exit_code(
    ContainerWaitResponse { error, status_code }: ContainerWaitResponse,
) -> Result<(), Failure> {
    if let Some(error) = error.filter(|error| !error.message.is_empty()) {
        return Err(Failure::Said(format!("Error waiting for container: {}", error.message)).with_code(125));
    }
    code(status_code)
}

pub(crate) fn code(status: i64) -> Result<(), Failure> {
    match u8::try_from(status & 0xff) {
        Ok(0) => Ok(()),
        Ok(code) => Err(Failure::Exit(code)),
        Err(_) => Err(Failure::Exit(1)),
    }
}

/// Carries both directions until the output ends or the person detaches. The terminal is raw meanwhile.
pub(crate) async fn carry(
    attached: Hijacked,
    streams: &Streams,
    resize: impl AsyncFnMut(),
) -> Result<End, Failure> {
    let (reader, writer) = attached.split(streams.tty);
    let is_raw = streams.tty && streams.stdin;
    let raw = if is_raw {
        Some(terminal::Raw::enter().map_err(Failure::file("cannot make the terminal raw"))?)
    } else {
        None
    };
    let keys = if is_raw { Some(DetachKeys::parse(&streams.keys)?) } else { None };
    let output = stdio::Output::new();
    let end = tokio::select! {
        result = carry_out(reader, &output) => result.map(|()| End::Output)?,
        end = carry_in(writer, streams.stdin, keys) => end,
        () = signals::on_resize(resize) => End::Output,
        code = signals::ending(), if streams.tty => {
            drop(raw);
            return Err(Failure::Exit(code));
        }
    };
    output.finish().await?;
    drop(raw);
    if end == End::Detached {
        output::warn("\nread escape sequence");
    }
    Ok(end)
}

async fn carry_out(mut reader: HijackedReader, output: &stdio::Output) -> Result<(), ClientError> {
    while let Some((stream, piece)) = reader.next().await? {
        if !output.write(stream, piece).await {
            return Ok(());
        }
    }
    Ok(())
}

/// Carries input until the person detaches; its end is told to the process, and then only output matters.
async fn carry_in(mut writer: HijackedWriter, has_input: bool, mut keys: Option<DetachKeys>) -> End {
    if !has_input {
        return std::future::pending().await;
    }
    let mut input = stdio::input();
    while let Some(piece) = input.recv().await {
        let (piece, is_detached) = match &mut keys {
            Some(keys) => {
                let (passed, is_detached) = keys.pass(&piece);
                (passed.into(), is_detached)
            }
            None => (piece, false),
        };
        let is_sent = writer.send(&piece).await.is_ok();
        if is_detached {
            return End::Detached;
        }
        if !is_sent {
            break;
        }
    }
    drop(writer.close().await);
    std::future::pending().await
}
