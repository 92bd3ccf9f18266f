//! How long files and functions may be.

use std::path::Path;

use anyhow::Result;

use crate::source::{self, Source};

/// Lines of code in a file, without its tests.
const FILE: usize = 500;
/// Lines from a function's signature to its closing brace.
const FUNCTION: usize = 70;
/// A crate root says what there is; the rest is in modules.
const CRATE_ROOT: usize = 100;

/// What is too long.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let files = source::rust_files(root)?;
    Ok(files.iter().filter(|file| !file.is_test()).flat_map(too_long).collect())
}

fn too_long(file: &Source) -> Vec<String> {
    let path = file.path.display();
    let limit = if file.path.ends_with("src/lib.rs") { CRATE_ROOT } else { FILE };
    let lines = file.code().count();
    let mut complaints = Vec::new();
    if lines > limit {
        complaints.push(format!("{path}: {lines} lines, at most {limit}"));
    }
    let long = functions(file).into_iter().filter(|function| function.lines > FUNCTION);
    complaints.extend(long.map(|Function { name, line, lines }| {
        format!("{path}:{line}: {name} has {lines} lines, at most {FUNCTION}")
    }));
    complaints
}

struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// The functions of a formatted file: from `fn` to the brace in the same column.
fn functions(file: &Source) -> Vec<Function> {
    let lines: Vec<(usize, &str)> = file.code().collect();
    let start = |(index, (line, text)): (usize, &(usize, &str))| {
        let name = function_name(text)?;
        let indent = text.len() - text.trim_start().len();
        let closing = format!("{}}}", " ".repeat(indent));
        let length = lines[index..].iter().position(|(_, text)| *text == closing)? + 1;
        Some(Function { name, line: *line, lines: length })
    };
    lines.iter().enumerate().filter_map(start).collect()
}

/// The name of the function that a line begins, if it begins one with a body.
fn function_name(line: &str) -> Option<String> {
    let words = line.trim_start();
    let (before, after) = words.split_once("fn ")?;
    let modifiers = before.split_whitespace().all(|word| {
        word.starts_with("pub")
            || matches!(word, "async" | "const" | "unsafe" | "extern" | "(crate)" | "\"C\"")
    });
    let is_item = modifiers && !words.ends_with(';') && !words.ends_with('}');
    is_item.then(|| after.split(['(', '<']).next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::function_name;

    #[test]
    fn knows_a_function_when_it_sees_one() {
        let named = |line| function_name(line).unwrap_or_default();
        assert_eq!(named("    pub(crate) async fn run<T>(self) {"), "run");
        assert_eq!(named("fn main() {"), "main");
        assert_eq!(named("    // the fn that runs {"), "");
        assert_eq!(named("    fn short(&self) -> u8 { 1 }"), "");
    }
}
