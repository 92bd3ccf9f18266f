//! How to see whether a container is healthy.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::ContainerSpec;
use image::Healthcheck;

/// The shortest time between two tests (moby `MinimumDuration`).
const SHORTEST: Duration = Duration::from_millis(1);
/// Between two tests, and for one, where nothing is said.
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
/// Between two tests while the container starts, where nothing is said.
const START_INTERVAL: Duration = Duration::from_secs(5);
/// Failures in a row, where nothing is said.
const RETRIES: u32 = 3;
/// What runs the text of a test where neither container nor image names a shell.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// A test and when it is made. What is absent is the image's, else Docker's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthCheck {
    pub test: HealthTest,
    /// From the end of one test to the next.
    pub interval: Option<Duration>,
    /// How long one test may take.
    pub timeout: Option<Duration>,
    /// How long after the start failures do not count, until one test has succeeded.
    pub start_period: Option<Duration>,
    /// The interval in that time.
    pub start_interval: Option<Duration>,
    /// Failures in a row that make the container unhealthy.
    pub retries: Option<u32>,
}

/// What is run in a container to test it: 0 is healthy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthTest {
    /// What the image says, if it says anything.
    #[default]
    Inherited,
    /// Nothing, whatever the image says.
    Off,
    /// A program and its arguments.
    Program(Vec<String>),
    /// What follows the words of the shell.
    Shell(Vec<String>),
}

/// Why a test makes no sense. Docker's words.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum HealthCheckError {
    #[error("{field} in Healthcheck cannot be less than 1ms")]
    TooShort { field: &'static str },
    #[error("Retries in Healthcheck cannot be negative")]
    Retries,
    // Docker says so in its log and tests nothing.
    #[error("Unknown healthcheck type '{kind}' (expected 'CMD')")]
    Unknown { kind: String },
}

impl HealthCheck {
    /// Takes from the image what is absent here (moby `daemon/commit.go`, `merge`).
    pub(crate) fn inherit(&mut self, image: Self) {
        if self.test == HealthTest::Inherited {
            self.test = image.test;
        }
        self.interval = self.interval.or(image.interval);
        self.timeout = self.timeout.or(image.timeout);
        self.start_period = self.start_period.or(image.start_period);
        self.start_interval = self.start_interval.or(image.start_interval);
        self.retries = self.retries.or(image.retries);
    }

    /// The program that tests, with its arguments, if there is a test.
    fn program(&self, shell: &[String]) -> Option<Vec<String>> {
        match &self.test {
            HealthTest::Inherited | HealthTest::Off => None,
            HealthTest::Program(words) => Some(words.clone()),
            HealthTest::Shell(words) if shell.is_empty() => {
                Some(SHELL.map(str::to_owned).into_iter().chain(words.iter().cloned()).collect())
            }
            HealthTest::Shell(words) => Some(shell.iter().chain(words).cloned().collect()),
        }
    }

    /// How long one test may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT)
    }

    /// How many failures in a row make the container unhealthy.
    pub(crate) fn retries(&self) -> u32 {
        self.retries.unwrap_or(RETRIES)
    }

    /// Whether a container that was started so long ago may still fail.
    pub(crate) fn is_start(&self, age: Duration) -> bool {
        age < self.start_period.unwrap_or_default()
    }

    /// How long to wait for the next test; `starting` until one has succeeded.
    pub(crate) fn wait(&self, starting: bool, age: Duration) -> Duration {
        if starting && self.is_start(age) {
            self.start_interval.unwrap_or(START_INTERVAL)
        } else {
            self.interval.unwrap_or(INTERVAL)
        }
    }
}

impl ContainerSpec {
    /// The program that tests the container, with its arguments, if anything does.
    pub(crate) fn tester(&self) -> Option<Vec<String>> {
        self.health.program(&self.command.shell)
    }
}

impl TryFrom<Healthcheck> for HealthCheck {
    type Error = HealthCheckError;

    fn try_from(said: Healthcheck) -> Result<Self, HealthCheckError> {
        let Healthcheck { test, interval, timeout, start_period, start_interval, retries } = said;
        let retries = u32::try_from(retries).map_err(|_| HealthCheckError::Retries)?;
        Ok(Self {
            test: read_test(test)?,
            interval: time(interval, "Interval")?,
            timeout: time(timeout, "Timeout")?,
            start_period: time(start_period, "StartPeriod")?,
            start_interval: time(start_interval, "StartInterval")?,
            retries: Some(retries).filter(|retries| *retries != 0),
        })
    }
}

