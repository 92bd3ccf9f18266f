//! Tar archives, read entry by entry with bounds on everything the writer chooses.
//!
//! The `tar` crate decodes header blocks; the framing is ours because it reads
//! long names and PAX records of any size into memory, drops the bytes after a
//! newline in a PAX value (file capabilities have them), and takes a truncated
//! entry for a short one.

pub(crate) mod pax;
mod sparse;
mod write;

use std::io::{self, Read};

use tar::Header;
use thiserror::Error;

pub(crate) use write::{CopyError, Writer, empty_digest};

/// Tar's unit.
const BLOCK: usize = 512;
/// The most bytes of a long name or of one entry's PAX records.
const EXTENSION_LIMIT: u64 = 1 << 20;
/// The most bytes of a path: `PATH_MAX` of linux/limits.h with its NUL.
pub(crate) const PATH_LIMIT: usize = 4095;

/// Why an archive cannot be read on.
#[derive(Debug, Error)]
pub enum TapeError {
    #[error("the archive ends in the middle")]
    Truncated,
    #[error("this is not a tar archive")]
    NotTar,
    #[error("the {field} in a header is invalid")]
    Field { field: &'static str },
    #[error("the {what} is longer than {limit} bytes")]
    TooLong { what: &'static str, limit: u64 },
    #[error("a sparse file has a form that is not supported")]
    Sparse,
    #[error("an entry has the unknown type {kind:?}")]
    Kind { kind: char },
    #[error("cannot read the archive")]
    Read(#[source] io::Error),
}

/// What an entry makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    HardLink,
    Symlink,
    CharDevice,
    BlockDevice,
    Directory,
    Fifo,
}

/// One entry, with everything its extensions say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    /// Seconds since 1970 and nanoseconds.
    pub(crate) mtime: (i64, u32),
    pub(crate) device: (u32, u32),
    /// Bytes of the file once it is unpacked.
    pub(crate) size: u64,
    /// Where the content goes, if the file has holes: offsets and lengths.
    pub(crate) pieces: Option<Vec<(u64, u64)>>,
    /// Extended attributes.
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Entry {
    /// An entry that says nothing but what it is called and makes.
    pub(crate) const fn bare(kind: Kind, path: Vec<u8>) -> Self {
        Self {
            path,
            link: Vec::new(),
            kind,
            mode: 0,
            uid: 0,
            gid: 0,
            mtime: (0, 0),
            device: (0, 0),
            size: 0,
            pieces: None,
            xattrs: Vec::new(),
        }
    }
}

/// An archive that is being read.
pub(crate) struct Tape<R> {
    input: R,
    /// Bytes of the current entry's content that were not read yet.
    content: u64,
    /// Bytes after the content up to the next block.
    padding: u64,
}

/// What the headers before an entry said about it.
#[derive(Default)]
struct Extensions {
    long_path: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    pax: pax::Records,
}

impl<R: Read> Tape<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, content: 0, padding: 0 }
    }

    /// The next entry, or `None` at the end. What was not read of the last one is skipped.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, TapeError> {
        let mut extensions = Extensions::default();
        loop {
            self.skip()?;
            let Some(header) = self.header()? else { return Ok(None) };
            let size = number(header.entry_size(), &header.as_old().size, "size")?;
            self.frame(size);
            match header.entry_type().as_byte() {
                b'L' => extensions.long_path = Some(self.extension("name")?),
                b'K' => extensions.long_link = Some(self.extension("link target")?),
                b'x' => extensions.pax = pax::Records::parse(&self.extension("PAX record")?)?,
                // What holds for all entries (git's commit id) says nothing about files.
                b'g' => drop(self.extension("PAX record")?),
                kind => return self.entry(&header, kind, extensions).map(Some),
            }
        }
    }

    /// The content of the current entry.
    pub(crate) fn content(&mut self) -> Content<'_, R> {
        Content(self)
    }

    /// Reads what comes after the end, which belongs to the digest.
    pub(crate) fn drain(&mut self) -> Result<(), TapeError> {
        io::copy(&mut self.input, &mut io::sink()).map(drop).map_err(broken)
    }

    fn frame(&mut self, size: u64) {
        self.content = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    fn skip(&mut self) -> Result<(), TapeError> {
        let rest = self.content.saturating_add(self.padding);
        (self.content, self.padding) = (0, 0);
        let skipped = io::copy(&mut (&mut self.input).take(rest), &mut io::sink()).map_err(broken)?;
        if skipped == rest { Ok(()) } else { Err(TapeError::Truncated) }
    }

    /// The next header block. A block of zeros or the end of the input ends the archive.
    fn header(&mut self) -> Result<Option<Header>, TapeError> {
        let mut header = Header::new_old();
        let block = header.as_mut_bytes();
        match read_full(&mut self.input, block)? {
            0 => return Ok(None),
            BLOCK => {}
            _ => return Err(TapeError::Truncated),
        }
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        // The checksum counts its own eight bytes as spaces (POSIX, pax, "ustar header").
        let sum: u32 = block[..148].iter().chain(&block[156..]).map(|byte| u32::from(*byte)).sum();
        match header.cksum() {
            Ok(said) if said == sum + 8 * u32::from(b' ') => Ok(Some(header)),
            Ok(_) | Err(_) => Err(TapeError::NotTar),
        }
    }

    /// The whole content of an entry that says something about the next one.
    fn extension(&mut self, what: &'static str) -> Result<Vec<u8>, TapeError> {
        if self.content > EXTENSION_LIMIT {
            return Err(TapeError::TooLong { what, limit: EXTENSION_LIMIT });
        }
        let mut content = Vec::new();
        self.content().read_to_end(&mut content).map_err(broken)?;
        while what != "PAX record" && content.last() == Some(&0) {
            content.pop();
        }
        Ok(content)
    }

    fn entry(&mut self, header: &Header, kind: u8, said: Extensions) -> Result<Entry, TapeError> {
        let mut pax = said.pax;
        if let Some(size) = pax.size {
            self.frame(size);
        }
        let path = pax.path.or(said.long_path).unwrap_or_else(|| header.path_bytes().into_owned());
        let link = pax.link.or(said.long_link);
        let link = link.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
        let link = link.unwrap_or_default();
        let old_sparse = kind == b'S';
        let kind = entry_kind(kind, &path)?;
        if kind != Kind::File {
            // Some writers leave a file's size in the headers of its links.
            self.frame(0);
        }
        let pieces = match pax.sparse.take() {
            Some(said) if kind == Kind::File => Some(self.pax_sparse(said)?),
            Some(_) => return Err(TapeError::Sparse),
            None if old_sparse => Some(self.old_sparse(header)?),
            None => None,
        };
        let size = match &pieces {
            Some((_, size)) => *size,
            None => self.content,
        };
        check_length("name", &path)?;
        check_length("link target", &link)?;
        let old = header.as_old();
        let mode = number(header.mode().map(u64::from), &old.mode, "mode")? & 0o7777;
        Ok(Entry {
            path,
            link,
            kind,
            mode: u32::try_from(mode).unwrap_or(0),
            uid: pax.uid.map_or_else(|| number(header.uid(), &old.uid, "owner"), Ok)?,
            gid: pax.gid.map_or_else(|| number(header.gid(), &old.gid, "group"), Ok)?,
            mtime: pax.mtime.map_or_else(|| mtime(header), Ok)?,
            device: (device(header.device_major()), device(header.device_minor())),
            size,
            pieces: pieces.map(|(pieces, _)| pieces),
            xattrs: std::mem::take(&mut pax.xattrs),
        })
    }
}

