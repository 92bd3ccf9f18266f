//! What was measured, as a table and as JSON.

use std::{fmt, time::Duration};

use serde_json::{Value, json};

use crate::engine::Who;

/// Samples in nanoseconds or bytes, by what was done, in the order of the first sample.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: String,
    unit: Unit,
    tombolo: Vec<u64>,
    docker: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Nanoseconds,
    Bytes,
}

impl Figures {
    /// Adds how long something took.
    pub(crate) fn took(&mut self, name: &str, who: Who, time: Duration) {
        self.add(name, Unit::Nanoseconds, who, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds how much memory something holds.
    pub(crate) fn holds(&mut self, name: &str, who: Who, bytes: u64) {
        self.add(name, Unit::Bytes, who, bytes);
    }

    fn add(&mut self, name: &str, unit: Unit, who: Who, sample: u64) {
        let at = self.rows.iter().position(|row| row.name == name).unwrap_or_else(|| {
            self.rows.push(Row { name: name.to_owned(), unit, tombolo: Vec::new(), docker: Vec::new() });
            self.rows.len() - 1
        });
        self.rows[at].samples_of(who).push(sample);
    }

    /// The median of what an engine needed.
    pub(crate) fn median(&self, name: &str, who: Who) -> Option<u64> {
        let row = self.rows.iter().find(|row| row.name == name)?;
        quantile(
            match who {
                Who::Tombolo => &row.tombolo,
                Who::Docker => &row.docker,
            },
            50,
        )
    }

    /// How many times better ours is, by the medians; none if one of the two was not measured.
    pub(crate) fn ratio(&self, name: &str) -> Option<f64> {
        self.rows.iter().find(|row| row.name == name)?.ratio()
    }

    /// Everything, for programs. Times in nanoseconds, memory in bytes.
    pub(crate) fn json(&self) -> Value {
        self.rows.iter().map(Row::json).collect()
    }
}

impl Row {
    fn samples_of(&mut self, who: Who) -> &mut Vec<u64> {
        match who {
            Who::Tombolo => &mut self.tombolo,
            Who::Docker => &mut self.docker,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a ratio is printed with two digits")]
    fn ratio(&self) -> Option<f64> {
        let (ours, theirs) = (quantile(&self.tombolo, 50)?, quantile(&self.docker, 50)?);
        // What is too little to be seen counts as one page.
        let least = if self.unit == Unit::Bytes { 4096 } else { 1 };
        Some(theirs as f64 / ours.max(least) as f64)
    }

    fn json(&self) -> Value {
        let summary = |samples: &[u64]| json!({ "n": samples.len(), "p50": quantile(samples, 50), "p90": quantile(samples, 90) });
        json!({
            "name": self.name,
            "unit": match self.unit {
                Unit::Nanoseconds => "ns",
                Unit::Bytes => "bytes",
            },
            "tombolo": summary(&self.tombolo),
            "dockerd": summary(&self.docker),
            "ratio": self.ratio(),
        })
    }
}

/// The smallest sample that `percent` of all samples do not exceed (nearest rank).
fn quantile(samples: &[u64], percent: usize) -> Option<u64> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0).max(9);
        let heads = ["tombolo p50", "p90", "dockerd p50", "p90", "ratio", "n"];
        write!(f, "{:width$}", "operation")?;
        writeln!(
            f,
            " {:>12} {:>10} {:>12} {:>10} {:>8} {:>7}",
            heads[0], heads[1], heads[2], heads[3], heads[4], heads[5]
        )?;
        for row in &self.rows {
            let show = |samples: &[u64], percent| {
                quantile(samples, percent).map_or("-".to_owned(), |sample| readable(sample, row.unit))
            };
            let ratio = row.ratio().map_or("-".to_owned(), factor);
            let counts = format!("{}/{}", row.tombolo.len(), row.docker.len());
            write!(f, "{:width$} {:>12} {:>10}", row.name, show(&row.tombolo, 50), show(&row.tombolo, 90))?;
            write!(f, " {:>12} {:>10}", show(&row.docker, 50), show(&row.docker, 90))?;
            writeln!(f, " {ratio:>8} {counts:>7}")?;
        }
        Ok(())
    }
}

/// A ratio with two digits that mean something.
pub(crate) fn factor(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.1}×") } else { format!("{ratio:.0}×") }
}

#[expect(clippy::cast_precision_loss, reason = "a figure is printed with three digits")]
fn readable(sample: u64, unit: Unit) -> String {
    let (small, large, steps) = match unit {
        Unit::Nanoseconds if sample < 100_000 => ("µs", "ms", (1e3, 1e6)),
        Unit::Nanoseconds => ("ms", "s", (1e6, 1e9)),
        Unit::Bytes => ("KiB", "MiB", (1024.0, 1_048_576.0)),
    };
    let sample = sample as f64;
    let (value, word) = if sample < steps.1 { (sample / steps.0, small) } else { (sample / steps.1, large) };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {word}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples() {
        let check = |samples: &[u64], percent, expected| assert_eq!(quantile(samples, percent), expected);
        check(&[], 50, None);
        check(&[7], 90, Some(7));
        check(&[3, 1, 2], 50, Some(2));
        check(&[1, 2], 50, Some(1));
        check(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 90, Some(9));
    }

    #[test]
    fn figures_read_well() {
        let check = |sample, unit, expected| assert_eq!(readable(sample, unit), expected);
        check(3_500, Unit::Nanoseconds, "3.50 µs");
        check(350_000, Unit::Nanoseconds, "0.35 ms");
        check(31_600_000_000, Unit::Nanoseconds, "31.6 s");
        check(162_000_000, Unit::Nanoseconds, "162 ms");
        check(4096, Unit::Bytes, "4.00 KiB");
        check(1500 << 20, Unit::Bytes, "1500 MiB");
        assert_eq!(factor(8.04), "8.0×");
        assert_eq!(factor(312.2), "312×");
    }

    #[test]
    fn ratios_compare_medians_and_never_divide_by_nothing() {
        let mut figures = Figures::default();
        figures.took("connect", Who::Tombolo, Duration::from_millis(2));
        assert_eq!(figures.ratio("connect"), None);
        figures.took("connect", Who::Docker, Duration::from_millis(28));
        assert_eq!(figures.ratio("connect").map(factor).as_deref(), Some("14×"));
        figures.holds("memory", Who::Tombolo, 0);
        figures.holds("memory", Who::Docker, 40_960);
        assert_eq!(figures.ratio("memory").map(factor).as_deref(), Some("10×"));
        assert!(figures.to_string().contains("14×"));
    }
}
