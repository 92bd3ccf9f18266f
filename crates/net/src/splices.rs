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
    Family, Model, SandboxId,
    splice::{Splice, refuses, splices},
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

/// What one sandbox has; it ends when this is dropped.
#[derive(Debug)]
struct Running {
    splices: Vec<Splice>,
    tasks: JoinSet<()>,
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
            let wanted = splices(&self.model.borrow(), sandbox);
            let before = {
                let mut running = self.running();
                match running.get(sandbox) {
                    Some(before) if before.splices == wanted => continue,
                    _ => running.remove(sandbox),
                }
            };
            if let Some(mut before) = before {
                before.tasks.shutdown().await;
            }
            if !wanted.is_empty() {
                let tasks = self.start(sandbox, &wanted);
                self.running().insert(*sandbox, Running { splices: wanted, tasks });
            }
        }
    }

    fn start(&self, sandbox: &SandboxId, wanted: &[Splice]) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let carried = wanted.iter().filter(|splice| splice.is_carried());
        for splice in carried {
            for (socket, port) in self.sockets(splice).into_iter().zip(splice.ports.0..) {
                let Some(to) = splice.target(port).map(|port| SocketAddr::new(splice.to, port)) else {
                    break;
                };
                match listen(socket) {
                    Ok(listener) => {
                        drop(tasks.spawn(serve(listener, to, self.model.clone())));
                    }
                    Err(error) => tracing::error!(%sandbox, port, %error, "a port is not carried"),
                }
            }
        }
        tasks
    }

    /// The sockets that hold the ports of a splice: those of its address, or of all addresses.
    fn sockets(&self, splice: &Splice) -> Vec<OwnedFd> {
        let (first, _, count) = splice.ports;
        let addresses = [splice.listen, Family::of(&splice.listen).unspecified()];
        let key = |address| Key::Port { proto: splice.proto, address, first, last: first + (count - 1) };
        let held = addresses.into_iter().map(|address| self.host.port_sockets(&key(address)));
        held.into_iter().find(|sockets| !sockets.is_empty()).unwrap_or_default()
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<SandboxId, Running>> {
        // What is behind it is whole after every statement.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
            Ok((_, peer)) if refuses(&model.borrow(), peer.ip()) => {}
            Ok((client, _)) => drop(open.spawn(carry(client, to))),
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
