//! Overlay mounts over any number of lower directories.
//!
//! Since Linux 6.8 each layer is its own parameter (`lowerdir+`), up to 500 of
//! them (`OVL_MAX_STACK`). Older kernels take one joined string that must fit in a page;
//! there layers whose paths do not fit are named by the numbers of open descriptors.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::MountFlags;
use rustix::thread::UnshareFlags;
use thiserror::Error;

use crate::mount::{Attributes, FileSystem, MountError};

/// `OVERLAYFS_SUPER_MAGIC` of linux/magic.h.
const OVERLAYFS_MAGIC: u64 = 0x794c_7630;

/// The most bytes of one parameter: `strndup_user(value, 256)` in fs/fsopen.c.
const VALUE_LIMIT: usize = 255;

/// `OVL_MAX_STACK` of fs/overlayfs/ovl_entry.h.
const LAYER_LIMIT: usize = 500;

/// The most bytes of mount(2)'s options: one page.
const OPTIONS_LIMIT: usize = 4095;

/// The directories that an overlay mount joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    /// Read-only layers, the topmost first; at least one, no two the same.
    pub lower: Vec<PathBuf>,
    /// Where changes go.
    pub upper: PathBuf,
    /// The kernel's own, empty, on the same file system as `upper`.
    pub work: PathBuf,
}

/// Why directories could not be joined.
#[derive(Debug, Error)]
pub enum OverlayError {
    #[error("an overlay mount needs a lower directory")]
    NoLayer,
    #[error("{layers} layers are too many for one overlay mount on this kernel")]
    TooManyLayers { layers: usize },
    #[error("{path} is on an overlay file system, which cannot hold the upper directory of another")]
    UpperOnOverlay { path: PathBuf },
    #[error("cannot open {path}")]
    Open { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Mount(#[from] MountError),
}

impl Overlay {
    /// Mounts the joined directories at `target`.
    pub fn mount(&self, target: &Path) -> Result<(), OverlayError> {
        if self.lower.is_empty() {
            return Err(OverlayError::NoLayer);
        }
        if is_on_overlay(&self.upper).map_err(|source| opening(&self.upper, source))? {
            return Err(OverlayError::UpperOnOverlay { path: self.upper.clone() });
        }
        if takes_layers_one_by_one()? {
            self.mount_by_parameters(target)
        } else {
            self.mount_by_string(target)
        }
    }

    fn mount_by_parameters(&self, target: &Path) -> Result<(), OverlayError> {
        let overlay = FileSystem::new("overlay")?;
        overlay.set("source", "overlay")?;
        let mut names = Names::default();
        for layer in &self.lower {
            overlay.set("lowerdir+", &names.short(layer, VALUE_LIMIT)?)?;
        }
        overlay.set("upperdir", escaped(&names.short(&self.upper, VALUE_LIMIT / 2)?, b"\\"))?;
        overlay.set("workdir", escaped(&names.short(&self.work, VALUE_LIMIT / 2)?, b"\\"))?;
        // The index is for exporting by NFS, and lets an upper directory be mounted
        // only once, which a mount that was detached but is still in use counts for.
        overlay.set("index", "off")?;
        // What the upper directory holds is all of the change: it becomes a layer.
        overlay.set("redirect_dir", "off")?;
        overlay.set("metacopy", "off")?;
        Ok(overlay.mount(Attributes::default())?.attach(target)?)
    }

    /// mount(2) with one string, for kernels before 6.8.
    fn mount_by_string(&self, target: &Path) -> Result<(), OverlayError> {
        let mut names = Names::default();
        let options = match self.options_by_path() {
            Some(options) => options,
            None => self.options_by_number(&mut names)?,
        };
        if self.lower.len() > LAYER_LIMIT || options.len() > OPTIONS_LIMIT {
            return Err(OverlayError::TooManyLayers { layers: self.lower.len() });
        }
        let target = std::path::absolute(target).map_err(|source| opening(target, source))?;
        among_descriptors(|| {
            let options = std::ffi::CString::new(options)?;
            let flags = MountFlags::empty();
            Ok(rustix::mount::mount("overlay", &target, "overlay", flags, Some(options.as_c_str()))?)
        })
        .map_err(|source| {
            let step = format!("mount an overlay at {}", target.display());
            MountError { step, said: String::new(), source }.into()
        })
    }
}

impl Overlay {
    /// The string with the paths themselves, as people see it in the mount table:
    /// if it fits, and no path has a character that has a meaning there.
    fn options_by_path(&self) -> Option<String> {
        let plain = |path: &Path| {
            let text = path.to_str().filter(|text| path.is_absolute() && !text.contains([',', ':', '\\']));
            text.map(str::to_owned)
        };
        let lower = self.lower.iter().map(|layer| plain(layer)).collect::<Option<Vec<_>>>()?;
        let options = options(&lower, &plain(&self.upper)?, &plain(&self.work)?);
        (options.len() <= OPTIONS_LIMIT).then_some(options)
    }

    /// Seen from a directory of descriptors, no directory's name has more than a few bytes.
    fn options_by_number(&self, names: &mut Names) -> Result<String, OverlayError> {
        let lower = self.lower.iter().map(|layer| names.number(layer)).collect::<Result<Vec<_>, _>>()?;
        Ok(options(&lower, &names.number(&self.upper)?, &names.number(&self.work)?))
    }
}

fn options(lower: &[String], upper: &str, work: &str) -> String {
    format!(
        "lowerdir={},upperdir={upper},workdir={work},index=off,redirect_dir=off,metacopy=off",
        lower.join(":")
    )
}

/// Whether this kernel knows `lowerdir+`.
fn takes_layers_one_by_one() -> Result<bool, MountError> {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    if let Some(answer) = ANSWER.get() {
        return Ok(*answer);
    }
    // What checks no parameter takes this one as well and fails later.
    let answer = FileSystem::checks_parameters("overlay")?
        && match FileSystem::new("overlay")?.set("lowerdir+", "/") {
            Err(error) => error.errno() != Some(Errno::INVAL.raw_os_error()),
            Ok(()) => true,
        };
    Ok(*ANSWER.get_or_init(|| answer))
}

/// Runs `f` on a thread whose working directory alone is that of this process's descriptors.
fn among_descriptors(f: impl FnOnce() -> io::Result<()> + Send) -> io::Result<()> {
    let run = || {
        // SAFETY: unsharing the working directory changes nothing another thread relies on;
        // the descriptors stay shared.
        #[expect(unsafe_code, reason = "rustix marks it so for the sake of other flags")]
        unsafe {
            rustix::thread::unshare_unsafe(UnshareFlags::FS)?;
        }
        rustix::process::chdir("/proc/thread-self/fd")?;
        f()
    };
    let ended = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("overlay".to_owned()).spawn_scoped(scope, run)?;
        thread.join().map_err(|_| io::Error::other("the thread that mounts has panicked"))
    });
    ended?
}

