//! From a logical line to an instruction.

use crate::command::{command_line, json_list, list};
use crate::error::{ParseError, Problem};
use crate::flags::Flags;
use crate::health::healthcheck;
use crate::instruction::{Argument, CommandLine, Copy, Inline, Instruction, Pair};
use crate::lines::{Line, opening};
use crate::words::words;

/// What a line says.
pub(crate) enum Parsed {
    From { base: String, name: Option<String>, platform: String },
    Instruction(Instruction),
}

/// Flags that only BuildKit knows.
const NEWER_RUN: [&str; 4] = ["mount", "network", "security", "device"];
const NEWER_COPY: [&str; 3] = ["link", "parents", "exclude"];
const NEWER_ADD: [&str; 5] = ["link", "keep-git-dir", "checksum", "unpack", "exclude"];

pub(crate) fn parse(line: Line, escape: char) -> Result<Parsed, ParseError> {
    let Line { number, text, heredocs } = line;
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let (flags, rest) = Flags::split(rest, escape);
    let arguments = Arguments { flags, rest: rest.trim(), heredocs, escape };
    arguments.parse(word).map_err(|problem| problem.on(number))
}

/// What comes after the first word.
struct Arguments<'a> {
    flags: Flags,
    rest: &'a str,
    heredocs: Vec<Inline>,
    escape: char,
}

impl Arguments<'_> {
    fn parse(self, word: &str) -> Result<Parsed, Problem> {
        let instruction = match word.to_ascii_uppercase().as_str() {
            "FROM" => return self.from(),
            "ADD" => Instruction::Add(self.add()?),
            "COPY" => Instruction::Copy(self.copy()?),
            "RUN" => Instruction::Run(self.run()?),
            "HEALTHCHECK" => Instruction::Healthcheck(healthcheck(self.flags, self.rest)?),
            "ONBUILD" => Instruction::OnBuild(self.on_build()?),
            other => self.without_flags(other)?,
        };
        Ok(Parsed::Instruction(instruction))
    }

    /// The instructions that have no flags.
    fn without_flags(self, word: &str) -> Result<Instruction, Problem> {
        let Self { flags, rest, escape, .. } = self;
        let instruction = match word {
            "ARG" => Instruction::Arg(arguments(rest, escape)?),
            "CMD" => Instruction::Cmd(command_line(rest)?),
            "ENTRYPOINT" => Instruction::Entrypoint(command_line(rest)?),
            "ENV" => Instruction::Env(pairs(rest, "ENV", escape)?),
            "EXPOSE" => Instruction::Expose(several(rest, "EXPOSE")?),
            "LABEL" => Instruction::Label(pairs(rest, "LABEL", escape)?),
            "MAINTAINER" => Instruction::Maintainer(one(rest, "MAINTAINER")?),
            "SHELL" => Instruction::Shell(shell(rest)?),
            "STOPSIGNAL" => Instruction::StopSignal(one(rest, "STOPSIGNAL")?),
            "USER" => Instruction::User(one(rest, "USER")?),
            "VOLUME" => Instruction::Volume(volumes(rest)?),
            "WORKDIR" => Instruction::Workdir(one(rest, "WORKDIR")?),
            unknown => return Err(Problem::Unknown(unknown.to_owned())),
        };
        flags.none()?;
        Ok(instruction)
    }

    fn from(self) -> Result<Parsed, Problem> {
        let [platform] = self.flags.take(["platform"], &[])?;
        let words: Vec<&str> = self.rest.split_whitespace().collect();
        let (base, name) = match words[..] {
            [base] => (base, None),
            [base, r#as, name] if r#as.eq_ignore_ascii_case("as") => (base, Some(stage_name(name)?)),
            _ => return Err(Problem::From),
        };
        Ok(Parsed::From { base: base.to_owned(), name, platform })
    }

    fn add(self) -> Result<Copy, Problem> {
        let [owner, mode] = self.flags.take(["chown", "chmod"], &NEWER_ADD)?;
        let copy = Copy { owner, mode, ..sources(self.rest, self.heredocs, "ADD")? };
        Ok(copy)
    }

    fn copy(self) -> Result<Copy, Problem> {
        let [from, owner, mode] = self.flags.take(["from", "chown", "chmod"], &NEWER_COPY)?;
        Ok(Copy { from, owner, mode, ..sources(self.rest, self.heredocs, "COPY")? })
    }

    fn run(self) -> Result<CommandLine, Problem> {
        self.flags.take([], &NEWER_RUN)?;
        let line = command_line(self.rest)?;
        match (line, &self.heredocs[..]) {
            (CommandLine::Exec(words), _) if words.is_empty() => Err(Problem::NoArgument("RUN")),
            (CommandLine::Shell(text), [only]) if opening(&text).is_some() => {
                // The heredoc is the script; the shell is the image's.
                if only.content.starts_with("#!") {
                    return Err(Problem::HeredocInterpreter);
                }
                Ok(CommandLine::Shell(only.content.clone()))
            }
            (CommandLine::Shell(text), heredocs) => Ok(CommandLine::Shell(with_heredocs(text, heredocs))),
            (line @ CommandLine::Exec(_), _) => Ok(line),
        }
    }

    fn on_build(self) -> Result<String, Problem> {
        self.flags.none()?;
        let word = self.rest.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        match word.as_str() {
            "" => Err(Problem::NoArgument("ONBUILD")),
            "ONBUILD" => Err(Problem::ChainedTrigger),
            "FROM" => Err(Problem::Trigger("FROM")),
            "MAINTAINER" => Err(Problem::Trigger("MAINTAINER")),
            _ => {
                let trigger = with_heredocs(self.rest.to_owned(), &self.heredocs);
                // What is wrong with it is better known now than when it is built upon.
                let line = Line { number: 1, text: self.rest.to_owned(), heredocs: self.heredocs };
                match parse(line, self.escape) {
                    Err(ParseError::Line { problem, .. }) => Err(problem),
                    Ok(_) | Err(ParseError::Empty | ParseError::NoStage) => Ok(trigger),
                }
            }
        }
    }
}

