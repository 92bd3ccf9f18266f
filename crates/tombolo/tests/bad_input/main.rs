//! Requests that make no sense: each gets a sentence and Docker's status, changes nothing, and harms nobody.

use anyhow::{Context, Result, ensure};
use testkit::{Everything, Machine, difference};

mod absurd;
mod http;
mod random;
mod requests;

fn machine() -> Result<Machine> {
    Machine::start(env!("CARGO_BIN_EXE_tombolo"))
}

/// A machine with one of everything, and what there is on it.
fn furnished() -> Result<(Machine, Everything)> {
    let machine = machine()?;
    machine.docker("network create --subnet 10.5.0.0/24 site").ok()?;
    machine.docker("run -d --name web -p 8080:80 --network site --ip 10.5.0.9 busybox sleep 10000").ok()?;
    machine.docker("create --name idle -v data:/d busybox sleep 10000").ok()?;
    let before = machine.everything()?;
    Ok((machine, before))
}

/// Nothing has come and nothing has gone, the engine made no mistake, and it goes on serving.
fn unharmed(machine: &Machine, before: &Everything) -> Result<()> {
    let changed = difference(before, &machine.everything()?);
    ensure!(changed.is_empty(), "{}", changed.join("\n"));
    sound(machine)
}

fn sound(machine: &Machine) -> Result<()> {
    let log = machine.engine_log();
    let mistakes = ["panicked", "made a mistake", "ERROR"];
    let told: Vec<_> = log.lines().filter(|line| mistakes.iter().any(|word| line.contains(word))).collect();
    ensure!(told.is_empty(), "{}", told.join("\n"));
    machine.docker("run --rm --network site busybox true").ok()?;
    machine.agree()
}

/// A request, with the status and the text of its answer.
type Wrong = (&'static str, &'static str, &'static str, u16, &'static str);

/// Asks each and tells all that are not answered so.
fn refused(machine: &Machine, wrong: &[Wrong]) -> Result<()> {
    let mut others = Vec::new();
    for (method, path, body, status, text) in wrong {
        let answer = machine.call(method, path, body).with_context(|| format!("{method} {path} {body}"))?;
        if (answer.status, without_ids(answer.message()).as_str()) != (*status, *text) {
            others.push(format!("{method} {path} {body}\n  {} {}", answer.status, answer.body));
        }
    }
    ensure!(others.is_empty(), "{}", others.join("\n"));
    Ok(())
}

/// A text with `@` for what is different in every run: words of twelve hexadecimal digits and more.
fn without_ids(text: &str) -> String {
    let is_id = |word: &str| word.len() >= 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = text.split_inclusive(|character: char| !character.is_ascii_alphanumeric());
    let word = |word: &str| {
        let end = word.find(|character: char| !character.is_ascii_alphanumeric()).unwrap_or(word.len());
        if is_id(&word[..end]) { format!("@{}", &word[end..]) } else { word.to_owned() }
    };
    words.map(word).collect()
}
