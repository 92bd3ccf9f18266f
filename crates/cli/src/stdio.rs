//! Standard input and output beside the runtime: a pipe that nobody reads must not stop signals and the engine.

use std::io::{self, Read, Write};
use std::thread;

use api::stream::Stream;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::failure::Failure;

/// Bytes that are read at once.
const PIECE: usize = 32 << 10;
/// Pieces that wait to be written.
const QUEUE: usize = 8;

/// What comes in on standard input; the channel ends with it. The thread ends with the program.
pub(crate) fn input() -> mpsc::Receiver<Bytes> {
    let (pieces, receiver) = mpsc::channel(1);
    thread::spawn(move || {
        let mut buffer = vec![0; PIECE];
        loop {
            let length = match io::stdin().lock().read(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            };
            let piece = Bytes::copy_from_slice(&buffer[..length]);
            if length == 0 || pieces.blocking_send(piece).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Standard output and standard error.
#[derive(Debug)]
pub(crate) struct Output {
    pieces: mpsc::Sender<(Stream, Bytes)>,
    end: oneshot::Receiver<io::Result<()>>,
}

impl Output {
    pub(crate) fn new() -> Self {
        let (pieces, receiver) = mpsc::channel(QUEUE);
        let (told, end) = oneshot::channel();
        thread::spawn(move || drop(told.send(write_all(receiver))));
        Self { pieces, end }
    }

    /// Writes a piece soon; says whether anybody still reads.
    pub(crate) async fn write(&self, stream: Stream, piece: Bytes) -> bool {
        self.pieces.send((stream, piece)).await.is_ok()
    }

    /// Waits until all is written.
    pub(crate) async fn finish(self) -> Result<(), Failure> {
        drop(self.pieces);
        self.end.await.unwrap_or(Ok(())).map_err(Failure::Output)
    }
}

fn write_all(mut pieces: mpsc::Receiver<(Stream, Bytes)>) -> io::Result<()> {
    while let Some((stream, piece)) = pieces.blocking_recv() {
        match stream {
            Stream::Stdin | Stream::Stdout => {
                let mut output = io::stdout().lock();
                output.write_all(&piece)?;
                output.flush()?;
            }
            Stream::Stderr | Stream::System => io::stderr().lock().write_all(&piece)?,
        }
    }
    Ok(())
}
