//! Why a command ends with an exit code other than 0.

use std::io;

use thiserror::Error;

use crate::client::ClientError;
use crate::template::TemplateError;

/// Docker's exit code for errors of the engine and of what was typed.
pub(crate) const ENGINE_ERROR: u8 = 125;

/// Why a command ends with an exit code other than 0.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// All was said; for `run` and `exec` this is the process's own exit code.
    #[error("exit code {0}")]
    Exit(u8),
    /// The engine did not do it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What was typed cannot be meant.
    #[error("{0}")]
    Typed(String),
    /// A sentence.
    #[error("{0}")]
    Said(String),
    /// A file of this side.
    #[error("{what}")]
    File {
        /// What was to be done with which file.
        what: String,
        /// Why it could not be done.
        #[source]
        source: io::Error,
    },
    /// The same with another exit code.
    #[error("{failure}")]
    Coded {
        /// The exit code.
        code: u8,
        /// What went wrong.
        failure: Box<Failure>,
    },
    /// Nobody reads the output any more.
    #[error("cannot write the output")]
    Output(#[source] io::Error),
}

impl Failure {
    pub(crate) fn file(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::File { what, source }
    }

    /// The exit code.
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Exit(code) | Self::Coded { code, .. } => *code,
            Self::Typed(_) => ENGINE_ERROR,
            Self::Client(_) | Self::Said(_) | Self::File { .. } | Self::Output(_) => 1,
        }
    }

    /// The same with another exit code, unless the process has given one.
    pub(crate) fn with_code(self, code: u8) -> Self {
        if matches!(self, Self::Exit(_)) { self } else { Self::Coded { code, failure: Box::new(self) } }
    }

    /// What is printed: the sentence and its causes; nothing if all was said.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Exit(_) => None,
            Self::Output(source) if source.kind() == io::ErrorKind::BrokenPipe => None,
            Self::Coded { failure, .. } => failure.text(),
            Self::Client(_) | Self::Typed(_) | Self::Said(_) | Self::File { .. } | Self::Output(_) => {
                Some(chain(self))
            }
        }
    }
}

impl From<TemplateError> for Failure {
    fn from(error: TemplateError) -> Self {
        Self::Said(format!("template parsing error: {error}"))
    }
}

impl From<api::detach::UnknownKey> for Failure {
    fn from(error: api::detach::UnknownKey) -> Self {
        Self::Said(format!("invalid detach keys: {error}"))
    }
}

/// Joins an error and its causes with colons.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
