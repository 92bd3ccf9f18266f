//! A machine of its own: a network and a mount namespace that nothing else
//! sees, and that end with the value.
//!
//! Tests, benchmarks and the demonstration start engines in one. Whatever they
//! mount or plug there is gone when the last process in it is.

use std::{
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::mpsc,
    thread::{self, JoinHandle},
};

use rustix::{
    fs::CWD,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
        fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
    },
};

use crate::netns;

type Job = Box<dyn FnOnce() + Send>;

/// A thread that lives in namespaces of its own and does there what it is asked to.
#[derive(Debug)]
pub struct Scratch {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    root: PathBuf,
}

impl Scratch {
    /// A machine with a memory file system at `root`, which is made, and another at
    /// `/run`. Only the machine sees them.
    ///
    /// # Errors
    /// What the kernel says to `unshare`, `mount` or `mkdir`.
    pub fn new(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        let (jobs, queue) = mpsc::channel::<Job>();
        let (ready, is_ready) = mpsc::channel();
        let at = root.to_owned();
        let thread = thread::Builder::new().name("scratch".to_owned()).spawn(move || {
            let entered = enter(&at);
            let failed = entered.is_err();
            drop(ready.send(entered));
            if !failed {
                queue.iter().for_each(|job| job());
            }
        })?;
        is_ready.recv().map_err(io::Error::other)??;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), root: root.to_owned() })
    }

    /// Where the machine may write.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Does `job` inside and waits for what it returns.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (reply, answer) = mpsc::channel();
        let job = Box::new(move || drop(reply.send(job())));
        self.jobs.as_ref().expect("the machine is on").send(job).expect("the machine's thread lives");
        answer.recv().expect("no job panics")
    }

    /// Starts a program inside.
    ///
    /// # Errors
    /// Those of [`Command::spawn`].
    pub fn spawn(&self, mut command: Command) -> io::Result<Child> {
        self.run(move || command.spawn())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        drop(fs::remove_dir(&self.root));
    }
}

/// Moves the calling thread into namespaces of its own and furnishes them.
fn enter(root: &Path) -> io::Result<()> {
    netns::leave_host()?;
    let cgroups = open_tree(CWD, "/sys/fs/cgroup", tree_flags())?;
    mount("sysfs", Path::new("/sys"), &[])?;
    attach(&cgroups, Path::new("/sys/fs/cgroup"))?;
    mount("tmpfs", root, &[("mode", "0755")])?;
    // Sockets, namespaces and the like of the machine, at their usual place.
    mount("tmpfs", Path::new("/run"), &[("mode", "0755")])
}

fn tree_flags() -> OpenTreeFlags {
    OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE
}

fn mount(kind: &str, at: &Path, options: &[(&str, &str)]) -> io::Result<()> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        fsconfig_set_string(&context, *key, *value)?;
    }
    fsconfig_create(&context)?;
    attach(&fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?, at)
}

fn attach(tree: &OwnedFd, at: &Path) -> io::Result<()> {
    Ok(move_mount(tree, "", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> Vec<String> {
        let names = fs::read_dir("/sys/class/net").expect("a list of links");
        names.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect()
    }

    #[test]
    fn sees_nothing_of_the_host_and_leaves_nothing() {
        let root = std::env::temp_dir().join(format!("scratch-{}", std::process::id()));
        let scratch = Scratch::new(&root).expect("a scratch machine");
        assert_eq!(scratch.run(links), ["lo"]);
        let inside = root.join("file");
        let (there, path) = (inside.clone(), inside.clone());
        scratch.run(move || fs::write(there, "x")).expect("a writable root");
        assert!(!path.exists(), "the host sees {}", path.display());
        assert!(scratch.run(|| Path::new("/sys/fs/cgroup").read_dir().expect("cgroups").next().is_some()));
        drop(scratch);
        assert!(!root.exists());
    }
}
