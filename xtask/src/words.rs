//! Documents that must stay true, and words that must not be left behind.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::source::{self, Source};

/// Marks of unfinished work; an issue is where unfinished work is kept.
const UNFINISHED: [&str; 5] = ["TO DO", "FIX ME", "XX X", "todo !(", "unimplemented !("];

/// What is untrue or left behind.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let files = source::rust_files(root)?;
    let mut complaints = paths_in_the_map(root)?;
    complaints.extend(links_between_documents(root)?);
    complaints.extend(files.iter().filter_map(without_purpose));
    complaints.extend(files.iter().flat_map(unfinished));
    complaints.extend(
        files
            .iter()
            .filter(|file| file.path.ends_with("mod.rs"))
            .map(|file| format!("{}: name the file after its module", file.path.display())),
    );
    Ok(complaints)
}

/// Every path that ARCHITECTURE.md names in backquotes exists.
fn paths_in_the_map(root: &Path) -> Result<Vec<String>> {
    let map = fs::read_to_string(root.join("ARCHITECTURE.md")).context("cannot read ARCHITECTURE.md")?;
    let named = map.split('`').skip(1).step_by(2);
    let paths = named.filter(|text| text.contains('/') && !text.contains([' ', '<', '*', ':', '$', '{']));
    let relative = paths.filter(|text| !text.starts_with('/') && is_ours(text));
    let missing = relative.filter(|text| !root.join(text.trim_end_matches('/')).exists());
    Ok(missing.map(|text| format!("ARCHITECTURE.md names {text}, which does not exist")).collect())
}

/// Whether a text in the map means a path of the workspace.
fn is_ours(text: &str) -> bool {
    ["crates/", "docs/", "xtask/", "tests/", "benches/", "fuzz/", ".ci/"]
        .iter()
        .any(|top| text.starts_with(top))
}

/// Every file that a document links to exists.
fn links_between_documents(root: &Path) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for document in source::documents(root)? {
        let folder = document.path.parent().unwrap_or(Path::new(""));
        let missing = links(&document.text).filter(|link| !root.join(folder).join(link).exists());
        complaints.extend(missing.map(|link| format!("{} links to {link}", document.path.display())));
    }
    Ok(complaints)
}

/// The files that a text in Markdown links to, `[words](file#place)`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let files = targets.filter_map(|(target, _)| target.split('#').next());
    files.filter(|file| !file.is_empty() && !file.contains("://"))
}

/// A module says why it exists before anything else.
fn without_purpose(file: &Source) -> Option<String> {
    let first = file.text.lines().find(|line| !line.starts_with("#!"))?;
    (!first.starts_with("//!")).then(|| format!("{}: starts without a //! line", file.path.display()))
}

fn unfinished(file: &Source) -> Vec<String> {
    let marks: Vec<String> = UNFINISHED.iter().map(|mark| mark.replace(' ', "")).collect();
    let left = file.text.lines().enumerate().filter(|(_, line)| marks.iter().any(|mark| line.contains(mark)));
    left.map(|(index, line)| format!("{}:{}: {}", file.path.display(), index + 1, line.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::links;

    #[test]
    fn links_are_files_without_their_places() {
        let text =
            "[a](a.md), [b](../b/README.md#there), [here](#here), [far](https://example.org/x), ![p](p.png)";
        assert_eq!(links(text).collect::<Vec<_>>(), ["a.md", "../b/README.md", "p.png"]);
    }
}
