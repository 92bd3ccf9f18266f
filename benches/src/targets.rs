//! What is to be reached.

use std::fmt;

use serde_json::{Value, json};

use crate::figures::{Figures, factor};

/// How many times better than dockerd a row must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Target {
    row: &'static str,
    factor: f64,
}

/// All of them, by rows of the table.
pub(crate) const TARGETS: [Target; 8] = [
    Target { row: "network create", factor: 8.0 },
    Target { row: "network connect", factor: 8.0 },
    Target { row: "network disconnect", factor: 8.0 },
    Target { row: "network remove", factor: 8.0 },
    Target { row: "start, bridge", factor: 3.0 },
    Target { row: "pull of 4 layers", factor: 1.0 },
    Target { row: "start, 1000 ports", factor: 100.0 },
    Target { row: "memory of 1000 ports", factor: 100.0 },
];

/// A target and what was reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Verdict {
    target: Target,
    reached: Option<f64>,
}

impl Target {
    /// Compares with what was measured.
    pub(crate) fn judge(self, figures: &Figures) -> Verdict {
        Verdict { target: self, reached: figures.ratio(self.row) }
    }
}

impl Verdict {
    fn word(&self) -> &'static str {
        match self.reached {
            None => "not measured",
            Some(reached) if reached >= self.target.factor => "met",
            Some(_) => "NOT MET",
        }
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        json!({ "name": self.target.row, "target": self.target.factor, "reached": self.reached, "verdict": self.word() })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reached = self.reached.map_or("-".to_owned(), factor);
        write!(
            f,
            "{:22} target {:>5}  reached {reached:>6}  {}",
            self.target.row,
            factor(self.target.factor),
            self.word()
        )
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
            assert_eq!(TARGETS[4].judge(&figures).word(), expected);
        };
        check(30, "met");
        check(29, "NOT MET");
        assert_eq!(TARGETS[4].judge(&Figures::default()).word(), "not measured");
    }
}
