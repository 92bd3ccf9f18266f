//! Copies of whole trees: content, holes, owners, modes, times, attributes, links.
//!
//! Where the file system can share blocks between files (`FICLONE`), a file is
//! copied without its content being read. Directories and links are made in
//! order by the calling thread, the content of files by a few others.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};

use rustix::fs::{Gid, SeekFrom, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::dir::bits;
use super::{Dir, FileKind, Node, Root, Status, Times};

/// So many files are copied at the same time at most.
const WORKERS: usize = 4;

/// XATTR_LIST_MAX and XATTR_SIZE_MAX of linux/limits.h.
const ATTRIBUTE_LIMIT: usize = 65_536;

/// How far a copy is, for whoever watches from another thread.
#[derive(Debug, Default)]
pub struct Progress {
    files: AtomicU64,
    bytes: AtomicU64,
    shared: AtomicU64,
    stopped: AtomicBool,
}

impl Progress {
    /// Files whose content is there.
    pub fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    /// Bytes of these files, holes included.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Those of the bytes that were not copied but are shared with the original.
    pub fn shared(&self) -> u64 {
        self.shared.load(Ordering::Relaxed)
    }

    /// Has the copy end early, with an error.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn check(&self) -> io::Result<()> {
        if self.stopped.load(Ordering::Relaxed) { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    }
}

/// One regular file whose content is still to come.
struct Job {
    from: File,
    to: File,
    status: Status,
}

/// A copy under way.
struct Copy<'a> {
    from: &'a Root,
    to: &'a Root,
    progress: &'a Progress,
    /// Files with several names, by identity: where the first copy is.
    linked: HashMap<(u64, u64), PathBuf>,
    /// Directories, whose times change while they are filled.
    directories: Vec<(PathBuf, Status)>,
}

/// Copies what is in `from`, and its owner, mode and attributes, to `to`, which is empty.
///
/// Mount points in it are an error. What others change meanwhile is copied as it is found.
pub fn copy_tree(from: &Root, to: &Root, progress: &Progress) -> io::Result<()> {
    let failed = Mutex::new(None);
    let fail = |error| {
        progress.stop();
        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    };
    let (jobs, queue) = mpsc::sync_channel::<Job>(WORKERS * 4);
    let queue = Mutex::new(queue);
    let mut copy = Copy { from, to, progress, linked: HashMap::new(), directories: Vec::new() };
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(job) = job else { return };
                    let done = progress.check().and_then(|()| job.run(progress));
                    done.unwrap_or_else(fail);
                }
            });
        }
        copy.walk(&jobs).unwrap_or_else(fail);
        drop(jobs);
    });
    if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    copy.finish()
}

impl Copy<'_> {
    fn walk(&mut self, jobs: &mpsc::SyncSender<Job>) -> io::Result<()> {
        self.directories.push((PathBuf::new(), self.from.top().own_status()?));
        let mut ahead = vec![PathBuf::new()];
        while let Some(path) = ahead.pop() {
            let Some(from) = unless_gone(self.from.dir(&path))? else { continue };
            let to = self.to.dir(&path)?;
            copy_attributes(&from.to_file()?, &to.to_file()?)?;
            for name in from.names()? {
                self.progress.check()?;
                let Some(status) = unless_gone(from.status(&name))? else { continue };
                let place = path.join(&name);
                if status.kind == FileKind::Directory {
                    to.mkdir(&name, 0o700)?;
                    self.directories.push((place.clone(), status));
                    ahead.push(place);
                } else {
                    self.copy_name((&from, &to), status, &place, jobs)?;
                }
            }
        }
        Ok(())
    }

    /// What is at a place and is no directory.
    fn copy_name(
        &mut self,
        (from, to): (&Dir, &Dir),
        status: Status,
        place: &Path,
        jobs: &mpsc::SyncSender<Job>,
    ) -> io::Result<()> {
        let name = place.file_name().unwrap_or_default();
        if status.links > 1 {
            if let Some(first) = self.linked.get(&status.identity) {
                let (dir, first) = self.to.parent(first)?;
                return dir.hard_link(first, to, name);
            }
            self.linked.insert(status.identity, place.to_owned());
        }
        if status.kind == FileKind::File {
            let Some(source) = unless_gone(from.open_file(name))? else { return Ok(()) };
            let job = Job { from: source, to: to.create_file(name, 0o600)?, status };
            // The workers end before this only if one of them has failed.
            return jobs.send(job).map_err(|_| io::ErrorKind::Interrupted.into());
        }
        let (major, minor) = status.device;
        let node = match status.kind {
            FileKind::Fifo => Node::Fifo,
            FileKind::Socket => Node::Socket,
            FileKind::CharDevice => Node::CharDevice { major, minor },
            FileKind::BlockDevice => Node::BlockDevice { major, minor },
            FileKind::Symlink | FileKind::File | FileKind::Directory => {
                to.symlink(&from.read_link(name)?, name)?;
                to.chown(name, status.uid, status.gid)?;
                return to.set_times(name, times(&status));
            }
        };
        to.mknod(name, node, status.mode)?;
        to.chown(name, status.uid, status.gid)?;
        to.chmod(name, status.mode)?;
        to.set_times(name, times(&status))
    }

    /// Directories get their owners, modes and times when nothing is made in them any more.
    fn finish(self) -> io::Result<()> {
        for (path, status) in self.directories.iter().rev() {
            own(&self.to.dir(path)?.to_file()?, status)?;
        }
        Ok(())
    }
}

