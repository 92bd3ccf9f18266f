//! What is mounted: /proc/thread-self/mountinfo, `proc_pid_mountinfo(5)`.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags};

/// One line of the mount table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountPoint {
    pub id: u64,
    pub parent: u64,
    /// Major and minor number of the file system.
    pub device: (u32, u32),
    /// The directory of the file system that is shown.
    pub root: PathBuf,
    /// Where it is shown.
    pub target: PathBuf,
    /// Options of the mount, with commas.
    pub options: String,
    /// `shared:1`, `master:2`…; none is private.
    pub propagation: Vec<String>,
    pub kind: String,
    pub source: String,
    /// Options of the file system, with commas.
    pub super_options: String,
}

/// All mounts that the calling thread sees, in the order they were made.
pub fn mount_points() -> io::Result<Vec<MountPoint>> {
    let table = std::fs::read("/proc/thread-self/mountinfo")?;
    let lines = table.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| parse(line).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))).collect()
}

/// Whether something is mounted at exactly this path; a link is not followed.
/// A path that does not exist is none.
pub fn is_mount_point(path: &Path) -> io::Result<bool> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    match rustix::fs::statx(CWD, path, flags, StatxFlags::empty()) {
        Ok(found) => Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)),
        Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// The mount that a path is in.
pub fn mount_of(path: &Path) -> io::Result<MountPoint> {
    let found = rustix::fs::statx(CWD, path, AtFlags::NO_AUTOMOUNT, StatxFlags::MNT_ID)?;
    let is_it = |mount: &MountPoint| mount.id == found.stx_mnt_id;
    mount_points()?.into_iter().find(is_it).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// What kind of file system a path is on: `ext4`, `overlay`…
pub fn file_system_of(path: &Path) -> io::Result<String> {
    Ok(mount_of(path)?.kind)
}

/// `36 35 98:0 /root /target rw,noatime shared:1 - ext4 /dev/root rw,errors=continue`
pub(super) fn parse(line: &[u8]) -> Option<MountPoint> {
    let mut fields = line.split(|byte| *byte == b' ');
    let mut next = || fields.next().map(unescape);
    let id = text(next()?).parse().ok()?;
    let parent = text(next()?).parse().ok()?;
    let device = text(next()?);
    let (major, minor) = device.split_once(':')?;
    let device = (major.parse().ok()?, minor.parse().ok()?);
    let (root, target) = (path(next()?), path(next()?));
    let options = text(next()?);
    let mut propagation = Vec::new();
    loop {
        match text(next()?) {
            tag if tag == "-" => break,
            tag => propagation.push(tag),
        }
    }
    let (kind, source) = (text(next()?), text(next()?));
    let super_options = next().map(text).unwrap_or_default();
    Some(MountPoint { id, parent, device, root, target, options, propagation, kind, source, super_options })
}

/// Turns `\040` back into what the kernel escaped: space, tab, newline, backslash, `#`.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = (byte == b'\\').then(|| tail.get(..3)).flatten().and_then(octal);
        bytes.push(octal.unwrap_or(byte));
        rest = if octal.is_some() { &tail[3..] } else { tail };
    }
    bytes
}

fn octal(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

fn path(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}
