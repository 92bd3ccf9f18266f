//! Connections that stopped being HTTP.

use std::io;

use api::stream::{Decoder, Stream};
use bytes::Bytes;
use hyper::Response;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use super::ClientError;

/// Bytes that are read at once.
const PIECE: usize = 32 << 10;

/// A raw connection in both directions.
#[derive(Debug)]
pub struct Hijacked(TokioIo<Upgraded>);

impl Hijacked {
    pub(super) async fn of(response: Response<Incoming>) -> Result<Self, ClientError> {
        let upgraded = hyper::upgrade::on(response).await.map_err(ClientError::Lost)?;
        Ok(Self(TokioIo::new(upgraded)))
    }

    /// Both directions. Without `is_tty` the output comes in frames.
    #[must_use]
    pub fn split(self, is_tty: bool) -> (HijackedReader, HijackedWriter) {
        let (reader, writer) = tokio::io::split(self.0);
        let decoder = (!is_tty).then(Decoder::default);
        let reader = HijackedReader { reader, decoder, buffer: vec![0; PIECE], filled: Bytes::new() };
        (reader, HijackedWriter(writer))
    }
}

/// The output of a process.
#[derive(Debug)]
pub struct HijackedReader {
    reader: ReadHalf<TokioIo<Upgraded>>,
    decoder: Option<Decoder>,
    buffer: Vec<u8>,
    filled: Bytes,
}

impl HijackedReader {
    /// The next piece, with the stream it belongs to; `None` at the end.
    ///
    /// # Errors
    /// The connection is lost, or what comes is not frames.
    pub async fn next(&mut self) -> Result<Option<(Stream, Bytes)>, ClientError> {
        loop {
            if self.filled.is_empty() {
                let length = self.reader.read(&mut self.buffer).await?;
                if length == 0 {
                    return Ok(None);
                }
                self.filled = Bytes::copy_from_slice(&self.buffer[..length]);
            }
            if let Some(piece) = take(self.decoder.as_mut(), &mut self.filled)? {
                return Ok(Some(piece));
            }
        }
    }
}

/// Takes the next piece of payload from the front of `input`.
pub(crate) fn take(
    decoder: Option<&mut Decoder>,
    input: &mut Bytes,
) -> Result<Option<(Stream, Bytes)>, ClientError> {
    let Some(decoder) = decoder else {
        return Ok(Some((Stream::Stdout, std::mem::take(input))));
    };
    let mut rest: &[u8] = input;
    let found = decoder.next(&mut rest).map_err(io::Error::other)?;
    let found = found.map(|(stream, part)| (stream, input.slice_ref(part)));
    *input = input.slice_ref(rest);
    Ok(found)
}

/// The input of a process.
#[derive(Debug)]
pub struct HijackedWriter(WriteHalf<TokioIo<Upgraded>>);

impl HijackedWriter {
    /// Sends a piece.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn send(&mut self, piece: &[u8]) -> io::Result<()> {
        self.0.write_all(piece).await?;
        self.0.flush().await
    }

    /// Says that there is no more input; the output goes on.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn close(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }
}
