//! Gives images names.

use thiserror::Error;

use crate::images::resolve;
use crate::store::record;
use crate::store::{Reads, StoreError};
use crate::{ImageId, Images, LookupError, ParseReferenceError, Reference};

/// Why an image got no name.
#[derive(Debug, Error)]
pub enum TagError {
    #[error("refusing to create a tag with a digest reference")]
    Digest,
    #[error("refusing to create an ambiguous tag using digest algorithm as name")]
    Ambiguous,
    #[error(transparent)]
    Name(#[from] ParseReferenceError),
    #[error(transparent)]
    Lookup(#[from] LookupError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Images {
    /// Names an image that a registry has under these names; says whether its tag was another's.
    pub(crate) fn name(&self, id: ImageId, names: &[Reference]) -> Result<bool, StoreError> {
        let mut is_new = false;
        self.store.change(|change| {
            for name in names {
                let before: Option<record::Name> = change.get(&name.to_string())?;
                if before.is_none_or(|before| before.image != id) {
                    is_new |= name.digest().is_none();
                    change.put(&name.to_string(), &record::Name::new(id))?;
                }
            }
            Ok::<(), StoreError>(())
        })?;
        Ok(is_new)
    }

    /// Names the image that `source` means `target`; another image loses that name.
    pub fn tag(&self, source: &str, target: &str) -> Result<(ImageId, Reference), TagError> {
        let name: Reference = target.parse()?;
        if name.digest().is_some() {
            return Err(TagError::Digest);
        }
        let name = name.or_latest();
        // `sha256:x` would mean an image's id.
        if name.familiar().starts_with("sha256:") {
            return Err(TagError::Ambiguous);
        }
        self.store.change(|change| {
            let id = resolve(change, source)?;
            let image: Option<record::Image> = change.get(&id.to_string())?;
            if let Some(mut image) = image {
                image.tagged = jiff::Timestamp::now().to_string();
                change.put(&id.to_string(), &image)?;
            }
            change.put(&name.to_string(), &record::Name::new(id))?;
            Ok((id, name))
        })
    }
}
