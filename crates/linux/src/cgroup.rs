//! Control groups, version 1, 2 and both at once.
//!
//! With version 1 every controller has a hierarchy of its own and a group is
//! one directory in each; with version 2 it is one directory. A machine with
//! both ("hybrid") has its controllers in version 1, so it counts as that.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

mod usage;

pub use usage::{BlockUsage, CpuUsage, MemoryUsage, Usage};

/// Which kind of hierarchy has the controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

/// Where the control groups of this machine are mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchies {
    version: Version,
    /// By controller, named hierarchies by `name=…`; version 2 as `unified`.
    mounts: BTreeMap<String, PathBuf>,
}

/// The key of the version 2 hierarchy.
const UNIFIED: &str = "unified";

impl Hierarchies {
    /// Finds them in this process's mount table.
    pub fn find() -> io::Result<Self> {
        Self::parse(&std::fs::read_to_string("/proc/self/mountinfo")?)
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no control groups are mounted"))
    }

    /// Reads proc_pid_mountinfo(5); the first mount of a hierarchy counts.
    fn parse(mountinfo: &str) -> Option<Self> {
        let mut mounts = BTreeMap::new();
        for line in mountinfo.lines() {
            let Some((before, after)) = line.split_once(" - ") else { continue };
            let target = before.split(' ').nth(4).map(PathBuf::from);
            let mut fields = after.split(' ');
            let (kind, options) = (fields.next(), fields.nth(1).unwrap_or_default());
            let keys: Vec<&str> = match kind {
                Some("cgroup") => {
                    options.split(',').filter(|key| !matches!(*key, "rw" | "ro" | "xattr")).collect()
                }
                Some("cgroup2") => vec![UNIFIED],
                Some(_) | None => continue,
            };
            for (key, target) in keys.into_iter().zip(std::iter::repeat(target).flatten()) {
                mounts.entry(key.to_owned()).or_insert(target);
            }
        }
        let controllers = mounts.keys().any(|key| key != UNIFIED && !key.starts_with("name="));
        let version = if controllers { Version::V1 } else { Version::V2 };
        (controllers || mounts.contains_key(UNIFIED)).then_some(Self { version, mounts })
    }

    pub fn version(&self) -> Version {
        self.version
    }

    /// The mount points that hold controllers, by their key; no named hierarchy.
    pub fn controllers(&self) -> impl Iterator<Item = (&str, &Path)> {
        let v2 = self.version == Version::V2;
        self.mounts
            .iter()
            .filter(
                move |(key, _)| {
                    if v2 { *key == UNIFIED } else { *key != UNIFIED && !key.starts_with("name=") }
                },
            )
            .map(|(key, mount)| (key.as_str(), mount.as_path()))
    }

    /// The group with this absolute path in every hierarchy with controllers.
    pub fn group(&self, path: &str) -> Group {
        let below = path.trim_start_matches('/');
        let directories =
            self.controllers().map(|(key, mount)| (key.to_owned(), mount.join(below))).collect();
        Group { version: self.version, directories }
    }

    /// Moves this process to the root of every hierarchy it is not there already,
    /// so that nobody who ends their own group ends us.
    pub fn leave(&self) -> io::Result<()> {
        let current = std::fs::read_to_string("/proc/self/cgroup")?;
        for line in current.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(keys), Some(path)) = (fields.next(), fields.next()) else { continue };
            let key = if keys.is_empty() { UNIFIED } else { keys.split(',').next().unwrap_or_default() };
            match self.mounts.get(key) {
                Some(mount) if path != "/" => std::fs::write(mount.join("cgroup.procs"), "0")?,
                Some(_) | None => {}
            }
        }
        Ok(())
    }
}

/// One control group, whether it exists or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    version: Version,
    directories: BTreeMap<String, PathBuf>,
}

impl Group {
    pub fn version(&self) -> Version {
        self.version
    }

    /// The directory that has the files of a controller.
    pub fn directory(&self, controller: &str) -> Option<&Path> {
        let key = if self.version == Version::V2 { UNIFIED } else { controller };
        self.directories.get(key).map(PathBuf::as_path)
    }

    /// All directories, each once (controllers may share one).
    pub fn directories(&self) -> BTreeSet<&Path> {
        self.directories.values().map(PathBuf::as_path).collect()
    }

    pub fn exists(&self) -> bool {
        self.directories.values().any(|directory| directory.is_dir())
    }

    /// Makes it, and the groups above it, in every hierarchy; with version 2 it is given
    /// every controller that the groups above can give.
    pub fn create(&self) -> io::Result<()> {
        self.directories().into_iter().try_for_each(std::fs::create_dir_all)?;
        if let (Version::V2, Some(directory)) = (self.version, self.directory(UNIFIED)) {
            let above: Vec<&Path> = directory.ancestors().skip(1).collect();
            above.into_iter().rev().for_each(give_controllers);
        }
        Ok(())
    }

    /// Moves a process into it.
    pub fn join(&self, pid: u32) -> io::Result<()> {
        let text = pid.to_string();
        self.directories()
            .into_iter()
            .try_for_each(|directory| std::fs::write(directory.join("cgroup.procs"), &text))
    }

    /// Every process in it and in the groups below, in order.
    pub fn pids(&self) -> io::Result<Vec<u32>> {
        let mut pids = BTreeSet::new();
        for directory in self.census() {
            collect(directory, &mut pids)?;
        }
        Ok(pids.into_iter().collect())
    }

