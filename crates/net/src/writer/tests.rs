//! The writer with a fake kernel and a real store.

use std::{
    sync::{Arc, Barrier, Mutex, MutexGuard},
    time::Duration,
};

use cnm::{
    EndpointId, EndpointSettings, Namespace, NetworkId, SandboxId,
    apply::{Extent, Kernel},
    fake::{Failure, FakeKernel},
    plan::Step,
    spec::{EndpointSpec, NetworkForm, NetworkSpec, SandboxSpec},
};
use tokio::task::JoinSet;

use super::*;
use crate::store::Store;

/// One fake kernel behind several threads.
#[derive(Clone, Debug, Default)]
struct Shared {
    fake: Arc<Mutex<FakeKernel>>,
    /// Where two steps that make links meet, if a test wants them to.
    meeting: Option<Arc<Barrier>>,
    /// Where whoever has observed waits twice, if a test wants that.
    observed: Option<Arc<Barrier>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, FakeKernel> {
        self.fake.lock().expect("no thread panics with the kernel")
    }
}

impl Kernel for Shared {
    fn observe(&mut self, extent: Extent<'_>) -> Result<State, KernelError> {
        let state = self.lock().observe(extent);
        if let Some(observed) = &self.observed {
            observed.wait();
            observed.wait();
        }
        state
    }

    fn run(&mut self, step: &Step) -> Result<(), KernelError> {
        let joins = step.ops().iter().any(|op| matches!(op.key(), Key::Veth(_)));
        if let Some(meeting) = self.meeting.as_ref().filter(|_| joins) {
            meeting.wait();
        }
        self.lock().run(step)
    }
}

struct Bench {
    kernel: Shared,
    commands: mpsc::Sender<Command>,
    model: watch::Receiver<Arc<Model>>,
    store: Arc<Store>,
    _folder: tempfile::TempDir,
    _tasks: JoinSet<()>,
}

impl Bench {
    fn new(kernel: Shared) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Arc::new(Store::open(&folder.path().join("store")).expect("a store"));
        let (finished, ends) = mpsc::channel(16);
        let kernels = (0..4).map(|_| kernel.clone()).collect();
        let pool = Pool::start(kernels, &store, &finished).expect("threads");
        let (published, model) = watch::channel(Arc::new(Model::default()));
        let (commands, queue) = mpsc::channel(16);
        let mut tasks = JoinSet::new();
        let writer = Writer::new(published, pool, Defaults::new([7; 5]), None, finished);
        tasks.spawn(async move {
            let closing = writer.run(queue, ends).await;
            closing.map(|reply| reply.send(()));
        });
        Self { kernel, commands, model, store, _folder: folder, _tasks: tasks }
    }

    async fn ask(&self, requests: Vec<Request>) -> oneshot::Receiver<Result<Outcome, ChangeError>> {
        let (reply, answer) = oneshot::channel();
        let change = Change { requests, facts: Facts::default(), now: 0, attempts: 0, reply };
        self.commands.send(Command::Change(Box::new(change))).await.expect("the writer serves");
        answer
    }

    async fn change(&self, requests: Vec<Request>) -> Result<Outcome, ChangeError> {
        self.ask(requests).await.await.expect("every change is answered")
    }

    async fn network(&self, name: &str) -> NetworkId {
        let form = NetworkForm { name: name.to_owned(), ..NetworkForm::default() };
        let spec = NetworkSpec::parse(form).expect("a network");
        let outcome = self.change(vec![Request::CreateNetwork(spec)]).await.expect("a new network");
        let [Created::Network(id)] = outcome.created[..] else { panic!("{:?}", outcome.created) };
        id
    }

    /// Loses an object, and says so as a monitor does.
    async fn take_away(&self, lost: &Key) {
        self.kernel.lock().lose(lost);
        assert!(!self.kernel.lock().objects().contains_key(lost));
        let disturbed = Command::Disturbed(Disturbance::Objects(vec![lost.clone()]));
        self.commands.send(disturbed).await.expect("the writer serves");
    }

    /// Waits until no bridge is left whose network is gone.
    async fn reaped(&self) {
        let is_left = || {
            let wanted = kernel_state(&self.model.borrow());
            let kernel = self.kernel.lock();
            kernel.objects().keys().any(|key| matches!(key, Key::Bridge(_)) && !wanted.contains_key(key))
        };
        let reaped = async {
            while is_left() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reaped).await.expect("a bridge is left");
    }

    /// Kernel, store and published model agree.
    fn check(&self) {
        let model = Arc::clone(&self.model.borrow());
        let mut objects = self.kernel.lock().objects().clone();
        // Settings of the host are kept when they are not wanted any more.
        let wanted = kernel_state(&model);
        objects.retain(|key, _| wanted.contains_key(key) || !matches!(key, Key::Sysctl(_)));
        assert_eq!(objects, wanted);
        assert_eq!(self.store.load().expect("a stored model"), *model);
    }
}

