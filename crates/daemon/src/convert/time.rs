//! Times and durations as Docker writes and reads them.

use jiff::Timestamp;

use crate::http::answer::Refusal;

/// What Docker writes for "never": Go's zero time.
pub(crate) const NEVER: &str = "0001-01-01T00:00:00Z";

/// RFC 3339 with nanoseconds; [`NEVER`] for none.
pub(crate) fn text(time: Option<Timestamp>) -> String {
    time.map_or_else(|| NEVER.to_owned(), |time| time.to_string())
}

/// RFC 3339 with all nine digits, so that lines of a log are aligned.
pub(crate) fn fixed(time: Timestamp) -> String {
    format!("{time:.9}")
}

/// Reads `since` and `until`: seconds since 1970 with up to nine decimals, or RFC 3339. `0` and nothing mean none.
pub(crate) fn parse(text: &str) -> Result<Option<Timestamp>, Refusal> {
    if text.is_empty() || text == "0" {
        return Ok(None);
    }
    let invalid = || Refusal::invalid(format!("failed to parse value {text:?} as time"));
    if text.contains(['T', 't']) {
        return text.parse().map(Some).map_err(|_| invalid());
    }
    let (seconds, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let nanoseconds = format!("{decimals:0<9.9}").parse::<u32>().map_err(|_| invalid())?;
    let seconds = seconds.parse::<i64>().map_err(|_| invalid())?;
    let nanoseconds = i32::try_from(nanoseconds).map_err(|_| invalid())?;
    Timestamp::new(seconds, nanoseconds).map(Some).map_err(|_| invalid())
}

/// How long ago, as people say it (go-units `HumanDuration`).
pub(crate) fn human(seconds: i64) -> String {
    let minutes = seconds / 60;
    let hours = (seconds + 1_800) / 3_600;
    match seconds {
        ..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        _ if minutes == 1 => "About a minute".to_owned(),
        _ if minutes < 60 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 14 => format!("{} days", hours / 24),
        _ if hours < 24 * 60 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_clients_write_them() {
        let cases = [
            ("1", "1970-01-01T00:00:01Z"),
            ("1.5", "1970-01-01T00:00:01.5Z"),
            ("1.000000001", "1970-01-01T00:00:01.000000001Z"),
            ("1.0000000019", "1970-01-01T00:00:01.000000001Z"),
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05+01:00", "2026-01-02T02:04:05Z"),
        ];
        for (given, expected) in cases {
            assert_eq!(parse(given).expect(given).map(|time| time.to_string()).as_deref(), Some(expected));
        }
        assert_eq!(parse("").expect("none"), None);
        assert_eq!(parse("0").expect("none"), None);
        for wrong in ["x", "1.x", "99999999999999999999", "T", "1.-5", "."] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_written_like_docker_does() {
        let time: Timestamp = "2026-01-02T03:04:05.5Z".parse().expect("a time");
        assert_eq!(text(Some(time)), "2026-01-02T03:04:05.5Z");
        assert_eq!(fixed(time), "2026-01-02T03:04:05.500000000Z");
        assert_eq!(text(None), NEVER);
    }

    #[test]
    fn durations_are_said_like_docker_says_them() {
        let cases = [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (3_599, "59 minutes"),
            (3_600, "About an hour"),
            (2 * 3_600, "2 hours"),
            (47 * 3_600, "47 hours"),
            (48 * 3_600, "2 days"),
            (14 * 86_400, "2 weeks"),
            (60 * 86_400, "2 months"),
            (730 * 86_400, "2 years"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(human(seconds), expected, "{seconds}");
        }
    }
}
