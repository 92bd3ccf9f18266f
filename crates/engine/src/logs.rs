//! Reading what a container wrote: Docker's json-file format, rotated files included.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;

use crate::Stream;

/// Which part of a log.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    pub stdout: bool,
    pub stderr: bool,
    /// Go on until the container ends.
    pub follow: bool,
    /// The last so many entries only.
    pub tail: Option<usize>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// One line, or a part of one that was too long to be kept whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    pub time: Timestamp,
    pub stream: Stream,
    /// With its newline, if it had one.
    pub line: Bytes,
}

/// One entry as it lies in the file.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    log: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    stream: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    time: std::borrow::Cow<'a, str>,
}

impl LogOptions {
    /// Whether an entry was asked for, but for `tail`.
    fn wants(&self, entry: &LogEntry) -> bool {
        let stream = match entry.stream {
            Stream::Stdout => self.stdout,
            Stream::Stderr => self.stderr,
        };
        let since = self.since.is_none_or(|since| entry.time >= since);
        stream && since && !self.is_past(entry)
    }

    /// Whether an entry, and so all after it, is too young.
    pub(crate) fn is_past(&self, entry: &LogEntry) -> bool {
        self.until.is_some_and(|until| entry.time > until)
    }

    fn takes_every_line(&self) -> bool {
        self.stdout && self.stderr && self.since.is_none() && self.until.is_none()
    }
}

/// Who gets the entries. False when no more are wanted.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(LogEntry) -> bool;

/// A place in a log. Reads on from where it was, over rotations.
#[derive(Debug)]
pub(crate) struct Reader {
    path: PathBuf,
    options: LogOptions,
    file: Option<BufReader<File>>,
    /// The beginning of a line whose end is not written yet.
    partial: Vec<u8>,
}

impl Reader {
    /// Stands before the first entry of the oldest file.
    pub(crate) fn new(path: PathBuf, options: LogOptions) -> Self {
        Self { path, options, file: None, partial: Vec::new() }
    }

    /// Gives all that has been written by now, the last of it only if so asked.
    /// False when no more is wanted.
    pub(crate) fn read_first(&mut self, sink: Sink<'_>) -> io::Result<bool> {
        match self.options.tail {
            None => self.read_all(sink),
            Some(0) => self.skip_all(),
            Some(count) if self.options.takes_every_line() => self.read_tail(count, sink),
            Some(count) => self.read_last(count, sink),
        }
    }

    /// Gives what has been written since. False when no more is wanted.
    pub(crate) fn read_more(&mut self, sink: Sink<'_>) -> io::Result<bool> {
        loop {
            if !self.read_file(sink)? {
                return Ok(false);
            }
            if !self.was_rotated()? {
                return Ok(true);
            }
            // What was written to the old file between our end and its renaming.
            if !self.read_file(sink)? {
                return Ok(false);
            }
            self.file = open(&self.path)?;
        }
    }

    fn read_all(&mut self, sink: Sink<'_>) -> io::Result<bool> {
        for old in rotated(&self.path) {
            self.file = open(&old)?;
            if !self.read_file(sink)? {
                return Ok(false);
            }
        }
        self.file = open(&self.path)?;
        self.read_file(sink)
    }

    fn skip_all(&mut self) -> io::Result<bool> {
        self.file = open(&self.path)?;
        if let Some(file) = &mut self.file {
            file.seek(SeekFrom::End(0))?;
        }
        Ok(true)
    }

