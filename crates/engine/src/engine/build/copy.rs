//! `COPY` and `ADD`.

use std::sync::Arc;

use dockerfile::Copy;
use image::{ImageId, Images};

use super::{Building, step::with_root};
use crate::{
    build::{
        copy::{Files, From, Word},
        next::Next,
        stage::StageState,
    },
    engine::blocking,
    error::BuildError,
};

/// What a copy has come to.
struct Outcome {
    image: ImageId,
    was_there: bool,
}

impl Building {
    pub(super) async fn copy_files(
        &self,
        state: &mut StageState,
        (word, copy): (Word, Copy),
    ) -> Result<(), BuildError> {
        let from = if copy.from.is_empty() { None } else { Some(self.source_image(&copy.from).await?) };
        let images = Arc::clone(&self.engine.images);
        let context = Arc::clone(&self.recipe.context);
        let next = self.next(state, state.changing.no_operation(""));
        let work = move || {
            let job = Job { images: &images, next, word };
            match from {
                None => job.run(copy, From::Context(context)),
                Some(image) => {
                    with_root(&images, image, |rootfs| job.run(copy, From::Image(rootfs.merged.clone())))
                }
            }
        };
        let Outcome { image, was_there } = blocking(work).await?;
        if was_there {
            self.say(" ---> Using cache\n".to_owned()).await;
        }
        state.image = Some(image);
        Ok(())
    }

    /// The stage of this name or number, or an image.
    async fn source_image(&self, name: &str) -> Result<Option<ImageId>, BuildError> {
        let named = self.done.iter().find(|(known, _)| known.as_deref() == Some(&name.to_lowercase()));
        let numbered = || name.parse::<usize>().ok().and_then(|number| self.done.get(number));
        if let Some((_, image)) = named.or_else(numbered) {
            return Ok(*image);
        }
        let failed = |source| BuildError::From { name: name.to_owned(), source: Box::new(source) };
        self.find_or_pull(name, false).await.map(|image| Some(image.id)).map_err(failed)
    }
}

/// A copy on a thread that may block.
struct Job<'a> {
    images: &'a Images,
    next: Next,
    word: Word,
}

impl Job<'_> {
    fn run(mut self, copy: Copy, from: From) -> Result<Outcome, BuildError> {
        let word = self.word.text();
        let failed = |source| BuildError::Copy { word, source };
        let workdir = self.next.config.working_dir.clone();
        let files = Files::find((self.word, copy), from, &workdir, self.images).map_err(failed)?;
        self.next.created_by += &files.shown();
        if let Some(image) = self.next.made_before(self.images)? {
            return Ok(Outcome { image, was_there: true });
        }
        let image = with_root(self.images, self.next.parent, |rootfs| {
            files.put(&rootfs.merged, self.images).map_err(failed)?;
            Ok(self.next.make(self.images, rootfs.overlay.as_ref())?)
        })?;
        Ok(Outcome { image, was_there: false })
    }
}
