//! Removal of whole trees, however deep, with two descriptors.

use std::ffi::{OsStr, OsString};
use std::io;

use super::{Dir, FileKind};

impl Dir {
    /// Removes whatever has this name with all that is below; nothing there is fine.
    /// A mount point below is an error, and what is mounted there is not touched.
    pub fn remove_all(&self, name: &OsStr) -> io::Result<()> {
        match self.remove(name) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => return other,
        }
        self.dir(name)?.clear()?;
        self.remove(name)
    }

    /// Removes everything in this directory.
    ///
    /// A directory that is not empty is lifted to the top before it is emptied:
    /// the depth of the tree, which a hostile archive chooses, costs neither
    /// stack nor descriptors.
    pub fn clear(&self) -> io::Result<()> {
        let mut names = self.names()?;
        let mut lifted = 0_u64;
        while let Some(name) = names.pop() {
            match self.remove(&name) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                other => {
                    other?;
                    continue;
                }
            }
            for inner in self.lift_directories(&name, &mut lifted)? {
                names.push(inner);
            }
            self.remove(&name)?;
        }
        Ok(())
    }

    /// Empties the directory `name`; directories in it that are not empty come up here.
    fn lift_directories(&self, name: &OsStr, lifted: &mut u64) -> io::Result<Vec<OsString>> {
        let dir = self.dir(name)?;
        let mut up = Vec::new();
        for inner in dir.names()? {
            match dir.remove(&inner) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                    up.push(self.lift(&dir, &inner, lifted)?);
                }
                other => other?,
            }
        }
        Ok(up)
    }

    fn lift(&self, from: &Self, name: &OsStr, lifted: &mut u64) -> io::Result<OsString> {
        loop {
            *lifted += 1;
            let free = OsString::from(format!(".removed-{lifted}"));
            match self.status(&free) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    from.rename(name, self, &free)?;
                    return Ok(free);
                }
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
    }

    /// The names of the directories in this one.
    pub fn subdirectories(&self) -> io::Result<Vec<OsString>> {
        let is_directory = |name: &OsString| {
            self.status(name).map(|status| status.kind == FileKind::Directory).unwrap_or(false)
        };
        Ok(self.names()?.into_iter().filter(is_directory).collect())
    }
}
