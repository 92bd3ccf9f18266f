//! Unpacks the archive of one layer into a directory, as overlayfs wants to find it.
//!
//! A layer says what changed: `.wh.<name>` removes a name of the layers below
//! (overlayfs: a character device 0:0), `.wh..wh..opq` hides all that a
//! directory had below (overlayfs: the attribute `trusted.overlay.opaque`).
//!
//! Archives are hostile. Every entry is made under a plain name in a directory
//! that was found without leaving the layer; nothing existing is ever opened
//! for writing, so that an entry cannot write through what an earlier one made.

mod error;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{File, FileTimes, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use linux::root::{Dir, FileKind, Node, Root, Times};

use crate::compression::decompressed;
use crate::overlay;
use crate::tape::{Entry, Kind, Tape, broken};
pub use error::{EntryError, UnpackError};

/// Whiteouts begin with this (OCI image specification, layer.md).
pub(crate) const WHITEOUT: &[u8] = b".wh.";
/// A directory that hides all below.
pub(crate) const OPAQUE: &[u8] = b".wh..wh..opq";
/// AUFS's own files.
const AUFS: &[u8] = b".wh..wh.";

/// Overlayfs looks for whiteouts only where it joins directories, or where this
/// says that a directory was copied (an empty value: from where, nobody knows).
/// Without it, a whiteout of what the layers below do not have is listed.
const COPIED_ATTRIBUTE: &str = "trusted.overlay.origin";

/// Linux's largest device numbers (`MINORBITS` of linux/kdev_t.h).
const LARGEST_DEVICE: (u32, u32) = (0xfff, 0xf_ffff);

/// How much is copied at once.
const BUFFER: usize = 128 * 1024;

/// What one layer may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all its files.
    pub bytes: u64,
    /// Entries of its archive.
    pub entries: u64,
}

impl Default for Limits {
    /// More than any image known needs, less than what fills a disk unnoticed.
    fn default() -> Self {
        Self { bytes: 256 << 30, entries: 16 << 20 }
    }
}

/// What was unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unpacked {
    /// Bytes of all regular files.
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
}

/// Unpacks the archive of a layer into the empty directory `into`.
pub(crate) fn unpack<R: Read>(
    archive: &mut Tape<R>,
    into: &Path,
    limits: Limits,
) -> Result<Unpacked, UnpackError> {
    unpack_as(Place::Layer, archive, into, limits)
}

/// Unpacks any archive, in which a name that begins with `.wh.` is one as others, into an empty directory.
pub(crate) fn unpack_files<R: Read>(
    archive: &mut Tape<R>,
    into: &Path,
    limits: Limits,
) -> Result<Unpacked, UnpackError> {
    unpack_as(Place::Directory, archive, into, limits)
}

fn unpack_as<R: Read>(
    place: Place,
    archive: &mut Tape<R>,
    into: &Path,
    limits: Limits,
) -> Result<Unpacked, UnpackError> {
    let at_start = |source| UnpackError { entry: String::new(), cause: EntryError::Io(source) };
    let root = Root::open_strict(into).map_err(at_start)?;
    Unpacking::new(root, limits, place).run(archive)
}

/// Unpacks `archive` into a tree that is in use, as `docker cp` does.
///
/// Links that are there are followed as whoever lives there follows them, and stop at `root`.
pub fn extract(archive: impl Read, root: Root, at: &Path, rules: Rules) -> Result<(), UnpackError> {
    let limits = Limits { bytes: u64::MAX, entries: u64::MAX };
    let place = Place::Tree { at: at.strip_prefix("/").unwrap_or(at).to_owned(), rules };
    let mut tape = Tape::new(
        decompressed(archive)
            .map_err(|error| UnpackError { entry: String::new(), cause: broken(error).into() })?,
    );
    Unpacking::new(root, limits, place).run(&mut tape)?;
    tape.drain().map_err(|error| UnpackError { entry: String::new(), cause: error.into() })
}

/// How an archive goes into a tree that is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// No directory becomes something else, and nothing else a directory.
    pub keep_kinds: bool,
    /// Who owns everything, instead of whom the archive says.
    pub owner: Option<(u32, u32)>,
}

/// What is unpacked into.
enum Place {
    /// The empty directory of a layer.
    Layer,
    /// An empty directory.
    Directory,
    Tree {
        /// Relative to the root.
        at: PathBuf,
        rules: Rules,
    },
}

