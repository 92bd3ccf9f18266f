//! Tar archives, written entry by entry: POSIX headers, with PAX records for what does not fit.
//!
//! The same entries make the same bytes: no user names, no times but the modification's.

use std::io::{self, Read, Write};

use tar::{EntryType, Header};

use super::{BLOCK, Entry, Kind, pax};
use crate::Digest;

/// The largest number of eleven octal digits: sizes and times.
const LARGEST_LONG: u64 = 0o777_7777_7777;
/// The largest number of seven octal digits: owners and groups.
const LARGEST_SHORT: u64 = 0o777_7777;
/// How much is copied at once.
const BUFFER: usize = 128 * 1024;

/// An archive that is being written.
pub(crate) struct Writer<W> {
    output: W,
    buffer: Vec<u8>,
}

/// Which side of a copy failed.
#[derive(Debug)]
pub(crate) enum CopyError {
    Read(io::Error),
    Write(io::Error),
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(output: W) -> Self {
        Self { output, buffer: vec![0; BUFFER] }
    }

    /// Writes what precedes the content of an entry; of anything but a file that is all.
    pub(crate) fn begin(&mut self, entry: &Entry) -> io::Result<()> {
        let mut header = Header::new_ustar();
        let mut records = Vec::new();
        let path = shown(entry);
        let old = header.as_old_mut();
        put_text(&mut old.name, &path, "path", &mut records);
        put_text(&mut old.linkname, &entry.link, "linkpath", &mut records);
        header.set_entry_type(kind(entry.kind));
        header.set_mode(entry.mode);
        header.set_uid(or_record(entry.uid, LARGEST_SHORT, "uid", &mut records));
        header.set_gid(or_record(entry.gid, LARGEST_SHORT, "gid", &mut records));
        let size = if entry.kind == Kind::File { entry.size } else { 0 };
        header.set_size(or_record(size, LARGEST_LONG, "size", &mut records));
        let seconds = entry.mtime.0.clamp(0, pax::LATEST).unsigned_abs();
        header.set_mtime(or_record(seconds, LARGEST_LONG, "mtime", &mut records));
        if matches!(entry.kind, Kind::CharDevice | Kind::BlockDevice) {
            header.set_device_major(entry.device.0)?;
            header.set_device_minor(entry.device.1)?;
        }
        for (key, value) in &entry.xattrs {
            let key = [pax::XATTR_PREFIX.as_bytes(), key].concat();
            // A record ends its key at the first `=`: such a name cannot be written.
            if !key.contains(&b'=') {
                records.extend(pax::record(&key, value));
            }
        }
        self.records(&records)?;
        header.set_cksum();
        self.output.write_all(header.as_bytes())
    }

    /// Writes a file's content: as much as its header says. What grew meanwhile is cut,
    /// what shrank is filled with zeros.
    pub(crate) fn content(&mut self, mut file: impl Read, size: u64) -> Result<(), CopyError> {
        let mut left = size;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let length = match file.read(&mut self.buffer[..most]) {
                Ok(0) => {
                    self.buffer[..most].fill(0);
                    most
                }
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(CopyError::Read(error)),
            };
            self.output.write_all(&self.buffer[..length]).map_err(CopyError::Write)?;
            left -= length as u64;
        }
        self.pad(size).map_err(CopyError::Write)
    }

    /// Ends the archive: two blocks of zeros.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.output.write_all(&[0; 2 * BLOCK])?;
        Ok(self.output)
    }

    fn records(&mut self, records: &[u8]) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let mut header = Header::new_ustar();
        let name = b"././@PaxHeader";
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(EntryType::XHeader);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(records.len() as u64);
        header.set_cksum();
        self.output.write_all(header.as_bytes())?;
        self.output.write_all(records)?;
        self.pad(records.len() as u64)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let padding = size.wrapping_neg() % BLOCK as u64;
        self.output.write_all(&[0; BLOCK][..usize::try_from(padding).unwrap_or(0)])
    }
}

/// The digest of an archive without entries.
pub(crate) fn empty_digest() -> Digest {
    Digest::of(&[0; 2 * BLOCK])
}

/// The path of an entry as it is written: a directory's ends in a slash.
fn shown(entry: &Entry) -> Vec<u8> {
    let mut path = entry.path.clone();
    if path.is_empty() {
        path.push(b'.');
    }
    if entry.kind == Kind::Directory && path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path
}

fn put_text(field: &mut [u8; 100], text: &[u8], key: &str, records: &mut Vec<u8>) {
    let fits = text.len().min(field.len());
    field[..fits].copy_from_slice(&text[..fits]);
    if fits < text.len() {
        records.extend(pax::record(key.as_bytes(), text));
    }
}

fn or_record(number: u64, largest: u64, key: &str, records: &mut Vec<u8>) -> u64 {
    if number <= largest {
        return number;
    }
    records.extend(pax::record(key.as_bytes(), number.to_string().as_bytes()));
    0
}

const fn kind(kind: Kind) -> EntryType {
    match kind {
        Kind::File => EntryType::Regular,
        Kind::HardLink => EntryType::Link,
        Kind::Symlink => EntryType::Symlink,
        Kind::CharDevice => EntryType::Char,
        Kind::BlockDevice => EntryType::Block,
        Kind::Directory => EntryType::Directory,
        Kind::Fifo => EntryType::Fifo,
    }
}
