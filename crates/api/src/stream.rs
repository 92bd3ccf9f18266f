//! Frames of multiplexed output: several streams over one connection.
//!
//! A frame is a header of eight bytes and its payload. The header's first byte is the stream, the next three are
//! zero, the last four are the length of the payload, big endian. Containers with a terminal have one stream,
//! which is sent without frames.

use std::fmt;

/// The media type of output without frames.
pub const RAW: &str = "application/vnd.docker.raw-stream";
/// The media type of output in frames; clients before API 1.42 are told [`RAW`] for both.
pub const MULTIPLEXED: &str = "application/vnd.docker.multiplexed-stream";
/// Bytes of a header.
pub const HEADER: usize = 8;

/// The streams of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Never sent by an engine.
    Stdin,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A message of the engine itself, which ends the stream.
    System,
}

impl Stream {
    const fn number(self) -> u8 {
        match self {
            Self::Stdin => 0,
            Self::Stdout => 1,
            Self::Stderr => 2,
            Self::System => 3,
        }
    }

    /// The header of a frame of this stream.
    #[must_use]
    pub const fn header(self, length: u32) -> [u8; HEADER] {
        let [a, b, c, d] = length.to_be_bytes();
        [self.number(), 0, 0, 0, a, b, c, d]
    }

    /// Appends `payload` to `output` in frames.
    pub fn frame(self, payload: &[u8], output: &mut Vec<u8>) {
        for part in payload.chunks(u32::MAX as usize) {
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            output.extend_from_slice(&self.header(length));
            output.extend_from_slice(part);
        }
    }
}

/// A header that no engine sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownStream(pub u8);

impl fmt::Display for UnknownStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unrecognized stream: {}", self.0)
    }
}

impl std::error::Error for UnknownStream {}

/// Reads frames from pieces of any size, without copying payloads or waiting for the end of a frame.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    header: Vec<u8>,
    frame: Option<(Stream, usize)>,
}

impl Decoder {
    /// Takes the next piece of payload from the front of `input`; `None` when more input is needed.
    ///
    /// # Errors
    /// The stream's number is not known; nothing after it can be read.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<(Stream, &'a [u8])>, UnknownStream> {
        loop {
            match self.frame {
                Some((_, 0)) => self.frame = None,
                Some(_) if input.is_empty() => return Ok(None),
                Some((stream, left)) => {
                    let (part, rest) = input.split_at(left.min(input.len()));
                    *input = rest;
                    self.frame = Some((stream, left - part.len()));
                    return Ok(Some((stream, part)));
                }
                None => {
                    if !self.read_header(input)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Whether the input ended inside a frame.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        !self.header.is_empty() || self.frame.is_some_and(|(_, left)| left > 0)
    }

    fn read_header(&mut self, input: &mut &[u8]) -> Result<bool, UnknownStream> {
        let (part, rest) = input.split_at((HEADER - self.header.len()).min(input.len()));
        self.header.extend_from_slice(part);
        *input = rest;
        let Ok([number, _, _, _, a, b, c, d]) = <[u8; HEADER]>::try_from(self.header.as_slice()) else {
            return Ok(false);
        };
        let stream = match number {
            0 => Stream::Stdin,
            1 => Stream::Stdout,
            2 => Stream::Stderr,
            3 => Stream::System,
            unknown => return Err(UnknownStream(unknown)),
        };
        self.header.clear();
        self.frame = Some((stream, u32::from_be_bytes([a, b, c, d]) as usize));
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All payloads of `bytes`, given in pieces of `size`.
    fn read(bytes: &[u8], size: usize) -> Result<(Vec<u8>, Vec<u8>), UnknownStream> {
        let (mut out, mut err, mut decoder) = (Vec::new(), Vec::new(), Decoder::default());
        for mut piece in bytes.chunks(size) {
            while let Some((stream, part)) = decoder.next(&mut piece)? {
                let target = if stream == Stream::Stderr { &mut err } else { &mut out };
                target.extend_from_slice(part);
            }
        }
        assert!(!decoder.is_inside());
        Ok((out, err))
    }

    #[test]
    fn frames_survive_any_cut() {
        let mut bytes = Vec::new();
        for (stream, payload) in [
            (Stream::Stdout, "one "),
            (Stream::Stderr, "two"),
            (Stream::Stdout, ""),
            (Stream::Stdout, "three"),
        ] {
            bytes.extend_from_slice(&stream.header(u32::try_from(payload.len()).expect("short")));
            bytes.extend_from_slice(payload.as_bytes());
        }
        for size in 1..=bytes.len() {
            assert_eq!(read(&bytes, size), Ok((b"one three".to_vec(), b"two".to_vec())), "pieces of {size}");
        }
    }

    #[test]
    fn the_header_is_dockers() {
        let mut bytes = Vec::new();
        Stream::Stderr.frame(b"hello", &mut bytes);
        assert_eq!(bytes, b"\x02\0\0\0\0\0\0\x05hello");
    }

    #[test]
    fn an_unknown_stream_is_an_error_and_not_a_huge_buffer() {
        assert_eq!(read(b"HTTP/1.1 200 OK", 4), Err(UnknownStream(b'H')));
        let mut decoder = Decoder::default();
        let mut input: &[u8] = &[1, 0, 0, 0, 255, 255, 255, 255, b'x'];
        assert_eq!(decoder.next(&mut input), Ok(Some((Stream::Stdout, &b"x"[..]))));
        assert_eq!(decoder.next(&mut input), Ok(None));
        assert!(decoder.is_inside());
    }
}
