//! Who is called what: all containers, by id and by name.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{ContainerId, container::Container, error::FindError};

/// All containers. Its lock is held for moments only, never while something waits.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    index: Mutex<Index>,
}

#[derive(Debug, Default)]
struct Index {
    containers: BTreeMap<ContainerId, Arc<Container>>,
    /// Names in use, those of containers that are just being made included.
    names: HashMap<String, ContainerId>,
}

impl Registry {
    /// The container a user means: by full id, else by name, else by the only id that begins so.
    pub(crate) fn find(&self, term: &str) -> Result<Arc<Container>, FindError> {
        let index = self.index();
        let name = term.strip_prefix('/').unwrap_or(term);
        if name.is_empty() {
            return Err(FindError::Empty);
        }
        let by_id = || index.containers.get(&term.parse().ok()?);
        let by_name = || index.containers.get(index.names.get(name)?);
        if let Some(container) = by_id().or_else(by_name) {
            return Ok(Arc::clone(container));
        }
        let mut begins_so = index.beginning_with(term);
        match (begins_so.next(), begins_so.next()) {
            (Some(container), None) => Ok(Arc::clone(container)),
            (Some(_), Some(_)) => Err(FindError::Ambiguous { term: term.to_owned() }),
            (None, _) => Err(FindError::NotFound { term: name.to_owned() }),
        }
    }

    /// The container of this id.
    pub(crate) fn get(&self, id: &ContainerId) -> Option<Arc<Container>> {
        self.index().containers.get(id).cloned()
    }

    /// All of them, by id.
    pub(crate) fn all(&self) -> Vec<Arc<Container>> {
        self.index().containers.values().cloned().collect()
    }

    /// Takes a name for a container that is about to be; tells who has it otherwise.
    pub(crate) fn take_name(&self, name: &str, id: ContainerId) -> Result<(), ContainerId> {
        let mut index = self.index();
        match index.names.get(name) {
            Some(holder) => Err(*holder),
            None => {
                index.names.insert(name.to_owned(), id);
                Ok(())
            }
        }
    }

    /// Gives a name back.
    pub(crate) fn release_name(&self, name: &str) {
        self.index().names.remove(name);
    }

    /// Adds a container whose name was taken before.
    pub(crate) fn insert(&self, container: Arc<Container>) {
        let mut index = self.index();
        index.names.insert(container.record().name.clone(), container.id);
        index.containers.insert(container.id, container);
    }

    /// Forgets a container and its name.
    pub(crate) fn remove(&self, container: &Container) {
        let mut index = self.index();
        index.containers.remove(&container.id);
        index.names.remove(&container.record().name);
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    fn beginning_with<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Arc<Container>> + 'a {
        let padded = if prefix.is_empty() { String::new() } else { format!("{prefix:0<64}") };
        let from = padded.parse::<ContainerId>().ok();
        let rest = from.into_iter().flat_map(|from| self.containers.range(from..));
        rest.take_while(move |(id, _)| id.to_string().starts_with(prefix)).map(|(_, container)| container)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ContainerSpec, record::Record};

    fn registry(containers: &[(&str, u8)]) -> Registry {
        let registry = Registry::default();
        for (name, first_byte) in containers {
            let mut record = Record::new(name, ContainerSpec::default());
            let mut bytes = [0xaa; 32];
            bytes[0] = *first_byte;
            record.id = ContainerId::new(bytes);
            registry.insert(Arc::new(Container::new(record)));
        }
        registry
    }

    #[track_caller]
    fn check(term: &str, expected: Result<&str, &str>) {
        let registry = registry(&[("web", 0x11), ("db", 0x12), ("12", 0x33)]);
        let got = registry.find(term).map(|container| container.record().name.clone());
        let got = got.map_err(|error| error.to_string());
        assert_eq!(got.as_deref().map_err(String::as_str), expected, "{term:?}");
    }

    #[test]
    fn a_container_is_found_by_id_then_name_then_prefix() {
        check("web", Ok("web"));
        check("/web", Ok("web"));
        check("11", Ok("web"));
        check("12", Ok("12"));
        check("12a", Ok("db"));
        check(&format!("12{}", "aa".repeat(31)), Ok("db"));
        check("1", Err("multiple IDs found with provided prefix: 1"));
        check("4", Err("No such container: 4"));
        check("nobody", Err("No such container: nobody"));
        for nothing in ["", "/"] {
            check(nothing, Err("invalid name or ID supplied: \"\""));
        }
    }

    #[test]
    fn a_name_is_taken_once() {
        let registry = Registry::default();
        let (a, b) = (ContainerId::new([1; 32]), ContainerId::new([2; 32]));
        assert_eq!(registry.take_name("web", a), Ok(()));
        assert_eq!(registry.take_name("web", b), Err(a));
        registry.release_name("web");
        assert_eq!(registry.take_name("web", b), Ok(()));
    }
}
