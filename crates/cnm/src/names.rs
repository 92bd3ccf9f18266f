//! Who answers to which name: what the resolver of a sandbox says, decided without I/O.

use std::collections::BTreeSet;

/// The names in their order, each once, whatever its case; empty ones left out.
pub(crate) fn distinct(names: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names.into_iter().filter(|name| !name.is_empty() && seen.insert(name.to_ascii_lowercase())).collect()
}
