//! The files of the workspace.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace").to_owned()
}

/// A file of the workspace.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the root.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Source {
    /// Whether the file holds nothing but tests, benchmarks or examples.
    pub(crate) fn is_test(&self) -> bool {
        let part = |name: &str| self.path.iter().any(|part| part == name);
        part("tests") || part("benches") || part("examples") || self.path.ends_with("tests.rs")
    }

    /// The lines before the tests at the end of the file.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let tests = lines
            .windows(2)
            .position(|pair| pair[0].trim() == "#[cfg(test)]" && pair[1].starts_with("mod tests"))
            .unwrap_or(lines.len());
        lines.into_iter().enumerate().map(|(number, line)| (number + 1, line)).take(tests)
    }
}

/// Every Rust file of the crates and of xtask, in the order of their paths.
pub(crate) fn rust_files(root: &Path) -> Result<Vec<Source>> {
    files(root, &["crates", "xtask", "tests", "benches"], "rs")
}

/// Every document, in the order of their paths.
pub(crate) fn documents(root: &Path) -> Result<Vec<Source>> {
    files(root, &[""], "md")
}

/// Every file with this extension in these folders, hidden ones and what is built left out.
fn files(root: &Path, folders: &[&str], extension: &str) -> Result<Vec<Source>> {
    let mut paths = Vec::new();
    for folder in folders {
        collect(&root.join(folder), extension, &mut paths)?;
    }
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let path = path.strip_prefix(root)?.to_owned();
        Ok(Source { path, text })
    };
    paths.into_iter().map(read).collect()
}

fn collect(folder: &Path, wanted: &str, paths: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_ours = name != "target" && !name.starts_with('.');
        if path.is_dir() && is_ours {
            collect(&path, wanted, paths)?;
        } else if path.extension().is_some_and(|extension| extension == wanted) {
            paths.push(path);
        }
    }
    Ok(())
}
