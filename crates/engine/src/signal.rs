//! Signals by name and number, as Linux numbers them on all machines we build for.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Names and numbers, signal(7), for x86-64 and arm64.
const NAMES: [(&str, i32); 33] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
    ("RTMIN", 34),
    ("RTMAX", 64),
];

/// A signal's number, 1 to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i32", into = "i32")]
pub struct Signal(i32);

/// Why a text is not a signal. Docker's words.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("invalid signal: {text}")]
pub struct ParseSignalError {
    text: String,
}

impl Signal {
    /// Ends a process without asking.
    pub const KILL: Self = Self(9);
    /// Asks a process to end.
    pub const TERM: Self = Self(15);

    /// The number the kernel knows it by.
    pub const fn number(self) -> i32 {
        self.0
    }
}

impl FromStr for Signal {
    type Err = ParseSignalError;

    /// Reads `9`, `KILL`, `SIGKILL`, `sigkill`, `RTMIN+3` or `SIGRTMAX-2`.
    fn from_str(text: &str) -> Result<Self, ParseSignalError> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let number = name.parse().ok().or_else(|| real_time(name)).or_else(|| number_of(name));
        number.and_then(|n| Self::try_from(n).ok()).ok_or_else(|| ParseSignalError { text: text.to_owned() })
    }
}

/// The number of a plain name.
fn number_of(name: &str) -> Option<i32> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// The number of `RTMIN+n` or `RTMAX-n`.
fn real_time(name: &str) -> Option<i32> {
    let offset = |text: &str| text.parse::<i32>().ok().filter(|n| (0..=30).contains(n));
    if let Some(above) = name.strip_prefix("RTMIN+") {
        return offset(above).map(|n| 34 + n);
    }
    name.strip_prefix("RTMAX-").and_then(offset).map(|n| 64 - n)
}

impl TryFrom<i32> for Signal {
    type Error = ParseSignalError;

    fn try_from(number: i32) -> Result<Self, ParseSignalError> {
        if (1..=64).contains(&number) {
            Ok(Self(number))
        } else {
            Err(ParseSignalError { text: number.to_string() })
        }
    }
}

impl From<Signal> for i32 {
    fn from(signal: Signal) -> Self {
        signal.0
    }
}

/// `SIGTERM`, or `SIGRTMIN+3`.
impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => write!(f, "SIG{name}"),
            None if self.0 > 34 => write!(f, "SIGRTMIN+{}", self.0 - 34),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_all_spellings() {
        let cases = [
            ("9", 9),
            ("KILL", 9),
            ("SIGKILL", 9),
            ("sigterm", 15),
            ("RTMIN", 34),
            ("RTMIN+3", 37),
            ("SIGRTMAX-2", 62),
        ];
        for (text, number) in cases {
            assert_eq!(text.parse::<Signal>().map(Signal::number), Ok(number), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_signal() {
        for text in ["", "0", "65", "-1", "BOGUS", "RTMIN+31", "SIG"] {
            let error = text.parse::<Signal>().expect_err(text);
            assert_eq!(error.to_string(), format!("invalid signal: {text}"));
        }
    }

    #[test]
    fn prints_what_it_reads() {
        for number in (1..=31).chain(34..=64) {
            let signal = Signal(number);
            assert_eq!(signal.to_string().parse(), Ok(signal));
        }
    }
}
