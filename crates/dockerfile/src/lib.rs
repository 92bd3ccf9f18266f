//! Dockerfiles and `.dockerignore`: from text to instructions.
//!
//! [`Dockerfile::parse`] reads a whole file; [`Expander`] fills in variables,
//! which are known only while the file is carried out; [`Ignore`] says what of a
//! directory belongs to the context of a build. Nothing here opens, runs or
//! waits for anything: whoever builds and whoever packs a context share it.
//!
//! Texts of errors are Docker's where there are any: people search for them.

mod command;
mod error;
mod expand;
mod flags;
mod glob;
mod health;
mod ignore;
mod instruction;
mod lines;
mod parse;
mod stage;
mod words;

pub use error::{ParseError, Problem};
pub use expand::{ExpandError, Expander};
pub use glob::Glob;
pub use health::Healthcheck;
pub use ignore::Ignore;
pub use instruction::{Argument, CommandLine, Copy, Inline, Instruction, Pair};
pub use stage::{Dockerfile, Stage, Step};
