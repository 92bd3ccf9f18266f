//! A host and a sandbox of the test's own, a model, servers upstream, a client.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cnm::controller::{Context, Defaults, Host, Request, decide_all};
use cnm::spec::{EndpointSpec, NetworkForm, NetworkSpec, PoolForm, SandboxSpec, SandboxUpdate};
use cnm::{DnsSettings, EndpointId, EndpointSettings, Model, Namespace, NetworkId, SandboxId};
use domain::base::iana::{Rcode, Rtype};
use domain::base::{Message, MessageBuilder, Name};
use domain::rdata::{A, AllRecordData};
use linux::netns::{Netns, leave_host};
use linux::rtnl::{LinkSet, Rtnl};
use net::dns::DnsServers;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

const RESOLVER: (Ipv4Addr, u16) = (Ipv4Addr::new(127, 0, 0, 11), 53);
/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(10);
const NETWORK: NetworkId = NetworkId::new([1; 32]);

pub(crate) struct Machine {
    pub(crate) servers: DnsServers,
    model: watch::Sender<Arc<Model>>,
    inside: Netns,
    directory: tempfile::TempDir,
    byte: u8,
}

/// How a question travels.
#[derive(Clone, Copy)]
pub(crate) enum By {
    Udp,
    Tcp,
}

/// Runs a test on a machine of its own: a thread that left the host, and all threads it starts.
pub(crate) fn run(test: impl AsyncFnOnce(&mut Machine) + Send) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            leave_host().expect("namespaces of the test's own");
            loopback_up();
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let mut machine = Machine::new();
                test(&mut machine).await;
                let sandbox = machine.sandbox();
                machine.servers.stop(&sandbox).await;
                Netns::remove(machine.inside.path()).expect("remove");
            });
        });
    });
}

fn loopback_up() {
    let up = LinkSet { up: Some(true), ..LinkSet::default() };
    Rtnl::open().expect("a socket").link_set(1, &up).expect("lo is up");
}

