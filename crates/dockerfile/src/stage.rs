//! A whole Dockerfile: arguments, then stages of steps.

use crate::error::{ParseError, Problem};

use crate::instruction::{Argument, Instruction};
use crate::lines::{Line, lines};
use crate::parse::{Parsed, parse};

/// A whole Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dockerfile {
    /// The character that escapes others, and continues lines.
    pub escape: char,
    /// The `ARG`s before the first stage: each instruction as it is written, and what it says.
    pub arguments: Vec<(String, Vec<Argument>)>,
    /// At least one.
    pub stages: Vec<Stage>,
    /// What should be told, and is no error.
    pub warnings: Vec<String>,
}

/// What is between one `FROM` and the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// As it is written.
    pub text: String,
    /// An image, an earlier stage, or `scratch`; variables are not filled in.
    pub base: String,
    /// In small letters.
    pub name: Option<String>,
    pub platform: String,
    pub steps: Vec<Step>,
}

/// One instruction of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// As it is written, in one line.
    pub text: String,
    pub instruction: Instruction,
}

impl Dockerfile {
    /// Reads a Dockerfile.
    ///
    /// # Errors
    /// If any line of it is wrong.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let read = lines(text)?;
        if read.lines.is_empty() {
            return Err(ParseError::Empty);
        }
        let (mut arguments, mut stages) = (Vec::new(), Vec::<Stage>::new());
        for line in read.lines {
            let (number, text) = (line.number, line.text.trim().to_owned());
            match (parse(line, read.escape)?, stages.last_mut()) {
                (Parsed::From { base, name, platform }, _) => {
                    stages.push(Stage { text, base, name, platform, steps: Vec::new() });
                }
                (Parsed::Instruction(instruction), Some(stage)) => {
                    stage.steps.push(Step { text, instruction });
                }
                (Parsed::Instruction(Instruction::Arg(list)), None) => arguments.push((text, list)),
                (Parsed::Instruction(_), None) => return Err(Problem::NoStage.on(number)),
            }
        }
        if stages.is_empty() {
            return Err(ParseError::NoStage);
        }
        Ok(Self { escape: read.escape, arguments, stages, warnings: read.warnings })
    }

    /// The number of the stage of this name or number.
    #[must_use]
    pub fn stage(&self, name: &str) -> Option<usize> {
        let named =
            |stage: &Stage| stage.name.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(name));
        let numbered = || name.parse().ok().filter(|number| *number < self.stages.len());
        self.stages.iter().position(named).or_else(numbered)
    }
}

impl Step {
    /// Reads one instruction that stands alone: a trigger of `ONBUILD`, a change of `commit`.
    ///
    /// # Errors
    /// If it is none, or `FROM`.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let read = lines(text)?;
        let line = read.lines.into_iter().next().ok_or(ParseError::Empty)?;
        Self::of_line(line, read.escape)
    }

    fn of_line(line: Line, escape: char) -> Result<Self, ParseError> {
        let (number, text) = (line.number, line.text.trim().to_owned());
        match parse(line, escape)? {
            Parsed::Instruction(instruction) => Ok(Self { text, instruction }),
            Parsed::From { .. } => Err(Problem::Trigger("FROM").on(number)),
        }
    }
}
