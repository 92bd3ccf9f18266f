//! Where a copy goes, by the rules of `docker cp`.

use std::fs;
use std::io;

use crate::failure::Failure;

/// What is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The last part of its path.
    name: String,
    is_directory: bool,
    /// `/.`: what is in it, not it.
    is_content: bool,
}

/// Where it should go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) path: String,
    /// Whether what is there is a directory; nothing if nothing is there.
    pub(super) is_directory: Option<bool>,
}

/// Where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// A directory that is there.
    pub(super) directory: String,
    /// The name it gets there; without one, what is in it goes there.
    pub(super) name: Option<String>,
}

impl Source {
    pub(super) fn of(path: &str, is_directory: bool) -> Self {
        let is_content = is_directory && (path == "." || path.ends_with("/."));
        Self { name: split(path).1, is_directory, is_content }
    }
}

impl Destination {
    /// What is at a path here, through a link.
    pub(super) fn local(path: &str) -> Result<Self, Failure> {
        let is_directory = match fs::metadata(path) {
            Ok(found) => Some(found.is_dir()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Failure::file(format!("cannot look at {path}"))(error)),
        };
        Ok(Self { path: path.to_owned(), is_directory })
    }
}

impl Target {
    pub(super) fn choose(source: &Source, destination: &Destination) -> Result<Self, Failure> {
        let Destination { path, is_directory } = destination;
        let said = |text: &str| Err(Failure::Said(text.to_owned()));
        let asks_for_directory = path.ends_with('/') || path.ends_with("/.");
        match is_directory {
            Some(true) => {
                let name =
                    Some(source.name.clone()).filter(|_| !source.is_content && !source.name.is_empty());
                return Ok(Self { directory: path.clone(), name });
            }
            Some(false) if source.is_directory => return said("cannot copy directory"),
            Some(false) if asks_for_directory => return said("not a directory"),
            None if asks_for_directory && !source.is_directory => return said("no such directory"),
            Some(false) | None => {}
        }
        let (directory, name) = split(path);
        Ok(Self { directory, name: Some(name) })
    }
}

/// The directory of a path and its last part, however it ends.
fn split(path: &str) -> (String, String) {
    let path = path.strip_suffix("/.").unwrap_or(path).trim_end_matches('/');
    match path.rsplit_once('/') {
        Some(("", name)) => ("/".to_owned(), name.to_owned()),
        Some((directory, name)) => (directory.to_owned(), name.to_owned()),
        None if path == "." => (".".to_owned(), String::new()),
        None => (".".to_owned(), path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source and whether it is a directory; destination and what is there; where it goes.
    #[track_caller]
    fn check(from: (&str, bool), to: (&str, Option<bool>), expected: Result<(&str, Option<&str>), &str>) {
        let destination = Destination { path: to.0.to_owned(), is_directory: to.1 };
        let chosen = Target::choose(&Source::of(from.0, from.1), &destination);
        let chosen =
            chosen.map(|Target { directory, name }| (directory, name)).map_err(|error| error.to_string());
        let expected = expected.map(|(directory, name)| (directory.to_owned(), name.map(str::to_owned)));
        assert_eq!(chosen, expected.map_err(str::to_owned), "{from:?} {to:?}");
    }

    #[test]
    fn copies_go_where_dockers_go() {
        let (file, dir, content) = (("/a/f", false), ("/a/d/", true), ("/a/d/.", true));
        check(file, ("/x", None), Ok(("/", Some("x"))));
        check(file, ("/t/x", Some(false)), Ok(("/t", Some("x"))));
        check(file, ("/t", Some(true)), Ok(("/t", Some("f"))));
        check(file, ("/t/", None), Err("no such directory"));
        check(file, ("/x/", Some(false)), Err("not a directory"));
        check(dir, ("/x", None), Ok(("/", Some("x"))));
        check(dir, ("x/", None), Ok((".", Some("x"))));
        check(dir, ("/x", Some(false)), Err("cannot copy directory"));
        check(dir, ("/t", Some(true)), Ok(("/t", Some("d"))));
        check(content, ("/x", None), Ok(("/", Some("x"))));
        check(content, ("/t", Some(true)), Ok(("/t", None)));
        check((".", true), ("/t", Some(true)), Ok(("/t", None)));
        check(("/", true), ("/t", Some(true)), Ok(("/t", None)));
    }
}
