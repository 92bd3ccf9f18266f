//! The stdio of a process, seen from the engine.

use std::io;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use crate::protocol::stream::{self, END, HEADER, MAX_DATA, STDERR, STDIN, STDOUT};

/// A connection to a process's stdio. Dropping it detaches; nothing else ends.
#[derive(Debug)]
pub struct Attached {
    pub output: Output,
    pub stdin: Stdin,
}

impl Attached {
    pub(super) fn new(connection: UnixStream) -> Self {
        let (reader, writer) = connection.into_split();
        Self { output: Output { reader, ended: false }, stdin: Stdin { writer } }
    }
}

/// What a process wrote.
#[derive(Debug)]
pub struct Output {
    reader: OwnedReadHalf,
    ended: bool,
}

/// A piece of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// [`STDOUT`] or [`STDERR`]; a terminal has only the former.
    pub stream: u8,
    pub data: Bytes,
}

impl Chunk {
    /// The header to send before the data on Docker's multiplexed streams.
    pub fn header(&self) -> [u8; HEADER] {
        stream::header(self.stream, self.data.len())
    }
}

impl Output {
    /// The next piece; `None` when the process has ended and all was read.
    ///
    /// Cut off (the shim died, or dropped us for being slow) is an error of
    /// kind [`io::ErrorKind::UnexpectedEof`]. Not safe to cancel half-way
    /// unless the connection is dropped with it.
    pub async fn next(&mut self) -> io::Result<Option<Chunk>> {
        if self.ended {
            return Ok(None);
        }
        let mut header = [0; HEADER];
        self.reader.read_exact(&mut header).await?;
        match stream::parse(header) {
            Some((END, 0)) => {
                self.ended = true;
                Ok(None)
            }
            Some((stream @ (STDOUT | STDERR), length)) => {
                let mut data = vec![0; length];
                self.reader.read_exact(&mut data).await?;
                Ok(Some(Chunk { stream, data: data.into() }))
            }
            Some(_) | None => Err(io::Error::new(io::ErrorKind::InvalidData, "a broken stream frame")),
        }
    }
}

/// Where a process reads from.
#[derive(Debug)]
pub struct Stdin {
    writer: OwnedWriteHalf,
}

impl Stdin {
    /// Writes all of it; waits while the process does not read.
    pub async fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        for chunk in data.chunks(MAX_DATA) {
            self.writer.write_all(&stream::header(STDIN, chunk.len())).await?;
            self.writer.write_all(chunk).await?;
        }
        Ok(())
    }

    /// Says that this client has no more input. Ends the process's standard
    /// input if its container was made so (`StdinOnce`), and always that of an exec.
    pub async fn close(&mut self) -> io::Result<()> {
        self.writer.write_all(&stream::header(STDIN, 0)).await
    }
}
