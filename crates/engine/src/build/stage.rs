//! A stage while it is carried out: what its last step has left.

use dockerfile::{ExpandError, Expander, Instruction};
use image::{Image, ImageConfig, ImageId};

use super::arguments::{Arguments, variable};
use super::change::{Changing, PATH};
use super::next::Next;

/// A stage while it is carried out.
#[derive(Debug)]
pub(crate) struct StageState {
    /// The last image; `None` for nothing at all.
    pub(crate) image: Option<ImageId>,
    pub(crate) changing: Changing,
    pub(crate) author: String,
    pub(crate) arguments: Arguments,
}

impl StageState {
    /// A stage on a base. What the base wants to be done first is given back.
    pub(crate) fn begin(base: Option<&Image>, mut arguments: Arguments) -> (Self, Vec<String>) {
        arguments.begin_stage();
        let mut config = base.map(|base| base.config().clone()).unwrap_or_default();
        let triggers = config.on_build.take().unwrap_or_default();
        if variable(&config.env, "PATH").is_none() {
            config.env.push(PATH.to_owned());
        }
        let author = base.map(|base| base.document.author.clone()).unwrap_or_default();
        let changing = Changing { config, has_own_command: false };
        (Self { image: base.map(|base| base.id), changing, author, arguments }, triggers)
    }

    pub(crate) fn config(&self) -> &ImageConfig {
        &self.changing.config
    }

    /// An instruction with variables filled in: those of the image, then build arguments.
    pub(crate) fn expanded(
        &self,
        instruction: Instruction,
        escape: char,
    ) -> Result<Instruction, ExpandError> {
        let variables =
            |name: &str| variable(&self.config().env, name).or_else(|| self.arguments.value(name));
        instruction.expanded(&Expander::new(escape, &variables))
    }

    /// The image that comes after this step.
    pub(crate) fn next(&self, created_by: String, uses_cache: bool) -> Next {
        let (config, author) = (self.config().clone(), self.author.clone());
        Next { parent: self.image, config, author, created_by, uses_cache }
    }
}
