//! A scratch machine with an engine in it, and a neighbour on a wire.

use std::{
    fs,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Context, Result, bail};
use linux::scratch::Scratch;
use rustix::process::{Pid, Signal, kill_process};

use crate::{Leftovers, Output, images, leftovers::remove_group, until};

/// The machine's own address on its wire (RFC 5737, TEST-NET-2).
pub const WIRE: &str = "198.51.100.1";
/// The neighbour's address.
pub const OUTSIDE: &str = "198.51.100.2";
/// The machine's own address on its wire (RFC 3849).
pub const WIRE6: &str = "2001:db8::1";
/// The neighbour's address.
pub const OUTSIDE6: &str = "2001:db8::2";

/// Distinguishes the machines of one process.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A machine of its own with an engine. All of it is gone when it is dropped.
#[derive(Debug)]
pub struct Machine {
    scratch: Scratch,
    binary: PathBuf,
    cgroup: String,
    engine: Mutex<Option<Child>>,
    flags: Vec<String>,
}

impl Machine {
    /// A machine with a running engine and Debian's busybox as the image `busybox`.
    ///
    /// # Errors
    /// What went wrong, with the engine's last words.
    pub fn start(binary: impl AsRef<Path>) -> Result<Self> {
        Self::start_with(binary, &[])
    }

    /// The same with further flags for the engine.
    ///
    /// # Errors
    /// What went wrong, with the engine's last words.
    pub fn start_with(binary: impl AsRef<Path>, flags: &[&str]) -> Result<Self> {
        let machine = Self::without_engine(binary, flags)?;
        machine.start_engine()?;
        machine.load_busybox()?;
        Ok(machine)
    }

