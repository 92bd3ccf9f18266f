//! Asking the servers that know the other names.
//!
//! Servers are asked in their order: the next one as soon as one fails, and
//! also when one takes long, whose answer still counts. One that did not answer
//! is asked last for a while.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use cnm::Family;
use cnm::files::{Server, Upstream};
use linux::netns::Netns;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep_until, timeout};

use super::blocking;
use super::cache::Key;
use super::memory::{Memory, Next, Outcome};
use super::message::{Transport, answers, id, is_failure, set_id};
use super::shared::{Ask, Reply};
use super::sockets::{PORT, udp_for};
use super::upstreams::Upstreams;

/// When the next server is asked, too.
const PATIENCE: Duration = Duration::from_millis(1500);
/// When a question is given up. Clients wait five seconds and ask again (resolv.conf(5)).
const DEADLINE: Duration = Duration::from_secs(8);
/// How long a server that did not answer is asked last.
const SULK: Duration = Duration::from_secs(10);
/// How many questions of one sandbox are asked at once; each holds a socket.
const AT_ONCE: usize = 128;
/// How many sockets are made by one visit to a namespace.
const STOCK: usize = 16;

/// Asks on behalf of one sandbox.
#[derive(Debug)]
pub(super) struct Forwarder {
    upstreams: Upstreams,
    inside: Arc<Inside>,
    silent: Mutex<BTreeMap<Server, Instant>>,
    at_once: Semaphore,
    memory: Memory,
}

impl Forwarder {
    pub(super) fn new(upstreams: Upstreams, netns: Netns) -> Self {
        let inside = Arc::new(Inside { netns, ready: Mutex::default() });
        let (at_once, memory) = (Semaphore::new(AT_ONCE), Memory::default());
        Self { upstreams, inside, silent: Mutex::default(), at_once, memory }
    }

    /// The reply to a question that was asked before.
    pub(super) fn known(
        &self,
        servers: &Arc<[Upstream]>,
        query: &[u8],
        transport: Transport,
    ) -> Option<Vec<u8>> {
        let ask = Ask::read(query)?;
        let key = Key { subject: ask.subject.clone(), servers: Arc::clone(servers) };
        let (reply, age) = self.memory.known(&key, Instant::now())?;
        Some(ask.reply(&reply, age, transport))
    }

    /// The reply of the first server that has one; a failure if all fail;
    /// none if nobody answers.
    pub(super) async fn ask(&self, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let mut servers = self.upstreams.now();
        let Some(ask) = Ask::read(query) else {
            return self.ask_servers(&mut servers, query, transport).await;
        };
        let key = Key { subject: ask.subject.clone(), servers: Arc::clone(&servers) };
        match self.memory.begin(key, transport, Instant::now()) {
            Next::Known(reply, age) => Some(ask.reply(&reply, age, transport)),
            Next::Wait(wait) => match wait.outcome().await {
                Outcome::Reply(reply) => Some(ask.reply(&reply, Duration::ZERO, transport)),
                Outcome::Silence => None,
                Outcome::Unfit => self.ask_servers(&mut servers, query, transport).await,
            },
            Next::Lead(lead) => {
                let reply = self.ask_servers(&mut servers, &ask.query(), transport).await;
                let outcome = match &reply {
                    Some(bytes) => Reply::read(&ask.subject, bytes)
                        .map_or(Outcome::Unfit, |reply| Outcome::Reply(Arc::new(reply))),
                    None => Outcome::Silence,
                };
                lead.tell(outcome, servers, Instant::now());
                reply
            }
        }
    }

    /// Asks these servers, and others if those apply before an answer comes.
    async fn ask_servers(
        &self,
        servers: &mut Arc<[Upstream]>,
        query: &[u8],
        transport: Transport,
    ) -> Option<Vec<u8>> {
        let ask = async {
            let _permit = self.at_once.acquire().await.ok()?;
            loop {
                let all = self.ask_all(self.by_mood(servers.to_vec()), query, transport);
                let others = tokio::select! {
                    reply = all => return reply,
                    others = self.upstreams.other_than(servers) => others,
                };
                *servers = others;
            }
        };
        timeout(DEADLINE, ask).await.ok()?
    }

    async fn ask_all(
        &self,
        mut servers: VecDeque<Upstream>,
        query: &[u8],
        transport: Transport,
    ) -> Option<Vec<u8>> {
        let query: Arc<[u8]> = query.into();
        let (mut asked, mut failure) = (JoinSet::new(), None);
        loop {
            if let Some(server) = servers.pop_front() {
                let (query, inside) = (Arc::clone(&query), Arc::clone(&self.inside));
                asked.spawn(async move {
                    let answer = exchange(&server, inside, query, transport).await;
                    (server.server, answer)
                });
            }
            let patience = Instant::now() + PATIENCE;
            let answer = tokio::select! {
                answer = asked.join_next() => answer,
                () = sleep_until(patience), if !servers.is_empty() => None,
            };
            match answer {
                Some(Ok((_, Ok(reply)))) if is_failure(&reply) => failure = Some(reply),
                Some(Ok((server, Ok(reply)))) => {
                    self.forgive(&server);
                    return Some(reply);
                }
                Some(Ok((server, Err(error)))) => self.note_silence(server, &error),
                Some(Err(_)) | None => {}
            }
            if servers.is_empty() && asked.is_empty() {
                return failure;
            }
        }
    }

