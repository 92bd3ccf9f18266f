//! The instructions of a Dockerfile, and what filling in variables does to each.

use crate::expand::{ExpandError, Expander};
use crate::health::Healthcheck;

/// One instruction. Texts are as they were written: quotes and variables are dealt with by
/// [`Instruction::expanded`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instruction {
    Add(Copy),
    Arg(Vec<Argument>),
    Cmd(CommandLine),
    Copy(Copy),
    Entrypoint(CommandLine),
    Env(Vec<Pair>),
    Expose(Vec<String>),
    Healthcheck(Healthcheck),
    Label(Vec<Pair>),
    Maintainer(String),
    /// The instruction that builds on the image begin with.
    OnBuild(String),
    Run(CommandLine),
    Shell(Vec<String>),
    StopSignal(String),
    User(String),
    Volume(Vec<String>),
    Workdir(String),
}

/// A build argument, and the value it has unless the build says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    pub name: String,
    pub default: Option<String>,
}

/// A variable or a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub name: String,
    pub value: String,
}

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// For the shell; with a heredoc, over several lines.
    Shell(String),
    /// As it is: the JSON form.
    Exec(Vec<String>),
}

/// What `COPY` and `ADD` copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    pub sources: Vec<String>,
    /// Files whose content is in the Dockerfile.
    pub inline: Vec<Inline>,
    pub destination: String,
    /// A stage or an image; empty for the context. Always empty for `ADD`.
    pub from: String,
    /// `--chown`
    pub owner: String,
    /// `--chmod`
    pub mode: String,
}

/// A heredoc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inline {
    pub name: String,
    pub content: String,
    /// Its name was not quoted: variables in it are filled in.
    pub expands: bool,
}

impl Instruction {
    /// The instruction with variables filled in, where the instruction has that.
    ///
    /// # Errors
    /// If a text of it cannot be expanded.
    pub fn expanded(self, expander: &Expander<'_>) -> Result<Self, ExpandError> {
        let word = |text: String| expander.word(&text);
        let list =
            |texts: Vec<String>| texts.iter().map(|text| expander.word(text)).collect::<Result<Vec<_>, _>>();
        Ok(match self {
            Self::Add(copy) => Self::Add(copy.expanded(expander)?),
            Self::Copy(copy) => Self::Copy(copy.expanded(expander)?),
            Self::Arg(arguments) => Self::Arg(
                arguments
                    .into_iter()
                    .map(|argument| argument.expanded(expander))
                    .collect::<Result<_, _>>()?,
            ),
            Self::Env(pairs) => Self::Env(expanded(pairs, expander)?),
            Self::Label(pairs) => Self::Label(expanded(pairs, expander)?),
            Self::Expose(ports) => {
                let mut all = Vec::new();
                for port in &ports {
                    all.extend(expander.words(port)?);
                }
                Self::Expose(all)
            }
            Self::StopSignal(signal) => Self::StopSignal(word(signal)?),
            Self::User(user) => Self::User(word(user)?),
            Self::Volume(paths) => Self::Volume(list(paths)?),
            Self::Workdir(path) => Self::Workdir(word(path)?),
            // Their variables are the shell's, or those of the build that comes.
            same @ (Self::Cmd(_)
            | Self::Entrypoint(_)
            | Self::Healthcheck(_)
            | Self::Maintainer(_)
            | Self::OnBuild(_)
            | Self::Run(_)
            | Self::Shell(_)) => same,
        })
    }
}

impl Argument {
    /// The argument with variables filled in.
    ///
    /// # Errors
    /// If a text of it cannot be expanded.
    pub fn expanded(self, expander: &Expander<'_>) -> Result<Self, ExpandError> {
        let default = self.default.map(|text| expander.word(&text)).transpose()?;
        Ok(Self { name: expander.word(&self.name)?, default })
    }
}

impl Copy {
    fn expanded(self, expander: &Expander<'_>) -> Result<Self, ExpandError> {
        let content = |inline: Inline| {
            let content = if inline.expands { expander.text(&inline.content)? } else { inline.content };
            Ok(Inline { content, ..inline })
        };
        Ok(Self {
            sources: self.sources.iter().map(|text| expander.word(text)).collect::<Result<_, _>>()?,
            inline: self.inline.into_iter().map(content).collect::<Result<_, _>>()?,
            destination: expander.word(&self.destination)?,
            owner: expander.word(&self.owner)?,
            mode: expander.word(&self.mode)?,
            from: self.from,
        })
    }
}

fn expanded(pairs: Vec<Pair>, expander: &Expander<'_>) -> Result<Vec<Pair>, ExpandError> {
    let one = |pair: Pair| Ok(Pair { name: expander.word(&pair.name)?, value: expander.word(&pair.value)? });
    pairs.into_iter().map(one).collect()
}
