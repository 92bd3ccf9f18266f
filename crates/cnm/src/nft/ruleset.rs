//! The table with its elements, as `nft list` would show it.

use std::fmt;

use super::{Set, TABLE, Table, Tuple, skeleton};
use crate::state::{Key, Object, State};

/// The rule set of a state, in nft's words.
///
/// Loading all of it makes the table; loading the elements adds them to one that is there.
#[derive(Clone, Copy, Debug)]
pub enum Ruleset<'a> {
    /// Chains, rules, sets and elements.
    All(&'a State),
    /// Only sets that have elements.
    Elements(&'a State),
}

impl fmt::Display for Ruleset<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(state) => {
                let Table { sets, chains } = skeleton();
                writeln!(f, "table inet {TABLE} {{")?;
                sets.iter().try_for_each(|set| write_set(f, *set, Some(state)))?;
                super::write_chains(f, &chains)?;
                writeln!(f, "}}")
            }
            Self::Elements(state) => {
                writeln!(f, "table inet {TABLE} {{")?;
                let used = Set::ALL.into_iter().filter(|set| elements(*set, state).next().is_some());
                for (position, set) in used.enumerate() {
                    let separator = if position == 0 { "" } else { "\n" };
                    f.write_str(separator)?;
                    write_body(f, set, Some(state))?;
                }
                writeln!(f, "}}")
            }
        }
    }
}

/// Writes a set and the blank line behind it.
pub(super) fn write_set(f: &mut fmt::Formatter<'_>, set: Set, state: Option<&State>) -> fmt::Result {
    write_body(f, set, state)?;
    writeln!(f)
}

fn write_body(f: &mut fmt::Formatter<'_>, set: Set, state: Option<&State>) -> fmt::Result {
    writeln!(f, "\t{} {set} {{", set.noun())?;
    writeln!(f, "\t\ttype {}", set.signature())?;
    if set.is_interval() {
        writeln!(f, "\t\tflags interval")?;
    }
    let elements = state.into_iter().flat_map(|state| elements(set, state));
    for (position, (key, object)) in elements.enumerate() {
        f.write_str(if position == 0 { "\t\telements = { " } else { ",\n\t\t             " })?;
        let (Key::Guard(_, key) | Key::Publish(_, key)) = key else { continue };
        write!(f, "{}", Tuple(key))?;
        if let Object::Element(data) = object
            && !data.is_empty()
        {
            write!(f, " : {}", Tuple(data))?;
        }
    }
    let empty = state.is_none_or(|state| self::elements(set, state).next().is_none());
    writeln!(f, "{}\t}}", if empty { "" } else { " }\n" })
}

/// The elements of one set.
fn elements(set: Set, state: &State) -> impl Iterator<Item = (&Key, &Object)> {
    let lowest = if set.is_guard() { Key::Guard(set, Vec::new()) } else { Key::Publish(set, Vec::new()) };
    let of_set = move |key: &Key| matches!(key, Key::Guard(of, _) | Key::Publish(of, _) if *of == set);
    state.range(lowest..).take_while(move |(key, _)| of_set(key))
}