    /// Finds the last lines from the end, without reading what comes before.
    fn read_tail(&mut self, count: usize, sink: Sink<'_>) -> io::Result<bool> {
        let mut files = vec![self.path.clone()];
        files.extend(rotated(&self.path).into_iter().rev());
        let mut missing = count;
        let mut starts: Vec<(PathBuf, u64)> = Vec::new();
        for path in files {
            let Some(mut file) = open(&path)? else { continue };
            let (start, lines) = start_of_last(file.get_mut(), missing)?;
            starts.push((path, start));
            missing -= lines;
            if missing == 0 {
                break;
            }
        }
        for (path, start) in starts.into_iter().rev() {
            self.file = open(&path)?;
            if let Some(file) = &mut self.file {
                file.seek(SeekFrom::Start(start))?;
            }
            if !self.read_file(sink)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads everything and keeps the last of what was asked for.
    fn read_last(&mut self, count: usize, sink: Sink<'_>) -> io::Result<bool> {
        let mut last = VecDeque::new();
        self.read_all(&mut |entry| {
            if last.len() == count {
                last.pop_front();
            }
            last.push_back(entry);
            true
        })?;
        Ok(last.into_iter().all(sink))
    }

    /// Reads the open file to its end.
    fn read_file(&mut self, sink: Sink<'_>) -> io::Result<bool> {
        if self.file.is_none() {
            self.file = open(&self.path)?;
        }
        let Some(file) = &mut self.file else { return Ok(true) };
        loop {
            file.read_until(b'\n', &mut self.partial)?;
            if self.partial.last() != Some(&b'\n') {
                return Ok(true);
            }
            let entry = parse(&self.partial);
            self.partial.clear();
            let Some(entry) = entry else { continue };
            if self.options.is_past(&entry) {
                return Ok(false);
            }
            if self.options.wants(&entry) && !sink(entry) {
                return Ok(false);
            }
        }
    }

    /// Whether the file we read is no longer the one that is written to, or has
    /// begun anew (a log of one file).
    fn was_rotated(&mut self) -> io::Result<bool> {
        let Some(file) = &mut self.file else { return Ok(false) };
        let (read, open) = (file.stream_position()?, file.get_ref().metadata()?);
        match std::fs::metadata(&self.path) {
            Ok(current) => {
                Ok((current.dev(), current.ino()) != (open.dev(), open.ino()) || current.len() < read)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The rotated files that there are, oldest first: `log.2.gz`, `log.1`.
fn rotated(path: &Path) -> Vec<PathBuf> {
    let numbered = |number: u32| {
        let plain = PathBuf::from(format!("{}.{number}", path.display()));
        let compressed = PathBuf::from(format!("{}.{COMPRESSED}", plain.display()));
        [plain, compressed].into_iter().find(|path| path.exists())
    };
    let mut files: Vec<_> = (1..).map_while(numbered).collect();
    files.reverse();
    files
}

/// How the names of compressed files end.
const COMPRESSED: &str = "gz";

/// A file that is not there yet has nothing in it.
fn open(path: &Path) -> io::Result<Option<BufReader<File>>> {
    let is_compressed = path.extension().is_some_and(|end| end == COMPRESSED);
    match File::open(path) {
        Ok(file) if is_compressed => Ok(Some(BufReader::with_capacity(64 << 10, unpacked(file, path)?))),
        Ok(file) => Ok(Some(BufReader::with_capacity(64 << 10, file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The content of a compressed file, in one that has no name.
fn unpacked(file: File, path: &Path) -> io::Result<File> {
    let place = path.with_extension(format!("reading-{}", crate::ContainerId::random().short()));
    let mut plain = File::options().read(true).write(true).create_new(true).mode(0o600).open(&place)?;
    std::fs::remove_file(&place)?;
    io::copy(&mut flate2::read::GzDecoder::new(file), &mut plain)?;
    plain.rewind()?;
    Ok(plain)
}

/// Bytes of all files of a log.
pub(crate) fn size(path: &Path) -> u64 {
    let files = rotated(path).into_iter().chain([path.to_owned()]);
    files.filter_map(|file| std::fs::metadata(file).ok()).map(|found| found.len()).sum()
}

/// Where the last `count` lines of a file begin, and how many they are.
fn start_of_last(file: &mut File, count: usize) -> io::Result<(u64, usize)> {
    const PIECE: u64 = 64 << 10;
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut newlines = 0;
    let mut piece = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(PIECE);
        file.seek(SeekFrom::Start(start))?;
        piece.clear();
        file.by_ref().take(end - start).read_to_end(&mut piece)?;
        for (index, _) in piece.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            // The newline before the first line wanted is one more than there are lines.
            if newlines == count {
                return Ok((start + u64::try_from(index).map_err(io::Error::other)? + 1, count));
            }
            newlines += 1;
        }
        end = start;
    }
    Ok((0, newlines))
}

/// One line of a file; a damaged one is nothing.
fn parse(line: &[u8]) -> Option<LogEntry> {
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    let stream = if line.stream == "stderr" { Stream::Stderr } else { Stream::Stdout };
    Some(LogEntry { time: line.time.parse().ok()?, stream, line: Bytes::from(line.log.into_owned()) })
}

#[cfg(test)]
mod tests;