struct Unpacking {
    place: Place,
    root: Root,
    limits: Limits,
    done: Unpacked,
    /// Times are set last: what is made in a directory changes its own.
    directories: BTreeMap<PathBuf, Times>,
    /// The directory of the last entry, where the next one most likely is, too.
    recent: Option<(PathBuf, Dir)>,
    buffer: Vec<u8>,
}

impl Unpacking {
    fn new(root: Root, limits: Limits, place: Place) -> Self {
        Self {
            place,
            root,
            limits,
            done: Unpacked::default(),
            directories: BTreeMap::new(),
            recent: None,
            buffer: vec![0; BUFFER],
        }
    }

    fn run<R: Read>(mut self, archive: &mut Tape<R>) -> Result<Unpacked, UnpackError> {
        let mut last = String::new();
        loop {
            let entry =
                archive.next().map_err(|error| UnpackError { entry: last.clone(), cause: error.into() })?;
            let Some(mut entry) = entry else { break };
            last = String::from_utf8_lossy(&entry.path).into_owned();
            if let Place::Tree { rules: Rules { owner: Some((uid, gid)), .. }, .. } = self.place {
                (entry.uid, entry.gid) = (uid.into(), gid.into());
            }
            let made = self.add(&entry, archive);
            made.map_err(|cause| UnpackError { entry: last.clone(), cause })?;
        }
        self.finish().map_err(|source| UnpackError { entry: String::new(), cause: EntryError::Io(source) })
    }

