//! Where the first process's output goes: Docker's json-file log, or a syslog server.
//!
//! `{"log":"…\n","stream":"stdout","time":"2026-01-02T03:04:05.678Z"}`; a line
//! longer than 16 KiB is split, and only its last part ends in `\n`.

mod escape;
mod file;
mod syslog;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use runtime::bundle::{LogConfig, Sink};
use runtime::protocol::stream::STDERR;
use rustix::event::PollFlags;

use escape::escape;
use file::RotatedFile;
use syslog::Syslog;

/// moby `daemon/logger.defaultBufSize`.
const PART: usize = 16 << 10;

/// An open log.
pub(crate) struct Log {
    receiver: Receiver,
    form: Form,
    /// By stream, what has no line end yet.
    lines: BTreeMap<u8, Line>,
}

/// Who takes entries.
enum Receiver {
    File(RotatedFile),
    Syslog(Box<Syslog>),
}

/// How an entry is written.
enum Form {
    /// With what stands between the stream and the time.
    Json(Vec<u8>),
    /// The text alone, without its line end.
    Plain,
}

#[derive(Default)]
struct Line {
    text: Vec<u8>,
    /// When its first part came, while it is a split line.
    begun: Option<Stamp>,
}

impl Log {
    pub(crate) fn open(config: LogConfig) -> io::Result<Self> {
        let LogConfig { sink, waits, buffer } = config;
        let (receiver, form) = match sink {
            // A regular file always takes what it is given.
            Sink::File(file) => {
                let form = Form::Json(attributes(&file.attributes));
                (Receiver::File(RotatedFile::open(file)?), form)
            }
            Sink::Syslog(server) => {
                (Receiver::Syslog(Box::new(Syslog::open(server, waits, buffer)?)), Form::Plain)
            }
        };
        Ok(Self { receiver, form, lines: BTreeMap::new() })
    }

    /// Opens the file anew by its name.
    pub(crate) fn reopen(&mut self) -> io::Result<()> {
        match &mut self.receiver {
            Receiver::File(file) => file.reopen(),
            Receiver::Syslog(_) => Ok(()),
        }
    }

    /// Takes output; writes the lines that are whole, or too long.
    pub(crate) fn take(&mut self, stream: u8, data: &[u8]) -> io::Result<()> {
        let now = Stamp::now();
        let mut line = self.lines.remove(&stream).unwrap_or_default();
        let mut entries = Entries::new(stream, &self.form);
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            line.add(piece, &now, &mut entries);
        }
        self.lines.insert(stream, line);
        self.receiver.write(&entries)
    }

    /// The process has ended: what has no line end is written without one.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        let now = Stamp::now();
        for (stream, line) in std::mem::take(&mut self.lines) {
            if !line.text.is_empty() {
                let mut entries = Entries::new(stream, &self.form);
                entries.push(&line.text, line.begun.as_ref().unwrap_or(&now));
                self.receiver.write(&entries)?;
            }
        }
        match &mut self.receiver {
            Receiver::File(_) => Ok(()),
            Receiver::Syslog(server) => server.finish(),
        }
    }

    /// Whether the container must wait before it says more.
    pub(crate) fn is_full(&self) -> bool {
        matches!(&self.receiver, Receiver::Syslog(server) if server.is_full())
    }

    /// What to wait for before [`Self::flush`], if anything.
    pub(crate) fn pending(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match &self.receiver {
            Receiver::File(_) => None,
            Receiver::Syslog(server) => server.pending(),
        }
    }

    /// When to [`Self::flush`] at the latest.
    pub(crate) fn alarm(&self) -> Option<Instant> {
        match &self.receiver {
            Receiver::File(_) => None,
            Receiver::Syslog(server) => server.alarm(),
        }
    }

    /// Gives a slow receiver what waits for it.
    pub(crate) fn flush(&mut self) {
        if let Receiver::Syslog(server) = &mut self.receiver {
            server.flush();
        }
    }
}

impl Receiver {
    fn write(&mut self, entries: &Entries<'_>) -> io::Result<()> {
        match self {
            Self::File(file) => file.write(entries),
            Self::Syslog(server) => {
                server.take(entries);
                Ok(())
            }
        }
    }
}

/// `"attrs":{…},`, or nothing.
fn attributes(attributes: &BTreeMap<String, String>) -> Vec<u8> {
    if attributes.is_empty() {
        return Vec::new();
    }
    let mut text = b"\"attrs\":{".to_vec();
    for (number, (name, value)) in attributes.iter().enumerate() {
        text.extend_from_slice(if number == 0 { b"\"" } else { b",\"" });
        escape(name.as_bytes(), &mut text);
        text.extend_from_slice(b"\":\"");
        escape(value.as_bytes(), &mut text);
        text.push(b'"');
    }
    text.extend_from_slice(b"},");
    text
}

impl Line {
    /// Adds a piece that ends with its line or with the data.
    fn add(&mut self, piece: &[u8], now: &Stamp, entries: &mut Entries<'_>) {
        if self.text.is_empty() && piece.len() <= PART && piece.last() == Some(&b'\n') {
            return entries.push(piece, self.begun.take().as_ref().unwrap_or(now));
        }
        self.text.extend_from_slice(piece);
        let whole = self.text.last() == Some(&b'\n');
        // The line end itself does not count.
        while self.text.len() - usize::from(whole) > PART || !whole && self.text.len() == PART {
            let rest = self.text.split_off(PART);
            entries.push(&self.text, self.begun.get_or_insert_with(|| now.clone()));
            self.text = rest;
        }
        if whole {
            entries.push(&self.text, self.begun.take().as_ref().unwrap_or(now));
            self.text.clear();
        }
    }
}

/// An instant as text, written once for all lines that came together.
#[derive(Clone)]
struct Stamp(String);

impl Stamp {
    fn now() -> Self {
        Self(jiff::Timestamp::now().to_string())
    }
}

/// Entries of one stream that are written together.
struct Entries<'a> {
    stream: u8,
    form: &'a Form,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl<'a> Entries<'a> {
    fn new(stream: u8, form: &'a Form) -> Self {
        Self { stream, form, bytes: Vec::new(), ends: Vec::new() }
    }

    fn push(&mut self, text: &[u8], time: &Stamp) {
        match self.form {
            Form::Json(attributes) => {
                let stream: &[u8] = if self.is_error() { b"stderr" } else { b"stdout" };
                self.bytes.extend_from_slice(b"{\"log\":\"");
                escape(text, &mut self.bytes);
                let rest = [
                    b"\",\"stream\":\"",
                    stream,
                    b"\",",
                    attributes,
                    b"\"time\":\"",
                    time.0.as_bytes(),
                    b"\"}\n",
                ];
                rest.iter().for_each(|part| self.bytes.extend_from_slice(part));
            }
            Form::Plain => self.bytes.extend_from_slice(text.strip_suffix(b"\n").unwrap_or(text)),
        }
        self.ends.push(self.bytes.len());
    }

    fn is_error(&self) -> bool {
        self.stream == STDERR
    }

    fn each(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[*start..*end])
    }
}

#[cfg(test)]
mod tests;
