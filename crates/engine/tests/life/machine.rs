//! A machine of one test: namespaces, a memory file system, an engine, all gone with it.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use engine::{
    AttachOptions, Attached, Config, ContainerId, ContainerSpec, Engine, ExecSpec, ExecState, Inspect,
    LogOptions, NetworkMode, RemoveOptions, Root, StopOptions, Stream, WaitCondition, WaitExit, image, net,
};
use linux::{cgroup::Hierarchies, pidfd::Pidfd, scratch::Scratch};

/// No test waits longer for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Machine {
    pub(crate) engine: Arc<Engine>,
    root: PathBuf,
    cgroup: String,
}

/// Runs a test in a machine of its own and counts what it has left.
pub(crate) fn in_machine<F: Future<Output = Machine>>(
    name: &str,
    test: impl FnOnce(Machine) -> F + Send + 'static,
) {
    let root = std::env::temp_dir().join(format!("tombolo-engine-{}-{name}", std::process::id()));
    let cgroup = format!("/tombolo-engine-{}-{name}", std::process::id());
    let scratch = Scratch::new(&root).expect("namespaces of our own");
    let outcome = scratch.run(move || {
        let (at, group) = (root.clone(), cgroup.clone());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let work = async {
            let machine = Machine { engine: open(&root, &cgroup).await, root, cgroup };
            let machine = tokio::time::timeout(DEADLINE * 2, test(machine)).await.expect("in time");
            machine.leave_nothing().await;
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| runtime.expect("a runtime").block_on(work)));
        if outcome.is_err() {
            clear_up(&at, &group);
        }
        outcome
    });
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

/// Ends the shims and containers of a test that failed.
fn clear_up(root: &std::path::Path, cgroup: &str) {
    for bundle in std::fs::read_dir(root.join("run/containers")).into_iter().flatten().flatten() {
        let pid = std::fs::read_to_string(bundle.path().join("shim.pid")).unwrap_or_default();
        let shim = pid.trim().parse().ok().and_then(|pid| Pidfd::open(pid).ok());
        let _ended_already = shim.map(|shim| shim.signal(9));
    }
    let group = Hierarchies::find().map(|all| all.group(cgroup));
    let cleared = group.and_then(|group| {
        group.kill(DEADLINE, || {})?;
        group.remove(DEADLINE)
    });
    // The test has failed already, and says why.
    drop(cleared);
}

async fn open(root: &std::path::Path, cgroup: &str) -> Arc<Engine> {
    let (data, run) = (root.join("data"), root.join("run"));
    let mut config = Config::new(data.clone(), run.clone(), shim());
    cgroup.clone_into(&mut config.cgroup_parent);
    let images = image::Images::open(&data.join("images")).expect("images");
    if images.find(image::DEFAULT_IMAGE).is_err() {
        let busybox = std::fs::read("/bin/busybox").expect("busybox-static is installed");
        let archive = image::default_image(&busybox).expect("an image");
        images.load(archive.as_slice(), &|_| {}).expect("the default image");
    }
    let settings = net::Config {
        state: data.join("net"),
        run,
        defaults: None,
        publish: net::cnm::driver::bridge::PublishDefault::All,
        default_network: net::DefaultNetwork::default(),
        dns_hosts: Vec::new(),
    };
    let network = net::NetworkService::start(settings).await.expect("a network service");
    Engine::open(config, network, Arc::new(images)).await.expect("an engine")
}

/// The shim's program, which cargo builds beside the tests.
fn shim() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let target = test.parent().and_then(|deps| deps.parent()).expect("target/debug/deps");
    let shim = target.join("examples/shim");
    assert!(shim.exists(), "cargo test builds {}", shim.display());
    shim
}

/// A container of the default image that runs a shell script.
pub(crate) fn script(text: &str) -> ContainerSpec {
    let mut spec =
        ContainerSpec { root: Root::Image(image::DEFAULT_IMAGE.to_owned()), ..ContainerSpec::default() };
    spec.command.args = Some(["sh", "-c", text].map(str::to_owned).to_vec());
    spec
}

/// The same, on this network.
pub(crate) fn script_on(mode: &str, text: &str) -> ContainerSpec {
    let mut spec = script(text);
    spec.network.mode = mode.parse::<NetworkMode>().expect("a mode");
    spec
}

/// One that only waits to be killed.
pub(crate) fn idle(name: &str) -> ContainerSpec {
    ContainerSpec {
        name: Some(name.to_owned()),
        ..script("trap 'exit 0' TERM; echo ready; while :; do sleep 1; done")
    }
}

impl Machine {
    pub(crate) async fn create(&self, spec: ContainerSpec) -> ContainerId {
        self.engine.create(spec).await.expect("a container").id
    }

    pub(crate) async fn start(&self, spec: ContainerSpec) -> ContainerId {
        let id = self.create(spec).await;
        self.engine.start(&id.to_string()).await.expect("a start");
        id
    }

    /// Runs a container to its end: its exit code, and all it wrote.
    pub(crate) async fn run(&self, spec: ContainerSpec) -> (i32, String) {
        let id = self.create(spec).await.to_string();
        let attached = self.attach(&id).await;
        let ended = self.engine.wait(&id, WaitCondition::NextExit).expect("a wait");
        self.engine.start(&id).await.expect("a start");
        let output = read(attached).await;
        let WaitExit { code, .. } = ended.await;
        self.engine.remove(&id, RemoveOptions::default()).await.expect("removed");
        (code, output)
    }

