//! When a value is left out of an answer: Go's `omitempty`.

use std::collections::BTreeMap;

pub(crate) fn no_items<T>(items: &Option<Vec<T>>) -> bool {
    items.as_ref().is_none_or(Vec::is_empty)
}

pub(crate) fn no_entries<K, V>(entries: &Option<BTreeMap<K, V>>) -> bool {
    entries.as_ref().is_none_or(BTreeMap::is_empty)
}

pub(crate) fn zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