    /// The servers in their order, those that did not answer lately behind the others.
    fn by_mood(&self, servers: Vec<Upstream>) -> VecDeque<Upstream> {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.retain(|_, since| since.elapsed() < SULK);
        let (last, first): (Vec<_>, Vec<_>) =
            servers.into_iter().partition(|server| silent.contains_key(&server.server));
        first.into_iter().chain(last).collect()
    }

    fn note_silence(&self, server: Server, error: &io::Error) {
        tracing::debug!(%server, %error, "a name server does not answer");
        self.silent.lock().unwrap_or_else(PoisonError::into_inner).insert(server, Instant::now());
    }

    fn forgive(&self, server: &Server) {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner).remove(server);
    }
}

/// One question to one server, which has until the deadline.
async fn exchange(
    Upstream { server, on_host }: &Upstream,
    inside: Arc<Inside>,
    query: Arc<[u8]>,
    transport: Transport,
) -> io::Result<Vec<u8>> {
    let address = socket_address(server)?;
    match transport {
        Transport::Udp => {
            let socket = match on_host {
                true => udp_for(server.address)?,
                false => inside.udp(server.address).await?,
            };
            let reply = by_udp(UdpSocket::from_std(socket)?, address, &query);
            timeout(2 * PATIENCE, reply).await.map_err(|_| io::ErrorKind::TimedOut)?
        }
        Transport::Tcp => {
            let socket = match on_host {
                true => tcp_for(server.address)?,
                false => inside.tcp(server.address).await?,
            };
            let reply = async { by_tcp(socket.connect(address).await?, &query).await };
            timeout(2 * PATIENCE, reply).await.map_err(|_| io::ErrorKind::TimedOut)?
        }
    }
}

/// Where a server listens. The number of a link-local server's interface is the host's:
/// only the host's own file names any.
fn socket_address(Server { address, zone }: &Server) -> io::Result<SocketAddr> {
    let scope = || match zone.parse() {
        Ok(number) => Ok(number),
        Err(_) => {
            let text = std::fs::read_to_string(Path::new("/sys/class/net").join(zone).join("ifindex"))?;
            text.trim().parse().map_err(io::Error::other)
        }
    };
    Ok(match address {
        IpAddr::V6(address) if !zone.is_empty() => SocketAddrV6::new(*address, PORT, 0, scope()?).into(),
        IpAddr::V4(_) | IpAddr::V6(_) => SocketAddr::new(*address, PORT),
    })
}

/// A number that nobody who does not see the query can guess.
fn random_id() -> io::Result<u16> {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(u16::from_ne_bytes(bytes))
}

/// Sends the query under a random id from a port of its own, and waits for its answer.
async fn by_udp(socket: UdpSocket, server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    socket.connect(server).await?;
    let (ours, theirs) = (random_id()?, id(query));
    let mut sent = query.to_vec();
    set_id(&mut sent, ours);
    socket.send(&sent).await?;
    let mut reply = vec![0; usize::from(u16::MAX)];
    loop {
        let len = socket.recv(&mut reply).await?;
        if answers(query, ours, &reply[..len]) {
            reply.truncate(len);
            set_id(&mut reply, theirs);
            return Ok(reply);
        }
    }
}

async fn by_tcp(mut stream: TcpStream, query: &[u8]) -> io::Result<Vec<u8>> {
    let len = u16::try_from(query.len()).map_err(io::Error::other)?;
    stream.write_all(&[&len.to_be_bytes(), query].concat()).await?;
    let len = stream.read_u16().await?;
    let mut reply = vec![0; usize::from(len)];
    stream.read_exact(&mut reply).await?;
    if answers(query, id(query), &reply) { Ok(reply) } else { Err(io::ErrorKind::InvalidData.into()) }
}

fn tcp_for(server: IpAddr) -> io::Result<TcpSocket> {
    match server {
        IpAddr::V4(_) => TcpSocket::new_v4(),
        IpAddr::V6(_) => TcpSocket::new_v6(),
    }
}

/// Sockets of the sandbox's namespace. Making one means a thread that goes
/// there: it makes some more while it is there.
#[derive(Debug)]
struct Inside {
    netns: Netns,
    ready: Mutex<Vec<(Family, std::net::UdpSocket)>>,
}

impl Inside {
    async fn udp(self: Arc<Self>, server: IpAddr) -> io::Result<std::net::UdpSocket> {
        let family = Family::of(&server);
        if let Some(socket) = self.take(family) {
            return Ok(socket);
        }
        blocking(move || {
            let make = || (0..STOCK).map(|_| udp_for(server)).collect::<io::Result<Vec<_>>>();
            let mut made = self.netns.enter(make).map_err(io::Error::other)??;
            let first = made.pop().ok_or(io::ErrorKind::Other)?;
            let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
            // Several may have come back from there at once.
            let room = STOCK.saturating_sub(ready.len());
            ready.extend(made.into_iter().take(room).map(|socket| (family, socket)));
            Ok(first)
        })
        .await
    }

    async fn tcp(self: Arc<Self>, server: IpAddr) -> io::Result<TcpSocket> {
        blocking(move || self.netns.enter(|| tcp_for(server)).map_err(io::Error::other)?).await
    }

    fn take(&self, family: Family) -> Option<std::net::UdpSocket> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let at = ready.iter().rposition(|(of, _)| *of == family)?;
        Some(ready.swap_remove(at).1)
    }
}
