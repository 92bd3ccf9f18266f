//! Debian's dockerd in a scratch machine.
//!
//! dockerd has the network namespace, the mounts, `/run`, `/opt` and `/etc/docker` for itself, its data on
//! the given directory, its own containerd, and a control group of its own. Nothing of
//! the host's Docker is read or written.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use linux::{cgroup::Hierarchies, scratch::Scratch};
use rustix::process::Signal;
use testkit::{remove_group, until};

use crate::process;

/// Where dockerd listens, on its own `/run`.
const SOCKET: &str = "/run/docker.sock";

/// A running dockerd. All of it is gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Docker {
    scratch: Scratch,
    engine: Child,
    /// The mount namespace that dockerd, containerd, shims and proxies share.
    mounts: PathBuf,
    cgroup: String,
    registry: Option<Child>,
}

impl Docker {
    /// Starts dockerd with its default configuration, its data below `data`.
    pub(crate) fn start(data: Option<&Path>) -> Result<Self> {
        let name = format!("tombolo-bench-docker-{}", std::process::id());
        let scratch = Scratch::new(&std::env::temp_dir().join(&name)).context("no scratch machine")?;
        let root = scratch.root().to_owned();
        let bind = data.map(|data| format!("mount --bind {} {}/data", data.display(), root.display()));
        let script = format!(
            "set -e
            ip link set lo up
            for own in /opt /etc/docker; do mkdir -p $own; mount -t tmpfs tmpfs $own; done
            mkdir {root}/data
            echo '{{}}' > {root}/daemon.json
            {bind}",
            root = root.display(),
            bind = bind.unwrap_or_default()
        );
        let mut furnish = program("/bin/sh");
        furnish.arg("-c").arg(script).stdin(Stdio::null());
        let furnished = scratch.run(move || furnish.status()).context("cannot furnish the machine")?;
        ensure!(furnished.success(), "cannot furnish the machine: {furnished}");
        let at = root.join("log");
        let log = scratch.run(move || File::create(at)).context("no log")?;
        let mut command = dockerd(&root, &name);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let engine = scratch.spawn(command).context("cannot start dockerd: is docker.io installed?")?;
        let mounts = process::mounts_of(engine.id()).context("dockerd has no mounts")?;
        let docker = Self { scratch, engine, mounts, cgroup: name, registry: None };
        let answers = until("dockerd to listen", || docker.socket().exists().then_some(()));
        answers.with_context(|| format!("dockerd said:\n{}", docker.log()))?;
        Ok(docker)
    }

    /// The socket, as the host can reach it.
    pub(crate) fn socket(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{SOCKET}", self.engine.id()))
    }

    /// Starts a registry on its machine, which ends with it.
    pub(crate) fn serve_registry(&mut self, address: &str) -> Result<()> {
        let root = self.scratch.root().to_owned();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}/registry}}\nhttp:\n  \
             addr: '{address}'\n",
            root.display()
        );
        let path = root.join("registry.yml");
        let at = path.clone();
        self.scratch.run(move || fs::write(at, config)).context("cannot write the registry's settings")?;
        let mut command = program("docker-registry");
        command.arg("serve").arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.registry = Some(self.scratch.spawn(command).context("is docker-registry installed?")?);
        let address = address.to_owned();
        let connects = move || std::net::TcpStream::connect(address.as_str()).ok().map(drop);
        until("the registry to listen", || self.scratch.run(connects.clone())).map(drop)
    }

    /// dockerd, containerd, shims and proxies.
    pub(crate) fn pids(&self) -> Vec<u32> {
        process::sharing(&self.mounts)
    }

    /// What dockerd has logged.
    pub(crate) fn log(&self) -> String {
        let path = self.scratch.root().join("log");
        self.scratch.run(move || fs::read_to_string(path)).unwrap_or_default()
    }
}

fn dockerd(root: &Path, cgroup: &str) -> Command {
    let mut command = program("dockerd");
    command.arg("--data-root").arg(root.join("data")).args(["--exec-root", "/run/docker"]);
    command.args(["--pidfile", "/run/docker.pid", "-H"]).arg(format!("unix://{SOCKET}"));
    command.arg("--config-file").arg(root.join("daemon.json"));
    command.args(["--storage-driver", "overlay2", "--cgroup-parent"]).arg(format!("/{cgroup}"));
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin")).env("HOME", root);
    command
}

/// A peer's program.
#[expect(clippy::disallowed_methods, reason = "the peer is a program, and the benchmark starts it")]
pub(crate) fn program(name: &str) -> Command {
    Command::new(name)
}

impl Drop for Docker {
    /// Ends dockerd politely, then whatever of it is left.
    fn drop(&mut self) {
        if let Some(mut registry) = self.registry.take() {
            drop(registry.kill().and_then(|()| registry.wait()));
        }
        process::signal(self.engine.id(), Signal::TERM);
        let ended = until("dockerd to end", || self.engine.try_wait().ok().flatten());
        if ended.is_err() {
            drop(self.engine.kill().and_then(|()| self.engine.wait()));
        }
        let group = Hierarchies::find().map(|hierarchies| hierarchies.group(&self.cgroup));
        let in_containers = || group.as_ref().ok().and_then(|group| group.pids().ok()).unwrap_or_default();
        drop(until("what dockerd has started to end", || {
            let left = [self.pids(), in_containers()].concat();
            left.iter().for_each(|pid| process::signal(*pid, Signal::KILL));
            left.is_empty().then_some(())
        }));
        remove_group(&self.cgroup);
    }
}