    fn add<R: Read>(&mut self, entry: &Entry, archive: &mut Tape<R>) -> Result<(), EntryError> {
        self.done.entries += 1;
        if self.done.entries > self.limits.entries {
            return Err(EntryError::TooMany { limit: self.limits.entries });
        }
        let path = inside(&entry.path)?;
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return self.top(entry);
        };
        let hidden = match self.place {
            Place::Layer => name.as_bytes().strip_prefix(WHITEOUT),
            Place::Directory | Place::Tree { .. } => None,
        };
        let parent = self.placed(parent);
        let dir = self.parent(&parent)?;
        if let Some(hidden) = hidden {
            self.hide(&dir, name, OsStr::from_bytes(hidden))?;
        } else {
            self.make(&dir, &parent.join(name), entry, archive)?;
        }
        self.recent = Some((parent, dir));
        Ok(())
    }

    /// Where a path of the archive is below the root.
    fn placed(&self, path: &Path) -> PathBuf {
        match &self.place {
            Place::Layer | Place::Directory => path.to_owned(),
            Place::Tree { at, .. } => at.join(path),
        }
    }

    /// The entry of the layer's root itself: only its attributes count. A directory in use keeps its own.
    fn top(&mut self, entry: &Entry) -> Result<(), EntryError> {
        if let Place::Tree { .. } = self.place {
            return Ok(());
        }
        if entry.kind != Kind::Directory {
            return Err(EntryError::ClimbsOut);
        }
        let here = self.root.top().to_file()?;
        std::os::unix::fs::fchown(&here, Some(id(entry.uid)?), Some(id(entry.gid)?))?;
        here.set_permissions(Permissions::from_mode(entry.mode))?;
        self.directories.insert(PathBuf::new(), times(entry));
        Ok(())
    }

    /// Opens the directory an entry is in; those that have no entry are made.
    fn parent(&mut self, parent: &Path) -> Result<Dir, EntryError> {
        match self.recent.take() {
            Some((path, dir)) if path == parent => return Ok(dir),
            Some(_) | None => {}
        }
        let found = match self.root.dir(parent) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.root.mkdir_all(parent, 0o755).and_then(|made| self.root.dir(&made))
            }
            other => other,
        };
        found.map_err(EntryError::on_the_way)
    }

    /// A whiteout, or the mark that a directory hides everything below.
    fn hide(&mut self, dir: &Dir, name: &OsStr, hidden: &OsStr) -> Result<(), EntryError> {
        if name.as_bytes() == OPAQUE {
            return mark_opaque(dir);
        }
        if name.as_bytes().starts_with(AUFS) {
            return Ok(());
        }
        if matches!(hidden.as_bytes(), b"" | b"." | b"..") {
            return Err(EntryError::ClimbsOut);
        }
        match dir.status(hidden) {
            // The layer removes the directory and makes it anew.
            Ok(status) if status.kind == FileKind::Directory => mark_opaque(&dir.dir(hidden)?),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                dir.set_own_xattr(OsStr::new(COPIED_ATTRIBUTE), b"")?;
                Ok(dir.mknod(hidden, Node::CharDevice { major: 0, minor: 0 }, 0)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn make<R: Read>(
        &mut self,
        dir: &Dir,
        path: &Path,
        entry: &Entry,
        archive: &mut Tape<R>,
    ) -> Result<(), EntryError> {
        let name = path.file_name().unwrap_or_default();
        if entry.kind == Kind::HardLink {
            return self.hard_link(dir, name, path, entry);
        }
        let before = self.make_room(dir, name, path, entry.kind)?;
        match entry.kind {
            Kind::File => {
                let file = dir.create_file(name, 0o600)?;
                self.fill(&file, entry, archive)?;
                return finish_file(&file, dir, name, entry);
            }
            Kind::Symlink => dir.symlink(Path::new(OsStr::from_bytes(&entry.link)), name)?,
            Kind::CharDevice | Kind::BlockDevice => dir.mknod(name, device(entry)?, 0o600)?,
            Kind::Fifo => dir.mknod(name, Node::Fifo, 0o600)?,
            Kind::Directory if before == Before::Directory => {}
            Kind::Directory => {
                dir.mkdir(name, 0o700)?;
                if before == Before::Whiteout {
                    mark_opaque(&dir.dir(name)?)?;
                }
            }
            Kind::HardLink => unreachable!("hard links were made above"),
        }
        if entry.kind == Kind::Directory {
            self.directories.insert(path.to_owned(), times(entry));
        }
        finish(dir, name, entry)
    }

    /// Removes what has the name already; two entries for one directory are one directory.
    fn make_room(&mut self, dir: &Dir, name: &OsStr, path: &Path, kind: Kind) -> Result<Before, EntryError> {
        let status = match dir.status(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Before::Nothing),
            other => other?,
        };
        if let Place::Tree { rules: Rules { keep_kinds: true, .. }, .. } = self.place {
            EntryError::check_kinds(path, status.kind == FileKind::Directory, kind == Kind::Directory)?;
        }
        if status.kind == FileKind::Directory {
            if kind == Kind::Directory {
                return Ok(Before::Directory);
            }
            let below = self.directories.range(path.to_owned()..).map(|(known, _)| known);
            let below: Vec<_> = below.take_while(|known| known.starts_with(path)).cloned().collect();
            for known in &below {
                self.directories.remove(known);
            }
        }
        dir.remove_all(name)?;
        let whiteout = status.kind == FileKind::CharDevice && status.device == (0, 0);
        Ok(if whiteout { Before::Whiteout } else { Before::Nothing })
    }

    fn hard_link(&mut self, dir: &Dir, name: &OsStr, path: &Path, entry: &Entry) -> Result<(), EntryError> {
        let target = || String::from_utf8_lossy(&entry.link).into_owned();
        let original = inside(&entry.link).map_err(|_| EntryError::LinkLeaves { target: target() })?;
        let original = self.placed(&original);
        if original == path {
            return Err(EntryError::LinkMissing { target: target() });
        }
        let missing = |error| EntryError::linking(error, target());
        let (from, old) = self.root.parent(&original).map_err(missing)?;
        match from.status(old).map_err(missing)?.kind {
            FileKind::Directory => return Err(EntryError::LinkToDirectory { target: target() }),
            FileKind::File
            | FileKind::Symlink
            | FileKind::Fifo
            | FileKind::Socket
            | FileKind::CharDevice
            | FileKind::BlockDevice => {}
        }
        self.make_room(dir, name, path, Kind::HardLink)?;
        from.hard_link(old, dir, name).map_err(missing)
    }

    /// Writes the content; holes stay holes.
    fn fill<R: Read>(
        &mut self,
        mut file: &File,
        entry: &Entry,
        archive: &mut Tape<R>,
    ) -> Result<(), EntryError> {
        let left = self.limits.bytes - self.done.bytes;
        if entry.size > left {
            return Err(EntryError::TooLarge { size: entry.size, limit: self.limits.bytes });
        }
        self.done.bytes += entry.size;
        let whole = [(0, entry.size)];
        for (offset, length) in entry.pieces.as_deref().unwrap_or(&whole) {
            file.seek(SeekFrom::Start(*offset))?;
            let mut content = archive.content().take(*length);
            loop {
                let length = match content.read(&mut self.buffer) {
                    Ok(0) => break,
                    Ok(length) => length,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(broken(error).into()),
                };
                file.write_all(&self.buffer[..length])?;
            }
        }
        if entry.pieces.is_some() {
            file.set_len(entry.size)?;
        }
        Ok(())
    }

    fn finish(self) -> io::Result<Unpacked> {
        for (path, times) in self.directories.iter().rev() {
            if path.as_os_str().is_empty() {
                self.root.top().to_file()?.set_times(file_times(times.modified))?;
                continue;
            }
            match (self.root.set_times(path, *times), &self.place) {
                // Whoever lives there has removed it by now.
                (Err(error), Place::Tree { .. }) if error.kind() == io::ErrorKind::NotFound => {}
                (set, Place::Layer | Place::Directory | Place::Tree { .. }) => set?,
            }
        }
        Ok(self.done)
    }
}

/// What had the name before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Whiteout,
    Directory,
}

