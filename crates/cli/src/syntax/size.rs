//! Sizes in bytes, with binary units: `512m`, `1.5GiB`.

use super::Malformed;

/// Reads a size (go-units `RAMInBytes`).
pub(crate) fn parse(text: &str) -> Result<i64, Malformed> {
    let wrong = || Malformed::new(format!("invalid size: '{text}'"));
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let unit = unit.trim_start_matches(' ').to_ascii_lowercase();
    let letter = unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit);
    let power = match letter {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(wrong()),
    };
    let bytes = number * 1024f64.powi(power);
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    if bytes < 9.2e18 { Ok(bytes as i64) } else { Err(wrong()) }
}

/// A size, or -1 for no limit.
pub(crate) fn parse_or_unlimited(text: &str) -> Result<i64, Malformed> {
    if text == "-1" { Ok(-1) } else { parse(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("0", Some(0)),
            ("32", Some(32)),
            ("32b", Some(32)),
            ("32k", Some(32 << 10)),
            ("32KiB", Some(32 << 10)),
            ("1.5g", Some(3 << 29)),
            ("1 MB", Some(1 << 20)),
            ("", None),
            ("x", None),
            ("-5", None),
            ("1x", None),
            ("5 mbb", None),
            ("99999p", None),
        ] {
            assert_eq!(parse(text).ok(), expected, "{text}");
        }
        assert_eq!(parse("1z").expect_err("no size").0, "invalid size: '1z'");
        assert_eq!(parse_or_unlimited("-1"), Ok(-1));
    }
}
