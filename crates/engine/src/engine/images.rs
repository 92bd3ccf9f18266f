//! Images, as far as more than the image store is concerned.

use std::{io, sync::Arc};

use image::{LookupError, SaveError, Selection};

use super::{Engine, blocking};
use crate::pieces::{self, Pieces};

impl Engine {
    /// The images that are meant, with the names they are meant by. A repository means all its tags.
    ///
    /// # Errors
    /// If there is none of a name.
    pub async fn select_images(&self, names: Vec<String>) -> Result<Selection, LookupError> {
        let images = Arc::clone(&self.images);
        blocking(move || images.select(&names)).await
    }

    /// The archive of images, for `docker load` and all that read OCI layouts.
    pub fn save_images(&self, selection: Selection) -> Pieces {
        for image in selection.images() {
            let id = image.id.to_string();
            self.tell("image", "save", &id, [("name".to_owned(), id.clone())].into());
        }
        let (output, pieces) = pieces::channel();
        let images = Arc::clone(&self.images);
        self.tasks.spawn_blocking(move || {
            output.fill(|output| match images.save(&selection, output) {
                Ok(()) => Ok(()),
                Err(SaveError::Write(error)) => Err(error),
                Err(error) => Err(io::Error::other(error)),
            });
        });
        pieces
    }
}
