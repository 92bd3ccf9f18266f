//! Archives that a thread makes while a task sends them; between them is a short queue.

use std::{
    io::{self, Write},
    time::Duration,
};

use bytes::Bytes;
use tokio::{runtime::Handle, sync::mpsc};

/// Pieces that wait to be sent.
const QUEUE: usize = 16;
/// Bytes of a piece.
const PIECE: usize = 128 << 10;
/// How long a client may take none: a thread waits for it.
const SILENCE: Duration = Duration::from_mins(5);

/// An archive that is being made, piece by piece. One that ends with an error is broken.
pub type Pieces = mpsc::Receiver<io::Result<Bytes>>;

/// Collects what is written into pieces and sends them.
#[derive(Debug)]
pub(crate) struct Output {
    handle: Handle,
    sender: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

/// Both ends. Called in the runtime; written to from a thread that may block.
pub(crate) fn channel() -> (Output, Pieces) {
    let (sender, pieces) = mpsc::channel(QUEUE);
    (Output { handle: Handle::current(), sender, piece: Vec::with_capacity(PIECE) }, pieces)
}

impl Output {
    /// Has `f` write all; if it fails, the other side is told.
    pub(crate) fn fill(mut self, f: impl FnOnce(&mut Self) -> io::Result<()>) {
        let written = f(&mut self).and_then(|()| self.flush());
        match written {
            // Nobody reads any more.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) => {
                tracing::warn!(error = crate::chain(&error), "an archive is cut short");
                drop(self.handle.block_on(self.sender.send_timeout(Err(error), SILENCE)));
            }
            Ok(()) => {}
        }
    }
}

impl Write for Output {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let length = buffer.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&buffer[..length]);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE)).into();
        let sent = self.handle.block_on(self.sender.send_timeout(Ok(piece), SILENCE));
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
