//! Limits: `--ulimit nofile=1024:2048`, `--cpus 1.5`.

use api::host_config::Ulimit;

use super::Malformed;

/// The kernel's names without `RLIMIT_` (go-units `ulimit.go`).
const NAMES: [&str; 16] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
    "as",
];

/// Reads a limit of each process.
pub(crate) fn ulimit(text: &str) -> Result<Ulimit, Malformed> {
    let (name, values) =
        text.split_once('=').ok_or_else(|| Malformed::new(format!("invalid ulimit argument: {text}")))?;
    if !NAMES.contains(&name) {
        return Err(Malformed::new(format!("invalid ulimit type: {name}")));
    }
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let number = |text: &str| {
        text.parse::<i64>().map_err(|_| Malformed::new(format!("invalid ulimit value: {text}: not a number")))
    };
    let (soft, hard) = (number(soft)?, number(hard)?);
    if hard != -1 && (soft > hard || soft == -1) {
        return Err(Malformed::new(format!(
            "ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
        )));
    }
    Ok(Ulimit { name: name.to_owned(), hard, soft })
}

/// Reads a number of CPUs, in units of 10⁻⁹.
pub(crate) fn cpus(text: &str) -> Result<i64, Malformed> {
    let wrong = || Malformed::new(format!("failed to parse {text} as a rational number"));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_plain(whole) || !is_plain(fraction) {
        return Err(wrong());
    }
    if fraction.trim_end_matches('0').len() > 9 {
        return Err(Malformed::new("value is too precise"));
    }
    let billionths = format!("{fraction:0<9}");
    let number = format!("{whole}{}", &billionths[..9]);
    number.parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulimits() {
        for (text, expected) in [
            ("nofile=1024:2048", Some(("nofile", 1024, 2048))),
            ("nproc=64", Some(("nproc", 64, 64))),
            ("core=-1", Some(("core", -1, -1))),
            ("core=0:-1", Some(("core", 0, -1))),
            ("nofile=3:2", None),
            ("nope=1", None),
            ("nofile", None),
            ("nofile=x", None),
        ] {
            let limit = ulimit(text).ok();
            assert_eq!(limit.as_ref().map(|l| (l.name.as_str(), l.soft, l.hard)), expected, "{text}");
        }
    }

    #[test]
    fn numbers_of_cpus() {
        for (text, expected) in [
            ("1.5", Some(1_500_000_000)),
            ("2", Some(2_000_000_000)),
            (".25", Some(250_000_000)),
            ("0.1234567891", None),
            ("", None),
            (".", None),
            ("-1", None),
            ("1e3", None),
        ] {
            assert_eq!(cpus(text).ok(), expected, "{text}");
        }
    }
}
