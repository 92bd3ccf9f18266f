//! Why a Dockerfile is refused.

use thiserror::Error;

/// Why a Dockerfile is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ParseError {
    #[error("file with no instructions")]
    Empty,
    #[error("dockerfile contains no stages to build")]
    NoStage,
    /// Lines are counted from 1.
    #[error("dockerfile parse error on line {line}: {problem}")]
    Line { line: usize, problem: Problem },
}

/// What is wrong with a line.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Problem {
    #[error("unknown instruction: {0}")]
    Unknown(String),
    #[error("{0} requires at least one argument")]
    NoArgument(&'static str),
    #[error("{0} requires exactly one argument")]
    NotOneArgument(&'static str),
    #[error(
        "{0} requires at least two arguments, but only one was provided. Destination could not be determined."
    )]
    NoDestination(&'static str),
    #[error("{0} names can not be blank")]
    BlankName(&'static str),
    #[error("{0} requires the arguments to be in JSON form")]
    NotJson(&'static str),
    #[error("{0} must have two arguments")]
    NotTwoArguments(&'static str),
    #[error("Syntax error - can't find = in {0:?}. Must be of the form: name=value")]
    NoEquals(String),
    #[error("when using JSON array syntax, arrays must be comprised of strings only")]
    NotStrings,
    #[error("FROM requires either one or three arguments")]
    From,
    #[error("invalid name for build stage: {0:?}, name can't start with a number or contain symbols")]
    StageName(String),
    #[error("no build stage in current context")]
    NoStage,
    #[error("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")]
    ChainedTrigger,
    #[error("{0} isn't allowed as an ONBUILD trigger")]
    Trigger(&'static str),
    #[error("VOLUME specified can not be an empty string")]
    BlankVolume,
    #[error("HEALTHCHECK NONE takes no arguments")]
    NoneWithArguments,
    #[error("Missing command after HEALTHCHECK CMD")]
    NoHealthCommand,
    #[error("Unknown type {0:?} in HEALTHCHECK (try CMD)")]
    HealthType(String),
    #[error("invalid duration {0:?}")]
    Duration(String),
    #[error("Interval {0:?} cannot be less than 1ms")]
    ShortInterval(&'static str),
    #[error("invalid number of retries {0:?}")]
    Retries(String),
    #[error("unknown flag: {0}")]
    UnknownFlag(String),
    #[error("missing a value on flag: {0}")]
    FlagWithoutValue(String),
    #[error("duplicate flag specified: {0}")]
    FlagTwice(String),
    #[error(
        "the --{0} option requires BuildKit. Refer to https://docs.docker.com/go/buildkit/ to learn how to build images with BuildKit enabled"
    )]
    BuildKit(String),
    #[error("only one {0} parser directive can be used")]
    DirectiveTwice(&'static str),
    #[error("invalid ESCAPE {0:?}: must be ` or \\")]
    Escape(String),
    #[error("unterminated heredoc")]
    OpenHeredoc,
    #[error("the destination of {0} cannot be a heredoc")]
    HeredocDestination(&'static str),
    #[error("a heredoc that names its interpreter (#!) requires BuildKit")]
    HeredocInterpreter,
}

impl Problem {
    pub(crate) fn on(self, line: usize) -> ParseError {
        ParseError::Line { line, problem: self }
    }
}
