//! From what happens while an image travels to Docker's lines, in Docker's words.

use api::progress::{Progress, ProgressDetail};
use api::registry::PushResult;
use engine::image::{Digest, Stage, Transfer};

/// Cells of a bar.
const BAR: u64 = 50;

/// What the two directions call differently.
struct Words {
    wanted: &'static str,
    exists: &'static str,
    travelling: &'static str,
    done: &'static str,
}

const PULL: Words = Words {
    wanted: "Pulling fs layer",
    exists: "Already exists",
    travelling: "Downloading",
    done: "Pull complete",
};
const PUSH: Words =
    Words { wanted: "Preparing", exists: "Layer already exists", travelling: "Pushing", done: "Pushed" };

/// The lines of a pull.
pub(crate) fn pulling(transfer: Transfer) -> Vec<Progress> {
    lines(transfer, &PULL)
}

/// The lines of a push.
pub(crate) fn pushing(transfer: Transfer) -> Vec<Progress> {
    lines(transfer, &PUSH)
}

fn lines(transfer: Transfer, words: &Words) -> Vec<Progress> {
    match transfer {
        Transfer::Pulling { what, path } => {
            vec![Progress { id: what, ..said(format!("Pulling from {path}")) }]
        }
        Transfer::Layer { layer, stage } => vec![layer_line(layer, stage, words)],
        Transfer::Pulled { digest } => vec![said(format!("Digest: {digest}"))],
        Transfer::Warning(text) => vec![said(format!("WARNING: {text}"))],
        Transfer::Pushed { tag, digest, size } => {
            let size = signed(size);
            let result = PushResult { tag: tag.clone(), digest: digest.to_string(), size };
            let aux = serde_json::to_value(result).ok();
            let progress_detail = Some(ProgressDetail::default());
            vec![
                said(format!("{tag}: digest: {digest} size: {size}")),
                Progress { progress_detail, aux, ..Progress::default() },
            ]
        }
    }
}

fn layer_line(layer: Digest, stage: Stage, words: &Words) -> Progress {
    match stage {
        Stage::Wanted => about(layer, words.wanted),
        Stage::Waiting => about(layer, "Waiting"),
        Stage::Exists => about(layer, words.exists),
        Stage::Travelling { bytes, total } => far(layer, words.travelling, bytes, total),
        Stage::Retrying { seconds } => {
            let plural = if seconds == 1 { "" } else { "s" };
            about(layer, &format!("Retrying in {seconds} second{plural}"))
        }
        Stage::Checking => about(layer, "Verifying Checksum"),
        Stage::Travelled => about(layer, "Download complete"),
        Stage::Unpacking { bytes, total } => far(layer, "Extracting", bytes, total),
        Stage::Done => about(layer, words.done),
        Stage::Mounted { from } => about(layer, &format!("Mounted from {from}")),
    }
}

/// A line that is about nothing in particular.
pub(crate) fn said(status: impl Into<String>) -> Progress {
    Progress { status: status.into(), ..Progress::default() }
}

fn about(layer: Digest, status: &str) -> Progress {
    Progress { id: layer.short(), progress_detail: Some(ProgressDetail::default()), ..said(status) }
}

fn far(layer: Digest, status: &str, bytes: u64, total: u64) -> Progress {
    let progress_detail = Some(ProgressDetail { current: signed(bytes), total: signed(total) });
    Progress { progress_detail, progress: bar(bytes, total), ..about(layer, status) }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// The bar that Docker draws for clients that draw none.
fn bar(bytes: u64, total: u64) -> String {
    let filled = u128::from(bytes) * u128::from(BAR) / u128::from(total.max(1));
    let filled = usize::try_from(filled).unwrap_or(0).min(50);
    let empty = 50 - filled;
    format!("[{}>{}] {:>8}/{}", "=".repeat(filled), " ".repeat(empty), size(bytes), size(total))
}

/// Four digits and a unit, as Go's `units.HumanSize`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let (mut divisor, mut unit) = (1, 0);
    while bytes / divisor >= 1000 && unit + 1 < UNITS.len() {
        divisor *= 1000;
        unit += 1;
    }
    let (whole, rest) = (bytes / divisor, bytes % divisor);
    let digits = 4 - whole.max(1).to_string().len();
    let scale = 10_u64.pow(u32::try_from(digits).unwrap_or(0));
    // Rounded up, 999.96 would need a fifth digit: down is close enough.
    let fraction = format!("{:0digits$}", u128::from(rest) * u128::from(scale) / u128::from(divisor));
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{whole}{point}{fraction}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_dockers() {
        let layer: Digest = format!("sha256:{}", "ab".repeat(32)).parse().expect("a digest");
        let text = |progress: &Progress| serde_json::to_string(progress).expect("JSON");
        let pulled = |stage| text(&pulling(Transfer::Layer { layer, stage })[0]);
        assert_eq!(
            pulled(Stage::Wanted),
            r#"{"status":"Pulling fs layer","progressDetail":{},"id":"abababababab"}"#
        );
        assert_eq!(
            pulled(Stage::Travelling { bytes: 32_770, total: 2_206_000 }),
            "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":32770,\"total\":2206000},\"progress\":\
             \"[>                                                  ]  32.77kB/2.206MB\",\"id\":\"abababababab\"}"
        );
        let from = Transfer::Pulling { what: "latest".to_owned(), path: "library/x".to_owned() };
        assert_eq!(text(&pulling(from)[0]), r#"{"status":"Pulling from library/x","id":"latest"}"#);
        let pushed = pushing(Transfer::Pushed { tag: "t".to_owned(), digest: layer, size: 5 });
        assert_eq!(text(&pushed[0]), format!(r#"{{"status":"t: digest: {layer} size: 5"}}"#));
        assert_eq!(
            text(&pushed[1]),
            format!(r#"{{"progressDetail":{{}},"aux":{{"Digest":"{layer}","Size":5,"Tag":"t"}}}}"#)
        );
    }

    #[test]
    fn sizes_have_four_digits() {
        for (bytes, expected) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (1536, "1.536kB"),
            (10_240_000, "10.24MB"),
            (5 << 30, "5.368GB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }
}
