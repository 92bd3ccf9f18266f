//! When to ask again.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The longest pause that we choose.
const LONGEST: Duration = Duration::from_secs(15);
/// The longest pause that a server may choose.
const LONGEST_WISH: Duration = Duration::from_mins(2);

/// Counts attempts; progress makes all of them possible again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempts {
    limit: u32,
    failed: u32,
}

impl Attempts {
    pub(super) fn new(limit: u32) -> Self {
        Self { limit: limit.max(1), failed: 0 }
    }

    pub(super) fn renew(&mut self) {
        self.failed = 0;
    }

    /// The pause after one more failure: 1, 2, 4… seconds, or what the server wishes. None if it was the last.
    pub(super) fn pause(&mut self, wish: Option<Duration>) -> Option<Duration> {
        self.failed += 1;
        let chosen = Duration::from_secs(1 << (self.failed - 1).min(4)).min(LONGEST);
        (self.failed < self.limit).then_some(wish.map_or(chosen, |wish| wish.min(LONGEST_WISH)))
    }
}

/// Whether a server may answer otherwise when it is asked again.
pub(super) fn is_passing(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
        || status.is_server_error()
}

/// What a server wishes, in seconds; a date is not understood and left to us.
pub(super) fn wish(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_there_is_no_further_attempt() {
        let mut attempts = Attempts::new(7);
        let pauses: Vec<_> =
            std::iter::from_fn(|| attempts.pause(None)).map(|pause| pause.as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 15, 15]);
        attempts.renew();
        assert_eq!(attempts.pause(Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        assert_eq!(attempts.pause(Some(Duration::from_hours(1))), Some(LONGEST_WISH));
        assert_eq!(Attempts::new(0).pause(None), None, "at least one attempt, and no pause after it");
    }
}
