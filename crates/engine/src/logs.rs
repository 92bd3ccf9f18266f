//! Reading what a container wrote.

use bytes::Bytes;
use jiff::Timestamp;

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
