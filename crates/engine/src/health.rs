//! Whether a container is well, by its own test.
//!
//! ```text
//!           success                enough failures in a row
//! starting ─────────► healthy ◄───────────────► unhealthy
//!     │                          success            ▲
//!     └─── enough failures, after the start period ─┘
//! ```

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{HealthCheck, record};

/// So many tests are remembered.
const REMEMBERED: usize = 5;
/// So many bytes of a test's output are.
const OUTPUT: usize = 4096;

/// How a container that has a test is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    pub status: HealthStatus,
    /// Failures in a row that count.
    pub failing_streak: u32,
    /// The last tests, the oldest first.
    pub log: Vec<HealthProbe>,
}

/// What is known of a container's health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// Nothing yet.
    #[default]
    Starting,
    Healthy,
    Unhealthy,
}

/// One test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthProbe {
    #[serde(with = "record::time")]
    pub start: Timestamp,
    #[serde(with = "record::time")]
    pub end: Timestamp,
    /// 0 is healthy; -1 where there was no end, or no beginning.
    pub code: i32,
    pub output: String,
}

impl HealthStatus {
    /// Docker's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl Health {
    /// That of a container that is just started; what was seen of its last run is remembered.
    pub(crate) fn starting(before: Option<Self>) -> Self {
        Self { log: before.unwrap_or_default().log, ..Self::default() }
    }

    /// Takes note of a test of a container that was started then.
    pub(crate) fn note(&mut self, probe: HealthProbe, check: &HealthCheck, started: Timestamp) {
        let age = probe.start.duration_since(started).unsigned_abs();
        let is_early = self.status == HealthStatus::Starting && check.is_start(age);
        let is_good = probe.code == 0;
        let surplus = (self.log.len() + 1).saturating_sub(REMEMBERED);
        self.log.drain(..surplus);
        self.log.push(probe);
        if is_good {
            (self.status, self.failing_streak) = (HealthStatus::Healthy, 0);
        } else if !is_early {
            self.failing_streak = self.failing_streak.saturating_add(1);
            if self.failing_streak >= check.retries() {
                self.status = HealthStatus::Unhealthy;
            }
        }
    }
}

/// What a test has written, cut where it is too long.
#[derive(Debug, Default)]
pub(crate) struct ProbeOutput {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl ProbeOutput {
    pub(crate) fn add(&mut self, data: &[u8]) {
        let room = OUTPUT - self.bytes.len();
        self.is_cut |= data.len() > room;
        self.bytes.extend(&data[..data.len().min(room)]);
    }

    pub(crate) fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes).into_owned();
        if self.is_cut { text + "..." } else { text }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The status and the streak after tests that end so, one a second from the first second on.
    #[track_caller]
    fn check(check: &HealthCheck, codes: &[i32], expected: &[(HealthStatus, u32)]) {
        let second =
            |second: usize| Timestamp::from_second(i64::try_from(second).expect("small")).expect("a time");
        let mut health = Health::default();
        let after = codes.iter().enumerate().map(|(index, code)| {
            let (start, end) = (second(index + 1), second(index + 1));
            health.note(HealthProbe { start, end, code: *code, output: String::new() }, check, second(0));
            assert!(health.log.len() <= REMEMBERED);
            assert_eq!(health.log.last().map(|probe| probe.start), Some(start));
            (health.status, health.failing_streak)
        });
        assert_eq!(after.collect::<Vec<_>>(), expected);
    }

    use HealthStatus::{Healthy, Starting, Unhealthy};

    #[test]
    fn failures_in_a_row_make_a_container_unhealthy() {
        let three = HealthCheck::default();
        check(&three, &[1, 137, -1, 1], &[(Starting, 1), (Starting, 2), (Unhealthy, 3), (Unhealthy, 4)]);
        check(
            &three,
            &[0, 1, 1, 0, 1],
            &[(Healthy, 0), (Healthy, 1), (Healthy, 2), (Healthy, 0), (Healthy, 1)],
        );
        let one = HealthCheck { retries: Some(1), ..HealthCheck::default() };
        check(&one, &[2, 0, 2], &[(Unhealthy, 1), (Healthy, 0), (Unhealthy, 1)]);
    }

    #[test]
    fn failures_of_the_start_do_not_count_until_a_success() {
        let slow = HealthCheck {
            retries: Some(1),
            start_period: Some(Duration::from_secs(3)),
            ..HealthCheck::default()
        };
        check(&slow, &[1, 1, 1], &[(Starting, 0), (Starting, 0), (Unhealthy, 1)]);
        check(&slow, &[0, 1], &[(Healthy, 0), (Unhealthy, 1)]);
    }

    #[test]
    fn five_tests_are_remembered_over_a_restart() {
        check(&HealthCheck::default(), &[0; 8], &[(Healthy, 0); 8]);
        let probe = HealthProbe {
            start: Timestamp::UNIX_EPOCH,
            end: Timestamp::UNIX_EPOCH,
            code: 1,
            output: "no".to_owned(),
        };
        let before = Health { status: Unhealthy, failing_streak: 3, log: vec![probe.clone()] };
        let expected = Health { log: vec![probe], ..Health::default() };
        assert_eq!(Health::starting(Some(before)), expected);
    }

    #[test]
    fn long_output_is_cut() {
        let mut output = ProbeOutput::default();
        output.add(&[b'a'; OUTPUT]);
        assert_eq!(output.text().len(), OUTPUT);
        output.add(b"b");
        output.add(b"c");
        assert_eq!(output.text(), "a".repeat(OUTPUT) + "...");
    }
}