/// A sandbox with one endpoint on a network, joined.
fn join(network: NetworkId, number: u8) -> Vec<Request> {
    let (endpoint, sandbox) = (EndpointId::new([number; 32]), SandboxId::new([number; 32]));
    let owner = format!("owner {number}");
    let create = SandboxSpec {
        id: Some(sandbox),
        owner: owner.clone(),
        namespace: Namespace::Own,
        dns: cnm::DnsSettings::default(),
        publish: vec![],
        exposed: vec![],
        ready: true,
        allow: Vec::new(),
    };
    let settings = EndpointSettings::default();
    let spec = EndpointSpec { id: Some(endpoint), name: format!("e{number}"), network, owner, settings };
    vec![Request::CreateSandbox(create), Request::CreateEndpoint(spec), Request::Join { endpoint, sandbox }]
}

#[tokio::test]
async fn what_is_answered_is_in_the_kernel_in_the_store_and_published() {
    let bench = Bench::new(Shared::default());
    let network = bench.network("web").await;
    bench.check();
    bench.change(join(network, 1)).await.expect("a container's start");
    bench.check();
    assert_eq!(bench.model.borrow().endpoints().count(), 1);
    bench.change(vec![Request::DeleteSandbox(SandboxId::new([1; 32]))]).await.expect("its end");
    bench.change(vec![Request::DeleteNetwork(network)]).await.expect("nobody is joined");
    bench.reaped().await;
    bench.check();
    assert!(bench.model.borrow().is_empty());
}

#[tokio::test]
async fn a_bridge_that_stays_when_its_removal_was_answered_goes_with_a_repair() {
    for failure in [Failure::BeforeEffect, Failure::AfterEffect] {
        let bench = Bench::new(Shared::default());
        let [network, _] = [bench.network("web").await, bench.network("other").await];
        // The table's elements go first, then it is answered, then the bridge is deleted.
        bench.kernel.lock().fail_at(2, failure);
        bench.change(vec![Request::DeleteNetwork(network)]).await.expect("nobody is joined");
        bench.reaped().await;
        bench.network("another").await;
        bench.check();
    }
}

#[tokio::test]
async fn a_bridge_of_the_same_name_waits_for_the_one_that_goes() {
    let bench = Bench::new(Shared::default());
    let options = [("com.docker.network.bridge.name".to_owned(), "wire".to_owned())];
    for _ in 0..20 {
        let form =
            NetworkForm { name: "web".to_owned(), options: options.clone().into(), ..NetworkForm::default() };
        let spec = NetworkSpec::parse(form).expect("a network");
        let made = bench.ask(vec![Request::CreateNetwork(spec)]).await.await.expect("an answer");
        let [Created::Network(id)] = made.expect("a network").created[..] else { panic!("no network") };
        bench.check();
        bench.change(vec![Request::DeleteNetwork(id)]).await.expect("nobody is joined");
    }
}

