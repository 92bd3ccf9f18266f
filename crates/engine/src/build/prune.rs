//! Which steps of builds are removed.

use std::collections::BTreeSet;

use image::{CachedStep, ImageId};

/// What of the cache is to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PruneBuilds {
    /// What images were built on, too: only their next builds are slower.
    pub all: bool,
    /// Bytes that may stay.
    pub keep: u64,
}

/// What goes, in order, and how many bytes that are. A step goes before the one it was built
/// on, the oldest first; with a step that stays, all that it was built on stays.
pub(crate) fn choose(
    mut steps: Vec<CachedStep>,
    prune: PruneBuilds,
    stays: impl Fn(&CachedStep) -> bool,
) -> (Vec<ImageId>, u64) {
    let own = |step: &CachedStep| if step.is_shared { 0 } else { step.size };
    let mut left: u64 = steps.iter().map(own).sum();
    let (mut chosen, mut bytes) = (Vec::new(), 0);
    while left > prune.keep || prune.keep == 0 {
        let parents: BTreeSet<ImageId> = steps.iter().filter_map(|step| step.parent).collect();
        let may_go = |step: &CachedStep| {
            !parents.contains(&step.image) && (prune.all || !step.is_needed) && !stays(step)
        };
        let Some(at) = steps.iter().position(may_go) else { break };
        let step = steps.remove(at);
        left -= own(&step);
        bytes += own(&step);
        chosen.push(step.image);
    }
    (chosen, bytes)
}

#[cfg(test)]
mod tests {
    use image::Digest;

    use super::*;

    fn id(number: u8) -> ImageId {
        ImageId(Digest::of(&[number]))
    }

    /// Three steps on one another, of 10 bytes each, and one of 5 that an image was built on.
    fn steps() -> Vec<CachedStep> {
        let step = |number: u8, parent: Option<u8>, size, is_needed| CachedStep {
            image: id(number),
            parent: parent.map(id),
            created_by: String::new(),
            created: format!("{number}"),
            size,
            is_shared: false,
            is_needed,
        };
        vec![
            step(1, None, 5, true),
            step(2, Some(1), 10, false),
            step(3, Some(2), 10, false),
            step(4, Some(3), 10, false),
        ]
    }

    #[test]
    fn the_last_step_of_a_chain_goes_first() {
        let some = PruneBuilds::default();
        assert_eq!(choose(steps(), some, |_| false), (vec![id(4), id(3), id(2)], 30));
        assert_eq!(choose(steps(), PruneBuilds { all: true, ..some }, |_| false).0.last(), Some(&id(1)));
        assert_eq!(choose(steps(), PruneBuilds { keep: 20, ..some }, |_| false), (vec![id(4), id(3)], 20));
        assert_eq!(choose(steps(), PruneBuilds { keep: 100, ..some }, |_| false), (vec![], 0));
        assert_eq!(choose(steps(), some, |step| step.image == id(3)), (vec![id(4)], 10));
    }
}
