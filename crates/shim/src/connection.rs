//! One client: requests and answers, or after `Attach` the frames of a stream.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use runtime::protocol::stream::{self, END, HEADER, STDERR, STDIN, STDOUT};
use runtime::protocol::{Answer, Envelope, ProcessId, Streams, frame};

/// Above this a client must take something before its process's output is read on.
const OUTPUT_BOUND: usize = 1 << 20;

/// A connected client.
pub(crate) struct Connection {
    socket: UnixStream,
    input: Vec<u8>,
    output: Vec<u8>,
    /// How much of `output` was sent.
    sent: usize,
    pub(crate) mode: Mode,
    /// When the client last took something while its buffer was full.
    stalled: Option<Instant>,
    /// Close when all is sent.
    closing: bool,
    broken: bool,
}

/// What the bytes on a connection mean.
#[derive(Clone, Debug)]
pub(crate) enum Mode {
    Requests,
    /// Requests, but first the end of this process is awaited.
    Waiting(ProcessId),
    Attached(ProcessId, Streams),
}

/// What a client said on an attached connection.
pub(crate) enum Input {
    Data(Vec<u8>),
    /// It has no more input.
    End,
}

impl Connection {
    /// Takes a client, if it is ours: root, or who we are.
    pub(crate) fn accept(socket: UnixStream) -> io::Result<Option<Self>> {
        let peer = rustix::net::sockopt::socket_peercred(&socket)?.uid;
        if !peer.is_root() && peer != rustix::process::geteuid() {
            return Ok(None);
        }
        socket.set_nonblocking(true)?;
        Ok(Some(Self {
            socket,
            input: Vec::new(),
            output: Vec::new(),
            sent: 0,
            mode: Mode::Requests,
            stalled: None,
            closing: false,
            broken: false,
        }))
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether there is something to send.
    pub(crate) fn unsent(&self) -> bool {
        self.sent < self.output.len()
    }

    /// Whether the connection is over.
    pub(crate) fn finished(&self) -> bool {
        self.broken || self.closing && !self.unsent()
    }

    /// Whether more output must wait.
    pub(crate) fn full(&self) -> bool {
        self.output.len() - self.sent >= OUTPUT_BOUND
    }

    /// Since when it has been full without taking anything.
    pub(crate) fn stalled(&self) -> Option<Instant> {
        self.stalled
    }

    /// Cuts a client that does not keep up: it sees no end, so it knows.
    pub(crate) fn cut(&mut self) {
        self.broken = true;
    }

    pub(crate) fn watches(&self, process: &ProcessId) -> bool {
        matches!(&self.mode, Mode::Attached(watched, _) if watched == process)
    }

    pub(crate) fn awaits(&self, process: &ProcessId) -> bool {
        matches!(&self.mode, Mode::Waiting(awaited) if awaited == process)
    }

    /// Reads what is there. At its end the connection is broken off.
    pub(crate) fn receive(&mut self) {
        let mut buffer = [0; 32 << 10];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => self.broken = true,
                Ok(length) => {
                    self.input.extend(&buffer[..length]);
                    if length == buffer.len() && self.input.len() < OUTPUT_BOUND {
                        continue;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => self.broken = true,
            }
            return;
        }
    }

    /// The next whole request.
    pub(crate) fn request(&mut self) -> io::Result<Option<Envelope>> {
        frame::decode(&mut self.input)
    }

    /// The next whole frame of an attached client; what is none breaks the connection.
    pub(crate) fn stdin(&mut self) -> Option<Input> {
        let header = *self.input.first_chunk::<HEADER>()?;
        let Some((STDIN, length)) = stream::parse(header) else {
            self.broken = true;
            return None;
        };
        if self.input.len() < HEADER + length {
            return None;
        }
        let data = self.input[HEADER..HEADER + length].to_vec();
        self.input.drain(..HEADER + length);
        Some(if length == 0 { Input::End } else { Input::Data(data) })
    }

    pub(crate) fn answer(&mut self, answer: &Answer) {
        match frame::encode(answer) {
            Ok(bytes) => self.send(&bytes),
            Err(_) => self.broken = true,
        }
    }

    /// Passes output on, if this client wants that stream.
    pub(crate) fn output(&mut self, number: u8, data: &[u8]) {
        let Mode::Attached(_, streams) = &self.mode else { return };
        if number == STDOUT && streams.stdout || number == STDERR && streams.stderr {
            self.output.extend(stream::header(number, data.len()));
            self.send(data);
        }
    }

    /// Tells that there is no more output; the connection closes then.
    pub(crate) fn end(&mut self) {
        self.send(&stream::header(END, 0));
        self.closing = true;
    }

    fn send(&mut self, bytes: &[u8]) {
        self.output.extend(bytes);
        self.flush();
    }

    /// Sends what the client takes now.
    pub(crate) fn flush(&mut self) {
        while self.unsent() {
            match self.socket.write(&self.output[self.sent..]) {
                Ok(written) => {
                    self.sent += written;
                    self.stalled = None;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.broken = true;
                    return;
                }
            }
        }
        // Moved only when that is cheap against what was sent.
        if self.sent * 2 >= self.output.len() {
            self.output.drain(..self.sent);
            self.sent = 0;
        }
        self.stalled = self.full().then(|| self.stalled.unwrap_or_else(Instant::now));
    }
}
