//! Moments: `10m` (ago), `2026-01-02T15:04:05Z`, `2026-01-02`, `1767322800.5`.

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{Malformed, duration};

/// Reads a moment into seconds since 1970, with nine digits, as the API takes it.
pub(crate) fn parse(text: &str, now: Timestamp) -> Result<String, Malformed> {
    let wrong = || Malformed::new(format!("failed to parse value as time or duration: {text:?}"));
    let moment = if let Ok(ago) = duration::parse(text).map(SignedDuration::from_nanos) {
        // "0" is the beginning of time for the engine, not now.
        if text == "0" { Timestamp::UNIX_EPOCH } else { now.checked_sub(ago).map_err(|_| wrong())? }
    } else if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && !text.is_empty() {
        return Ok(text.to_owned());
    } else if let Ok(moment) = text.parse::<Timestamp>() {
        moment
    } else {
        let local: DateTime = text.trim_end_matches('Z').parse().map_err(|_| wrong())?;
        let zone = if text.ends_with('Z') { TimeZone::UTC } else { TimeZone::system() };
        zone.to_timestamp(local).map_err(|_| wrong())?
    };
    Ok(format!("{}.{:09}", moment.as_second(), moment.subsec_nanosecond()))
}

/// The same for an optional flag.
pub(crate) fn optional(text: Option<&str>) -> Result<String, Malformed> {
    text.map_or_else(|| Ok(String::new()), |text| parse(text, Timestamp::now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let now = Timestamp::from_second(1_000_000).expect("a moment");
        for (text, expected) in [
            ("10m", Some("999400.000000000")),
            ("1.5s", Some("999998.500000000")),
            ("1767322800", Some("1767322800")),
            ("1767322800.25", Some("1767322800.25")),
            ("1970-01-02T00:00:00Z", Some("86400.000000000")),
            ("1970-01-02T00:00:00.5+01:00", Some("82800.500000000")),
            ("1970-01-02Z", Some("86400.000000000")),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(parse(text, now).ok().as_deref(), expected, "{text}");
        }
    }
}
