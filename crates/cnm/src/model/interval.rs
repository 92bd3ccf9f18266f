//! A persistent set of numbers as disjoint intervals: full blocks of addresses
//! cost one entry, and the lowest free number is found in O(log n).

use std::ops::RangeInclusive;

use imbl::OrdMap;

/// Numbers (addresses as integers), kept as the fewest intervals that cover them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntervalSet {
    /// First number → last number; intervals neither overlap nor touch.
    intervals: OrdMap<u128, u128>,
}

impl IntervalSet {
    /// Whether no number is in the set.
    pub fn is_empty(&self) -> bool {
        self.intervals.is_empty()
    }

    /// The intervals in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = RangeInclusive<u128>> {
        self.intervals.iter().map(|(first, last)| *first..=*last)
    }

    /// Whether `number` is in the set.
    pub fn contains(&self, number: u128) -> bool {
        self.around(number).is_some()
    }

    /// The first interval that has a number of `range`.
    pub fn overlap(&self, range: &RangeInclusive<u128>) -> Option<RangeInclusive<u128>> {
        let next = || self.intervals.get_next(range.start()).map(|(first, last)| *first..=*last);
        self.around(*range.start()).or_else(next).filter(|found| found.start() <= range.end())
    }

    /// The lowest number of `range` that is not in the set.
    pub fn lowest_free(&self, range: &RangeInclusive<u128>) -> Option<u128> {
        let free = match self.around(*range.start()) {
            None => *range.start(),
            Some(taken) => taken.end().checked_add(1)?,
        };
        range.contains(&free).then_some(free)
    }

    /// How many numbers of `range` are in the set, counted up to the largest `u128`.
    pub fn count(&self, range: &RangeInclusive<u128>) -> u128 {
        let mut count: u128 = 0;
        let mut rest = Some(range.clone());
        while let Some(found) = rest.as_ref().and_then(|rest| self.overlap(rest)) {
            let (first, last) = (*found.start().max(range.start()), *found.end().min(range.end()));
            count = count.saturating_add(last - first).saturating_add(1);
            rest = last.checked_add(1).map(|next| next..=*range.end()).filter(|rest| !rest.is_empty());
        }
        count
    }

    /// Adds all numbers of `range`, which may be in the set already.
    pub fn insert(&mut self, range: RangeInclusive<u128>) {
        let (mut first, mut last) = range.into_inner();
        if first > last {
            return;
        }
        let touching = first.saturating_sub(1)..=last.saturating_add(1);
        while let Some(found) = self.overlap(&touching) {
            self.intervals.remove(found.start());
            first = first.min(*found.start());
            last = last.max(*found.end());
        }
        self.intervals.insert(first, last);
    }

    /// Takes out all numbers of `range`, whether they are in the set or not.
    pub fn remove(&mut self, range: &RangeInclusive<u128>) {
        while let Some(found) = self.overlap(range) {
            self.intervals.remove(found.start());
            if let Some(below) = range.start().checked_sub(1).filter(|below| found.contains(below)) {
                self.intervals.insert(*found.start(), below);
            }
            if let Some(above) = range.end().checked_add(1).filter(|above| found.contains(above)) {
                self.intervals.insert(above, *found.end());
            }
        }
    }

    /// The interval that contains `number`.
    fn around(&self, number: u128) -> Option<RangeInclusive<u128>> {
        let (first, last) = self.intervals.get_prev(&number)?;
        (*last >= number).then_some(*first..=*last)
    }
}

impl FromIterator<RangeInclusive<u128>> for IntervalSet {
    fn from_iter<T: IntoIterator<Item = RangeInclusive<u128>>>(ranges: T) -> Self {
        let mut set = Self::default();
        ranges.into_iter().for_each(|range| set.insert(range));
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_like_a_set_of_numbers(ops in prop::collection::vec((any::<bool>(), 0u128..60, 0u128..20), 0..40)) {
            let mut set = IntervalSet::default();
            let mut plain = BTreeSet::new();
            for (add, first, length) in ops {
                let range = first..=first + length;
                if add {
                    set.insert(range.clone());
                    plain.extend(range);
                } else {
                    set.remove(&range);
                    plain.retain(|number| !range.contains(number));
                }
            }
            let listed: Vec<_> = set.iter().flatten().collect();
            prop_assert_eq!(&listed, &plain.iter().copied().collect::<Vec<_>>());
            prop_assert!(set.iter().zip(set.iter().skip(1)).all(|(a, b)| a.end() + 1 < *b.start()));
            for first in 0..80 {
                let free = (first..=80).find(|number| !plain.contains(number));
                prop_assert_eq!(set.lowest_free(&(first..=80)), free);
                prop_assert_eq!(set.contains(first), plain.contains(&first));
                let taken = plain.range(first..=first + 7).count() as u128;
                prop_assert_eq!(set.count(&(first..=first + 7)), taken);
                prop_assert_eq!(set.overlap(&(first..=first + 7)).is_some(), taken > 0);
            }
        }
    }

    #[test]
    fn reaches_the_largest_number() {
        let mut set = IntervalSet::default();
        set.insert(5..=u128::MAX);
        assert_eq!(set.lowest_free(&(7..=u128::MAX)), None);
        assert_eq!(set.lowest_free(&(4..=u128::MAX)), Some(4));
        assert_eq!(set.count(&(0..=u128::MAX)), u128::MAX - 4);
        set.remove(&(u128::MAX..=u128::MAX));
        assert_eq!(set.lowest_free(&(7..=u128::MAX)), Some(u128::MAX));
    }
}