#[tokio::test]
async fn what_is_taken_away_during_a_repair_comes_back_too() {
    let observed = Arc::new(Barrier::new(2));
    let bench = Bench::new(Shared { observed: Some(Arc::clone(&observed)), ..Shared::default() });
    let network = bench.network("web").await;
    for number in [1, 2] {
        bench.change(join(network, number)).await.expect("a join");
    }
    let [first, second] = [1, 2].map(|number| Key::Veth(EndpointId::new([number; 32])));
    bench.take_away(&first).await;
    let meet = || {
        let observed = Arc::clone(&observed);
        async { tokio::task::spawn_blocking(move || observed.wait()).await.expect("no panic") }
    };
    meet().await;
    // The repair has looked, and has not seen this.
    bench.take_away(&second).await;
    while bench.commands.capacity() < bench.commands.max_capacity() {
        tokio::task::yield_now().await;
    }
    meet().await;
    tokio::time::timeout(Duration::from_secs(20), async {
        meet().await;
        meet().await;
    })
    .await
    .expect("a second look");
    bench.network("other").await;
    bench.check();
}

#[tokio::test]
async fn what_the_kernel_refuses_did_not_happen() {
    let bench = Bench::new(Shared::default());
    let network = bench.network("web").await;
    for failure in [Failure::BeforeEffect, Failure::AfterEffect] {
        bench.kernel.lock().fail_at(2, failure);
        let error = bench.change(join(network, 1)).await.expect_err("a step fails");
        assert!(matches!(error, ChangeError::NotDone(NotDone::Kernel(_))), "{error}");
        bench.check();
        assert_eq!(bench.model.borrow().sandboxes().count(), 0);
    }
    bench.change(join(network, 1)).await.expect("the same request, when the kernel lets it");
    bench.check();
}

#[tokio::test]
async fn joins_overlap_even_on_one_network() {
    let meeting = Some(Arc::new(Barrier::new(2)));
    let bench = Bench::new(Shared { meeting, ..Shared::default() });
    let network = bench.network("web").await;
    // Each waits in the kernel until the other is there, too.
    let (first, second) = (bench.ask(join(network, 1)).await, bench.ask(join(network, 2)).await);
    let both = async { (first.await, second.await) };
    let (first, second) =
        tokio::time::timeout(Duration::from_secs(20), both).await.expect("no waiting in line");
    first.expect("an answer").expect("the first join");
    second.expect("an answer").expect("the second join");
    bench.check();
}

#[tokio::test]
async fn many_first_networks_share_one_table() {
    let bench = Bench::new(Shared::default());
    let mut answers = Vec::new();
    for number in 0..20 {
        let form = NetworkForm { name: format!("n{number}"), ..NetworkForm::default() };
        let spec = NetworkSpec::parse(form).expect("a network");
        answers.push(bench.ask(vec![Request::CreateNetwork(spec)]).await);
    }
    for answer in answers {
        answer.await.expect("an answer").expect("a network");
    }
    bench.check();
}

#[tokio::test]
async fn a_deletion_waits_for_what_is_under_way_and_then_sees_it() {
    let bench = Bench::new(Shared::default());
    let network = bench.network("web").await;
    let joined = bench.ask(join(network, 1)).await;
    let deleted = bench.ask(vec![Request::DeleteNetwork(network)]).await;
    joined.await.expect("an answer").expect("a join");
    let error = deleted.await.expect("an answer").expect_err("the network is in use");
    assert!(error.to_string().contains("has active endpoints"), "{error}");
    bench.check();
}

#[tokio::test]
async fn what_others_take_away_comes_back() {
    let bench = Bench::new(Shared::default());
    let network = bench.network("web").await;
    bench.change(join(network, 1)).await.expect("a join");
    bench.take_away(&Key::Veth(EndpointId::new([1; 32]))).await;
    // A change waits for the repair.
    bench.network("other").await;
    bench.check();
}
