//! One blob, as often as needed until it is whole: what came before a cut is not asked for again.
//!
//! A task receives, a thread hashes and writes. Nothing is believed: more bytes than the manifest gives end
//! the fetch, fewer are a cut, and the digest is computed over all of them.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_RANGE, RANGE};
use reqwest::{Method, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::error::{PullError, RegistryError};
use super::event::{Events, Stage};
use super::manifest::Descriptor;
use super::retry::{Attempts, is_passing, wish};
use super::session::{Session, refused, transport};
use crate::Digest;
use crate::content::Staged;

/// Pieces that wait to be written.
const QUEUE: usize = 32;
/// What counts as progress between two failures.
const PROGRESS: u64 = 64 << 10;
/// How often somebody is told how far it is.
const TOLD: Duration = Duration::from_millis(100);

/// A blob that is wanted.
#[derive(Debug)]
pub(super) struct Fetch<'a> {
    pub(super) session: &'a Session,
    pub(super) blob: &'a Descriptor,
    pub(super) attempts: u32,
    pub(super) events: &'a Events,
}

/// What the thread is given.
enum Piece {
    Data(Bytes),
    /// What was written is worth nothing.
    Restart,
}

/// Why one attempt ended early.
struct Cut {
    error: PullError,
    wish: Option<Duration>,
    is_final: bool,
}

impl From<RegistryError> for Cut {
    fn from(error: RegistryError) -> Self {
        Self { error: error.into(), wish: None, is_final: false }
    }
}

impl Fetch<'_> {
    /// Writes the blob into a new file.
    pub(super) async fn to_file(&self, path: PathBuf) -> Result<Staged, PullError> {
        let file = File::create_new(&path)?;
        let (pieces, incoming) = mpsc::channel(QUEUE);
        let writing = tokio::task::spawn_blocking(move || write(file, incoming));
        let mut receiving = Receiving { fetch: self, pieces, received: 0, is_resumed: false };
        let received = receiving.all().await;
        let is_resumed = receiving.is_resumed;
        drop(receiving);
        // That nothing more can be written is why nothing more was received.
        let digest = end(writing).await?;
        received?;
        if digest == self.blob.digest {
            return Ok(Staged { path, digest, size: self.blob.size });
        }
        if is_resumed {
            // Perhaps the parts were of different wholes.
            std::fs::remove_file(&path)?;
            return Box::pin(Fetch { attempts: 1, ..*self }.to_file(path)).await;
        }
        Err(PullError::WrongLayer { digest: self.blob.digest })
    }
}

async fn end(writing: JoinHandle<io::Result<Digest>>) -> Result<Digest, PullError> {
    Ok(writing.await.map_err(|_| PullError::Lost)??)
}

fn write(mut file: File, mut pieces: mpsc::Receiver<Piece>) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::Data(bytes) => {
                hash.update(&bytes);
                file.write_all(&bytes)?;
            }
            Piece::Restart => {
                hash = Sha256::new();
                file.set_len(0)?;
                io::Seek::rewind(&mut file)?;
            }
        }
    }
    Ok(Digest::finished(hash))
}

/// The receiving half.
struct Receiving<'a> {
    fetch: &'a Fetch<'a>,
    pieces: mpsc::Sender<Piece>,
    received: u64,
    is_resumed: bool,
}

impl Receiving<'_> {
    async fn all(&mut self) -> Result<(), PullError> {
        let mut attempts = Attempts::new(self.fetch.attempts);
        loop {
            let before = self.received;
            let Err(cut) = self.once().await else { return Ok(()) };
            if self.received >= before + PROGRESS {
                attempts.renew();
            }
            let digest = self.fetch.blob.digest;
            let pause = if cut.is_final { None } else { attempts.pause(cut.wish) };
            let Some(pause) = pause else { return Err(cut.error) };
            tracing::debug!(%digest, received = self.received, error = %cut.error, "a layer broke off");
            self.fetch.events.layer(digest, Stage::Retrying { seconds: pause.as_secs() }).await;
            tokio::time::sleep(pause).await;
        }
    }

    async fn once(&mut self) -> Result<(), Cut> {
        let Descriptor { digest, size, .. } = *self.fetch.blob;
        if self.received == size && size > 0 {
            return Ok(());
        }
        let session = self.fetch.session;
        let url = session.url(&format!("blobs/{digest}"));
        let received = self.received;
        let response = session.send(Method::GET, &url, |request| {
            // Compressing on the way would change the bytes.
            let request = request.header(ACCEPT_ENCODING, "identity");
            if received == 0 { request } else { request.header(RANGE, format!("bytes={received}-")) }
        });
        let response = self.accept(response.await?).await?;
        self.body(response).await
    }

    /// Looks at what the server is going to send.
    async fn accept(&mut self, response: Response) -> Result<Response, Cut> {
        let status = response.status();
        let wish = wish(response.headers());
        if !status.is_success() {
            let source = Box::new(refused(response).await);
            // The server forgot how much of it there is.
            if status == StatusCode::RANGE_NOT_SATISFIABLE {
                self.restart().await?;
            }
            let is_final = !is_passing(status) && status != StatusCode::RANGE_NOT_SATISFIABLE;
            return Err(Cut {
                error: PullError::Layer { digest: self.fetch.blob.digest, source },
                wish,
                is_final,
            });
        }
        let begins = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
        let begins =
            begins.and_then(|text| text.strip_prefix("bytes ")?.split('-').next()?.parse::<u64>().ok());
        let continues = status == StatusCode::PARTIAL_CONTENT && begins == Some(self.received);
        if continues {
            self.is_resumed = true;
        } else if self.received > 0 {
            self.restart().await?;
        }
        if let Some(length) = response.content_length() {
            let actual = self.received + length;
            if actual != self.fetch.blob.size {
                return Err(self.wrong_size(actual));
            }
        }
        Ok(response)
    }

    async fn body(&mut self, mut response: Response) -> Result<(), Cut> {
        let Descriptor { digest, size: total, .. } = *self.fetch.blob;
        let url = response.url().clone();
        let mut told = Instant::now();
        while let Some(bytes) =
            response.chunk().await.map_err(|error| transport(&Method::GET, &url, error))?
        {
            self.received += bytes.len() as u64;
            if self.received > total {
                return Err(self.wrong_size(self.received));
            }
            self.put(Piece::Data(bytes)).await?;
            if told.elapsed() >= TOLD {
                told = Instant::now();
                self.fetch.events.far(digest, Stage::Travelling { bytes: self.received, total });
            }
        }
        if self.received < total {
            let actual = self.received;
            return Err(Cut { is_final: false, ..self.wrong_size(actual) });
        }
        self.fetch.events.far(digest, Stage::Travelling { bytes: total, total });
        Ok(())
    }

    fn wrong_size(&self, actual: u64) -> Cut {
        let Descriptor { digest, size, .. } = *self.fetch.blob;
        Cut { error: PullError::WrongSize { digest, size, actual }, wish: None, is_final: true }
    }

    async fn restart(&mut self) -> Result<(), Cut> {
        self.received = 0;
        self.is_resumed = false;
        self.put(Piece::Restart).await
    }

    /// The thread that writes says why it ended.
    async fn put(&self, piece: Piece) -> Result<(), Cut> {
        let ended = |_| Cut { error: PullError::Lost, wish: None, is_final: true };
        self.pieces.send(piece).await.map_err(ended)
    }
}