impl Job {
    fn run(self, progress: &Progress) -> io::Result<()> {
        let bytes = self.status.size;
        if bytes > 0 {
            match rustix::fs::ioctl_ficlone(&self.to, &self.from) {
                Ok(()) => drop(progress.shared.fetch_add(bytes, Ordering::Relaxed)),
                Err(_) => copy_content(&self.from, &self.to, bytes, progress)?,
            }
        }
        copy_attributes(&self.from, &self.to)?;
        own(&self.to, &self.status)?;
        progress.files.fetch_add(1, Ordering::Relaxed);
        progress.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }
}

/// Copies what is written in a file, and leaves its holes.
fn copy_content(from: &File, to: &File, size: u64, progress: &Progress) -> io::Result<()> {
    let mut at = 0;
    while at < size {
        let Some((start, end)) = next_data(from, at, size)? else { break };
        copy_range(from, to, (start, end), progress)?;
        at = end;
    }
    to.set_len(size)
}

/// Where the next written part begins and ends, from `at` on.
fn next_data(file: &File, at: u64, size: u64) -> io::Result<Option<(u64, u64)>> {
    match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(start) => {
            let end = rustix::fs::seek(file, SeekFrom::Hole(start)).unwrap_or(size);
            Ok(Some((start, end.min(size))).filter(|(start, end)| start < end))
        }
        Err(Errno::NXIO) => Ok(None),
        // A file system that does not know holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(Some((at, size))),
        Err(errno) => Err(errno.into()),
    }
}

