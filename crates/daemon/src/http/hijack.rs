//! Connections that stop being HTTP: attach and exec.
//!
//! A client that sends `Upgrade: tcp` gets `101` and then both directions raw. One that does not (before API 1.20)
//! gets the output as the body of a `200`, and has no input.

use std::time::Duration;

use api::version::Version;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use engine::{Attached, Input, Output};
use futures_util::StreamExt;
use hyper::StatusCode;
use hyper::ext::ReasonPhrase;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span, debug};

use super::stream::{self, Framing};
use api::detach::DetachKeys;

/// Bytes of input that are read at once.
const PIECE: usize = 32 << 10;
/// How long a client may go on writing when all is said.
const LINGER: Duration = Duration::from_secs(10);

/// What belongs to all hijacked connections: who owns their tasks, and what ends them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hijacks {
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// A client's wish for a raw connection, taken from its request.
#[derive(Debug)]
pub(crate) struct Wish(Option<OnUpgrade>);

impl Wish {
    pub(crate) fn of(request: &mut Request) -> Self {
        let wanted = request.headers().contains_key(UPGRADE);
        Self(wanted.then(|| hyper::upgrade::on(request)))
    }
}

/// How a client is joined to a process.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) attached: Attached,
    pub(crate) version: Version,
    /// Whether the end of the client's input is the end of the process's.
    pub(crate) closes_input: bool,
    /// Only for terminals.
    pub(crate) keys: DetachKeys,
}

impl Hijacks {
    /// Answers the request and joins the client to the process.
    pub(crate) fn join(&self, wish: Wish, session: Session) -> Response {
        let framing = Framing::of_tty(session.attached.tty);
        let media_type = HeaderValue::from_static(framing.media_type(session.version));
        let Some(upgrade) = wish.0 else {
            let output = session.attached.output;
            let pieces = futures_util::stream::unfold(output, |mut output| async {
                output.recv().await.map(|piece| (piece, output))
            });
            let pieces = pieces.map(move |Output { stream, data }| framing.wrap(stream, data));
            let mut response = Response::new(stream::body(pieces, self.stop.clone()));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(api::stream::RAW));
            return response;
        };
        let stop = self.stop.clone();
        let joined = async move {
            match upgrade.await {
                Ok(connection) => drop(stop.run_until_cancelled(session.run(connection)).await),
                Err(error) => debug!(%error, "a client went away before it was attached"),
            }
        };
        self.tasks.spawn(joined.instrument(Span::current()));
        switching(media_type)
    }
}

/// `101 UPGRADED`, with Docker's headers.
fn switching(media_type: HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.extensions_mut().insert(ReasonPhrase::from_static(b"UPGRADED"));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, media_type);
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("tcp"));
    response
}

/// Why one direction of a session ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The other direction goes on.
    OneWay,
    /// The session is over.
    Session,
}

impl Session {
    /// Carries both directions until the output ends, the client detaches, or nobody reads.
    async fn run(self, connection: Upgraded) {
        let (mut reader, writer) = tokio::io::split(TokioIo::new(connection));
        let Attached { output, input, tty } = self.attached;
        let carrying_out = carry_out(output, writer, Framing::of_tty(tty));
        let Some(input) = input else {
            carrying_out.await;
            return;
        };
        let carrying_in = carry_in(&mut reader, input, tty.then_some(self.keys), self.closes_input && !tty);
        tokio::pin!(carrying_out);
        let is_over = tokio::select! {
            () = &mut carrying_out => true,
            end = carrying_in => {
                if end == End::OneWay {
                    carrying_out.await;
                }
                end == End::OneWay
            }
        };
        if is_over {
            // A client that still writes would see its connection reset, and not what it was told.
            let rest = async { tokio::io::copy(&mut reader, &mut tokio::io::sink()).await };
            drop(tokio::time::timeout(LINGER, rest).await);
        }
    }
}

/// From the process to the client. The client sees the end as the end of its stream.
async fn carry_out(
    mut output: mpsc::Receiver<Output>,
    mut writer: WriteHalf<TokioIo<Upgraded>>,
    framing: Framing,
) {
    while let Some(Output { stream, data }) = output.recv().await {
        if writer.write_all(&framing.wrap(stream, data)).await.is_err() {
            return;
        }
    }
    drop(writer.shutdown().await);
}

/// From the client to the process.
async fn carry_in(
    reader: &mut ReadHalf<TokioIo<Upgraded>>,
    input: Input,
    mut keys: Option<DetachKeys>,
    closes: bool,
) -> End {
    let mut buffer = vec![0; PIECE];
    loop {
        let piece = match reader.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(length) => &buffer[..length],
        };
        let (data, is_detached) = match &mut keys {
            Some(keys) => keys.pass(piece),
            None => (piece.to_vec(), false),
        };
        let is_read = input.send(Bytes::from(data)).await;
        if is_detached {
            return End::Session;
        }
        if !is_read {
            return End::OneWay;
        }
    }
    if closes {
        input.close().await;
        return End::OneWay;
    }
    End::Session
}
