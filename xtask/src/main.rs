//! Rules about the code, as tests; and what a release needs.
//!
//! `cargo xtask tidy` checks what no compiler checks: who may depend on whom,
//! how long files and functions are, and that the map in ARCHITECTURE.md is
//! true. The same rules run as tests of this crate.

mod layers;
mod sizes;
mod source;
mod words;

use std::{env, process::ExitCode};

use anyhow::{Result, bail};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    match env::args().nth(1).as_deref() {
        Some("tidy") => tidy(),
        other => bail!("usage: cargo xtask tidy (not {})", other.unwrap_or("nothing")),
    }
}

fn tidy() -> Result<()> {
    let root = source::root();
    let complaints: Vec<String> =
        [layers::check(&root)?, sizes::check(&root)?, words::check(&root)?].into_iter().flatten().collect();
    if complaints.is_empty() {
        return Ok(());
    }
    bail!("{} places are not tidy:\n{}", complaints.len(), complaints.join("\n"))
}

#[expect(clippy::print_stderr, reason = "a command line tool speaks on standard error")]
fn complain(text: &str) {
    eprintln!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn tidy_by(rule: impl Fn(&std::path::Path) -> Result<Vec<String>>) {
        let complaints = rule(&source::root()).expect("the tree can be read");
        assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    }

    #[test]
    fn dependencies_point_down() {
        tidy_by(layers::check);
    }

    #[test]
    fn files_and_functions_are_short() {
        tidy_by(sizes::check);
    }

    #[test]
    fn documents_and_words_are_kept() {
        tidy_by(words::check);
    }
}
