//! Bodies that a thread reads while they arrive in a task; between them is a short queue.
//!
//! A body is read to its end whatever happens, so that the client reads the answer; one that says nothing for too
//! long has ended.

use std::io::{self, Read};
use std::time::Duration;

use axum::body::Body;
use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{Instrument, Span};

use crate::app::App;

/// Pieces of a body that wait to be read.
const QUEUE: usize = 16;
/// How long a body may say nothing before it is given up: a thread waits for it.
const SILENCE: Duration = Duration::from_mins(5);

/// A body as something that can be read by a thread.
#[derive(Debug)]
pub(crate) struct Reader {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Reader {
    /// Reads a body, whose pieces arrive in a task that goes on to its end.
    pub(crate) fn of(app: &App, body: Body) -> (Self, JoinHandle<()>) {
        let (pieces, incoming) = mpsc::channel(QUEUE);
        let reading = feed(body, pieces, SILENCE).instrument(Span::current());
        (Self { pieces: incoming, piece: Bytes::new() }, app.hijacks.tasks.spawn(reading))
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// Carries the body to the reader, and on to its end when nobody reads any more.
async fn feed(mut archive: Body, pieces: mpsc::Sender<io::Result<Bytes>>, silence: Duration) {
    let mut is_read = true;
    loop {
        let piece = match timeout(silence, archive.frame()).await {
            Ok(None) => return,
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => Ok(data),
                Err(_trailers) => continue,
            },
            Ok(Some(Err(error))) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, error)),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("nothing of the body came for {} seconds", silence.as_secs()),
            )),
        };
        let is_broken = piece.is_err();
        is_read = is_read && pieces.send(piece).await.is_ok();
        if is_broken {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_that_falls_silent_is_given_up() {
        let (sender, mut receiver) = mpsc::channel::<io::Result<Bytes>>(1);
        let stream = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
        let (pieces, mut read) = mpsc::channel(QUEUE);
        let feeding = feed(Body::from_stream(stream), pieces, Duration::from_millis(20));
        let reading = async {
            sender.send(Ok(Bytes::from_static(b"begun"))).await.expect("somebody reads");
            assert_eq!(read.recv().await.expect("a piece").expect("bytes"), "begun");
            let error = read.recv().await.expect("an end").expect_err("nothing more was sent");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!(read.recv().await.is_none());
        };
        tokio::join!(feeding, reading);
    }
}
