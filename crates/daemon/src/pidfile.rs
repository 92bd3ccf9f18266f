//! The file that holds the engine's process id, and keeps a second engine from starting.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A held pidfile. The lock ends with the process, however it ends, so that no stale file keeps anyone out.
#[derive(Debug)]
pub(crate) struct Pidfile {
    path: PathBuf,
    file: File,
}

/// Why the pidfile is not ours.
#[derive(Debug, Error)]
pub(crate) enum PidfileError {
    #[error("another engine runs with process id {pid}: it holds {path}")]
    Held { path: String, pid: String },
    #[error("cannot write the pidfile {path}")]
    Io {
        path: String,
        #[source]
        source: io::Error,
    },
}

impl Pidfile {
    /// Takes the file and writes this process's id to it.
    pub(crate) fn take(path: &Path) -> Result<Self, PidfileError> {
        let failed = |source| PidfileError::Io { path: path.display().to_string(), source };
        let file = open(path).map_err(failed)?;
        let mut pidfile = Self { path: path.to_owned(), file };
        if let Err(error) = pidfile.file.try_lock() {
            let mut pid = String::new();
            drop(pidfile.file.read_to_string(&mut pid));
            return match error {
                std::fs::TryLockError::WouldBlock => {
                    Err(PidfileError::Held { path: path.display().to_string(), pid: pid.trim().to_owned() })
                }
                std::fs::TryLockError::Error(error) => Err(failed(error)),
            };
        }
        pidfile.write().map_err(failed)?;
        Ok(pidfile)
    }

    fn write(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        writeln!(self.file, "{}", std::process::id())
    }

    /// Removes the file, while it is still locked.
    pub(crate) fn remove(self) {
        drop(std::fs::remove_file(&self.path));
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    File::options().read(true).write(true).create(true).truncate(false).mode(0o644).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_engine_holds_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("run/engine.pid");
        let held = Pidfile::take(&path).expect("free");
        let text = std::fs::read_to_string(&path).expect("text");
        assert_eq!(text.trim(), std::process::id().to_string());
        let error = Pidfile::take(&path).expect_err("held").to_string();
        assert!(error.contains(&format!("process id {}", std::process::id())), "{error}");
        held.remove();
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_file_is_taken_over() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("engine.pid");
        std::fs::write(&path, "99999999999\nrubbish").expect("written");
        let held = Pidfile::take(&path).expect("stale");
        let text = std::fs::read_to_string(&path).expect("text");
        assert_eq!(text, format!("{}\n", std::process::id()));
        held.remove();
    }
}
