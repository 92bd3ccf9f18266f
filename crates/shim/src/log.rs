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
    begun: Option<jiff::Timestamp>,
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
        let now = jiff::Timestamp::now();
        let mut line = self.lines.remove(&stream).unwrap_or_default();
        let mut entries = Vec::new();
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            line.add(piece, stream, now, &mut entries);
        }
        self.lines.insert(stream, line);
        self.write(&entries)
    }

    /// The process has ended: what has no line end is written without one.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        let now = jiff::Timestamp::now();
        let mut entries = Vec::new();
        for (stream, line) in std::mem::take(&mut self.lines) {
            if !line.text.is_empty() {
                entries.push(entry(&line.text, stream, line.begun.unwrap_or(now)));
            }
        }
        self.write(&entries)
    }

    fn write(&mut self, entries: &[Vec<u8>]) -> io::Result<()> {
        let Some(bound) = self.config.max_size else {
            return self.append(&entries.concat());
        };
        for entry in entries {
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
    fn add(&mut self, piece: &[u8], stream: u8, now: jiff::Timestamp, entries: &mut Vec<Vec<u8>>) {
        self.text.extend(piece);
        let whole = self.text.last() == Some(&b'\n');
        // The line end itself does not count.
        while self.text.len() - usize::from(whole) > PART || !whole && self.text.len() == PART {
            let rest = self.text.split_off(PART);
            let time = *self.begun.get_or_insert(now);
            entries.push(entry(&self.text, stream, time));
            self.text = rest;
        }
        if whole {
            entries.push(entry(&self.text, stream, self.begun.take().unwrap_or(now)));
            self.text.clear();
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

fn entry(text: &[u8], stream: u8, time: jiff::Timestamp) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + 80);
    bytes.extend(b"{\"log\":\"");
    escape(text, &mut bytes);
    let stream = if stream == STDERR { "stderr" } else { "stdout" };
    bytes.extend(format!("\",\"stream\":\"{stream}\",\"time\":\"{time}\"}}\n").bytes());
    bytes
}

/// Escapes as Go's encoder does (moby `jsonlog.ffjsonWriteJSONBytesAsString`):
/// what is not UTF-8 becomes U+FFFD, and what HTML or JavaScript would mind a number.
fn escape(text: &[u8], bytes: &mut Vec<u8>) {
    for chunk in text.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '"' => bytes.extend(b"\\\""),
                '\\' => bytes.extend(b"\\\\"),
                '\n' => bytes.extend(b"\\n"),
                '\r' => bytes.extend(b"\\r"),
                '\t' => bytes.extend(b"\\t"),
                '\0'..'\x20' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    bytes.extend(format!("\\u{:04x}", u32::from(letter)).bytes());
                }
                _ => bytes.extend(letter.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        for _ in chunk.invalid() {
            bytes.extend(b"\\ufffd");
        }
    }
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
        let time: jiff::Timestamp = "2026-01-02T03:04:05.6789Z".parse().expect("a time");
        let text = String::from_utf8(entry(b"a<\"\\\x1b\xff\n", STDERR, time)).expect("text");
        let expected = "{\"log\":\"a\\u003c\\\"\\\\\\u001b\\ufffd\\n\",\"stream\":\"stderr\",\
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
