//! What the options of a log mean.

use std::collections::BTreeMap;

/// How much of a log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogLimits {
    /// Bytes of one file; unbounded if absent.
    pub(crate) max_size: Option<u64>,
    pub(crate) max_files: u32,
}

/// Reads options that were checked when the container was made.
pub(crate) fn limits(options: &BTreeMap<String, String>) -> LogLimits {
    let max_files = options.get("max-file").and_then(|value| value.parse().ok()).unwrap_or(1);
    LogLimits { max_size: options.get("max-size").and_then(|value| size(value)), max_files }
}

/// Reads `10m`, `1g`, `512k`, `100`, with units of 1,024; `None` for anything else, and for -1.
pub(crate) fn size(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let lower = lower.strip_suffix("ib").or_else(|| lower.strip_suffix('b')).unwrap_or(&lower);
    let (digits, shift) = match lower.chars().last()? {
        'k' => (&lower[..lower.len() - 1], 10),
        'm' => (&lower[..lower.len() - 1], 20),
        'g' => (&lower[..lower.len() - 1], 30),
        't' => (&lower[..lower.len() - 1], 40),
        _ => (lower, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes() {
        let cases = [
            ("10m", Some(10 << 20)),
            ("1G", Some(1 << 30)),
            ("512kb", Some(512 << 10)),
            ("2MiB", Some(2 << 20)),
            ("100", Some(100)),
        ];
        for (text, bytes) in cases {
            assert_eq!(size(text), bytes, "{text}");
        }
        for text in ["", "m", "-1", "0", "1.5m", "99999999999999999999", "é"] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}
