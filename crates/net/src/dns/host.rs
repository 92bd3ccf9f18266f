//! Names for the host: a server at an address that the administrator chose.
//!
//! It says what [`HostView`] knows, asks nobody, and refuses the rest: it is one
//! server of several that the host has, and asked for the names of networks only.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use cnm::Model;
use cnm::names::HostView;
use domain::base::iana::Rcode;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};

use super::DnsError;
use super::message::{Asked, Transport, read};
use super::server::{read_query, write_reply};

/// The longest query that is read by UDP.
const QUERY: usize = 4096;
/// How many TCP connections there may be; more are closed.
const CONNECTIONS: usize = 128;
/// How long a loop rests when its socket fails, which it never should.
const REST: Duration = Duration::from_millis(100);

/// Where the host asks.
#[derive(Debug)]
pub(crate) struct HostServer {
    udp: UdpSocket,
    tcp: TcpListener,
}

impl HostServer {
    /// Takes the address. Must be called in the host's namespace.
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, DnsError> {
        let failed = |source| DnsError::Socket { action: "bind", source };
        let udp = UdpSocket::bind(address).await.map_err(failed)?;
        let tcp = TcpListener::bind(udp.local_addr().map_err(failed)?).await.map_err(failed)?;
        Ok(Self { udp, tcp })
    }

    /// Answers out of the published model for ever.
    pub(crate) async fn serve(self, model: watch::Receiver<Arc<Model>>) {
        let known = Known::new(model);
        tokio::join!(serve_udp(self.udp, known.clone()), serve_tcp(self.tcp, known));
    }
}

/// What one loop knows, and room for an answer.
#[derive(Clone, Debug)]
struct Known {
    model: watch::Receiver<Arc<Model>>,
    view: HostView,
    found: Vec<IpAddr>,
    turn: usize,
}

impl Known {
    fn new(mut model: watch::Receiver<Arc<Model>>) -> Self {
        let view = HostView::new(Arc::clone(&model.borrow_and_update()));
        Self { model, view, found: Vec::new(), turn: 0 }
    }

    fn reply(&mut self, bytes: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let query = match read(bytes) {
            Asked::Question(query) => query,
            Asked::Wrong(reply) => return Some(reply),
            Asked::Nothing => return None,
        };
        // Without a publisher the last model stays true.
        if self.model.has_changed().unwrap_or(false) {
            self.view = HostView::new(Arc::clone(&self.model.borrow_and_update()));
        }
        self.turn = self.turn.wrapping_add(1);
        let answer = self.view.answer(&query.question(), &mut self.found);
        let reply = query.reply(&answer, transport, self.turn);
        Some(reply.unwrap_or_else(|| query.failure(Rcode::REFUSED)))
    }
}

async fn serve_udp(socket: UdpSocket, mut known: Known) {
    let mut buffer = [0; QUERY];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((len, client)) => {
                let Some(reply) = known.reply(&buffer[..len], Transport::Udp) else { continue };
                if let Err(error) = socket.send_to(&reply, client).await {
                    tracing::debug!(%client, %error, "a reply could not be sent");
                }
            }
            Err(error) => rest(&error).await,
        }
    }
}

async fn serve_tcp(listener: TcpListener, known: Known) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                while connections.try_join_next().is_some() {}
                if connections.len() < CONNECTIONS {
                    connections.spawn(serve_connection(stream, known.clone()));
                }
            }
            Err(error) => rest(&error).await,
        }
    }
}

/// Answers one query after the other until the client is done.
async fn serve_connection(mut stream: TcpStream, mut known: Known) {
    while let Some(query) = read_query(&mut stream).await {
        let Some(reply) = known.reply(&query, Transport::Tcp) else { return };
        if write_reply(&mut stream, &reply).await.is_none() {
            return;
        }
    }
}

async fn rest(error: &io::Error) {
    tracing::warn!(%error, "the host's names cannot be asked for");
    sleep(REST).await;
}