/// The path of an entry within the layer, without `.` and `..`; one that climbs out is refused.
fn inside(path: &[u8]) -> Result<PathBuf, EntryError> {
    let mut names: Vec<&[u8]> = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop().ok_or(EntryError::ClimbsOut)?),
            name => names.push(name),
        }
    }
    Ok(PathBuf::from(OsString::from_vec(names.join(&b'/'))))
}

fn device(entry: &Entry) -> Result<Node, EntryError> {
    let (major, minor) = entry.device;
    if major > LARGEST_DEVICE.0 || minor > LARGEST_DEVICE.1 {
        return Err(EntryError::Device { major, minor });
    }
    let block = entry.kind == Kind::BlockDevice;
    Ok(if block { Node::BlockDevice { major, minor } } else { Node::CharDevice { major, minor } })
}

/// A user or group; the largest number means "leave it" to chown(2).
fn id(number: u64) -> Result<u32, EntryError> {
    u32::try_from(number).ok().filter(|id| *id != u32::MAX).ok_or(EntryError::Owner { number })
}

fn times(entry: &Entry) -> Times {
    Times { accessed: entry.mtime, modified: entry.mtime }
}

fn file_times((seconds, nanoseconds): (i64, u32)) -> FileTimes {
    let since_1970 = Duration::new(u64::try_from(seconds).unwrap_or(0), nanoseconds);
    let time = SystemTime::UNIX_EPOCH + since_1970;
    FileTimes::new().set_accessed(time).set_modified(time)
}

/// Owner first: changing it clears set-user-id bits and capabilities.
fn finish_file(file: &File, dir: &Dir, name: &OsStr, entry: &Entry) -> Result<(), EntryError> {
    std::os::unix::fs::fchown(file, Some(id(entry.uid)?), Some(id(entry.gid)?))?;
    file.set_permissions(Permissions::from_mode(entry.mode))?;
    set_xattrs(dir, name, entry)?;
    Ok(file.set_times(file_times(entry.mtime))?)
}

fn finish(dir: &Dir, name: &OsStr, entry: &Entry) -> Result<(), EntryError> {
    dir.chown(name, id(entry.uid)?, id(entry.gid)?)?;
    if entry.kind != Kind::Symlink {
        dir.chmod(name, entry.mode)?;
    }
    set_xattrs(dir, name, entry)?;
    Ok(dir.set_times(name, times(entry))?)
}

/// Sets the attributes an image may bring; those that steer overlayfs are an attack,
/// others (labels of the host's security modules) belong to the host.
fn set_xattrs(dir: &Dir, name: &OsStr, entry: &Entry) -> Result<(), EntryError> {
    for (key, value) in &entry.xattrs {
        if key.starts_with(b"trusted.overlay.") || key.starts_with(b"user.overlay.") {
            return Err(EntryError::Attribute { key: String::from_utf8_lossy(key).into_owned() });
        }
        if !is_kept(key) {
            continue;
        }
        let user = key.starts_with(b"user.");
        match dir.set_xattr(name, OsStr::from_bytes(key), value) {
            // Links cannot have user attributes, and not every file system has them.
            Err(error) if user && not_possible(&error) => {}
            other => other?,
        }
    }
    Ok(())
}

/// Whether an attribute is a file's own, and neither overlayfs's nor the host's.
pub(crate) fn is_kept(key: &[u8]) -> bool {
    (key.starts_with(b"user.") && !key.starts_with(b"user.overlay."))
        || key == b"security.capability"
        || key.starts_with(b"system.posix_acl_")
}

fn mark_opaque(dir: &Dir) -> Result<(), EntryError> {
    Ok(dir.set_own_xattr(OsStr::new(overlay::OPAQUE), b"y")?)
}

fn not_possible(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests;