    /// A machine whose engine is not started yet.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn without_engine(binary: impl AsRef<Path>, flags: &[&str]) -> Result<Self> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tombolo-test-{}-{number}", std::process::id());
        let scratch = Scratch::new(&std::env::temp_dir().join(&name)).context("no scratch machine")?;
        let machine = Self {
            scratch,
            binary: binary.as_ref().to_owned(),
            cgroup: name,
            engine: Mutex::new(None),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        };
        machine.lay_wire()?;
        Ok(machine)
    }

    /// Joins the machine to a neighbour, whose default route leads back here.
    fn lay_wire(&self) -> Result<()> {
        let script = format!(
            "set -e
            ip link set lo up
            mkdir -p /run/netns
            ip netns add outside
            ip link add wire type veth peer name wire netns outside
            ip addr add {WIRE}/24 dev wire
            ip -6 addr add {WIRE6}/64 dev wire nodad
            ip link set wire up
            ip -n outside link set lo up
            ip -n outside addr add {OUTSIDE}/24 dev wire
            ip -n outside -6 addr add {OUTSIDE6}/64 dev wire nodad
            ip -n outside link set wire up
            ip -n outside route add default via {WIRE}
            ip -n outside -6 route add default via {WIRE6}"
        );
        self.sh(&script).ok().context("cannot lay a wire")?;
        Ok(())
    }

    /// Starts the engine and waits until it answers.
    ///
    /// # Errors
    /// If it does not, with its log.
    pub fn start_engine(&self) -> Result<()> {
        let path = self.log();
        let open = move || fs::OpenOptions::new().create(true).append(true).open(path);
        let log = self.scratch.run(open).context("no log")?;
        let mut command = Command::new(&self.binary);
        command
            .arg("daemon")
            .arg("--data-root")
            .arg(self.data_root())
            .arg("--exec-root")
            .arg(self.exec_root());
        command.arg("-H").arg(self.host()).arg("--pidfile").arg(self.root().join("tombolo.pid"));
        command.arg("--cgroup-parent").arg(format!("/{}", self.cgroup)).args(&self.flags);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = self.scratch.spawn(command).context("cannot start the engine")?;
        *self.lock() = Some(child);
        let answers = until("the engine to answer", || self.answers().then_some(()));
        answers.with_context(|| format!("the engine said:\n{}", self.engine_log()))
    }

    fn answers(&self) -> bool {
        use std::io::{Read, Write};
        let socket = self.socket();
        let ask = move || -> std::io::Result<bool> {
            let mut stream = UnixStream::connect(socket)?;
            stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: x\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer.contains("200 OK"))
        };
        self.scratch.run(ask).unwrap_or(false)
    }

    /// Ends the engine as a power cut would (SIGKILL).
    ///
    /// # Errors
    /// If it is not running.
    pub fn kill_engine(&self) -> Result<()> {
        let mut child = self.lock().take().context("no engine is running")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Ends all that runs and takes away all that no boot finds again, as a power cut of the machine
    /// would: processes, links but the wire, rules, namespaces, mounts, the exec root.
    ///
    /// # Errors
    /// If the engine is not running, or something stays.
    pub fn cut_power(&self) -> Result<()> {
        self.kill_engine()?;
        self.end_processes()?;
        let script = format!(
            "set -e
            for at in $(awk '{{ print $2 }}' /proc/mounts | grep -e '^{data}/' -e '^{exec}/' | sort -r); do
                umount -l $at
            done
            rm -rf {exec}
            for link in $(ip -o link show type bridge | awk -F'[:@ ]+' '{{ print $2 }}'); do ip link del $link; done
            nft flush ruleset",
            data = self.data_root().display(),
            exec = self.exec_root().display(),
        );
        self.sh(&script).ok().context("cannot clear the machine")?;
        Ok(())
    }

    /// Ends the engine politely (SIGTERM) and waits for it.
    ///
    /// # Errors
    /// If it is not running or does not end well.
    pub fn stop_engine(&self) -> Result<()> {
        let mut child = self.lock().take().context("no engine is running")?;
        let pid = Pid::from_child(&child);
        kill_process(pid, Signal::TERM)?;
        let status = child.wait()?;
        if !status.success() {
            bail!("the engine ended with {status}:\n{}", self.engine_log());
        }
        Ok(())
    }

    /// Has the engine's next start take other flags.
    pub fn set_flags(&mut self, flags: &[&str]) {
        self.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
    }

    /// The engine's process, if it runs.
    pub fn engine_pid(&self) -> Option<u32> {
        self.lock().as_ref().map(Child::id)
    }

    /// What the engine has logged.
    pub fn engine_log(&self) -> String {
        let path = self.log();
        self.scratch.run(move || fs::read_to_string(path)).unwrap_or_default()
    }

    /// Loads the image `busybox`.
    ///
    /// # Errors
    /// What the engine says.
    pub fn load_busybox(&self) -> Result<()> {
        let path = self.root().join("busybox.tar");
        let (at, archive) = (path.clone(), images::busybox("busybox:latest")?);
        self.scratch.run(move || fs::write(at, archive))?;
        let (socket, path) = (self.socket(), path.display().to_string());
        let post = "curl -sS --fail-with-body -X POST -H 'Content-Type: application/x-tar' --data-binary";
        self.sh(&format!("{post} @{path} --unix-socket {} http://engine/images/load", socket.display()))
            .ok()?;
        Ok(())
    }

    /// Calls the docker command line, with words as a shell splits them.
    pub fn docker(&self, words: &str) -> Output {
        self.sh(&format!("docker {words}"))
    }

    /// Calls our command line, with words as a shell splits them.
    pub fn tombolo(&self, words: &str) -> Output {
        self.sh(&format!("{} {words}", self.binary.display()))
    }

    /// Runs a shell script on the machine.
    pub fn sh(&self, script: &str) -> Output {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script);
        self.run(command, script)
    }

    /// Starts a shell script on the machine that nobody listens to, to be ended by the caller.
    ///
    /// # Errors
    /// If there is no shell.
    pub fn start_sh(&self, script: &str) -> Result<Child> {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.spawn(command)
    }

    /// Runs a shell script at the neighbour's.
    pub fn outside(&self, script: &str) -> Output {
        self.sh(&at_outside(script))
    }

    /// Starts a shell script at the neighbour's that nobody listens to, to be ended by the caller.
    ///
    /// # Errors
    /// If there is no shell.
    pub fn start_outside(&self, script: &str) -> Result<Child> {
        self.start_sh(&at_outside(script))
    }

    fn run(&self, mut command: Command, shown: &str) -> Output {
        self.furnish(&mut command);
        command.stdin(Stdio::null());
        let output = self.scratch.run(move || command.output());
        Output::new(shown.to_owned(), &output.expect("a program that is installed"))
    }

    /// Does something on the machine, where its files are seen.
    pub fn within<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        self.scratch.run(job)
    }

    /// Starts a program on the machine, to be ended by the caller.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn(&self, mut command: Command) -> Result<Child> {
        self.furnish(&mut command);
        Ok(self.scratch.spawn(command)?)
    }

    fn furnish(&self, command: &mut Command) {
        command.env("DOCKER_HOST", self.host()).env("TOMBOLO_HOST", self.host()).env("HOME", self.root());
        command.env_remove("DOCKER_CONTEXT");
    }

    /// What is left of engines and containers.
    pub fn leftovers(&self) -> Leftovers {
        Leftovers::of(self)
    }

    /// Processes of the machine besides the engine: shims, and what runs in containers.
    pub fn processes(&self) -> Vec<(u32, String)> {
        let engine = self.engine_pid();
        let cgroup = format!("/{}/", self.cgroup);
        let roots = self.root().display().to_string();
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let ours = pids.filter(|pid| Some(*pid) != engine && *pid != std::process::id()).filter_map(|pid| {
            let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let command = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
            let group = String::from_utf8_lossy(&read("cgroup")).into_owned();
            let is_ours = group.contains(&cgroup) || command.contains(&roots);
            is_ours.then_some((pid, command))
        });
        ours.collect()
    }

    /// Where the machine keeps everything.
    pub fn root(&self) -> &Path {
        self.scratch.root()
    }

    /// The engine's data root.
    pub fn data_root(&self) -> PathBuf {
        self.root().join("data")
    }

    /// The engine's exec root.
    pub fn exec_root(&self) -> PathBuf {
        self.root().join("exec")
    }

    /// The engine's socket.
    pub fn socket(&self) -> PathBuf {
        self.root().join("tombolo.sock")
    }

    fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn log(&self) -> PathBuf {
        self.root().join("engine.log")
    }

    /// The control group that all containers of the machine are below.
    pub fn cgroup(&self) -> &str {
        &self.cgroup
    }

    fn end_processes(&self) -> Result<()> {
        until("the machine's processes to end", || {
            let left = self.processes();
            for (pid, _) in &left {
                let pid = i32::try_from(*pid).ok().and_then(Pid::from_raw);
                pid.map(|pid| kill_process(pid, Signal::KILL));
            }
            left.is_empty().then_some(())
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The command that runs a script at the neighbour's, in the place of the shell that reads it.
fn at_outside(script: &str) -> String {
    format!("exec ip netns exec outside /bin/sh -c '{}'", script.replace('\'', r"'\''"))
}

impl Drop for Machine {
    /// Ends what the test has left running, so that a failed test leaves nothing either.
    fn drop(&mut self) {
        drop(self.kill_engine());
        drop(self.end_processes());
        remove_group(&self.cgroup);
    }
}
