//! The network service: a handle that many may hold, and the tasks behind it.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    num::NonZero,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use cnm::{
    Model, SandboxId,
    controller::{Context, Created, Defaults, Host as Facts, Refused, Request, decide_all},
    driver::bridge::PublishDefault,
    plan::{Plan, plan},
    spec::InvalidNetworkError,
    state::kernel_state,
};
use linux::{
    claim::{Claim, ClaimError},
    netlink, nfnl,
    rtnl::{self, RtnlError},
};
use thiserror::Error;
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    task::JoinSet,
};

use crate::{
    dns::{DnsError, HostServer},
    entropy, facts,
    host::{Host, HostError},
    overlap::{Lookout, Overlap, Overlaps},
    pool::{NotDone, Pool},
    predefined::{self, DefaultNetwork},
    resolvers::Resolvers,
    store::{Store, StoreError},
    watch::Watch,
    writer::{Change, Command, Writer, states},
};

/// How many changes may wait for the writer's attention before those who ask wait themselves.
const COMMANDS: usize = 256;

/// What engines call their claim to a network stack.
const CLAIM: &str = "tombolo/network";

/// Where the service keeps what, and its settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// For the store; survives a reboot. It is made if absent.
    pub state: PathBuf,
    /// For namespaces; does not survive a reboot. It is made if absent.
    pub run: PathBuf,
    /// Default pools and bindings; `None` for the built-in ones.
    pub defaults: Option<Defaults>,
    /// Who reaches ports that are published without an address, where no network says otherwise.
    pub publish: PublishDefault,
    /// How the default network is made, if it is not there yet.
    pub default_network: DefaultNetwork,
    /// Where the host asks for names of networks.
    pub dns_hosts: Vec<SocketAddr>,
}

