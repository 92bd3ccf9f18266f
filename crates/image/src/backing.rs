//! Where overlayfs cannot be: a data root that is itself on overlayfs, as in a container.
//!
//! Its upper directories are refused there. A file system in a file, which grows as it is filled,
//! lies below the image store instead, so that everything else is as everywhere.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use linux::loop_device::LoopDevice;
use linux::mount::{Attributes, FileSystem, is_mount_point};
use linux::overlayfs::is_on_overlay;
use linux::process::Spawn;
use thiserror::Error;

/// The most bytes of the file, which takes only what is used.
const SIZE: u64 = 1 << 40;

/// Why there is no place for images.
#[derive(Debug, Error)]
pub enum BackingError {
    #[error("cannot use {path}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} is on overlayfs, and there is no mkfs.ext4 to make another file system in it")]
    NoProgram { path: PathBuf },
    #[error("mkfs.ext4 could not make a file system in {path}")]
    Format { path: PathBuf },
    #[error("{path} is on overlayfs, and no other file system could be mounted there")]
    Mount { path: PathBuf, source: io::Error },
}

/// Sees to it that overlay mounts can have their upper directories below `root`. True if it took
/// a file system of its own.
pub fn prepare(root: &Path) -> Result<bool, BackingError> {
    let failed = |source| BackingError::Io { path: root.to_owned(), source };
    fs::create_dir_all(root).map_err(failed)?;
    if !is_on_overlay(root).map_err(failed)? || is_mount_point(root).map_err(failed)? {
        return Ok(false);
    }
    let image = root.with_extension("ext4");
    if !image.exists() {
        format(root, &image)?;
    }
    let mounted = mount(&image, root);
    mounted.map_err(|source| BackingError::Mount { path: root.to_owned(), source })?;
    Ok(true)
}

/// Makes the file aside, so that it is whole or not there.
fn format(root: &Path, image: &Path) -> Result<(), BackingError> {
    const PROGRAMS: [&str; 3] = ["/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4", "/usr/bin/mkfs.ext4"];
    let program = PROGRAMS.map(Path::new).into_iter().find(|path| path.exists());
    let program = program.ok_or_else(|| BackingError::NoProgram { path: root.to_owned() })?;
    let failed = |source| BackingError::Io { path: image.to_owned(), source };
    let partial = image.with_extension("new");
    File::create(&partial).and_then(|file| file.set_len(SIZE)).map_err(failed)?;
    let arguments = ["-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"];
    let made = arguments.iter().fold(Spawn::new(program), |spawn, argument| spawn.arg(argument));
    let status = made.arg(&partial).spawn().and_then(linux::process::Spawned::wait).map_err(failed)?;
    if status != Some(0) {
        return Err(BackingError::Format { path: image.to_owned() });
    }
    fs::rename(&partial, image).map_err(failed)
}

fn mount(image: &Path, root: &Path) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(image)?;
    let device = LoopDevice::attach(&file)?;
    let ext4 = FileSystem::new("ext4").map_err(|error| error.source)?;
    let source = ext4.set("source", device.path());
    let mounted = source.and_then(|()| ext4.mount(Attributes::default())).and_then(|tree| tree.attach(root));
    mounted.map_err(|error| error.source)
}
