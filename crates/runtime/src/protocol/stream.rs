//! The stdio of a process on a connection: Docker's own stream frames.
//!
//! Eight bytes of header (the stream, three zeros, the length, big endian) and
//! the data, so that the engine can pass output on as it is. From the client
//! the same: stream 0 with data, and with no data for "standard input ends
//! here". A connection that just closes detaches and ends nothing.

/// Standard input, client to shim; no data means its end.
pub const STDIN: u8 = 0;
/// Standard output, and all output of a terminal.
pub const STDOUT: u8 = 1;
pub const STDERR: u8 = 2;
/// Shim to client: the process has ended and there is no more output. Without
/// it, a connection that closes was cut: the client was too slow, or the shim died.
pub const END: u8 = 4;

/// Bytes of a header.
pub const HEADER: usize = 8;
/// No frame carries more.
pub const MAX_DATA: usize = 64 << 10;

/// The header of `length` bytes on `stream`.
pub fn header(stream: u8, length: usize) -> [u8; HEADER] {
    let length = u32::try_from(length).expect("frames are at most MAX_DATA long").to_be_bytes();
    [stream, 0, 0, 0, length[0], length[1], length[2], length[3]]
}

/// The stream and the length a header announces; `None` if it is none.
pub fn parse(header: [u8; HEADER]) -> Option<(u8, usize)> {
    let [stream, 0, 0, 0, length @ ..] = header else { return None };
    let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
    (length <= MAX_DATA).then_some((stream, length))
}