/// Why the network service could not start.
#[derive(Debug, Error)]
pub enum StartError {
    #[error("cannot make {}", path.display())]
    Directory {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot reach the kernel's network")]
    Kernel(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(
        "another engine (process {pid}) works on this network stack, and each would undo what the other does: end that one, or give this one a network namespace of its own"
    )]
    Taken { pid: i32 },
    #[error("cannot claim the network stack")]
    Claim(#[source] io::Error),
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    #[error("the settings of the default network make none")]
    DefaultNetwork(#[from] InvalidNetworkError),
    #[error("cannot make the predefined networks")]
    Predefined(#[source] ChangeError),
    #[error("cannot answer the host at {address}")]
    Names {
        address: SocketAddr,
        #[source]
        source: DnsError,
    },
}

/// Why a change did not happen. Nothing of it is left, but for what a [`NotDone`] says.
#[derive(Debug, Error)]
pub enum ChangeError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    NotDone(#[from] NotDone),
    #[error("cannot read the host's routes and addresses")]
    Facts(#[source] RtnlError),
    #[error("the network service has stopped")]
    Stopped,
}

/// What a change that happened has made.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The model in which it is true.
    pub model: Arc<Model>,
    /// What each creation among the requests was given, in their order.
    pub created: Vec<Created>,
}

/// A handle of the network service. The service ends with its last handle.
#[derive(Clone, Debug)]
pub struct NetworkService {
    commands: mpsc::Sender<Command>,
    model: watch::Receiver<Arc<Model>>,
    host: Host,
    overlaps: Overlaps,
    defaults: Arc<Defaults>,
    tasks: Arc<Mutex<JoinSet<()>>>,
}

impl NetworkService {
    /// Opens the store, takes the kernel to what it says, and starts serving.
    ///
    /// Must be called in the host's namespace, within a tokio runtime.
    ///
    /// # Errors
    /// If the store, the kernel or a directory cannot be used. What the kernel
    /// refuses of single objects is logged: the rest is served.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let claim = claim()?;
        let failed = |source| StartError::Directory { path: config.state.clone(), source };
        fs::create_dir_all(&config.state).map_err(failed)?;
        let store = Arc::new(Store::open(&config.state.join("network.redb"))?);
        let engine = store.engine_id(&hex::encode(entropy::bytes::<6>()))?;
        let model = Arc::new(store.load()?);
        let monitors = Monitors::open()?;
        let host = Host::open(&engine, &config.run.join("netns"))?;
        let networks = Lookout::networks(&host).await.map_err(|error| StartError::Kernel(error.into()))?;
        let model = Arc::new(Model::clone(&model).on_host(networks));
        reconcile(host.clone(), Arc::clone(&model)).await?;

        let (published, model) = watch::channel(model);
        let (commands, queue) = mpsc::channel(COMMANDS);
        let (finished, ends) = mpsc::channel(COMMANDS);
        let kernels = (0..threads()).map(|_| host.clone()).collect();
        let pool = Pool::start(kernels, &store, &finished).map_err(StartError::Thread)?;
        let defaults = config.defaults.unwrap_or_else(|| Defaults::new(global_id(&engine)));
        let defaults = Defaults { publish: config.publish, ..defaults };
        let resolvers = Arc::new(Resolvers::new(host.clone(), model.clone()));
        resolvers.settle_all().await;
        let shown = Arc::new(defaults.clone());
        let writer = Writer::new(published, pool, defaults, Some(resolvers), finished);

        let mut tasks = JoinSet::new();
        let watch = Watch { model: model.clone(), commands: commands.downgrade() };
        tasks.spawn(async move {
            let closing = writer.run(queue, ends).await;
            drop(claim);
            closing.map(|reply| reply.send(()));
        });
        let overlaps = Overlaps::new();
        monitors.spawn(&mut tasks, watch, Lookout::new(&host, overlaps.clone()));
        let service =
            Self { commands, model, host, overlaps, defaults: shown, tasks: Arc::new(Mutex::new(tasks)) };
        let missing = predefined::missing(&service.model(), &config.default_network)?;
        if !missing.is_empty() {
            service.change(missing).await.map_err(StartError::Predefined)?;
        }
        service.renew_default(&config.default_network).await?;
        service.name_for_host(&config.dns_hosts).await?;
        Ok(service)
    }

    /// Answers the host at these addresses; those of our bridges are there by now.
    async fn name_for_host(&self, addresses: &[SocketAddr]) -> Result<(), StartError> {
        for address in addresses {
            let failed = |source| StartError::Names { address: *address, source };
            let server = HostServer::bind(*address).await.map_err(failed)?;
            let serving = server.serve(self.model.clone());
            self.tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(serving);
        }
        Ok(())
    }

    /// Gives the default network the settings of this start, as far as what is on it lets us.
    async fn renew_default(&self, default: &DefaultNetwork) -> Result<(), StartError> {
        if let Err(error) = self.change(vec![predefined::renewal(default)?]).await {
            tracing::error!(
                error = crate::chain(&error),
                "the default network is as it was before this start"
            );
        }
        for kept in predefined::kept(&self.model(), default) {
            tracing::warn!("{kept}");
        }
        Ok(())
    }

    /// What is true now. Never waits.
    pub fn model(&self) -> Arc<Model> {
        Arc::clone(&self.model.borrow())
    }

    /// What is true, now and from now on.
    pub fn watch(&self) -> watch::Receiver<Arc<Model>> {
        self.model.clone()
    }

    /// Routes and addresses of the host that appear over our subnets, from now on.
    pub fn overlaps(&self) -> broadcast::Receiver<Overlap> {
        self.overlaps.subscribe()
    }

    /// Makes several requests true, together or not at all: decided, applied, stored, published.
    ///
    /// A caller that goes away drops its waiting, not the change.
    ///
    /// # Errors
    /// A refusal by the model, or what the kernel or the store said.
    pub async fn change(&self, requests: Vec<Request>) -> Result<Outcome, ChangeError> {
        let facts = self.facts(&requests).await?;
        let (reply, answer) = oneshot::channel();
        let change = Change { requests, facts, now: now(), attempts: 0, reply };
        self.commands.send(Command::Change(Box::new(change))).await.map_err(|_| ChangeError::Stopped)?;
        answer.await.map_err(|_| ChangeError::Stopped)?
    }

    /// What these requests would change in the kernel, if they were made now. Nothing is changed:
    /// ids are drawn anew by those who make them.
    ///
    /// # Errors
    /// As for [`Self::change`], but for what only the kernel knows.
    pub async fn preview(&self, requests: &[Request]) -> Result<Plan, ChangeError> {
        let (facts, model, mut entropy) = (self.facts(requests).await?, self.model(), entropy::fill);
        let mut context =
            Context { entropy: &mut entropy, now: now(), host: &facts, defaults: &self.defaults };
        let (delta, _) = decide_all(&model, requests, &mut context)?;
        let (from, to) = states(&model, &model.apply(&delta), &delta);
        Ok(plan(&from, &to))
    }

    /// Finishes what is under way and lets go of kernel and store. Networks stay as they
    /// are if there is a sandbox; else their links and rules go until the next start.
    /// Later changes are refused.
    pub async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.commands.send(Command::Close(reply)).await.is_ok() {
            drop(closed.await);
        }
    }

    pub(crate) const fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) const fn commands(&self) -> &mpsc::Sender<Command> {
        &self.commands
    }

    /// Whether an address is one of the host's, by now. One of a single link is: it says nothing without it.
    pub async fn has_address(&self, address: IpAddr) -> bool {
        let is_of_link = match address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        let host = self.host.clone();
        let ask = move || host.has_address(address);
        is_of_link || tokio::task::spawn_blocking(ask).await.unwrap_or(true)
    }

    /// The file that keeps a sandbox's own namespace.
    pub fn namespace(&self, sandbox: &SandboxId) -> PathBuf {
        self.host.namespace(sandbox)
    }

    /// What the decision has to know of the host: its routes only for new pools.
    async fn facts(&self, requests: &[Request]) -> Result<Facts, ChangeError> {
        let is_new = |it: &Request| match it {
            Request::CreateNetwork(_) | Request::RenewNetwork(_) => true,
            Request::UpdateNetwork(_, update) => update.needs_pools(),
            Request::KnowHost(_)
            | Request::DeleteNetwork(_)
            | Request::CreateSandbox(_)
            | Request::UpdateSandbox(..)
            | Request::DeleteSandbox(_)
            | Request::CreateEndpoint(_)
            | Request::DeleteEndpoint(_)
            | Request::Join { .. }
            | Request::Leave(_)
            | Request::RenameEndpoint { .. }
            | Request::RelinkEndpoint { .. } => false,
        };
        if !requests.iter().any(is_new) {
            return Ok(facts::settings());
        }
        let asked: Vec<_> = requests.iter().flat_map(Request::links).map(str::to_owned).collect();
        let host = self.host.clone();
        let read = tokio::task::spawn_blocking(move || facts::of_host(&asked, |link| host.is_ours(link)));
        let read = read.await.map_err(|_| ChangeError::Stopped)?;
        read.map_err(ChangeError::Facts)
    }
}

/// Claims the network stack for this engine. Who is no engine keeps none from starting.
fn claim() -> Result<Option<Claim>, StartError> {
    match Claim::new(CLAIM) {
        Ok(claim) => Ok(Some(claim)),
        Err(ClaimError::Taken { pid }) => Err(StartError::Taken { pid }),
        Err(error @ ClaimError::Squatted { .. }) => {
            tracing::warn!(
                error = crate::chain(&error),
                "the network stack cannot be claimed for this engine"
            );
            Ok(None)
        }
        Err(ClaimError::Socket(error)) => Err(StartError::Claim(error)),
    }
}

/// Nanoseconds since the Unix epoch.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// The kernel serialises most of what changes links; a few threads overlap its waiting.
fn threads() -> usize {
    thread::available_parallelism().map_or(4, NonZero::get).clamp(4, 16)
}

/// The 40 bits of this engine's unique local prefix.
fn global_id(engine: &str) -> [u8; 5] {
    let mut id = [0; 5];
    let bytes = hex::decode(engine).unwrap_or_default();
    id.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    id
}

/// Takes the kernel to what the store says, as far as it lets us: one port that
/// somebody else holds by now must not keep every other container from its network.
async fn reconcile(mut host: Host, model: Arc<Model>) -> Result<(), StartError> {
    let work = move || cnm::apply::reconcile(&mut host, &kernel_state(&model));
    match tokio::task::spawn_blocking(work).await.map_err(|panic| StartError::Kernel(panic.into()))? {
        Ok(operations) => tracing::info!(operations, "the kernel is as the store says"),
        Err(errors) => errors.iter().for_each(|error| {
            tracing::error!(error = crate::chain(error), "the kernel is not as the store says");
        }),
    }
    Ok(())
}

/// Opened before anything is done, so that nothing escapes them.
struct Monitors {
    links: rtnl::Monitor,
    rules: nfnl::Monitor,
}

impl Monitors {
    fn open() -> Result<Self, StartError> {
        let links = rtnl::Monitor::open().map_err(|error| StartError::Kernel(error.into()))?;
        let rules =
            nfnl::Monitor::open().map_err(|error: netlink::Error| StartError::Kernel(error.into()))?;
        Ok(Self { links, rules })
    }

    fn spawn(self, tasks: &mut JoinSet<()>, watch: Watch, lookout: Lookout) {
        let of_rules = watch.clone();
        tasks.spawn(async move { log(watch.links(self.links, lookout).await) });
        tasks.spawn(async move { log(of_rules.rules(self.rules).await) });
    }
}

fn log(ended: io::Result<()>) {
    if let Err(error) = ended {
        tracing::error!(error = crate::chain(&error), "a monitor has ended: changes by others go unnoticed");
    }
}
