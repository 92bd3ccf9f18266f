//! Archives plain, gzipped or in zstd, told apart by their first bytes.

use std::io::{self, BufReader, Cursor, Read};

/// RFC 1952, section 2.3.1.
const GZIP: &[u8] = &[0x1f, 0x8b];
/// RFC 8878, section 3.1.1.
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// How much is read at once.
const BUFFER: usize = 128 * 1024;

/// Whether an archive that begins with these bytes is compressed.
pub(crate) fn is_compressed(first: &[u8]) -> bool {
    first.starts_with(GZIP) || first.starts_with(ZSTD)
}

/// Whether an archive that begins with these bytes is in zstd.
pub(crate) fn is_zstd(first: &[u8]) -> bool {
    first.starts_with(ZSTD)
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
    if first.starts_with(GZIP) {
        Ok(Box::new(flate2::bufread::MultiGzDecoder::new(buffered)))
    } else if first.starts_with(ZSTD) {
        Ok(Box::new(zstd::stream::read::Decoder::with_buffer(buffered)?))
    } else {
        Ok(Box::new(buffered))
    }
}