impl From<HealthCheck> for Healthcheck {
    fn from(check: HealthCheck) -> Self {
        let HealthCheck { test, interval, timeout, start_period, start_interval, retries } = check;
        let nanoseconds =
            |time: Option<Duration>| i64::try_from(time.unwrap_or_default().as_nanos()).unwrap_or(i64::MAX);
        Self {
            test: words(test),
            interval: nanoseconds(interval),
            timeout: nanoseconds(timeout),
            start_period: nanoseconds(start_period),
            start_interval: nanoseconds(start_interval),
            retries: retries.unwrap_or_default().into(),
        }
    }
}

fn read_test(mut words: Vec<String>) -> Result<HealthTest, HealthCheckError> {
    if words.is_empty() {
        return Ok(HealthTest::Inherited);
    }
    let kind = words.remove(0);
    match kind.as_str() {
        "NONE" => Ok(HealthTest::Off),
        "CMD" => Ok(HealthTest::Program(words)),
        "CMD-SHELL" => Ok(HealthTest::Shell(words)),
        _ => Err(HealthCheckError::Unknown { kind }),
    }
}

fn words(test: HealthTest) -> Vec<String> {
    let (kind, words) = match test {
        HealthTest::Inherited => return Vec::new(),
        HealthTest::Off => ("NONE", Vec::new()),
        HealthTest::Program(words) => ("CMD", words),
        HealthTest::Shell(words) => ("CMD-SHELL", words),
    };
    std::iter::once(kind.to_owned()).chain(words).collect()
}

/// A time in nanoseconds; 0 is none.
fn time(nanoseconds: i64, field: &'static str) -> Result<Option<Duration>, HealthCheckError> {
    if nanoseconds == 0 {
        return Ok(None);
    }
    let time = u64::try_from(nanoseconds).ok().map(Duration::from_nanos);
    let time = time.filter(|time| *time >= SHORTEST);
    time.map(Some).ok_or(HealthCheckError::TooShort { field })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(test: &[&str]) -> Healthcheck {
        Healthcheck { test: test.iter().map(|word| (*word).to_owned()).collect(), ..Healthcheck::default() }
    }

    #[track_caller]
    fn check(test: &[&str], shell: &[&str], expected: Option<&[&str]>) {
        let check = HealthCheck::try_from(said(test)).expect("a test");
        let shell: Vec<_> = shell.iter().map(|word| (*word).to_owned()).collect();
        let expected: Option<Vec<_>> =
            expected.map(|words| words.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!(check.program(&shell), expected);
        assert_eq!(Healthcheck::from(check), said(test));
    }

    #[test]
    fn tests_are_programs() {
        check(&[], &[], None);
        check(&["NONE"], &[], None);
        check(&["CMD", "test", "-e", "/x"], &["bash"], Some(&["test", "-e", "/x"]));
        check(&["CMD-SHELL", "exit 0"], &[], Some(&["/bin/sh", "-c", "exit 0"]));
        check(&["CMD-SHELL", "exit 0"], &["/bin/ash", "-ec"], Some(&["/bin/ash", "-ec", "exit 0"]));
    }

    #[track_caller]
    fn check_refused(said: Healthcheck, text: &str) {
        assert_eq!(HealthCheck::try_from(said).expect_err(text).to_string(), text);
    }

    #[test]
    fn docker_refuses_it_so_do_we() {
        let short = Healthcheck { interval: 999_999, ..said(&[]) };
        check_refused(short, "Interval in Healthcheck cannot be less than 1ms");
        let negative = Healthcheck { start_period: -1, ..said(&[]) };
        check_refused(negative, "StartPeriod in Healthcheck cannot be less than 1ms");
        check_refused(Healthcheck { retries: -1, ..said(&[]) }, "Retries in Healthcheck cannot be negative");
        check_refused(said(&["curl", "-f"]), "Unknown healthcheck type 'curl' (expected 'CMD')");
    }

    #[test]
    fn the_image_fills_in_what_is_absent() {
        let image = Healthcheck { interval: 7_000_000, retries: 5, ..said(&["CMD", "image"]) };
        let image = HealthCheck::try_from(image).expect("a test");
        let mut own = HealthCheck { retries: Some(2), ..HealthCheck::default() };
        own.inherit(image.clone());
        assert_eq!(own, HealthCheck { retries: Some(2), ..image.clone() });
        let mut off = HealthCheck { test: HealthTest::Off, ..HealthCheck::default() };
        off.inherit(image);
        assert_eq!(off.program(&[]), None);
    }

    #[test]
    fn a_start_has_an_interval_of_its_own() {
        let second = Duration::from_secs;
        let mut check = HealthCheck { start_period: Some(second(60)), ..HealthCheck::default() };
        assert_eq!(check.wait(true, second(59)), second(5));
        assert_eq!(check.wait(true, second(60)), second(30));
        assert_eq!(check.wait(false, second(1)), second(30));
        check.start_period = None;
        assert_eq!(check.wait(true, second(0)), second(30));
    }
}
