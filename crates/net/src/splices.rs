//! Carries connections to published ports that the kernel does not lead anywhere:
//! to `::1`, and from one family to the other.
//!
//! What is to be carried is said by [`cnm::splice`]. The sockets are those that hold
//! the ports; they are made to listen. Datagrams are not carried.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cnm::{
    Family, Model, Proto, SandboxId,
    splice::{Accepted, Splice, refuses, splices},
    state::Key,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::sleep,
};

use crate::host::Host;

/// How many connections one port may have; others wait to be accepted.
const CONNECTIONS: usize = 512;
/// How many may wait.
const BACKLOG: i32 = 128;
/// How long a listener rests when it cannot accept: when descriptors have run out.
const REST: Duration = Duration::from_millis(100);

/// The listeners of all sandboxes.
#[derive(Debug)]
pub(crate) struct Splices {
    host: Host,
    model: watch::Receiver<Arc<Model>>,
    running: Mutex<BTreeMap<SandboxId, Running>>,
}

/// What one sandbox has: the listener of each port with its connections, which end when it is dropped.
type Running = BTreeMap<Carried, JoinSet<()>>;

/// A port of the host, and where it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Carried {
    listen: SocketAddr,
    to: SocketAddr,
}

impl Splices {
    pub(crate) fn new(host: Host, model: watch::Receiver<Arc<Model>>) -> Self {
        Self { host, model, running: Mutex::default() }
    }

    /// Whether any of these has listeners or needs some.
    pub(crate) fn concern(&self, sandboxes: &BTreeSet<SandboxId>) -> bool {
        let model = self.model.borrow();
        let running = self.running();
        sandboxes.iter().any(|id| running.contains_key(id) || !splices(&model, id).is_empty())
    }

    /// Starts, keeps or ends the listeners of each, as the published model has it. A port that was
    /// given back is free when this returns.
    pub(crate) async fn settle(&self, sandboxes: &BTreeSet<SandboxId>) {
        for sandbox in sandboxes {
            let wanted = carried(&splices(&self.model.borrow(), sandbox));
            let mut before = self.running().remove(sandbox).unwrap_or_default();
            let mut after = Running::new();
            for port in &wanted {
                after.extend(before.remove(port).map(|tasks| (*port, tasks)));
            }
            for mut gone in before.into_values() {
                gone.shutdown().await;
            }
            for port in wanted {
                after.entry(port).or_insert_with(|| self.start(sandbox, port));
            }
            if !after.is_empty() {
                self.running().insert(*sandbox, after);
            }
        }
    }

    /// Ends all listeners and their connections.
    pub(crate) async fn end(&self) {
        let all = std::mem::take(&mut *self.running());
        for mut tasks in all.into_values().flat_map(Running::into_values) {
            tasks.shutdown().await;
        }
    }

    fn start(&self, sandbox: &SandboxId, port: Carried) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        match self.socket(port.listen).map(listen) {
            Some(Ok(listener)) => drop(tasks.spawn(serve(listener, port.to, self.model.clone()))),
            Some(Err(error)) => {
                tracing::error!(%sandbox, port = %port.listen, %error, "a port is not carried")
            }
            None => {}
        }
        tasks
    }

    /// The socket that holds a port: of its address, or of all addresses.
    fn socket(&self, listen: SocketAddr) -> Option<OwnedFd> {
        let port = listen.port();
        let key = |address| Key::Port { proto: Proto::Tcp, address, first: port, last: port };
        let addresses = [listen.ip(), Family::of(&listen.ip()).unspecified()];
        addresses.into_iter().find_map(|address| self.host.port_sockets(&key(address)).pop())
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<SandboxId, Running>> {
        // What is behind it is whole after every statement.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ports of splices, one by one.
fn carried(splices: &[Splice]) -> BTreeSet<Carried> {
    let ports = |splice: &Splice| {
        let splice = splice.clone();
        let (first, _, count) = splice.ports;
        (first..=first.saturating_add(count - 1)).filter_map(move |port| {
            let to = SocketAddr::new(splice.to, splice.target(port)?);
            Some(Carried { listen: SocketAddr::new(splice.listen, port), to })
        })
    };
    splices.iter().filter(|splice| splice.is_carried()).flat_map(ports).collect()
}

/// Connections inherit that they give way, when they are over, to who binds the port next.
fn listen(socket: OwnedFd) -> io::Result<TcpListener> {
    rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::listen(&socket, BACKLOG)?;
    let listener = std::net::TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

async fn serve(listener: TcpListener, to: SocketAddr, model: watch::Receiver<Arc<Model>>) {
    let mut open = JoinSet::new();
    loop {
        if open.len() >= CONNECTIONS {
            open.join_next().await;
        }
        while open.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((client, peer)) => {
                let host = client.local_addr().map(|host| host.ip());
                let accepted = |host| Accepted { client: peer.ip(), host, to };
                if host.is_ok_and(|host| !refuses(&model.borrow(), &accepted(host))) {
                    open.spawn(carry(client, to));
                }
            }
            Err(error) => {
                tracing::warn!(%to, %error, "cannot accept a connection");
                sleep(REST).await;
            }
        }
    }
}

/// Carries one connection to its end. A server that is not there ends it at once.
async fn carry(mut client: TcpStream, to: SocketAddr) {
    if let Ok(mut server) = TcpStream::connect(to).await {
        // Whoever broke it knows.
        drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
    }
}
