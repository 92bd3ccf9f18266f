//! Files that flags name.

use std::fs;

use super::Malformed;

/// Bytes that are read at most; a settings file is never longer.
const MOST: u64 = 1 << 20;

/// The text of a file.
pub(crate) fn text(path: &str) -> Result<String, Malformed> {
    let failed = |error| Malformed::new(format!("open {path}: {error}"));
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > MOST {
        return Err(Malformed::new(format!("{path}: {length} bytes are too many for a settings file")));
    }
    fs::read_to_string(path).map_err(failed)
}

/// A path, made absolute if it begins with a dot.
pub(crate) fn absolute(path: &str) -> Result<String, Malformed> {
    if !(path == "." || path == ".." || path.starts_with("./") || path.starts_with("../")) {
        return Ok(path.to_owned());
    }
    let absolute = std::path::absolute(path)
        .map_err(|error| Malformed::new(format!("cannot make {path} absolute: {error}")))?;
    let mut clean = std::path::PathBuf::new();
    for part in absolute.components() {
        if part == std::path::Component::ParentDir {
            clean.pop();
        } else {
            clean.push(part);
        }
    }
    Ok(clean.display().to_string())
}
