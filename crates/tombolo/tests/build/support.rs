//! A machine that builds.

use std::fs;

use anyhow::{Result, ensure};
use serde_json::Value;
use testkit::archive::Tar;
use testkit::{Machine, Output};

/// A machine with an engine and the image `busybox`.
pub(crate) fn machine() -> Result<Machine> {
    let machine = Machine::without_engine(env!("CARGO_BIN_EXE_tombolo"), &[])?;
    machine.start_engine()?;
    machine.load_busybox()?;
    Ok(machine)
}

/// Writes files below the machine's home.
pub(crate) fn put(machine: &Machine, files: &[(&str, &str)]) -> Result<()> {
    for (name, content) in files {
        let (path, content) = (machine.root().join(name), (*content).to_owned());
        machine.within(move || -> std::io::Result<()> {
            fs::create_dir_all(path.parent().unwrap_or(&path))?;
            fs::write(path, content)
        })?;
    }
    Ok(())
}

/// Builds with Docker's own command line, and says what the engine told.
pub(crate) fn build(machine: &Machine, words: &str) -> Output {
    let mut output = machine.sh(&format!("DOCKER_BUILDKIT=0 docker build {words} 2>&1"));
    if let Some(begin) = output.stdout.find("Step 1/") {
        output.stdout.drain(..begin);
    }
    output
}

/// The archive of a context.
pub(crate) fn context(files: &[(&str, &str)]) -> Vec<u8> {
    files.iter().fold(Tar::default(), |tar, (name, content)| tar.file(name, content)).finish()
}

/// Builds over the API; gives every line of the answer.
pub(crate) fn post(machine: &Machine, query: &str, files: &[(&str, &str)]) -> Result<Vec<Value>> {
    post_archive(machine, query, &context(files))
}

/// The same with any archive.
pub(crate) fn post_archive(machine: &Machine, query: &str, archive: &[u8]) -> Result<Vec<Value>> {
    let answer = machine.upload(&format!("/build?{query}"), archive)?;
    ensure!(answer.status == 200, "{answer:?}");
    // Several lines are no JSON: then the body is the whole answer.
    let whole = answer.body.as_str().and_then(|text| text.split_once("\r\n\r\n"));
    let text = whole.map_or_else(|| answer.body.to_string(), |(_, body)| body.to_owned());
    let lines = text.lines().filter(|line| line.starts_with('{'));
    Ok(lines.map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// All that the lines of an answer say.
pub(crate) fn lines(told: &[Value]) -> String {
    told.iter().filter_map(|line| line["stream"].as_str()).collect()
}

/// The text with every short id replaced.
pub(crate) fn masked(text: &str) -> String {
    let is_id = |word: &str| word.len() == 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = |line: &str| -> Vec<String> {
        line.split(' ').map(|word| if is_id(word) { "ID".to_owned() } else { word.to_owned() }).collect()
    };
    text.lines().map(|line| words(line).join(" ")).collect::<Vec<_>>().join("\n")
}
