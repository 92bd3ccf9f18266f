//! The server of one sandbox: its loops over UDP and TCP.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cnm::files::Upstream;
use cnm::names::{Answer, Question, View};
use cnm::{Model, SandboxId};
use domain::base::iana::Rcode;
use linux::datagram::{AT_ONCE, Incoming, Outgoing};
use linux::netns::Netns;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Duration, sleep, timeout};

use super::forward::Forwarder;
use super::message::{Asked, Query, TCP_MOST, Transport, read};
use super::sockets::Sockets;
use super::upstreams::Upstreams;

/// The longest query that is read by UDP.
const QUERY: usize = 4096;
/// How many questions for others a sandbox may have open; more are refused.
const OPEN: usize = 2048;
/// How many TCP connections a sandbox may have; more are closed.
const CONNECTIONS: usize = 128;
/// How long a TCP connection may say nothing.
const IDLE: Duration = Duration::from_secs(10);
/// How long a loop rests when its socket fails, which it never should.
const REST: Duration = Duration::from_millis(100);

/// What the tasks of one server share.
#[derive(Debug)]
pub(super) struct Server {
    sandbox: SandboxId,
    model: watch::Receiver<Arc<Model>>,
    upstreams: Upstreams,
    forwarder: Forwarder,
    turn: AtomicUsize,
}

/// What one loop knows: a view of the published model, renewed when another is published,
/// and room for an answer. Nothing is locked while the model stays the same.
#[derive(Debug)]
struct Knowledge {
    sandbox: SandboxId,
    model: watch::Receiver<Arc<Model>>,
    view: View,
    upstreams: Upstreams,
    servers: Arc<[Upstream]>,
    found: Vec<IpAddr>,
}

impl Knowledge {
    fn answer(&mut self, question: &Question<'_>) -> Answer<'_> {
        // Without a publisher the last model stays true.
        if self.model.has_changed().unwrap_or(false) {
            self.view = View::new(&self.model.borrow_and_update(), &self.sandbox);
        }
        self.view.answer(question, &mut self.found)
    }

    /// Who is asked for other names.
    fn servers(&mut self) -> &Arc<[Upstream]> {
        if self.upstreams.may_have_changed() {
            self.servers = self.upstreams.now();
        }
        &self.servers
    }
}

/// What to do with a query.
#[expect(clippy::large_enum_variant, reason = "it lives for one answer; a box would be allocated for each")]
enum Next<'a> {
    Reply(Vec<u8>),
    Forward(Query<'a>),
    Nothing,
}

impl Server {
    pub(super) fn new(
        sandbox: SandboxId,
        model: watch::Receiver<Arc<Model>>,
        upstreams: Upstreams,
        netns: Netns,
    ) -> Arc<Self> {
        let forwarder = Forwarder::new(upstreams.clone(), netns);
        Arc::new(Self { sandbox, model, upstreams, forwarder, turn: AtomicUsize::new(0) })
    }

    /// Starts to serve. Everything that is started ends with `tasks`.
    pub(super) fn spawn(self: Arc<Self>, sockets: Sockets, tasks: &mut JoinSet<()>) -> io::Result<()> {
        let udp = Datagrams::new(Arc::clone(&self), UdpSocket::from_std(sockets.udp)?);
        let tcp = TcpListener::from_std(sockets.tcp)?;
        tasks.spawn(udp.serve());
        tasks.spawn(self.serve_tcp(tcp));
        Ok(())
    }

    /// What a loop of this server knows.
    fn knowledge(&self) -> Knowledge {
        let mut model = self.model.clone();
        let view = View::new(&model.borrow_and_update(), &self.sandbox);
        let upstreams = self.upstreams.clone();
        let servers = upstreams.now();
        Knowledge { sandbox: self.sandbox, model, view, upstreams, servers, found: Vec::new() }
    }

    /// Decides without waiting.
    fn next<'a>(&self, known: &mut Knowledge, bytes: &'a [u8], transport: Transport) -> Next<'a> {
        let query = match read(bytes) {
            Asked::Question(query) => query,
            Asked::Wrong(reply) => return Next::Reply(reply),
            Asked::Nothing => return Next::Nothing,
        };
        let answer = known.answer(&query.question());
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        match query.reply(&answer, transport, turn) {
            Some(reply) => Next::Reply(reply),
            None => match self.forwarder.known(known.servers(), bytes, transport) {
                Some(reply) => Next::Reply(reply),
                None => Next::Forward(query),
            },
        }
    }

    async fn forward(&self, bytes: &[u8], transport: Transport) -> Option<Vec<u8>> {
        self.forwarder.ask(bytes, transport).await
    }

    async fn forward_udp(&self, socket: &UdpSocket, bytes: &[u8], client: SocketAddr) {
        let reply = self.forward(bytes, Transport::Udp).await.or_else(|| failure(bytes));
        if let Some(reply) = reply {
            drop(socket.send_to(&reply, client).await.inspect_err(unsent));
        }
    }

    async fn serve_tcp(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    while connections.try_join_next().is_some() {}
                    if connections.len() < CONNECTIONS {
                        connections.spawn(Arc::clone(&self).serve_connection(stream));
                    }
                }
                Err(error) => {
                    tracing::warn!(sandbox = %self.sandbox, %error, "the resolver cannot accept");
                    sleep(REST).await;
                }
            }
        }
    }

    /// Answers one query after the other until the client is done.
    async fn serve_connection(self: Arc<Self>, mut stream: TcpStream) {
        let mut known = self.knowledge();
        while let Some(query) = read_query(&mut stream).await {
            let reply = match self.next(&mut known, &query, Transport::Tcp) {
                Next::Reply(reply) => Some(reply),
                Next::Forward(_) => self.forward(&query, Transport::Tcp).await.or_else(|| failure(&query)),
                Next::Nothing => None,
            };
            let Some(reply) = reply else { return };
            if write_reply(&mut stream, &reply).await.is_none() {
                return;
            }
        }
    }
}

