//! Removes names and images, by Docker's rules: the texts are Docker's.
//!
//! By name: the name goes, and with the last name the image. By id: the image
//! goes with its name, if it has one; with names in several repositories, or
//! while a stopped container uses it, only by force; while a container of it
//! runs, or another image was built on it, never.

use std::collections::BTreeSet;
use std::io;

use thiserror::Error;

use crate::images::{CollectError, names_of, resolve};
use crate::store::record;
use crate::store::{Change, Reads, StoreError};
use crate::{Digest, ImageDocument, ImageId, Images, LayerId, LookupError, Reference};

/// A container that uses an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    pub image: ImageId,
    /// The container's id.
    pub container: String,
    pub running: bool,
}

/// Whether what only makes life harder stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    No,
    Yes,
}

/// What was removed, in order: the answer of `DELETE /images/{name}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// A name, as people write it.
    Untagged(String),
    /// An image's id, or the chain id of a layer that nobody else had.
    Deleted(Digest),
}

/// Why an image was not removed.
#[derive(Debug, Error)]
pub enum RemoveError {
    #[error(transparent)]
    Lookup(#[from] LookupError),
    #[error(
        "conflict: unable to remove repository reference \"{name}\" (must force) - container {container} is \
         using its referenced image {}", image.short()
    )]
    LastName { name: String, container: String, image: ImageId },
    #[error("conflict: unable to delete {} ({how}) - {why}", image.short())]
    Conflict { image: ImageId, how: &'static str, why: String },
    #[error("cannot remove what nobody needs any more")]
    Io(#[source] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

const NEVER: &str = "cannot be forced";
const BY_FORCE: &str = "must be forced";

impl Images {
    /// Removes the name or the image that `text` means. `uses` are the engine's containers.
    pub fn remove(&self, text: &str, force: Force, uses: &[Use]) -> Result<Vec<Removed>, RemoveError> {
        let removed = self.store.change(|change| {
            let id = resolve(change, text)?;
            Removal { change, id, force, uses, removed: Vec::new() }.run(text)
        })?;
        match self.collect_garbage() {
            Ok(()) => Ok(removed),
            Err(CollectError::Io(error)) => Err(RemoveError::Io(error)),
            Err(CollectError::Store(error)) => Err(error.into()),
        }
    }
}

struct Removal<'a> {
    change: &'a Change,
    id: ImageId,
    force: Force,
    uses: &'a [Use],
    removed: Vec<Removed>,
}

impl Removal<'_> {
    fn run(mut self, text: &str) -> Result<Vec<Removed>, RemoveError> {
        let names = names_of(self.change, self.id)?;
        if is_id(text, self.id) {
            return self.by_id(&names);
        }
        let name = text.parse::<Reference>().map_err(LookupError::from)?.canonical();
        if let (Force::No, true, Some(user)) = (self.force, is_single(&names), self.first_use(None)) {
            let container = short(&user.container);
            return Err(RemoveError::LastName { name: text.to_owned(), container, image: self.id });
        }
        self.untag(&name)?;
        let left: Vec<_> = names.into_iter().filter(|other| *other != name).collect();
        let left = self.drop_lone_digests(&name, left)?;
        if !left.is_empty() {
            return Ok(self.removed);
        }
        match self.conflict(self.force) {
            // The name is gone, which is what was asked for; the image stays.
            Some(_) => Ok(self.removed),
            None => self.delete(&[]),
        }
    }

    fn by_id(self, names: &[Reference]) -> Result<Vec<Removed>, RemoveError> {
        let several = || {
            let why = "image is referenced in multiple repositories".to_owned();
            RemoveError::Conflict { image: self.id, how: BY_FORCE, why }
        };
        // Force::Yes leaves the reasons that force does not remove.
        if let Some(error) = self.conflict(Force::Yes) {
            return Err(error);
        }
        if self.force == Force::No && !names.is_empty() && !is_single(names) {
            return Err(several());
        }
        match self.conflict(self.force) {
            Some(error) => Err(error),
            None => self.delete(names),
        }
    }

    /// Digest names of a repository go with its last tag.
    fn drop_lone_digests(
        &mut self,
        name: &Reference,
        left: Vec<Reference>,
    ) -> Result<Vec<Reference>, RemoveError> {
        let tagged = |other: &Reference| other.same_repository(name) && other.digest().is_none();
        if name.digest().is_some() || left.iter().any(tagged) {
            return Ok(left);
        }
        let (lone, rest): (Vec<_>, Vec<_>) = left.into_iter().partition(|other| other.same_repository(name));
        lone.iter().try_for_each(|digest| self.untag(digest))?;
        Ok(rest)
    }

    fn untag(&mut self, name: &Reference) -> Result<(), StoreError> {
        self.change.remove::<record::Name>(&name.to_string())?;
        self.removed.push(Removed::Untagged(name.familiar()));
        Ok(())
    }

    fn delete(mut self, names: &[Reference]) -> Result<Vec<Removed>, RemoveError> {
        names.iter().try_for_each(|name| self.untag(name))?;
        let own = chain(self.change, self.id)?;
        self.change.remove::<record::Image>(&self.id.to_string())?;
        self.removed.push(Removed::Deleted(self.id.0));
        let mut others = BTreeSet::new();
        for (id, _) in self.change.all::<record::Image>()? {
            if let Ok(id) = id.parse() {
                others.extend(chain(self.change, id)?);
            }
        }
        let lonely = own.into_iter().rev().filter(|layer| !others.contains(layer));
        self.removed.extend(lonely.map(Removed::Deleted));
        Ok(self.removed)
    }

    fn first_use(&self, running: Option<bool>) -> Option<&Use> {
        let counts =
            |user: &&Use| user.image == self.id && running.is_none_or(|wanted| user.running == wanted);
        self.uses.iter().find(counts)
    }

    /// What stands in the way, hard reasons first.
    fn conflict(&self, force: Force) -> Option<RemoveError> {
        let conflict = |how, why| Some(RemoveError::Conflict { image: self.id, how, why });
        if self.has_children() {
            return conflict(NEVER, "image has dependent child images".to_owned());
        }
        if let Some(user) = self.first_use(Some(true)) {
            let why = format!("image is being used by running container {}", short(&user.container));
            return conflict(NEVER, why);
        }
        match (force, self.first_use(Some(false))) {
            (Force::No, Some(user)) => {
                let why = format!("image is being used by stopped container {}", short(&user.container));
                conflict(BY_FORCE, why)
            }
            (Force::No | Force::Yes, _) => None,
        }
    }

    fn has_children(&self) -> bool {
        let Ok(images) = self.change.all::<record::Image>() else { return false };
        let parent = |(_, image): &(String, record::Image)| {
            let document: Option<ImageDocument> = serde_json::from_str(&image.document).ok();
            document.and_then(|document| document.parent) == Some(self.id.to_string())
        };
        images.iter().any(parent)
    }
}

/// Whether the text is the image's id or the beginning of it.
fn is_id(text: &str, id: ImageId) -> bool {
    let full = id.to_string();
    full.starts_with(text) && text.len() > "sha256:".len() || id.0.hex().starts_with(text)
}

/// At most one tag, and all in one repository.
fn is_single(names: &[Reference]) -> bool {
    let tags = names.iter().filter(|name| name.digest().is_none()).count();
    tags <= 1 && names.windows(2).all(|pair| pair[0].same_repository(&pair[1]))
}

fn chain(view: &impl Reads, id: ImageId) -> Result<Vec<Digest>, RemoveError> {
    let record: Option<record::Image> = view.get(&id.to_string())?;
    let document = record.and_then(|record| serde_json::from_str::<ImageDocument>(&record.document).ok());
    let layers: Vec<LayerId> = document.map(|document| document.rootfs.diff_ids).unwrap_or_default();
    Ok(LayerId::chain(&layers))
}

fn short(container: &str) -> String {
    container.chars().take(12).collect()
}

#[cfg(test)]
mod tests;
