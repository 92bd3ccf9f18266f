//! Sizes and times as people read them, in the words of Docker's `go-units`.

use jiff::Timestamp;

/// Bytes with decimal units and so many digits: `1.5GB`.
pub(crate) fn decimal(bytes: f64, digits: usize) -> String {
    scaled(bytes, 1000.0, digits, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// Bytes with binary units: `512MiB`.
pub(crate) fn binary(bytes: f64) -> String {
    scaled(bytes, 1024.0, 4, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
}

fn scaled(mut size: f64, base: f64, digits: usize, units: &[&str]) -> String {
    let mut unit = 0;
    while size >= base && unit + 1 < units.len() {
        size /= base;
        unit += 1;
    }
    format!("{}{}", general(size, digits), units[unit])
}

/// C's `%.{digits}g` for numbers that need no exponent.
fn general(number: f64, digits: usize) -> String {
    let whole = format!("{:.0}", number.abs().floor());
    let before = if whole == "0" { 0 } else { whole.len() };
    let text = format!("{number:.*}", digits.saturating_sub(before));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A time span: `About a minute`, `3 weeks`.
pub(crate) fn span(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, (seconds as f64 / 3600.0).round() as i64);
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", hours / 24 / 365),
    }
}

/// How long ago a second since 1970 was.
pub(crate) fn ago(second: i64) -> String {
    format!("{} ago", span(Timestamp::now().as_second() - second))
}

/// At most so many characters, the last of which is `…` if there are more.
pub(crate) fn ellipsis(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// An id as it is shown: twelve characters, without the algorithm.
pub(crate) fn short_id(id: &str) -> &str {
    let id = id.split_once(':').map_or(id, |(_, hex)| hex);
    id.get(..12).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, digits, expected) in [
            (0.0, 3, "0B"),
            (999.0, 3, "999B"),
            (1000.0, 3, "1kB"),
            (4_320_000.0, 3, "4.32MB"),
            (1_500_000_000.0, 4, "1.5GB"),
            (123_456_789.0, 3, "123MB"),
            (72_812_345.0, 4, "72.81MB"),
        ] {
            assert_eq!(decimal(bytes, digits), expected);
        }
        assert_eq!(binary(536_870_912.0), "512MiB");
        assert_eq!(binary(1_288_490.0), "1.229MiB");
    }

    #[test]
    fn spans() {
        for (seconds, expected) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (150, "2 minutes"),
            (3600, "About an hour"),
            (2 * 3600, "2 hours"),
            (49 * 3600, "2 days"),
            (15 * 86400, "2 weeks"),
            (70 * 86400, "2 months"),
            (800 * 86400, "2 years"),
        ] {
            assert_eq!(span(seconds), expected);
        }
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(ellipsis("abc", 3), "abc");
        assert_eq!(ellipsis("äbcdef", 3), "äb…");
        assert_eq!(short_id("sha256:0123456789abcdef"), "0123456789ab");
        assert_eq!(short_id("abc"), "abc");
    }
}