/// Whether a directory is on an overlay file system, which cannot hold upper directories.
pub fn is_on_overlay(path: &Path) -> io::Result<bool> {
    Ok(rustix::fs::statfs(path)?.f_type as u64 == OVERLAYFS_MAGIC)
}

/// Short names of directories, valid as long as this lives.
#[derive(Default)]
struct Names {
    open: Vec<OwnedFd>,
}

impl Names {
    /// The path itself if it has at most `limit` bytes, otherwise one through a descriptor.
    fn short(&mut self, path: &Path, limit: usize) -> Result<PathBuf, OverlayError> {
        if path.as_os_str().len() <= limit { Ok(path.to_owned()) } else { self.by_descriptor(path) }
    }

    fn by_descriptor(&mut self, path: &Path) -> Result<PathBuf, OverlayError> {
        Ok(format!("/proc/self/fd/{}", self.number(path)?).into())
    }

    /// The name in a directory of descriptors.
    fn number(&mut self, path: &Path) -> Result<String, OverlayError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, path, flags, Mode::empty())
            .map_err(|errno| opening(path, errno.into()))?;
        let name = fd.as_raw_fd().to_string();
        self.open.push(fd);
        Ok(name)
    }
}

fn opening(path: &Path, source: io::Error) -> OverlayError {
    OverlayError::Open { path: path.to_owned(), source }
}

/// Puts a backslash before each of `special`.
fn escaped(path: &Path, special: &[u8]) -> OsString {
    let escape = |byte: &u8| if special.contains(byte) { vec![b'\\', *byte] } else { vec![*byte] };
    OsString::from_vec(path.as_os_str().as_bytes().iter().flat_map(escape).collect())
}

#[cfg(test)]
mod tests;
