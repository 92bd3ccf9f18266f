//! `name=value` pairs, as flags and in files.

use std::env;

use api::StringMap;

use super::{Malformed, file};

/// Labels, options, annotations: `name=value`, or `name` for an empty value.
pub(crate) fn map(pairs: &[String]) -> StringMap {
    let pair = |text: &String| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        (name.to_owned(), value.to_owned())
    };
    pairs.iter().map(pair).collect()
}

/// The same, `None` when there are none.
pub(crate) fn optional_map(pairs: &[String]) -> Option<StringMap> {
    (!pairs.is_empty()).then(|| map(pairs))
}

/// `name=value` where the `=` must be there.
pub(crate) fn strict(flag: &str, pairs: &[String]) -> Result<StringMap, Malformed> {
    if let Some(pair) = pairs.iter().find(|pair| !pair.contains('=')) {
        return Err(Malformed::new(format!("invalid argument {pair:?} for --{flag}: write name=value")));
    }
    Ok(map(pairs))
}

/// Labels of `--label` and `--label-file`; what is typed counts more than what is in a file.
pub(crate) fn labels(typed: &[String], files: &[String]) -> Result<StringMap, Malformed> {
    let mut labels = StringMap::new();
    for path in files {
        labels.extend(map(&lines(path, "label", |_| None)?));
    }
    labels.extend(map(typed));
    Ok(labels)
}

/// The environment of `-e` and `--env-file`. `NAME` alone takes the value of ours, or is not set at all.
pub(crate) fn environment(typed: &[String], files: &[String]) -> Result<Vec<String>, Malformed> {
    let ours = |name: &str| env::var(name).ok();
    let mut pairs = Vec::new();
    for path in files {
        pairs.extend(lines(path, "variable", |name| Some(ours(name)))?);
    }
    for text in typed {
        if text.split('=').next().unwrap_or_default().is_empty() {
            return Err(Malformed::new(format!("invalid environment variable: {text}")));
        }
        match text.contains('=') {
            true => pairs.push(text.clone()),
            false => pairs.extend(ours(text).map(|value| format!("{text}={value}"))),
        }
    }
    Ok(pairs)
}

/// The pairs of a file: one on each line, empty lines and `#` left out. `lone` says what a name without a value
/// becomes: `None` as it is, `Some(None)` nothing.
fn lines(
    path: &str,
    kind: &str,
    lone: impl Fn(&str) -> Option<Option<String>>,
) -> Result<Vec<String>, Malformed> {
    let text = file::text(path)?;
    let mut pairs = Vec::new();
    for line in text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let name = line.split('=').next().unwrap_or_default();
        if name.is_empty() {
            return Err(Malformed::new(format!(
                "invalid env file ({path}): no {kind} name on line '{line}'"
            )));
        }
        if name.contains(char::is_whitespace) {
            return Err(Malformed::new(format!(
                "invalid env file ({path}): {kind} '{name}' contains whitespaces"
            )));
        }
        match (line.contains('='), lone(name)) {
            (true, _) | (false, None) => pairs.push(line.to_owned()),
            (false, Some(value)) => pairs.extend(value.map(|value| format!("{name}={value}"))),
        }
    }
    Ok(pairs)
}
