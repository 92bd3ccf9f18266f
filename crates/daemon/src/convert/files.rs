//! Files of a container.

use api::container::{FilesystemChange, PathStat};
use engine::image::{ChangeKind, FileChange};
use engine::linux::root::{FileKind, Status};
use jiff::Timestamp;

use super::time;

/// What is at a path.
pub(crate) fn stat(found: engine::PathStat) -> PathStat {
    let engine::PathStat { name, status, link_target } = found;
    let (seconds, nanoseconds) = status.mtime;
    let mtime = Timestamp::new(seconds, i32::try_from(nanoseconds).unwrap_or(0)).ok();
    PathStat {
        name,
        size: i64::try_from(status.size).unwrap_or(i64::MAX),
        mode: mode(&status),
        mtime: time::text(mtime),
        link_target: link_target.display().to_string(),
    }
}

/// Go's `fs.FileMode`: permission bits as usual, the rest in bits of its own.
fn mode(status: &Status) -> u32 {
    let kind = match status.kind {
        FileKind::File => 0,
        FileKind::Directory => 1 << 31,
        FileKind::Symlink => 1 << 27,
        FileKind::BlockDevice => 1 << 26,
        FileKind::Fifo => 1 << 25,
        FileKind::Socket => 1 << 24,
        FileKind::CharDevice => 1 << 26 | 1 << 21,
    };
    let special = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];
    let special = special.iter().filter(|(bit, _)| status.mode & bit != 0).map(|(_, flag)| flag);
    special.fold(kind | status.mode & 0o777, |mode, flag| mode | flag)
}

/// One line of `docker diff`.
pub(crate) fn change(change: FileChange) -> FilesystemChange {
    let kind = match change.kind {
        ChangeKind::Modified => 0,
        ChangeKind::Added => 1,
        ChangeKind::Deleted => 2,
    };
    FilesystemChange { kind, path: change.path.display().to_string() }
}
