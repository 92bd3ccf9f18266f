//! inotify: what becomes of a file, whoever changes it and in whatever way.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// How many links the kernel follows (path_resolution(7)).
const LINKS: usize = 40;

/// Follows a file by its path: written to, replaced, removed, and made again; the same for
/// every symbolic link on the way to it. It need not be there.
///
/// Readable when [`FileWatch::read`] has something to say. What it does not see is a file
/// system mounted over it: that is what [`mounts`] is for.
#[derive(Debug)]
pub struct FileWatch {
    inotify: OwnedFd,
    path: PathBuf,
    /// The names that count in each directory; for a file, none: it is all of it.
    watched: BTreeMap<i32, BTreeSet<OsString>>,
}

impl FileWatch {
    /// Starts to follow.
    pub fn new(path: &Path) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let mut watch = Self { inotify, path: path.to_owned(), watched: BTreeMap::new() };
        watch.follow()?;
        Ok(watch)
    }

    /// Follows what the path means now. What happens from here on is told, so what is read
    /// of the file afterwards is told if it is old.
    pub fn follow(&mut self) -> io::Result<()> {
        let mut watched = BTreeMap::new();
        let mut path = self.path.clone();
        for _ in 0..LINKS {
            self.add_parent(&path, &mut watched)?;
            let Ok(target) = fs::read_link(&path) else { break };
            path = path.parent().unwrap_or(Path::new("/")).join(target);
        }
        // A file that is mounted there is written to in some other directory.
        let own =
            WatchFlags::CLOSE_WRITE | WatchFlags::ATTRIB | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
        match inotify::add_watch(&self.inotify, &path, own) {
            Ok(id) => drop(watched.entry(id).or_default()),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(error) => return Err(error.into()),
        }
        for id in self.watched.keys().filter(|id| !watched.contains_key(id)) {
            // It may have ended with what it watched.
            inotify::remove_watch(&self.inotify, *id).ok();
        }
        self.watched = watched;
        Ok(())
    }

    /// Watches for a name in its directory; if that is not there, for the directory's in its own.
    fn add_parent(&self, path: &Path, watched: &mut BTreeMap<i32, BTreeSet<OsString>>) -> io::Result<()> {
        let within = WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        for path in path.ancestors() {
            let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { continue };
            let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
            match inotify::add_watch(&self.inotify, directory, within) {
                Ok(id) => {
                    watched.entry(id).or_default().insert(name.to_owned());
                    return Ok(());
                }
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads what happened: something, if anything of it may change what the path means.
    pub fn read(&self) -> io::Result<Option<()>> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = Reader::new(&self.inotify, &mut buffer);
        let mut found = None;
        loop {
            match events.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                    let is_ours = self.watched.get(&event.wd()).is_some_and(|names| {
                        name.is_none_or(|name| names.contains(name)) && event.events() != ReadFlags::IGNORED
                    });
                    if is_ours || event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                        found = Some(());
                    }
                }
                Err(Errno::AGAIN) => return Ok(found),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsRawFd for FileWatch {
    fn as_raw_fd(&self) -> RawFd {
        self.inotify.as_raw_fd()
    }
}

impl AsFd for FileWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

/// The calling thread's table of mounts: a poll is woken by every change of it (proc(5)).
pub fn mounts() -> io::Result<File> {
    File::open("/proc/thread-self/mountinfo")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// What is told of each act on a file that is followed.
    #[track_caller]
    fn check(watch: &mut FileWatch, what: &str, expected: bool, act: impl FnOnce() -> io::Result<()>) {
        act().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(watch.read().expect("read").is_some(), expected, "{what}");
        watch.follow().expect("follow");
        watch.read().expect("read");
        assert_eq!(watch.read().expect("read"), None, "{what}: told once");
    }

    #[test]
    fn a_file_is_followed_whatever_becomes_of_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        let mut watch = FileWatch::new(&at("conf")).expect("watch");
        let watch = &mut watch;
        check(watch, "another file", false, || fs::write(at("other"), "1"));
        check(watch, "made", true, || fs::write(at("conf"), "1"));
        check(watch, "written to", true, || fs::write(at("conf"), "2"));
        check(watch, "read", false, || fs::read(at("conf")).map(drop));
        check(watch, "renamed over", true, || fs::rename(at("other"), at("conf")));
        check(watch, "removed", true, || fs::remove_file(at("conf")));
        fs::create_dir(at("real")).expect("made");
        check(watch, "a link to nothing", true, || symlink("real/deep/file", at("conf")));
        check(watch, "a directory on the way", true, || fs::create_dir(at("real/deep")));
        check(watch, "beside the target", false, || fs::write(at("real/deep/other"), "1"));
        check(watch, "the target", true, || fs::write(at("real/deep/file"), "1"));
        check(watch, "replaced there", true, || fs::rename(at("real/deep/other"), at("real/deep/file")));
        symlink(at("elsewhere"), at("link")).expect("a link");
        check(watch, "another link", true, || fs::rename(at("link"), at("conf")));
        check(watch, "where it led before", false, || fs::write(at("real/deep/file"), "3"));
        check(watch, "where it leads now", true, || fs::write(at("elsewhere"), "3"));
        fs::hard_link(at("elsewhere"), at("real/same")).expect("a link");
        watch.read().expect("read");
        check(watch, "by another name", true, || fs::write(at("real/same"), "4"));
        check(watch, "a link to itself", true, || {
            symlink(at("conf"), at("link"))?;
            fs::rename(at("link"), at("conf"))
        });
    }
}