fn copy_range(from: &File, to: &File, (start, end): (u64, u64), progress: &Progress) -> io::Result<()> {
    const PIECE: u64 = 16 << 20;
    let (mut read, mut written) = (start, start);
    while read < end {
        progress.check()?;
        let length = usize::try_from((end - read).min(PIECE)).map_err(io::Error::other)?;
        match rustix::fs::copy_file_range(from, Some(&mut read), to, Some(&mut written), length) {
            // It has become shorter.
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => {
                return copy_by_hand(from, to, read, end);
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

fn copy_by_hand(from: &File, to: &File, mut at: u64, end: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let mut buffer = vec![0; 256 << 10];
    while at < end {
        let most = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
        let length = from.read_at(&mut buffer[..most], at)?;
        if length == 0 {
            return Ok(());
        }
        to.write_all_at(&buffer[..length], at)?;
        at += u64::try_from(length).map_err(io::Error::other)?;
    }
    Ok(())
}

/// Extended attributes; those the other file system does not have are left out.
fn copy_attributes(from: &File, to: &File) -> io::Result<()> {
    let mut names = vec![0; ATTRIBUTE_LIMIT];
    let length = match rustix::fs::flistxattr(from, names.as_mut_slice()) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    };
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    for name in names.map(|name| OsString::from_vec(name.to_vec())) {
        if name.as_bytes().starts_with(b"trusted.overlay.") || name == "security.selinux" {
            continue;
        }
        let mut value = vec![0; ATTRIBUTE_LIMIT];
        let length = match rustix::fs::fgetxattr(from, &name, value.as_mut_slice()) {
            Ok(length) => length,
            Err(Errno::NODATA) => continue,
            Err(errno) => return Err(errno.into()),
        };
        match rustix::fs::fsetxattr(to, &name, &value[..length], XattrFlags::empty()) {
            Ok(()) | Err(Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Owner first: a change of it takes the set-user-id bit away, and capabilities.
fn own(file: &File, status: &Status) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(status.uid), Gid::from_raw(status.gid));
    let capability = attribute(file, "security.capability")?;
    rustix::fs::fchown(file, Some(uid), Some(gid))?;
    if let Some(value) = capability {
        rustix::fs::fsetxattr(file, "security.capability", &value, XattrFlags::empty())?;
    }
    rustix::fs::fchmod(file, bits(status.mode))?;
    let stamp = Timespec { tv_sec: status.mtime.0, tv_nsec: status.mtime.1.into() };
    Ok(rustix::fs::futimens(file, &Timestamps { last_access: stamp, last_modification: stamp })?)
}

fn attribute(file: &File, name: &str) -> io::Result<Option<Vec<u8>>> {
    let mut value = vec![0; 256];
    match rustix::fs::fgetxattr(file, name, value.as_mut_slice()) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

fn times(status: &Status) -> Times {
    Times { accessed: status.mtime, modified: status.mtime }
}

/// Nothing, if it is not there any more.
fn unless_gone<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn copied(make: impl FnOnce(&Path)) -> (tempfile::TempDir, PathBuf, Progress) {
        let directory = tempfile::tempdir().expect("a directory");
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        fs::create_dir(&from).expect("made");
        fs::create_dir(&to).expect("made");
        make(&from);
        let progress = Progress::default();
        let root = |path: &Path| Root::open(path).expect("open");
        copy_tree(&root(&from), &root(&to), &progress).expect("copied");
        (directory, to, progress)
    }

    #[test]
    fn a_tree_is_copied_with_all_that_belongs_to_it() {
        let (_directory, to, progress) = copied(|from| {
            fs::create_dir_all(from.join("a/b")).expect("made");
            fs::write(from.join("a/b/file"), "content").expect("written");
            fs::set_permissions(from.join("a/b/file"), fs::Permissions::from_mode(0o4750)).expect("mode");
            std::os::unix::fs::chown(from.join("a/b"), Some(7), Some(8)).expect("owner");
            fs::set_permissions(from.join("a/b"), fs::Permissions::from_mode(0o1711)).expect("mode");
            fs::hard_link(from.join("a/b/file"), from.join("other")).expect("linked");
            symlink("/nowhere", from.join("link")).expect("linked");
            fs::set_permissions(from, fs::Permissions::from_mode(0o700)).expect("mode");
        });
        assert_eq!(fs::read_to_string(to.join("a/b/file")).expect("read"), "content");
        let meta = |path: &str| fs::symlink_metadata(to.join(path)).expect("there");
        assert_eq!(meta("a/b/file").mode() & 0o7777, 0o4750);
        assert_eq!((meta("a/b").uid(), meta("a/b").gid(), meta("a/b").mode() & 0o7777), (7, 8, 0o1711));
        assert_eq!(meta("other").ino(), meta("a/b/file").ino());
        assert_eq!(fs::read_link(to.join("link")).expect("a link"), Path::new("/nowhere"));
        assert_eq!(fs::metadata(&to).expect("there").mode() & 0o7777, 0o700);
        assert_eq!((progress.files(), progress.bytes()), (1, 7));
    }

    #[test]
    fn holes_stay_holes() {
        let (_directory, to, _) = copied(|from| {
            let file = File::create(from.join("sparse")).expect("made");
            file.write_all_at(b"end", 8 << 20).expect("written");
        });
        let found = fs::metadata(to.join("sparse")).expect("there");
        assert_eq!(found.len(), (8 << 20) + 3);
        assert!(found.blocks() * 512 < 1 << 20, "{} blocks", found.blocks());
        assert!(fs::read(to.join("sparse")).expect("read").ends_with(b"\0end"));
    }

    #[test]
    fn a_copy_that_is_stopped_fails() {
        let directory = tempfile::tempdir().expect("a directory");
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        fs::create_dir_all(from.join("a")).expect("made");
        fs::create_dir(&to).expect("made");
        let progress = Progress::default();
        progress.stop();
        let root = |path: &Path| Root::open(path).expect("open");
        let error = copy_tree(&root(&from), &root(&to), &progress).expect_err("stopped");
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    }
}
