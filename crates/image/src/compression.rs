//! Archives plain, gzipped or in zstd, told apart by their first bytes.

use std::io::{self, BufReader, Cursor, Read, Seek};

/// RFC 1952, section 2.3.1.
const GZIP: &[u8] = &[0x1f, 0x8b];
/// RFC 8878, section 3.1.1.
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// How much is read at once.
const BUFFER: usize = 128 * 1024;

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// Looks at the beginning of a file.
    pub(crate) fn of(file: &mut (impl Read + Seek)) -> io::Result<Self> {
        let mut first = Vec::new();
        file.take(4).read_to_end(&mut first)?;
        file.rewind()?;
        Ok(Self::of_beginning(&first))
    }

    fn of_beginning(first: &[u8]) -> Self {
        if first.starts_with(GZIP) {
            Self::Gzip
        } else if first.starts_with(ZSTD) {
            Self::Zstd
        } else {
            Self::None
        }
    }
}

/// Reads what `input` holds, decompressed if it is compressed.
pub(crate) fn decompressed<'a>(mut input: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut first = [0; 4];
    let mut length = 0;
    while length < first.len() {
        match input.read(&mut first[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let first = &first[..length];
    let whole = Cursor::new(first.to_vec()).chain(input);
    let buffered = BufReader::with_capacity(BUFFER, whole);
    Ok(match Compression::of_beginning(first) {
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(buffered)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(buffered)?),
        Compression::None => Box::new(buffered),
    })
}
