//! Goes through a tree that somebody may be changing: names sorted, directories before what is in them.
//!
//! Every step is a plain name in an open directory, so that no link is ever followed.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use linux::root::{Dir, FileKind, Status};

/// A link where none may be followed.
pub(crate) const ELOOP: i32 = 40;

/// What becomes of a directory that something is mounted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mounts {
    /// It is empty.
    AreLeftOut,
    /// What is mounted there is in the tree.
    AreEntered,
}

/// A tree that is being gone through.
#[derive(Debug)]
pub(crate) struct Walk {
    levels: Vec<Level>,
    mounts: Mounts,
    /// A directory that was found last and not entered yet.
    ahead: Option<Found>,
}

#[derive(Debug)]
struct Level {
    dir: Arc<Dir>,
    path: PathBuf,
    /// Last first.
    names: Vec<OsString>,
}

/// Something that was found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The directory it is in.
    pub(crate) dir: Arc<Dir>,
    /// From the top of the tree.
    pub(crate) path: PathBuf,
    pub(crate) status: Status,
}

impl Found {
    pub(crate) fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }

    /// Opens the directory that it is.
    pub(crate) fn open(&self, mounts: Mounts) -> io::Result<Dir> {
        match mounts {
            Mounts::AreLeftOut => self.dir.dir(self.name()),
            Mounts::AreEntered => self.dir.dir_across(self.name()),
        }
    }
}

impl Walk {
    /// All below `top`, which is not itself found.
    pub(crate) fn new(top: Dir, mounts: Mounts) -> io::Result<Self> {
        let mut walk = Self { levels: Vec::new(), mounts, ahead: None };
        walk.enter(top, PathBuf::new())?;
        Ok(walk)
    }

    /// The next thing; a directory that was found is entered then. What vanishes meanwhile is not found.
    pub(crate) fn next(&mut self) -> io::Result<Option<Found>> {
        if let Some(found) = self.ahead.take() {
            self.descend(found)?;
        }
        while let Some(level) = self.levels.last_mut() {
            let Some(name) = level.names.pop() else {
                self.levels.pop();
                continue;
            };
            let Some(status) = unless_gone(level.dir.status(&name))? else { continue };
            let found = Found { dir: Arc::clone(&level.dir), path: level.path.join(&name), status };
            if status.kind == FileKind::Directory {
                self.ahead = Some(found.clone());
            }
            return Ok(Some(found));
        }
        Ok(None)
    }

    fn descend(&mut self, found: Found) -> io::Result<()> {
        match found.open(self.mounts) {
            // Something is mounted there.
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => Ok(()),
            opened => match unless_gone(opened)? {
                Some(dir) => self.enter(dir, found.path),
                None => Ok(()),
            },
        }
    }

    fn enter(&mut self, dir: Dir, path: PathBuf) -> io::Result<()> {
        let names: BTreeSet<OsString> = dir.names()?.into_iter().collect();
        self.levels.push(Level { dir: Arc::new(dir), path, names: names.into_iter().rev().collect() });
        Ok(())
    }
}

/// Nothing, if it is not there any more, or is something else by now.
pub(crate) fn unless_gone<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    use io::ErrorKind as E;
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), E::NotFound | E::NotADirectory) => Ok(None),
        Err(error) if error.raw_os_error() == Some(ELOOP) => Ok(None),
        Err(error) => Err(error),
    }
}
