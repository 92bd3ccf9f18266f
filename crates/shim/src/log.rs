//! Docker's json-file log: one JSON object per line, rotated by size.
//!
//! `{"log":"…\n","stream":"stdout","time":"2026-01-02T03:04:05.678Z"}`; a line
//! longer than 16 KiB is split, and only its last part ends in `\n`.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use runtime::bundle::LogConfig;
use runtime::protocol::stream::STDERR;

/// moby `daemon/logger.defaultBufSize`.
const PART: usize = 16 << 10;

/// An open log.
pub(crate) struct Log {
    config: LogConfig,
    file: File,
    size: u64,
    /// By stream, what has no line end yet.
    lines: BTreeMap<u8, Line>,
}

#[derive(Default)]
struct Line {
    text: Vec<u8>,
    /// When its first part came, while it is a split line.
    begun: Option<Stamp>,
}

impl Log {
    pub(crate) fn open(config: LogConfig) -> io::Result<Self> {
        let file = append(&config.path)?;
        let size = file.metadata()?.len();
        Ok(Self { config, file, size, lines: BTreeMap::new() })
    }

    /// Opens the file anew by its name.
    pub(crate) fn reopen(&mut self) -> io::Result<()> {
        self.file = append(&self.config.path)?;
        self.size = self.file.metadata()?.len();
        Ok(())
    }

