//! What is to be reached.

use std::{fmt, time::Duration};

use serde_json::{Value, json};

use crate::{
    engine::Who,
    figures::{Figures, factor},
    work::BARE,
};

/// What a row must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Target {
    row: &'static str,
    goal: Goal,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Goal {
    /// So many times better than dockerd.
    Better(f64),
    /// At most so many times what another row of ours is.
    Within(f64, &'static str),
    /// At most so long.
    Time(Duration),
    /// At most so many bytes.
    Memory(u64),
}

/// All of them, by rows of the table.
pub(crate) const TARGETS: [Target; 21] = [
    better("network create", 10.0),
    better("network connect", 10.0),
    better("network disconnect", 10.0),
    better("network remove", 10.0),
    better("start, bridge", 3.0),
    better("pull of 4 layers", 1.0),
    better("start, 1000 ports", 100.0),
    better("memory of 1000 ports", 100.0),
    better("time per question, 10 names", 5.0),
    better("time per question, 1000 names", 5.0),
    better("processor time per question, 1000 names", 5.0),
    better("time per question of dnsperf, 1000 names", 5.0),
    better("p99 of 32 questions at once, 1000 names", 1.0),
    within("network connect", 2.0, BARE),
    within("network connect, 100 endpoints", 1.5, "network connect, 0 endpoints"),
    within("network connect, 1000 endpoints", 1.5, "network connect, 0 endpoints"),
    within("network connect, 10000 ports there", 1.5, "network connect, 0 endpoints"),
    within("new connection, 10000 ports", 1.5, "new connection, 1 ports"),
    within("network create, 480 there", 1.5, "network create, 0 there"),
    Target { row: "start, 10000 UDP ports", goal: Goal::Time(Duration::from_secs(1)) },
    Target { row: "memory of 10000 UDP ports", goal: Goal::Memory(20 << 20) },
];

const fn better(row: &'static str, factor: f64) -> Target {
    Target { row, goal: Goal::Better(factor) }
}

/// Flat, or near a limit: noise may be half of it.
const fn within(row: &'static str, factor: f64, other: &'static str) -> Target {
    Target { row, goal: Goal::Within(factor, other) }
}

/// A target and by how much it was reached: 1 is just enough.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    target: Target,
    reached: Option<f64>,
}

impl Target {
    /// Compares with what was measured.
    #[expect(clippy::cast_precision_loss, reason = "what is reached is printed with two digits")]
    pub(crate) fn judge(self, figures: &Figures) -> Verdict {
        let ours = |row| figures.median(row, Who::Tombolo).map(|median| median.max(1) as f64);
        let reached = match self.goal {
            Goal::Better(_) => figures.ratio(self.row),
            Goal::Within(_, other) => ours(self.row).zip(ours(other)).map(|(ours, other)| ours / other),
            Goal::Time(_) => ours(self.row).map(|nanos| nanos / 1e9),
            Goal::Memory(_) => ours(self.row).map(|bytes| bytes / 1_048_576.0),
        };
        Verdict { target: self, reached }
    }
}

impl Verdict {
    #[expect(clippy::cast_precision_loss, reason = "a limit is a round number")]
    fn word(&self) -> &'static str {
        let Some(reached) = self.reached else { return "not measured" };
        let is_met = match self.target.goal {
            Goal::Better(least) => reached >= least,
            Goal::Within(most, _) => reached <= most,
            Goal::Time(most) => reached <= most.as_secs_f64(),
            Goal::Memory(most) => reached * 1_048_576.0 <= most as f64,
        };
        if is_met { "met" } else { "NOT MET" }
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        json!({
            "name": self.target.row,
            "target": self.target.goal.to_string(),
            "reached": self.reached,
            "verdict": self.word(),
        })
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Better(least) => write!(f, "{} dockerd", factor(*least)),
            Self::Within(most, other) => write!(f, "at most {} {other}", factor(*most)),
            Self::Time(most) => write!(f, "at most {} s", most.as_secs()),
            Self::Memory(most) => write!(f, "at most {} MiB", most >> 20),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reached = match (self.reached, self.target.goal) {
            (None, _) => "-".to_owned(),
            (Some(reached), Goal::Better(_) | Goal::Within(..)) => factor(reached),
            (Some(reached), Goal::Time(_)) => format!("{reached:.2} s"),
            (Some(reached), Goal::Memory(_)) => format!("{reached:.1} MiB"),
        };
        let goal = self.target.goal.to_string();
        write!(f, "{:42} {goal:45} reached {reached:>9}  {}", self.target.row, self.word())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::Who;

    #[test]
    fn a_target_is_met_when_the_ratio_is_reached() {
        let check = |theirs, expected| {
            let mut figures = Figures::default();
            figures.took("start, bridge", Who::Tombolo, Duration::from_millis(10));
            figures.took("start, bridge", Who::Docker, Duration::from_millis(theirs));
            assert_eq!(better("start, bridge", 3.0).judge(&figures).word(), expected);
        };
        check(30, "met");
        check(29, "NOT MET");
        assert_eq!(TARGETS[4].judge(&Figures::default()).word(), "not measured");
    }

    #[test]
    fn a_limit_is_kept_by_what_does_not_exceed_it() {
        let mut figures = Figures::default();
        figures.took("few", Who::Tombolo, Duration::from_millis(10));
        figures.took("many", Who::Tombolo, Duration::from_millis(15));
        figures.holds("much", Who::Tombolo, 21 << 20);
        let check = |row, goal, expected| {
            assert_eq!(Target { row, goal }.judge(&figures).word(), expected, "{row}, {goal}");
        };
        check("many", Goal::Within(1.5, "few"), "met");
        check("many", Goal::Within(1.4, "few"), "NOT MET");
        check("many", Goal::Within(1.4, "none"), "not measured");
        check("many", Goal::Time(Duration::from_secs(1)), "met");
        check("much", Goal::Memory(20 << 20), "NOT MET");
    }
}
