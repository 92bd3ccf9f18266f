//! A Dockerfile that is about to be carried out, with the files it copies from.

use std::path::Path;
use std::sync::Arc;

use dockerfile::{Dockerfile, Ignore, Instruction, Pair, Stage, Step};
use image::Context;

use super::BuildSpec;
use crate::error::BuildError;

/// The most bytes of a Dockerfile or a `.dockerignore`.
const FILE_LIMIT: u64 = 4 << 20;
const IGNORE: &str = ".dockerignore";

/// All that a build needs to know before it begins.
#[derive(Debug)]
pub struct Recipe {
    pub(crate) spec: BuildSpec,
    pub(crate) file: Dockerfile,
    pub(crate) context: Arc<Context>,
}

impl Recipe {
    /// Reads the Dockerfile in a context. This blocks.
    ///
    /// # Errors
    /// If there is none, it is wrong, or it has not the stage that is wanted.
    pub fn new(spec: BuildSpec, context: Context) -> Result<Self, BuildError> {
        let (name, text) = read_dockerfile(&spec.dockerfile, &context)?;
        leave_out(&context, &name)?;
        let mut file = Dockerfile::parse(&text)?;
        if !spec.target.is_empty() {
            let target = spec.target.clone();
            let wanted = file.stage(&target).ok_or(BuildError::NoTarget { target })?;
            file.stages.truncate(wanted + 1);
        }
        let labels =
            spec.labels.iter().map(|(name, value)| label(name, value, file.escape)).collect::<Vec<_>>();
        if let Some(Stage { steps, .. }) = file.stages.last_mut() {
            steps.extend(labels);
        }
        Ok(Self { spec, file, context: Arc::new(context) })
    }

    /// How many steps there are.
    pub(crate) fn steps(&self) -> usize {
        let inner: usize = self.file.stages.iter().map(|stage| stage.steps.len()).sum();
        self.file.arguments.len() + self.file.stages.len() + inner
    }
}

/// The Dockerfile's name and text; `dockerfile` will do where `Dockerfile` is meant.
fn read_dockerfile(wanted: &str, context: &Context) -> Result<(String, String), BuildError> {
    let wanted = if wanted.is_empty() { "Dockerfile" } else { wanted };
    let lower = wanted.to_lowercase();
    let names = if wanted == "Dockerfile" { vec![wanted, &lower] } else { vec![wanted] };
    for name in names {
        match context.root().read(Path::new(name), FILE_LIMIT) {
            Ok(text) if text.is_empty() => return Err(BuildError::EmptyFile { name: name.to_owned() }),
            Ok(text) => return Ok((name.to_owned(), String::from_utf8_lossy(&text).into_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(BuildError::ReadFile { name: name.to_owned(), source }),
        }
    }
    Err(BuildError::NoFile { name: wanted.to_owned() })
}

/// Clients send the Dockerfile and `.dockerignore` even where the rules leave them out. What
/// else is left out they do not send.
fn leave_out(context: &Context, dockerfile: &str) -> Result<(), BuildError> {
    let root = context.root();
    let Ok(text) = root.read(Path::new(IGNORE), FILE_LIMIT) else { return Ok(()) };
    let rules = Ignore::parse(&String::from_utf8_lossy(&text));
    let rules = rules.map_err(|pattern| BuildError::IgnorePattern { pattern })?;
    for name in [IGNORE, dockerfile] {
        if rules.excludes(name) {
            let failed = |source| BuildError::ReadFile { name: name.to_owned(), source };
            root.remove_all(Path::new(name)).map_err(failed)?;
        }
    }
    Ok(())
}

/// A step that sets a label to this very text.
fn label(name: &str, value: &str, escape: char) -> Step {
    let literal = |text: &str| -> String {
        let special = |c: char| matches!(c, '$' | '"' | '\'') || c == escape;
        text.chars().flat_map(|c| special(c).then_some(escape).into_iter().chain([c])).collect()
    };
    let pair = Pair { name: literal(name), value: literal(value) };
    Step { text: format!("LABEL {name}={value}"), instruction: Instruction::Label(vec![pair]) }
}
