//! Which changes may happen at the same time.
//!
//! Every change has a footprint: what it alters, what it merely relies on, and
//! the kernel objects it makes or takes away. Two changes wait for each other
//! only if their footprints meet; changes of different networks never do.

use std::collections::{BTreeMap, BTreeSet};

use cnm::{
    Delta, Model, Touched,
    state::{Key, Object, State},
};

/// What a change touches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Footprint {
    alters: BTreeSet<Touched>,
    relies_on: BTreeSet<Touched>,
    keys: BTreeSet<Key>,
    /// Objects that it works with, whoever makes them.
    needs: BTreeSet<Key>,
}

impl Footprint {
    /// The footprint of taking `before` to `after` by `delta`, and the kernel from one state to the other.
    pub(crate) fn of(delta: &Delta, (before, after): (&Model, &Model), (from, to): (&State, &State)) -> Self {
        let mut footprint = Self::default();
        footprint.alters.extend(delta.touched());
        for endpoint in delta.endpoints.keys() {
            for version in [before.endpoint(endpoint), after.endpoint(endpoint)].into_iter().flatten() {
                footprint.relies_on.insert(Touched::Network(version.network));
                footprint.alters.extend(version.sandbox().copied().map(Touched::Sandbox));
            }
        }
        let differs = |key: &&Key| from.get(*key) != to.get(*key);
        footprint.keys.extend(from.keys().chain(to.keys()).filter(differs).cloned());
        footprint.needs.extend(from.iter().chain(to).filter_map(needed));
        footprint
    }

    /// Whether this change and another must not happen at the same time.
    fn meets(&self, other: &Self) -> bool {
        !self.alters.is_disjoint(&other.alters)
            || !self.alters.is_disjoint(&other.relies_on)
            || !self.relies_on.is_disjoint(&other.alters)
            || !self.keys.is_disjoint(&other.keys)
            || !self.needs.is_disjoint(&other.keys)
            || !other.needs.is_disjoint(&self.keys)
    }
}

/// What an object needs that may be of several networks.
fn needed((key, object): (&Key, &Object)) -> Option<Key> {
    match (key, object) {
        (Key::Table | Key::Guard(..) | Key::Publish(..), _) => Some(Key::Table),
        (_, Object::Upper(upper)) => Some(Key::Lower(upper.lower.clone())),
        _ => None,
    }
}

/// The changes under way.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    busy: BTreeMap<u64, Footprint>,
    next: u64,
}

impl Lanes {
    /// Whether a footprint meets one of those under way.
    pub(crate) fn meet(&self, footprint: &Footprint) -> bool {
        self.busy.values().any(|busy| busy.meets(footprint))
    }

    /// Takes the lanes of a footprint; the number gives them back.
    pub(crate) fn enter(&mut self, footprint: Footprint) -> u64 {
        let lane = self.next;
        self.next += 1;
        self.busy.insert(lane, footprint);
        lane
    }

    /// Frees what a change had taken.
    pub(crate) fn leave(&mut self, lane: u64) {
        self.busy.remove(&lane);
    }

    pub(crate) fn are_free(&self) -> bool {
        self.busy.is_empty()
    }

    /// Whether a change under way makes, alters or takes away this object.
    pub(crate) fn hold(&self, key: &Key) -> bool {
        self.busy.values().any(|busy| busy.keys.contains(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use cnm::NetworkId;

    fn network(byte: u8) -> Touched {
        Touched::Network(NetworkId::new([byte; 32]))
    }

    fn footprint(alters: &[Touched], relies_on: &[Touched]) -> Footprint {
        let set = |entities: &[Touched]| entities.iter().copied().collect();
        Footprint { alters: set(alters), relies_on: set(relies_on), ..Footprint::default() }
    }

    #[test]
    fn two_joins_of_one_network_do_not_wait_but_its_deletion_does() {
        let mut lanes = Lanes::default();
        let join = footprint(&[], &[network(1)]);
        let delete = footprint(&[network(1)], &[]);
        let first = lanes.enter(join.clone());
        assert!(!lanes.meet(&join), "relying on a network is shared");
        let second = lanes.enter(join);
        assert!(lanes.meet(&delete));
        assert!(!lanes.meet(&footprint(&[network(2)], &[])));
        lanes.leave(first);
        assert!(lanes.meet(&delete));
        lanes.leave(second);
        assert!(!lanes.meet(&delete));
        assert!(lanes.are_free());
    }
}