    /// The directories to look for processes in: one hierarchy has them all,
    /// but a process may have moved itself within one it was given.
    fn census(&self) -> Vec<&Path> {
        let preferred = ["pids", "memory", "freezer", "devices"];
        let first = preferred.iter().find_map(|controller| self.directory(controller));
        first.or_else(|| self.directories.values().next().map(PathBuf::as_path)).into_iter().collect()
    }

    /// Sends a signal to every process in it. Processes that end meanwhile are not missed.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        self.pids()?.into_iter().try_for_each(|pid| crate::process::send(pid, signal))
    }

    /// Kills until nothing is left or the deadline has passed; thaws it if frozen.
    ///
    /// Zombies count as left until their parent has waited for them, so `reap`
    /// is called again and again.
    pub fn kill(&self, patience: Duration, mut reap: impl FnMut()) -> io::Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            if self.version == Version::V1 || self.kill_at_once().is_err() {
                self.signal(9)?;
            }
            self.thaw_if_frozen();
            reap();
            if self.pids()?.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "processes of the group do not end"));
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// Linux 5.14 and later can kill a whole version 2 group.
    fn kill_at_once(&self) -> io::Result<()> {
        let directory = self.directory(UNIFIED).ok_or(io::ErrorKind::NotFound)?;
        std::fs::write(directory.join("cgroup.kill"), "1")
    }

    /// Killed processes of a frozen version 1 group die only when they thaw.
    fn thaw_if_frozen(&self) {
        if self.version == Version::V1 && self.frozen().unwrap_or(false) {
            drop(self.write("freezer", "freezer.state", "THAWED"));
        }
    }

    /// Stops every process of the group; returns when all stand still.
    pub fn freeze(&self, patience: Duration) -> io::Result<()> {
        self.set_frozen(true)?;
        let deadline = Instant::now() + patience;
        while !self.frozen()? {
            if Instant::now() > deadline {
                drop(self.set_frozen(false));
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the processes of the group do not stand still",
                ));
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        Ok(())
    }

    /// Lets the processes of a frozen group go on.
    pub fn thaw(&self) -> io::Result<()> {
        self.set_frozen(false)
    }

    fn set_frozen(&self, frozen: bool) -> io::Result<()> {
        match self.version {
            Version::V1 => self.write("freezer", "freezer.state", if frozen { "FROZEN" } else { "THAWED" }),
            Version::V2 => self.write(UNIFIED, "cgroup.freeze", if frozen { "1" } else { "0" }),
        }
    }

    /// Whether every process stands still.
    pub fn frozen(&self) -> io::Result<bool> {
        match self.version {
            Version::V1 => Ok(self.read("freezer", "freezer.state")?.trim() == "FROZEN"),
            Version::V2 => Ok(self.read(UNIFIED, "cgroup.events")?.lines().any(|line| line == "frozen 1")),
        }
    }

    /// How many processes of the group were killed for want of memory.
    pub fn oom_kills(&self) -> io::Result<u64> {
        let text = match self.version {
            Version::V1 => self.read("memory", "memory.oom_control")?,
            Version::V2 => self.read(UNIFIED, "memory.events")?,
        };
        Ok(usage::keyed(&text).get("oom_kill").copied().unwrap_or(0))
    }

    /// Reads a file of a controller.
    pub fn read(&self, controller: &str, file: &str) -> io::Result<String> {
        let directory = self.directory(controller).ok_or(io::ErrorKind::NotFound)?;
        std::fs::read_to_string(directory.join(file))
    }

    /// Writes a file of a controller; never creates one.
    pub fn write(&self, controller: &str, file: &str, value: &str) -> io::Result<()> {
        let directory = self.directory(controller).ok_or(io::ErrorKind::NotFound)?;
        let mut file = std::fs::OpenOptions::new().write(true).open(directory.join(file))?;
        io::Write::write_all(&mut file, value.as_bytes())
    }

    /// Removes it and the groups below. It must hold no process; waits a
    /// little for those that are just ending.
    pub fn remove(&self, patience: Duration) -> io::Result<()> {
        let deadline = Instant::now() + patience;
        self.directories().into_iter().try_for_each(|directory| remove(directory, deadline))
    }
}

/// Enables for the groups below each controller that a version 2 group has. Of those that
/// it may not (a group with processes of its own) the groups below have no files: whoever
/// writes a limit is told so.
fn give_controllers(directory: &Path) {
    let controllers = std::fs::read_to_string(directory.join("cgroup.controllers")).unwrap_or_default();
    for controller in controllers.split_whitespace() {
        drop(std::fs::write(directory.join("cgroup.subtree_control"), format!("+{controller}")));
    }
}

fn collect(directory: &Path, pids: &mut BTreeSet<u32>) -> io::Result<()> {
    let text = match std::fs::read_to_string(directory.join("cgroup.procs")) {
        Ok(text) => text,
        Err(error) if gone(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()).filter(|pid| *pid != 0));
    children(directory)?.iter().try_for_each(|child| collect(child, pids))
}

fn children(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if gone(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut children = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            children.push(entry.path());
        }
    }
    Ok(children)
}

fn remove(directory: &Path, deadline: Instant) -> io::Result<()> {
    loop {
        match std::fs::remove_dir(directory) {
            Ok(()) => return Ok(()),
            Err(error) if gone(&error) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                children(directory)?.iter().try_for_each(|child| remove(child, deadline))?;
                std::thread::sleep(Duration::from_micros(200));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Not there, or removed while we looked.
fn gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}

#[cfg(test)]
mod tests;