    pub(crate) async fn attach(&self, id: &str) -> Attached {
        let options = AttachOptions { stdin: true, stdout: true, stderr: true, logs: false, stream: true };
        self.engine.attach(id, options).await.expect("attached")
    }

    /// Runs a script in a running container: its exit code, and all it wrote.
    pub(crate) async fn exec(&self, term: &str, text: &str) -> (i32, String) {
        let args = ["sh", "-c", text].map(str::to_owned).to_vec();
        let spec = ExecSpec { args, stdout: true, stderr: true, ..ExecSpec::default() };
        let id = self.engine.exec_create(term, spec).expect("an exec").to_string();
        let attached = self.engine.exec_start(&id, false).await.expect("started").expect("attached");
        let output = read(attached).await;
        match self.engine.exec_inspect(&id).expect("an exec").state {
            ExecState::Exited { code, .. } => (code, output),
            state @ (ExecState::Created | ExecState::Running { .. }) => {
                panic!("{state:?} after the end of output")
            }
        }
    }

    pub(crate) fn inspect(&self, term: &str) -> Inspect {
        self.engine.inspect(term).expect("a container")
    }

    /// The container's address on a network.
    pub(crate) fn address(&self, term: &str, network: &str) -> String {
        let inspect = self.inspect(term);
        let live = inspect.network.networks[network].live.as_ref().expect("connected");
        live.v4.expect("an address").0.to_string()
    }

    /// Waits until a container has logged a line: it listens to signals from then on.
    pub(crate) async fn is_ready(&self, term: &str) {
        let log = self.inspect(term).files.log.expect("a log");
        let has_line = || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("ready"));
        wait_until("the container is ready", has_line).await;
    }

    pub(crate) async fn stop(&self, term: &str) {
        self.engine.stop(term, StopOptions { signal: None, timeout: Some(5) }).await.expect("stopped");
    }

    pub(crate) async fn remove(&self, term: &str) {
        let options = RemoveOptions { force: true, volumes: true };
        self.engine.remove(term, options).await.expect("removed");
    }

    /// All that a container has logged, line by line.
    pub(crate) async fn logs(&self, term: &str, options: LogOptions) -> Vec<(Stream, String)> {
        let mut entries = self.engine.logs(term, options).await.expect("a log");
        let mut all = Vec::new();
        while let Some(entry) = entries.recv().await {
            let entry = entry.expect("an entry");
            all.push((entry.stream, String::from_utf8_lossy(&entry.line).trim_end().to_owned()));
        }
        all
    }

    /// Ends this engine and begins another one on the same directories.
    pub(crate) async fn reopen(self) -> Self {
        let Self { engine, root, cgroup } = self;
        engine.close().await;
        let mut waiting = Some(engine);
        let deadline = std::time::Instant::now() + DEADLINE;
        while let Some(engine) = waiting.take() {
            match Arc::try_unwrap(engine) {
                Ok(engine) => drop(engine),
                Err(_) if std::time::Instant::now() > deadline => panic!("somebody keeps the engine"),
                Err(shared) => {
                    waiting = Some(shared);
                    tokio::task::yield_now().await;
                }
            }
        }
        wait_until("the stores are closed", || {
            ["data/engine.redb", "data/net/network.redb"].iter().all(|store| is_closed(&root.join(store)))
        })
        .await;
        Self { engine: open(&root, &cgroup).await, root, cgroup }
    }

    /// Removes everything and looks for what is left.
    async fn leave_nothing(self) {
        for inspect in self.engine.list() {
            self.remove(&inspect.id.to_string()).await;
        }
        let networks = self.engine.network_list();
        for network in networks.iter().filter(|network| !network.is_predefined()) {
            self.engine.network_remove(&network.name).await.expect("removed");
        }
        let model = self.engine.network().model();
        assert_eq!((model.sandboxes().count(), model.endpoints().count()), (0, 0), "sandboxes and endpoints");
        let names = |path: &str| -> Vec<_> {
            std::fs::read_dir(self.root.join(path))
                .expect(path)
                .flatten()
                .map(|entry| entry.file_name())
                .collect()
        };
        assert_eq!(names("data/containers"), [""; 0], "directories");
        assert_eq!(names("run/containers"), [""; 0], "bundles");
        assert_eq!(names("data/images/snapshots"), [""; 0], "root file systems");
        let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo").expect("mounts");
        let merged: Vec<_> = mounts.lines().filter(|line| line.contains("/merged")).collect();
        assert_eq!(merged, [""; 0], "mounts");
        self.engine.close().await;
        let group = Hierarchies::find().expect("control groups").group(&self.cgroup);
        group.remove(DEADLINE).expect("every container has removed its group");
    }
}

/// Whether nobody has a database open: redb holds a lock on it.
fn is_closed(path: &std::path::Path) -> bool {
    std::fs::File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}

/// Reads to the end.
pub(crate) async fn read(mut attached: Attached) -> String {
    let mut all = Vec::new();
    while let Some(output) = attached.output.recv().await {
        all.extend(output.data);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Waits for a condition, with a deadline.
pub(crate) async fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + DEADLINE;
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