/// A line with its heredocs below it, as it was written.
fn with_heredocs(mut text: String, heredocs: &[Inline]) -> String {
    for Inline { name, content, .. } in heredocs {
        text.push('\n');
        text.push_str(content);
        text.push_str(name);
    }
    text
}

fn stage_name(name: &str) -> Result<String, Problem> {
    let lower = name.to_lowercase();
    let is_fine = lower.starts_with(|c: char| c.is_ascii_lowercase())
        && lower
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'));
    if is_fine { Ok(lower) } else { Err(Problem::StageName(name.to_owned())) }
}

/// Sources and a destination.
fn sources(text: &str, heredocs: Vec<Inline>, name: &'static str) -> Result<Copy, Problem> {
    let mut words = list(text)?;
    if words.len() < 2 {
        return Err(Problem::NoDestination(name));
    }
    let destination = words.pop().unwrap_or_default();
    if opening(&destination).is_some() {
        return Err(Problem::HeredocDestination(name));
    }
    words.retain(|word| opening(word).is_none());
    let nothing = String::new;
    let (from, owner, mode) = (nothing(), nothing(), nothing());
    Ok(Copy { sources: words, inline: heredocs, destination, from, owner, mode })
}

/// All of the rest, whatever it is.
fn one(text: &str, name: &'static str) -> Result<String, Problem> {
    if text.is_empty() { Err(Problem::NotOneArgument(name)) } else { Ok(text.to_owned()) }
}

fn several(text: &str, name: &'static str) -> Result<Vec<String>, Problem> {
    if text.is_empty() {
        return Err(Problem::NoArgument(name));
    }
    Ok(text.split_whitespace().map(ToOwned::to_owned).collect())
}

fn shell(text: &str) -> Result<Vec<String>, Problem> {
    let words = json_list(text)?.ok_or(Problem::NotJson("SHELL"))?;
    if words.is_empty() { Err(Problem::NoArgument("SHELL")) } else { Ok(words) }
}

fn volumes(text: &str) -> Result<Vec<String>, Problem> {
    let paths = list(text)?;
    if paths.is_empty() {
        return Err(Problem::NoArgument("VOLUME"));
    }
    let paths: Vec<_> = paths.into_iter().map(|path| path.trim().to_owned()).collect();
    if paths.iter().any(String::is_empty) { Err(Problem::BlankVolume) } else { Ok(paths) }
}

/// `NAME` or `NAME=value`, several times.
fn arguments(text: &str, escape: char) -> Result<Vec<Argument>, Problem> {
    let words = words(text, escape);
    if words.is_empty() {
        return Err(Problem::NoArgument("ARG"));
    }
    let argument = |word: String| {
        let (name, default) = match word.split_once('=') {
            Some((name, default)) => (name.to_owned(), Some(default.to_owned())),
            None => (word, None),
        };
        if name.is_empty() { Err(Problem::BlankName("ARG")) } else { Ok(Argument { name, default }) }
    };
    words.into_iter().map(argument).collect()
}

/// `NAME=value` several times, or the old `NAME value`.
fn pairs(text: &str, instruction: &'static str, escape: char) -> Result<Vec<Pair>, Problem> {
    let words = words(text, escape);
    let Some(first) = words.first() else { return Err(Problem::NoArgument(instruction)) };
    if !first.contains('=') {
        let (name, value) =
            text.split_once(char::is_whitespace).ok_or(Problem::NotTwoArguments(instruction))?;
        return Ok(vec![Pair { name: name.to_owned(), value: value.trim_start().to_owned() }]);
    }
    let pair = |word: String| match word.split_once('=') {
        None => Err(Problem::NoEquals(word)),
        Some(("", _)) => Err(Problem::BlankName(instruction)),
        Some((name, value)) => Ok(Pair { name: name.to_owned(), value: value.to_owned() }),
    };
    words.into_iter().map(pair).collect()
}

#[cfg(test)]
mod tests;
