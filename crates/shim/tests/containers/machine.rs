//! A place for containers of one test: name spaces, a root file system, a
//! parent control group, all gone with it.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use linux::cgroup::{Group, Hierarchies};
use runtime::bundle::{self, Config};
use runtime::client::{self, Attached, Client, ClientError, LaunchError};
use runtime::protocol::stream::STDOUT;
use runtime::protocol::{ExecSpec, Exit, ProcessId, State, Streams};
use runtime::seccomp::Cache;
use runtime::spec::{ContainerSpec, Host, UserIds, oci_spec};

/// No test waits longer for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The shim's program.
pub(crate) const SHIM: &str = env!("CARGO_BIN_EXE_shim");

pub(crate) struct Machine {
    directory: tempfile::TempDir,
    parent: String,
    filters: Cache,
}

/// Runs a test in a machine of its own, on a thread of its own.
pub(crate) fn in_machine<F: Future<Output = ()>>(name: &'static str, test: impl FnOnce(Machine) -> F + Send) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            linux::netns::leave_host().expect("namespaces of our own");
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let machine = Machine::new(name);
            let parent = machine.group("");
            runtime
                .block_on(async { tokio::time::timeout(DEADLINE * 2, test(machine)).await })
                .expect("in time");
            parent.remove(DEADLINE).expect("every container has removed its group");
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

impl Machine {
    fn new(name: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("root");
        for path in ["bin", "etc", "tmp", "proc", "sys", "dev"] {
            std::fs::create_dir_all(root.join(path)).expect("a root file system");
        }
        std::fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox-static is installed");
        for command in
            ["sh", "cat", "sleep", "id", "hostname", "stty", "head", "mount", "ls", "true", "kill", "dd"]
        {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(command)).expect("a link");
        }
        let passwd = "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1000::/srv:/bin/sh\n";
        std::fs::write(root.join("etc/passwd"), passwd).expect("a file");
        std::fs::write(root.join("etc/plain"), "no program").expect("a file");
        let parent = format!("/tombolo-test-{}-{name}", std::process::id());
        Self { directory, parent, filters: Cache::default() }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn group(&self, name: &str) -> Group {
        Hierarchies::find().expect("control groups").group(&format!("{}/{name}", self.parent))
    }

    /// A container that runs a shell script.
    pub(crate) fn spec(&self, script: &str) -> ContainerSpec {
        let args = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        ContainerSpec::new(self.root(), args, format!("{}/c", self.parent))
    }

    pub(crate) fn bundle(&self) -> PathBuf {
        self.path("bundle")
    }

    pub(crate) fn write(&self, spec: &ContainerSpec, config: &Config) -> PathBuf {
        let bundle = self.bundle();
        std::fs::create_dir_all(&bundle).expect("a directory");
        bundle::clear(&bundle).expect("clear");
        let document = oci_spec(spec, &Host::default()).expect("a document");
        let section = document.linux().as_ref().and_then(|linux| linux.seccomp().as_ref());
        let filter = section.map(|section| self.filters.get(section).expect("a filter").to_bytes());
        bundle::write(&bundle, &document, config, filter.as_deref()).expect("write");
        bundle
    }

    pub(crate) async fn create(
        &self,
        spec: &ContainerSpec,
        config: &Config,
    ) -> Result<(Client, State), LaunchError> {
        let bundle = self.write(spec, config);
        client::create(Path::new(SHIM), &bundle).await
    }

    /// Creates a container that must come up.
    pub(crate) async fn created(&self, spec: &ContainerSpec, config: &Config) -> Client {
        self.create(spec, config).await.expect("a container").0
    }

    /// Runs a container to its end: what it wrote, how it ended.
    pub(crate) async fn run(&self, spec: &ContainerSpec) -> (String, Exit) {
        let client = self.created(spec, &Config::default()).await;
        let mut attached = client.attach(ProcessId::Init, Streams::OUTPUT).await.expect("attach");
        client.start().await.expect("start");
        let output = text(&mut attached).await;
        let exit = client.wait(ProcessId::Init).await.expect("wait");
        client.delete().await.expect("delete");
        (output, exit)
    }

    pub(crate) async fn output(&self, spec: &ContainerSpec) -> String {
        self.run(spec).await.0
    }
}

/// Whatever a failed test has left.
impl Drop for Machine {
    fn drop(&mut self) {
        let shim = std::fs::read_to_string(self.bundle().join(bundle::PID)).ok();
        if let Some(pid) = shim.and_then(|pid| pid.parse().ok()).filter(|_| std::thread::panicking()) {
            drop(linux::process::send(pid, 9));
            drop(self.group("c").kill(DEADLINE, || ()));
        }
        if std::thread::panicking() {
            drop(self.group("").remove(DEADLINE));
        }
    }
}

/// All output to the end, both streams.
pub(crate) async fn text(attached: &mut Attached) -> String {
    let mut bytes = Vec::new();
    while let Some(chunk) = attached.output.next().await.expect("output to its end") {
        bytes.extend(chunk.data);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Output until it holds `wanted`.
pub(crate) async fn until(attached: &mut Attached, wanted: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(wanted) {
        let chunk = attached.output.next().await.expect("output").unwrap_or_else(|| panic!("only {seen:?}"));
        assert_eq!(chunk.stream, STDOUT);
        seen.push_str(&String::from_utf8_lossy(&chunk.data));
    }
    seen
}

/// Waits for a condition.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + DEADLINE;
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A further process that runs a shell script.
pub(crate) fn script(script: &str) -> ExecSpec {
    ExecSpec {
        args: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        env: vec!["PATH=/bin".to_owned()],
        cwd: "/".to_owned(),
        user: UserIds::default(),
        terminal: false,
        terminal_size: None,
        privileged: false,
        stdin: false,
    }
}

/// Runs a further process to its end: what it wrote, how it ended.
pub(crate) async fn exec(client: &Client, spec: ExecSpec) -> Result<(String, Exit), ClientError> {
    let id = "e".to_owned();
    client.exec_create(&id, spec).await?;
    let mut attached = client.attach(ProcessId::Exec(id.clone()), Streams::OUTPUT).await?;
    let started = client.exec_start(&id).await;
    if let Err(error) = started {
        client.exec_remove(&id).await?;
        return Err(error);
    }
    let output = text(&mut attached).await;
    let exit = client.wait(ProcessId::Exec(id.clone())).await?;
    client.exec_remove(&id).await?;
    Ok((output, exit))
}