/// Reads the content of one entry; an archive that ends before it does is an error.
pub(crate) struct Content<'a, R>(&'a mut Tape<R>);

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.0.content).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        match self.0.input.read(&mut buffer[..most])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => {
                self.0.content -= length as u64;
                Ok(length)
            }
        }
    }
}

/// An input that ends too early is a truncated archive.
pub(crate) fn broken(error: io::Error) -> TapeError {
    if error.kind() == io::ErrorKind::UnexpectedEof { TapeError::Truncated } else { TapeError::Read(error) }
}

/// Fills the block, or as much of it as there is.
fn read_full(input: &mut impl Read, block: &mut [u8]) -> Result<usize, TapeError> {
    let mut filled = 0;
    while filled < block.len() {
        match input.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(broken(error)),
        }
    }
    Ok(filled)
}

/// The type flag (POSIX, pax, "ustar header"; `S` is GNU's sparse file).
fn entry_kind(kind: u8, path: &[u8]) -> Result<Kind, TapeError> {
    Ok(match kind {
        // Before ustar, a directory was a file whose name ends in a slash.
        b'0' | b'\0' if path.ends_with(b"/") => Kind::Directory,
        b'0' | b'\0' | b'7' | b'S' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => Kind::CharDevice,
        b'4' => Kind::BlockDevice,
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        other => return Err(TapeError::Kind { kind: other.into() }),
    })
}

fn check_length(what: &'static str, bytes: &[u8]) -> Result<(), TapeError> {
    if bytes.len() > PATH_LIMIT {
        return Err(TapeError::TooLong { what, limit: PATH_LIMIT as u64 });
    }
    if bytes.contains(&0) { Err(TapeError::Field { field: what }) } else { Ok(()) }
}

/// A time before 1970 is written in base 256 and comes as a huge number: it becomes 0, as in Docker.
fn mtime(header: &Header) -> Result<(i64, u32), TapeError> {
    let seconds = number(header.mtime(), &header.as_old().mtime, "modification time")?;
    Ok((i64::try_from(seconds).ok().filter(|seconds| *seconds <= pax::LATEST).unwrap_or(0), 0))
}

/// A number of a header; one that is left blank is 0.
fn number(parsed: io::Result<u64>, raw: &[u8], field: &'static str) -> Result<u64, TapeError> {
    match parsed {
        Err(_) if raw.iter().all(|byte| matches!(byte, b'\0' | b' ')) => Ok(0),
        other => other.map_err(|_| TapeError::Field { field }),
    }
}

/// Some writers leave the field blank.
fn device(number: io::Result<Option<u32>>) -> u32 {
    number.ok().flatten().unwrap_or(0)
}

#[cfg(test)]
mod tests;
