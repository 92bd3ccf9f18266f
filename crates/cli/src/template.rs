//! The part of Go's `text/template` that Docker's `--format` is used with.
//!
//! Fields, variables, pipelines, `if`, `range`, `with`, trimming, comments, and the functions that Docker adds:
//! `json`, `join`, `lower`, `upper`, `title`, `split`, `pad`, `truncate`, `println`.

mod eval;
mod function;
mod lex;
mod parse;
mod printf;

use std::fmt;

use crate::value::Value;
use parse::Node;

/// A template that has been read.
#[derive(Clone, Debug)]
pub(crate) struct Template(Vec<Node>);

/// Why a template cannot be read or filled. The texts are those of Go as far as they name what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TemplateError(String);

impl TemplateError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "template: :1: {}", self.0)
    }
}

impl std::error::Error for TemplateError {}

impl Template {
    /// Reads a template.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        parse::parse(lex::lex(text)?).map(Self)
    }

    /// Fills it.
    pub(crate) fn fill(&self, data: &Value) -> Result<String, TemplateError> {
        eval::fill(&self.0, data)
    }
}

#[cfg(test)]
mod tests;
