//! Paths in a container, by the rules of `docker cp`.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use linux::root::{Dir, FileKind, Root, Status};

use crate::error::ArchiveError;

/// What is at a path in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathStat {
    /// The last part of the path that was asked for.
    pub name: String,
    pub status: Status,
    /// Where a link leads to, in the container; empty if it is none.
    pub link_target: PathBuf,
}

/// What was found, and how to read it.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) stat: PathStat,
    /// It, if it is a directory, or where it is.
    pub(crate) dir: Dir,
    /// Its name there, if it is none.
    pub(crate) file: Option<OsString>,
}

/// Finds what a path means. A link at its end is not followed, unless a slash or `/.` comes after it.
pub(crate) fn locate(root: &Root, path: &str, container: &str) -> Result<Located, ArchiveError> {
    let failed = |error| failure(error, path, container);
    let wanted = clean(path);
    let name = base(path, &wanted);
    let stat = |status, link_target| PathStat { name, status, link_target };
    let Some(file) = wanted.file_name().filter(|_| !wants_directory(path)) else {
        let dir = root.dir(&wanted).map_err(failed)?;
        let status = dir.own_status().map_err(failed)?;
        return Ok(Located { stat: stat(status, PathBuf::new()), dir, file: None });
    };
    let (parent, _) = root.parent(&wanted).map_err(failed)?;
    let status = parent.status(file).map_err(failed)?;
    if status.kind == FileKind::Directory {
        let dir = parent.dir_across(file).map_err(failed)?;
        return Ok(Located { stat: stat(status, PathBuf::new()), dir, file: None });
    }
    let target = match status.kind {
        FileKind::Symlink => Path::new("/").join(root.real_path(&wanted).map_err(failed)?),
        FileKind::File
        | FileKind::Directory
        | FileKind::Fifo
        | FileKind::Socket
        | FileKind::CharDevice
        | FileKind::BlockDevice => PathBuf::new(),
    };
    Ok(Located { stat: stat(status, target), dir: parent, file: Some(file.to_owned()) })
}

/// The directory that an archive is unpacked in, relative to the root and free of links.
pub(crate) fn directory(root: &Root, path: &str, container: &str) -> Result<(PathBuf, Dir), ArchiveError> {
    let failed = |error| failure(error, path, container);
    let at = root.real_path(&clean(path)).map_err(failed)?;
    match root.dir(&at) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(ArchiveError::ExtractionPoint),
        dir => Ok((at, dir.map_err(failed)?)),
    }
}

fn failure(error: io::Error, path: &str, container: &str) -> ArchiveError {
    if error.kind() == io::ErrorKind::NotFound {
        return ArchiveError::NotFound { path: path.to_owned(), container: container.to_owned() };
    }
    if error.kind() == io::ErrorKind::NotADirectory {
        return ArchiveError::NotADirectory;
    }
    ArchiveError::Path { path: path.to_owned(), source: error }
}

/// The path from the root without `.`, `..` and doubled slashes (Go's `path.Clean`).
fn clean(path: &str) -> PathBuf {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names.iter().collect()
}

/// Whether the path ends as only a directory's does.
fn wants_directory(path: &str) -> bool {
    path.ends_with('/') || path == "." || path.ends_with("/.")
}

/// The last part of a path (Go's `path.Base`): `.` where the path ends so, `/` of the root.
fn base(path: &str, clean: &Path) -> String {
    if path.ends_with("/.") || path == "." {
        return ".".to_owned();
    }
    clean.file_name().map_or_else(|| "/".to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: (&str, &str, bool)) {
        let cleaned = clean(path);
        let shown = cleaned.to_str().expect("a text");
        assert_eq!((shown, base(path, &cleaned).as_str(), wants_directory(path)), expected, "{path}");
    }

    #[test]
    fn paths_mean_what_docker_means() {
        check("/a/b", ("a/b", "b", false));
        check("a//b/", ("a/b", "b", true));
        check("/a/.", ("a", ".", true));
        check("/", ("", "/", true));
        check(".", ("", ".", true));
        check("/a/../../b", ("b", "b", false));
    }
}
