//! What images take up on disk, who needs it, and which of them could go.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::Reads;
use crate::store::record::{self, Base};
use crate::{Digest, Image, ImageId, Images, LayerId, LookupError};

/// Something on disk: an unpacked layer, or an archive or configuration as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Layer(LayerId),
    Blob(Digest),
}

/// What images take up at one moment.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// Bytes of files.
    sizes: BTreeMap<Piece, u64>,
    needs: BTreeMap<ImageId, BTreeSet<Piece>>,
    /// Which image each was built on.
    parents: BTreeMap<ImageId, ImageId>,
    /// What containers hold, whether or not their image is still there.
    held: BTreeSet<Piece>,
}

impl Images {
    /// What images take up now.
    pub fn usage(&self) -> Result<Usage, LookupError> {
        let mut usage = Usage::default();
        let images = self.list()?;
        let view = self.store.view()?;
        for (key, layer) in view.all::<record::Layer>()? {
            if let Ok(id) = key.parse() {
                usage.sizes.insert(Piece::Layer(id), layer.size);
            }
        }
        for (_, snapshot) in view.all::<record::Snapshot>()? {
            if let Base::Image { layers, .. } = snapshot.base {
                usage.held.extend(layers.into_iter().map(Piece::Layer));
            }
        }
        for image in &images {
            let document: Option<record::Image> = view.get(&image.id.to_string())?;
            usage.add(image, document.map_or(0, |record| record.document.len() as u64));
        }
        Ok(usage)
    }
}

impl Usage {
    fn add(&mut self, image: &Image, document: u64) {
        let needs = self.needs.entry(image.id).or_default();
        needs.insert(Piece::Blob(image.id.0));
        self.sizes.insert(Piece::Blob(image.id.0), document);
        for layer in &image.layers {
            needs.extend([Piece::Layer(layer.id), Piece::Blob(layer.blob)]);
            self.sizes.insert(Piece::Blob(layer.blob), layer.blob_size);
        }
        if let Some(parent) = image.document.parent.as_ref().and_then(|parent| parent.parse().ok()) {
            self.parents.insert(image.id, parent);
        }
    }

    /// Bytes of everything.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.sizes.values().sum()
    }

    /// Bytes that would be free if these images were not there.
    #[must_use]
    pub fn freed(&self, gone: &BTreeSet<ImageId>) -> u64 {
        let left = self.needs.iter().filter(|(id, _)| !gone.contains(id));
        let needed: BTreeSet<&Piece> = left.flat_map(|(_, pieces)| pieces).chain(&self.held).collect();
        let going: BTreeSet<&Piece> = gone.iter().filter_map(|id| self.needs.get(id)).flatten().collect();
        going.difference(&needed).map(|piece| self.sizes.get(piece).copied().unwrap_or(0)).sum()
    }

    /// Bytes of an image's unpacked layers that other images have, too.
    #[must_use]
    pub fn shared(&self, image: &Image) -> u64 {
        let others = || self.needs.iter().filter(|(id, _)| **id != image.id);
        let is_shared = |layer: &LayerId| others().any(|(_, pieces)| pieces.contains(&Piece::Layer(*layer)));
        image.layers.iter().filter(|layer| is_shared(&layer.id)).map(|layer| layer.size).sum()
    }

    /// Which of these images would have to go, the first ones first, so that everything has at most
    /// `keep` bytes. An image that another one was built on goes after that one.
    #[must_use]
    pub fn beyond(&self, keep: u64, candidates: &[ImageId]) -> Vec<ImageId> {
        let (mut chosen, mut gone) = (Vec::new(), BTreeSet::new());
        while self.total() - self.freed(&gone) > keep {
            let has_children = |id: &ImageId| {
                self.parents.iter().any(|(child, parent)| parent == id && !gone.contains(child))
            };
            let next = candidates.iter().find(|id| !gone.contains(*id) && !has_children(id));
            let Some(next) = next else { break };
            chosen.push(*next);
            gone.insert(*next);
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Tar, docker_archive, images, quiet};
    use crate::{Force, Step};

    fn load(images: &Images, name: &str, files: &[&str]) -> ImageId {
        let layers: Vec<_> =
            files.iter().map(|file| Tar::new().file(file, &"x".repeat(1000)).finish()).collect();
        images.load(docker_archive(&[name], &layers).as_slice(), &quiet).expect("an image")[0].image
    }

    #[test]
    fn what_is_shared_is_freed_with_the_last_who_has_it() {
        let (_dir, images) = images();
        let [one, two] = [load(&images, "one", &["a", "b"]), load(&images, "two", &["a", "c"])];
        let usage = images.usage().expect("usage");
        assert_eq!(usage.shared(&images.get(one).expect("it")), 1000);
        let alone = usage.freed(&[one].into());
        let together = usage.freed(&[one, two].into());
        assert_eq!(together, usage.total());
        assert!(alone < together - usage.freed(&[two].into()), "the shared layer goes only with both");
        // It is what a removal frees.
        images.remove("one", Force::No, &[]).expect("removed");
        assert_eq!(images.usage().expect("usage").total(), together - alone);
        // A container holds what its image has unpacked.
        images.snapshots().prepare("c", two).expect("a snapshot");
        assert_eq!(images.usage().expect("usage").freed(&[two].into()), together - alone - 2000);
    }

    #[test]
    fn a_budget_takes_the_first_and_children_before_parents() {
        let (_dir, images) = images();
        let [one, two] = [load(&images, "one", &["a"]), load(&images, "two", &["b"])];
        let child = images.commit(Step { parent: Some(one), ..Step::default() }).expect("a child");
        let usage = images.usage().expect("usage");
        let total = usage.total();
        assert_eq!(usage.beyond(total, &[one, two, child]), []);
        assert_eq!(usage.beyond(total - 1, &[two, one, child]), [two]);
        assert_eq!(usage.beyond(total - 1, &[one, two, child]), [two]);
        assert_eq!(usage.beyond(0, &[one, child, two]), [child, one, two]);
        assert_eq!(usage.beyond(0, &[one]), [], "its child is none of them");
    }
}
