//! Time spans as Go writes them: `1h2m3.5s`.

use super::Malformed;

const UNITS: [(&str, f64); 7] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 6e10), ("h", 3.6e12)];

/// Reads a time span, in nanoseconds (Go's `time.ParseDuration`).
pub(crate) fn parse(text: &str) -> Result<i64, Malformed> {
    let wrong = || Malformed::new(format!("time: invalid duration {text:?}"));
    if text == "0" {
        return Ok(0);
    }
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .ok_or_else(|| Malformed::new(format!("time: missing unit in duration {text:?}")))?;
        let (number, after) = rest.split_at(end);
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let (_, nanoseconds) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        total += number.parse::<f64>().map_err(|_| wrong())? * nanoseconds;
        rest = after;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    if total < 9.2e18 { Ok((sign * total) as i64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, expected) in [
            ("0", Some(0)),
            ("5s", Some(5_000_000_000)),
            ("1.5h", Some(5_400_000_000_000)),
            ("1m30s", Some(90_000_000_000)),
            ("250ms", Some(250_000_000)),
            ("-1m", Some(-60_000_000_000)),
            ("5", None),
            ("", None),
            ("s", None),
            ("5x", None),
            ("1.2.3s", None),
            ("10000000h", None),
        ] {
            assert_eq!(parse(text).ok(), expected, "{text}");
        }
    }
}