thread_local! {
    /// Where questions are received: nobody waits between that and their answers.
    static ROOM: RefCell<Incoming> = RefCell::new(Incoming::new(QUERY));
}

/// The loop over UDP. It answers all that is there by now, then lets others have a turn.
#[derive(Debug)]
struct Datagrams {
    server: Arc<Server>,
    socket: Arc<UdpSocket>,
    known: Knowledge,
    replies: Outgoing,
    /// Questions for others.
    open: JoinSet<()>,
}

/// What may be there after some was received.
#[derive(Clone, Copy, Debug)]
enum Left {
    Nothing,
    Perhaps,
}

impl Datagrams {
    fn new(server: Arc<Server>, socket: UdpSocket) -> Self {
        let (known, socket) = (server.knowledge(), Arc::new(socket));
        Self { server, socket, known, replies: Outgoing::default(), open: JoinSet::new() }
    }

    async fn serve(mut self) {
        loop {
            let received = match self.socket.readable().await {
                Ok(()) => ROOM.with_borrow_mut(|room| self.receive(room)),
                Err(error) => Err(error),
            };
            while !self.replies.is_empty() {
                let replies = &mut self.replies;
                let sent = self.socket.async_io(Interest::WRITABLE, || replies.send(&*self.socket)).await;
                sent.unwrap_or_else(|error| unsent(&error));
            }
            match received {
                Ok(Left::Nothing) => {}
                Ok(Left::Perhaps) => yield_now().await,
                Err(error) => {
                    tracing::warn!(sandbox = %self.server.sandbox, %error, "the resolver cannot receive");
                    sleep(REST).await;
                }
            }
        }
    }

    /// Receives what is there by now, and decides.
    fn receive(&mut self, room: &mut Incoming) -> io::Result<Left> {
        let received = self.socket.try_io(Interest::READABLE, || match room.receive(&*self.socket)? {
            AT_ONCE => Ok(Left::Perhaps),
            // Nothing is left: the same as having to wait.
            _ => Err(io::ErrorKind::WouldBlock.into()),
        });
        let left = match received {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Left::Nothing,
            received => received?,
        };
        while self.open.try_join_next().is_some() {}
        room.iter().for_each(|(query, client)| self.answer(query, client));
        Ok(left)
    }

    fn answer(&mut self, bytes: &[u8], client: SocketAddr) {
        let reply = match self.server.next(&mut self.known, bytes, Transport::Udp) {
            Next::Nothing => return,
            Next::Reply(reply) => reply,
            Next::Forward(query) if self.open.len() >= OPEN => query.failure(Rcode::REFUSED),
            Next::Forward(_) => {
                let (server, socket) = (Arc::clone(&self.server), Arc::clone(&self.socket));
                let query: Box<[u8]> = bytes.into();
                self.open.spawn(async move { server.forward_udp(&socket, &query, client).await });
                return;
            }
        };
        self.replies.push(client, |bytes| bytes.extend(reply));
    }
}

/// What to say when nobody answers.
fn failure(bytes: &[u8]) -> Option<Vec<u8>> {
    match read(bytes) {
        Asked::Question(query) => Some(query.failure(Rcode::SERVFAIL)),
        Asked::Wrong(reply) => Some(reply),
        Asked::Nothing => None,
    }
}

/// A reply that cannot be sent is one that nobody waits for any more.
fn unsent(error: &io::Error) {
    tracing::debug!(%error, "a reply could not be sent");
}

pub(super) async fn read_query(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let read = async {
        let len = stream.read_u16().await.ok()?;
        let mut query = vec![0; usize::from(len)];
        stream.read_exact(&mut query).await.ok()?;
        Some(query)
    };
    timeout(IDLE, read).await.ok()?
}

pub(super) async fn write_reply(stream: &mut TcpStream, reply: &[u8]) -> Option<()> {
    let len = u16::try_from(reply.len().min(TCP_MOST)).ok()?;
    let bytes = [&len.to_be_bytes(), reply].concat();
    timeout(IDLE, stream.write_all(&bytes)).await.ok()?.ok()
}