    /// Takes output; writes the lines that are whole, or too long.
    pub(crate) fn take(&mut self, stream: u8, data: &[u8]) -> io::Result<()> {
        let now = Stamp::now();
        let mut line = self.lines.remove(&stream).unwrap_or_default();
        let mut entries = Entries::new(stream);
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            line.add(piece, &now, &mut entries);
        }
        self.lines.insert(stream, line);
        self.write(&entries)
    }

    /// The process has ended: what has no line end is written without one.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        let now = Stamp::now();
        for (stream, line) in std::mem::take(&mut self.lines) {
            if !line.text.is_empty() {
                let mut entries = Entries::new(stream);
                entries.push(&line.text, line.begun.as_ref().unwrap_or(&now));
                self.write(&entries)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, entries: &Entries) -> io::Result<()> {
        let Some(bound) = self.config.max_size else {
            return self.append(&entries.bytes);
        };
        for entry in entries.each() {
            if self.size >= bound {
                self.rotate()?;
            }
            self.append(entry)?;
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.size += u64::try_from(bytes.len()).unwrap_or(0);
        Ok(())
    }

    /// `log.1` becomes `log.2` and so on; the last is lost; a single file begins anew.
    fn rotate(&mut self) -> io::Result<()> {
        let name = |number: u32| match number {
            0 => self.config.path.clone(),
            _ => PathBuf::from(format!("{}.{number}", self.config.path.display())),
        };
        for number in (1..self.config.max_files.max(1)).rev() {
            match std::fs::rename(name(number - 1), name(number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        self.file = append(&self.config.path)?;
        self.file.set_len(0)?;
        self.size = 0;
        Ok(())
    }
}

impl Line {
    /// Adds a piece that ends with its line or with the data.
    fn add(&mut self, piece: &[u8], now: &Stamp, entries: &mut Entries) {
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
struct Entries {
    stream: u8,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Entries {
    fn new(stream: u8) -> Self {
        Self { stream, bytes: Vec::new(), ends: Vec::new() }
    }

    fn push(&mut self, text: &[u8], time: &Stamp) {
        let stream: &[u8] = if self.stream == STDERR { b"stderr" } else { b"stdout" };
        self.bytes.extend_from_slice(b"{\"log\":\"");
        escape(text, &mut self.bytes);
        let rest = [b"\",\"stream\":\"", stream, b"\",\"time\":\"", time.0.as_bytes(), b"\"}\n"];
        rest.iter().for_each(|part| self.bytes.extend_from_slice(part));
        self.ends.push(self.bytes.len());
    }

    fn each(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[*start..*end])
    }
}

fn append(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

/// Escapes as Go's encoder does (moby `jsonlog.ffjsonWriteJSONBytesAsString`):
/// what is not UTF-8 becomes U+FFFD, and what HTML or JavaScript would mind a number.
fn escape(text: &[u8], bytes: &mut Vec<u8>) {
    for chunk in text.utf8_chunks() {
        let mut left = chunk.valid().as_bytes();
        while let Some(at) = left.iter().position(|byte| IS_SPECIAL[usize::from(*byte)]) {
            bytes.extend_from_slice(&left[..at]);
            left = &left[at + special(&left[at..], bytes)..];
        }
        bytes.extend_from_slice(left);
        for _ in chunk.invalid() {
            bytes.extend_from_slice(b"\\ufffd");
        }
    }
}

/// The bytes that do not stand for themselves, and the one that U+2028 and U+2029 begin with.
const IS_SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = byte < 0x20 || matches!(byte, 0x22 | 0x26 | 0x3c | 0x3e | 0x5c | 0xe2);
        byte += 1;
    }
    table
};

/// Writes the special letter that `left` begins with; how long it is there.
fn special(left: &[u8], bytes: &mut Vec<u8>) -> usize {
    let letter: &[u8] = match left {
        [0xe2, 0x80, 0xa8, ..] => b"\\u2028",
        [0xe2, 0x80, 0xa9, ..] => b"\\u2029",
        [b'"', ..] => b"\\\"",
        [b'\\', ..] => b"\\\\",
        [b'\n', ..] => b"\\n",
        [b'\r', ..] => b"\\r",
        [b'\t', ..] => b"\\t",
        [0xe2, ..] => &left[..1],
        [byte, ..] => {
            let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
            bytes.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            return 1;
        }
        [] => return 0,
    };
    bytes.extend_from_slice(letter);
    if matches!(left, [0xe2, 0x80, 0xa8 | 0xa9, ..]) { 3 } else { 1 }
}

#[cfg(test)]
mod tests {
    use runtime::protocol::stream::STDOUT;

    use super::*;

    fn log(max_size: Option<u64>, max_files: u32) -> (tempfile::TempDir, Log) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("c-json.log");
        (directory, Log::open(LogConfig { path, max_size, max_files }).expect("open"))
    }

    /// The `log` and `stream` of every line.
    fn lines(path: &Path) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(path).expect("a log");
        let parsed = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        let word = |value: &serde_json::Value| value.as_str().expect("a string").to_owned();
        parsed.map(|line| (word(&line["log"]), word(&line["stream"]))).collect()
    }

    #[test]
    fn an_entry_is_dockers_to_the_byte() {
        let mut entries = Entries::new(STDERR);
        let time = Stamp("2026-01-02T03:04:05.6789Z".to_owned());
        entries.push(b"a<\"\\\x1b\xff\xe2\x82\xac\xe2\x80\xa9\t\n", &time);
        let text = String::from_utf8(entries.bytes).expect("text");
        let expected = "{\"log\":\"a\\u003c\\\"\\\\\\u001b\\ufffd€\\u2029\\t\\n\",\"stream\":\"stderr\",\
             \"time\":\"2026-01-02T03:04:05.6789Z\"}\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn lines_are_put_together_and_long_ones_split() {
        let (_directory, mut log) = log(None, 1);
        log.take(STDOUT, b"one\ntw").expect("write");
        log.take(STDERR, b"err\n").expect("write");
        log.take(STDOUT, b"o\n").expect("write");
        let long = "x".repeat(PART + 3);
        log.take(STDOUT, long.as_bytes()).expect("write");
        log.take(STDOUT, b"y\n").expect("write");
        log.take(STDOUT, b"rest").expect("write");
        log.finish().expect("write");
        let expected = [
            ("one\n", "stdout"),
            ("err\n", "stderr"),
            ("two\n", "stdout"),
            (&long[..PART], "stdout"),
            ("xxxy\n", "stdout"),
            ("rest", "stdout"),
        ];
        let got = lines(&log.config.path);
        assert!(got.iter().map(|(text, stream)| (text.as_str(), stream.as_str())).eq(expected));
    }

    #[test]
    fn a_line_of_just_the_bound_is_whole() {
        let (_directory, mut log) = log(None, 1);
        let text = "x".repeat(PART) + "\n";
        log.take(STDOUT, text.as_bytes()).expect("write");
        assert_eq!(lines(&log.config.path), [(text, "stdout".to_owned())]);
    }

    #[test]
    fn full_files_make_room() {
        let (_directory, mut log) = log(Some(100), 3);
        for number in 0..10 {
            log.take(STDOUT, format!("{number} {}\n", "x".repeat(40)).as_bytes()).expect("write");
        }
        let name = |number: u32| PathBuf::from(format!("{}.{number}", log.config.path.display()));
        assert!(lines(&log.config.path).last().expect("a line").0.starts_with('9'));
        assert!(lines(&name(1)).last().expect("a line").0.starts_with('8'));
        assert!(name(2).exists() && !name(3).exists());
    }

    #[test]
    fn a_moved_file_is_left_alone_after_reopening() {
        let (directory, mut log) = log(None, 1);
        log.take(STDOUT, b"old\n").expect("write");
        let moved = directory.path().join("moved");
        std::fs::rename(&log.config.path, &moved).expect("move");
        log.reopen().expect("reopen");
        log.take(STDOUT, b"new\n").expect("write");
        assert_eq!(lines(&moved)[0].0, "old\n");
        assert_eq!(lines(&log.config.path)[0].0, "new\n");
    }
}
