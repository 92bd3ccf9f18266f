//! A file that makes room for another when it is full.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use runtime::bundle::FileLog;

use super::Entries;

/// The file that is written to, and how many older ones there may be.
pub(super) struct RotatedFile {
    config: FileLog,
    file: File,
    size: u64,
}

impl RotatedFile {
    pub(super) fn open(config: FileLog) -> io::Result<Self> {
        let file = append(&config.path)?;
        let size = file.metadata()?.len();
        Ok(Self { config, file, size })
    }

    /// Opens the file anew by its name.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.file = append(&self.config.path)?;
        self.size = self.file.metadata()?.len();
        Ok(())
    }

    pub(super) fn write(&mut self, entries: &Entries<'_>) -> io::Result<()> {
        let Some(bound) = self.config.max_size else {
            return self.append(&entries.bytes);
        };
        for entry in entries.each() {
            if self.size >= bound {
                self.rotate()?;
            }
            self.append(entry)?;
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.size += u64::try_from(bytes.len()).unwrap_or(0);
        Ok(())
    }

    /// `log.1` becomes `log.2` and so on; the last is lost; a single file begins anew.
    fn rotate(&mut self) -> io::Result<()> {
        let most = self.config.max_files.max(1);
        let path = &self.config.path;
        for number in (1..most).rev() {
            // Whether older ones are compressed may have been decided anew.
            for compressed in [false, true] {
                unless_missing(std::fs::remove_file(name(path, number, compressed)))?;
            }
            for compressed in [false, true].into_iter().filter(|compressed| number > 1 || !compressed) {
                unless_missing(std::fs::rename(
                    name(path, number - 1, compressed),
                    name(path, number, compressed),
                ))?;
            }
        }
        self.file = append(path)?;
        self.file.set_len(0)?;
        self.size = 0;
        if self.config.compress && most > 1 {
            compress(&name(path, 1, false), &name(path, 1, true))
        } else {
            Ok(())
        }
    }
}

/// `log`, `log.1`, `log.1.gz`.
fn name(path: &Path, number: u32, compressed: bool) -> PathBuf {
    let end = if compressed { ".gz" } else { "" };
    match number {
        0 => path.to_owned(),
        _ => PathBuf::from(format!("{}.{number}{end}", path.display())),
    }
}

/// The compressed file is there as a whole or not at all.
fn compress(plain: &Path, compressed: &Path) -> io::Result<()> {
    let partial = compressed.with_extension("new");
    let mut from = File::open(plain)?;
    let mut to = GzEncoder::new(create(&partial)?, Compression::fast());
    io::copy(&mut from, &mut to)?;
    to.finish()?;
    std::fs::rename(&partial, compressed)?;
    std::fs::remove_file(plain)
}

fn unless_missing(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(true).write(true).mode(0o640).open(path)
}
