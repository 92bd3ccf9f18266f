//! Looking from inside a network stack: who listens there, and what answers.

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

use cnm::{Proto, SandboxId};
use linux::sock_diag::{Bound, PortProtocol, SockDiag};

use super::LookError;
use crate::{host::Host, service::NetworkService};

/// How long an answer to a probe is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// A socket that takes what is sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener(Bound);

impl Listener {
    /// Where it listens.
    pub const fn local(&self) -> SocketAddr {
        self.0.local
    }

    /// Whether it takes what is sent to this address and port.
    pub fn serves(&self, address: IpAddr, port: u16) -> bool {
        self.0.conflicts(address, port)
    }
}

/// What came of a packet that was really sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Somebody answered.
    Answered,
    /// A datagram was sent, and nobody said that it was not wanted.
    NotRefused,
    /// The sentence of the kernel.
    Failed(String),
}

impl NetworkService {
    /// Who listens in a sandbox, or on the host.
    ///
    /// # Errors
    /// If the stack cannot be entered, or does not list its sockets.
    pub async fn listeners(&self, at: Option<SandboxId>, proto: Proto) -> Result<Vec<Listener>, LookError> {
        let host = self.host().clone();
        let look = move || -> Result<Vec<Listener>, LookError> {
            let protocol = match proto {
                Proto::Tcp => PortProtocol::Tcp,
                Proto::Udp => PortProtocol::Udp,
                Proto::Sctp => PortProtocol::Sctp,
            };
            let found = enter(&host, at, move || SockDiag::open().map(|mut diag| diag.listening(protocol)))?;
            Ok(found??.into_iter().map(Listener).collect())
        };
        tokio::task::spawn_blocking(look).await.map_err(|_| LookError::Stopped)?
    }

    /// Sends a packet from a sandbox, or from the host, and waits for what comes back.
    ///
    /// # Errors
    /// If the stack cannot be entered.
    pub async fn probe(
        &self,
        from: Option<SandboxId>,
        to: SocketAddr,
        proto: Proto,
    ) -> Result<Probe, LookError> {
        let host = self.host().clone();
        let work = move || enter(&host, from, move || try_it(to, proto));
        tokio::task::spawn_blocking(work).await.map_err(|_| LookError::Stopped)?
    }
}

fn enter<T: Send>(host: &Host, at: Option<SandboxId>, f: impl FnOnce() -> T + Send) -> Result<T, LookError> {
    Ok(match at {
        Some(sandbox) => host.within_sandbox(&sandbox, f)?,
        None => host.within(f)?,
    })
}

fn try_it(to: SocketAddr, proto: Proto) -> Probe {
    let outcome = match proto {
        Proto::Tcp => TcpStream::connect_timeout(&to, PATIENCE).map(|_| Probe::Answered),
        Proto::Udp => datagram(to),
        Proto::Sctp => return Probe::Failed("SCTP is not probed".to_owned()),
    };
    outcome.unwrap_or_else(|error| Probe::Failed(error.to_string()))
}

/// An empty datagram. Silence is no refusal.
fn datagram(to: SocketAddr) -> std::io::Result<Probe> {
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any)?;
    socket.connect(to)?;
    socket.set_read_timeout(Some(PATIENCE / 3))?;
    socket.send(&[])?;
    match socket.recv(&mut [0; 1]) {
        Ok(_) => Ok(Probe::Answered),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Ok(Probe::NotRefused)
        }
        Err(error) => Err(error),
    }
}