impl Machine {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (inside, ()) =
            Netns::create_with(&directory.path().join("inside"), loopback_up).expect("a namespace");
        let (model, seen) = watch::channel(Arc::new(Model::default()));
        let servers = DnsServers::new(seen, directory.path().join("resolv.conf"));
        let mut machine = Self { servers, model, inside, directory, byte: 100 };
        let pool = PoolForm { subnet: "10.1.0.0/24".to_owned(), ..PoolForm::default() };
        let form = NetworkForm { name: "web".to_owned(), pools: vec![pool], ..NetworkForm::default() };
        let network = NetworkSpec::parse(form).expect("a network").with_id(NETWORK);
        machine.change(&[Request::CreateNetwork(network)]);
        machine.join("client", &[]);
        machine
    }

    /// The sandbox of the client, where questions come from.
    pub(crate) fn sandbox(&self) -> SandboxId {
        sandbox_of("client")
    }

    pub(crate) fn inside(&self) -> &Netns {
        &self.inside
    }

    fn change(&mut self, requests: &[Request]) {
        let byte = &mut self.byte;
        let mut entropy = |bytes: &mut [u8]| {
            bytes.fill_with(|| {
                *byte = byte.wrapping_add(1);
                *byte
            });
        };
        let (host, defaults) = (Host::default(), Defaults::new([1, 2, 3, 4, 5]));
        let mut context = Context { entropy: &mut entropy, now: 0, host: &host, defaults: &defaults };
        let before = Arc::clone(&self.model.borrow());
        let (delta, _) = decide_all(&before, requests, &mut context).expect("allowed");
        self.model.send_replace(Arc::new(before.apply(&delta)));
    }

    /// A sandbox with an endpoint that answers to its name and these.
    pub(crate) fn join(&mut self, name: &str, aliases: &[&str]) {
        let (sandbox, endpoint) = (sandbox_of(name), endpoint_of(name));
        let names = std::iter::once(name).chain(aliases.iter().copied());
        let dns_names = names.map(ToOwned::to_owned).collect();
        self.change(&[
            Request::CreateSandbox(SandboxSpec {
                id: Some(sandbox),
                owner: name.to_owned(),
                namespace: Namespace::Own,
                dns: DnsSettings { hostname: name.to_owned(), ..DnsSettings::default() },
                publish: Vec::new(),
                exposed: Vec::new(),
                ready: true,
                allow: Vec::new(),
            }),
            Request::CreateEndpoint(EndpointSpec {
                id: Some(endpoint),
                name: name.to_owned(),
                network: NETWORK,
                owner: name.to_owned(),
                settings: EndpointSettings { dns_names, ..EndpointSettings::default() },
            }),
            Request::Join { endpoint, sandbox },
        ]);
    }

    pub(crate) fn leave(&mut self, name: &str) {
        self.change(&[Request::Leave(endpoint_of(name))]);
    }

    /// What `--dns` says.
    pub(crate) fn own_servers(&mut self, servers: &[&str]) {
        let servers = servers.iter().map(|server| server.parse().expect("an address")).collect();
        let mut dns = self.model.borrow().sandbox(&self.sandbox()).expect("the client").dns.clone();
        dns.servers = servers;
        let update = SandboxUpdate { dns: Some(dns), ..SandboxUpdate::default() };
        self.change(&[Request::UpdateSandbox(self.sandbox(), update)]);
    }

    pub(crate) async fn serve(&self) {
        let path = self.inside.path();
        self.servers.serve(self.sandbox(), path).await.unwrap_or_else(|error| panic!("{error:?}"));
        assert!(self.servers.holds(&self.sandbox()));
    }

    /// Another sandbox, with a resolver.
    pub(crate) async fn neighbour(&mut self, name: &str) -> Netns {
        self.join(name, &[]);
        let path = self.directory.path().join(name);
        let (netns, ()) = Netns::create_with(&path, loopback_up).expect("a namespace");
        self.servers.serve(sandbox_of(name), &path).await.unwrap_or_else(|error| panic!("{error:?}"));
        netns
    }

    /// Ends what [`Machine::neighbour`] made.
    pub(crate) async fn remove_neighbour(&mut self, name: &str, netns: Netns) {
        self.servers.stop(&sandbox_of(name)).await;
        Netns::remove(netns.path()).expect("remove");
    }

    /// Another engine, which knows nothing of the servers of the last one.
    pub(crate) async fn restart(&mut self) {
        self.servers.stop(&self.sandbox()).await;
        self.servers = DnsServers::new(self.model.subscribe(), self.resolv_conf_path());
    }

    pub(crate) fn resolv_conf_path(&self) -> PathBuf {
        self.directory.path().join("resolv.conf")
    }

    pub(crate) fn resolv_conf(&self, text: &str) {
        std::fs::write(self.resolv_conf_path(), text).expect("write");
    }

    pub(crate) fn upstream_on_host(&self, address: Ipv4Addr, answer: &str) -> Upstream {
        Upstream::start(&Netns::current().expect("the host"), address, answer)
    }

    pub(crate) fn upstream_inside(&self, address: Ipv4Addr, answer: &str) -> Upstream {
        Upstream::start(&self.inside, address, answer)
    }

    pub(crate) async fn tcp_client(&self) -> TcpStream {
        let socket = self.inside.enter(TcpSocket::new_v4).expect("enter").expect("a socket");
        socket.connect(RESOLVER.into()).await.expect("connect")
    }

    pub(crate) async fn ask(&self, by: By, name: &str, kind: Rtype) -> String {
        match by {
            By::Udp => ask(&udp_client(&self.inside), name, kind).await,
            By::Tcp => ask_by_tcp(self.tcp_client().await, name, kind).await,
        }
    }

    /// Waits for a condition.
    pub(crate) async fn until(&self, what: &str, mut condition: impl AsyncFnMut(&Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !condition(self).await {
            assert!(Instant::now() < deadline, "{what}: not within {DEADLINE:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

fn bytes_of(name: &str) -> [u8; 32] {
    let mut bytes = [7; 32];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes
}

fn sandbox_of(name: &str) -> SandboxId {
    SandboxId::new(bytes_of(name))
}

fn endpoint_of(name: &str) -> EndpointId {
    EndpointId::new(bytes_of(name))
}

pub(crate) fn query(name: &str, kind: Rtype) -> Vec<u8> {
    let mut message = MessageBuilder::new_vec();
    message.header_mut().set_id(4711);
    message.header_mut().set_rd(true);
    let mut question = message.question();
    let name = Name::<Vec<u8>>::from_chars(name.chars()).expect("a name");
    question.push((name, kind)).expect("room");
    question.finish()
}

/// A socket of a namespace that asks its resolver.
pub(crate) fn udp_client(netns: &Netns) -> UdpSocket {
    let open = || {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect(RESOLVER)?;
        socket.set_nonblocking(true)?;
        Ok::<_, std::io::Error>(socket)
    };
    UdpSocket::from_std(netns.enter(open).expect("enter").expect("a socket")).expect("registered")
}

/// Asks, and says what came: code and data, or what went wrong.
pub(crate) async fn ask(socket: &UdpSocket, name: &str, kind: Rtype) -> String {
    let exchange = async {
        let mut reply = vec![0; 65_535];
        socket.send(&query(name, kind)).await?;
        loop {
            let len = socket.recv(&mut reply).await?;
            if reply[..2] == query(name, kind)[..2] {
                reply.truncate(len);
                return Ok::<_, std::io::Error>(reply);
            }
        }
    };
    match timeout(DEADLINE, exchange).await {
        Ok(Ok(reply)) => text(&reply, name, kind),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer".to_owned(),
    }
}

async fn ask_by_tcp(mut stream: TcpStream, name: &str, kind: Rtype) -> String {
    let query = query(name, kind);
    let len = u16::try_from(query.len()).expect("a short query");
    stream.write_all(&[&len.to_be_bytes(), query.as_slice()].concat()).await.expect("send");
    let len = timeout(DEADLINE, stream.read_u16()).await.expect("in time").expect("a length");
    let mut reply = vec![0; usize::from(len)];
    stream.read_exact(&mut reply).await.expect("a reply");
    text(&reply, name, kind)
}

fn text(reply: &[u8], name: &str, kind: Rtype) -> String {
    let asked = query(name, kind);
    let reply = Message::from_slice(reply).expect("a message");
    assert!(reply.is_answer(Message::from_slice(asked.as_slice()).expect("a message")), "another's answer");
    let mut text = reply.header().rcode().to_string();
    if reply.header().tc() {
        text += " truncated";
    }
    for record in reply.answer().expect("a section").into_records::<AllRecordData<_, _>>() {
        text += &format!(" {}", record.expect("a record").data());
    }
    text
}

/// A server until it is dropped, that knows all names, and what to do with some of them.
/// What it says of `kept…` may be kept; of `silent…` it says nothing by UDP.
#[must_use]
pub(crate) struct Upstream {
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

struct State {
    answer: Ipv4Addr,
    asked: AtomicUsize,
    fails: AtomicBool,
}

impl Upstream {
    pub(crate) fn start(netns: &Netns, address: Ipv4Addr, answer: &str) -> Self {
        let open = || {
            let udp = std::net::UdpSocket::bind((address, 53))?;
            linux::socket::enlarge(&udp, 4 << 20)?;
            let tcp = std::net::TcpListener::bind((address, 53))?;
            udp.set_nonblocking(true)?;
            tcp.set_nonblocking(true)?;
            Ok::<_, std::io::Error>((udp, tcp))
        };
        let (udp, tcp) = netns.enter(open).expect("enter").expect("port 53 is free");
        let udp = UdpSocket::from_std(udp).expect("registered");
        let tcp = TcpListener::from_std(tcp).expect("registered");
        let answer = answer.parse().expect("an address");
        let state = Arc::new(State { answer, asked: AtomicUsize::new(0), fails: AtomicBool::new(false) });
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, Arc::clone(&state)));
        tasks.spawn(serve_tcp(tcp, Arc::clone(&state)));
        Self { state, _tasks: tasks }
    }

    pub(crate) fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn take_asked(&self) -> usize {
        self.state.asked.swap(0, Ordering::SeqCst)
    }

    /// Whether `servfail…` and `refused…` are what they say.
    pub(crate) fn fails(&self, fails: bool) {
        self.state.fails.store(fails, Ordering::SeqCst);
    }
}

async fn serve_udp(socket: UdpSocket, state: Arc<State>) {
    let mut buffer = [0; 4096];
    while let Ok((len, client)) = socket.recv_from(&mut buffer).await {
        let reply = state.reply(&buffer[..len], 512);
        if !State::is_silent_about(&reply) {
            reply_to(&socket, client, &reply).await;
        }
    }
}

async fn reply_to(socket: &UdpSocket, client: SocketAddr, reply: &[u8]) {
    // One with another id first, as an attacker would.
    let mut wrong = reply.to_vec();
    wrong[0] ^= 0xff;
    socket.send_to(&wrong, client).await.expect("send");
    socket.send_to(reply, client).await.expect("send");
}

async fn serve_tcp(listener: TcpListener, state: Arc<State>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let len = stream.read_u16().await.expect("a length");
        let mut query = vec![0; usize::from(len)];
        stream.read_exact(&mut query).await.expect("a query");
        let reply = state.reply(&query, usize::from(u16::MAX));
        let len = u16::try_from(reply.len()).expect("a reply");
        stream.write_all(&[&len.to_be_bytes(), reply.as_slice()].concat()).await.expect("send");
    }
}

impl State {
    fn is_silent_about(reply: &[u8]) -> bool {
        let reply = Message::from_slice(reply).expect("a message");
        reply.sole_question().expect("a question").qname().to_string().starts_with("silent")
    }

    fn reply(&self, query: &[u8], limit: usize) -> Vec<u8> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let query = Message::from_slice(query).expect("a message");
        let question = query.sole_question().expect("a question");
        let name = question.qname().to_string();
        let fails = self.fails.load(Ordering::SeqCst);
        let rcode = match name.split('.').next() {
            Some("servfail") if fails => Rcode::SERVFAIL,
            Some("refused") if fails => Rcode::REFUSED,
            Some("missing") => Rcode::NXDOMAIN,
            _ => Rcode::NOERROR,
        };
        let mut reply = MessageBuilder::new_vec().start_answer(query, rcode).expect("room");
        let count = if name.starts_with("big") { 100 } else { 1 };
        if rcode == Rcode::NOERROR && question.qtype() == Rtype::A {
            let ttl = if name.starts_with("kept") { 60 } else { 0 };
            for _ in 0..count {
                reply.push((question.qname(), ttl, A::new(self.answer))).expect("room");
            }
        }
        if reply.as_slice().len() <= limit {
            return reply.finish();
        }
        let mut short = MessageBuilder::new_vec().start_answer(query, rcode).expect("room");
        short.header_mut().set_tc(true);
        short.finish()
    }
}
