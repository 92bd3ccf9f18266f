//! Which ports are bound in a namespace, in one dump per protocol.
//!
//! The kernel lists thousands of sockets in a millisecond, so that a range of
//! ports is checked by one question instead of a bound socket for each.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, ipproto, socket_with};
use thiserror::Error;

use crate::netlink::attribute::Attributes;
use crate::netlink::{self, Protocol, Reply, Request, Socket};

#[cfg(test)]
mod tests;

/// `SOCK_DIAG_BY_FAMILY` (linux/sock_diag.h).
const BY_FAMILY: u16 = 20;
/// The size of `struct inet_diag_req_v2` and of `struct inet_diag_msg` (linux/inet_diag.h).
const REQUEST: usize = 56;
const MESSAGE: usize = 72;
/// `INET_DIAG_SKV6ONLY`, an attribute of every IPv6 socket (linux/inet_diag.h).
const V6ONLY: u16 = 11;
/// `TCP_LISTEN`, `TCP_CLOSE` and the kernel's own `TCP_BOUND_INACTIVE` (linux/tcp.h).
const LISTEN: u8 = 10;
const CLOSE: u8 = 7;
const BOUND_INACTIVE: u8 = 13;

/// A protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortProtocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP, where the kernel has it.
    Sctp,
}

impl PortProtocol {
    /// The IANA number.
    fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

/// A socket that holds a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bound {
    /// Where it is bound.
    pub local: SocketAddr,
    /// Whether an IPv6 socket leaves IPv4 alone.
    pub v6_only: bool,
}

impl Bound {
    /// Whether nobody else can bind this address while the socket is there.
    ///
    /// The unspecified address is in the way of all of its family, and that of
    /// IPv6 in the way of IPv4, too, unless the socket is for IPv6 only.
    pub fn conflicts(&self, addr: IpAddr, port: u16) -> bool {
        if self.local.port() != port {
            return false;
        }
        match (self.local.ip(), addr) {
            (IpAddr::V6(ours), IpAddr::V4(_)) if ours.is_unspecified() => !self.v6_only,
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                ours == theirs || ours.is_unspecified() || theirs.is_unspecified()
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                ours == theirs || ours.is_unspecified() || theirs.is_unspecified()
            }
            _ => false,
        }
    }
}

/// Why sockets could not be listed.
#[derive(Debug, Error)]
#[error("cannot list the {protocol:?} sockets")]
pub struct SockDiagError {
    protocol: PortProtocol,
    #[source]
    source: netlink::Error,
}

/// The sockets of a network namespace.
#[derive(Debug)]
pub struct SockDiag {
    socket: Socket,
}

impl SockDiag {
    /// Opens the calling thread's network namespace.
    pub fn open() -> Result<Self, netlink::Error> {
        Ok(Self { socket: Socket::open(Protocol::SockDiag)? })
    }

    /// The sockets that hold a port: TCP and SCTP that listen or are bound,
    /// UDP that is bound. A connection's port is not held: others may bind it.
    ///
    /// TCP sockets that are bound and do not listen are listed since Linux 6.8
    /// ([`SockDiag::lists_bound_tcp`]).
    /// A kernel that cannot list a protocol (SCTP is a module) has no sockets of it.
    pub fn bound(&mut self, protocol: PortProtocol) -> Result<BTreeSet<Bound>, SockDiagError> {
        let states: u32 = 1 << LISTEN | 1 << CLOSE | 1 << BOUND_INACTIVE;
        let states = match protocol {
            PortProtocol::Tcp | PortProtocol::Sctp => states,
            // A connected UDP socket counts as established, and holds its port as others do.
            PortProtocol::Udp => u32::MAX,
        };
        self.in_states(protocol, states)
    }

    /// The sockets that take what strangers send: TCP and SCTP that listen, UDP that is
    /// bound and not connected.
    pub fn listening(&mut self, protocol: PortProtocol) -> Result<BTreeSet<Bound>, SockDiagError> {
        let state = match protocol {
            PortProtocol::Tcp | PortProtocol::Sctp => LISTEN,
            PortProtocol::Udp => CLOSE,
        };
        self.in_states(protocol, 1 << state)
    }

    fn in_states(&mut self, protocol: PortProtocol, states: u32) -> Result<BTreeSet<Bound>, SockDiagError> {
        let mut bound = BTreeSet::new();
        for family in [libc::AF_INET, libc::AF_INET6] {
            match self.socket.dump(&request(family, protocol, states)) {
                Ok(replies) => bound.extend(replies.iter().filter_map(read)),
                Err(error) if error.refusal().is_some_and(|refusal| refusal.errno() == libc::ENOENT) => {}
                Err(source) => return Err(SockDiagError { protocol, source }),
            }
        }
        Ok(bound)
    }

    /// Whether this kernel lists TCP sockets that are only bound. It is asked once, with one.
    pub fn lists_bound_tcp(&mut self) -> Result<bool, SockDiagError> {
        static ANSWER: OnceLock<bool> = OnceLock::new();
        if let Some(answer) = ANSWER.get() {
            return Ok(*answer);
        }
        let Ok((_socket, local)) = only_bound() else { return Ok(false) };
        let answer = self.bound(PortProtocol::Tcp)?.iter().any(|bound| bound.local == local);
        Ok(*ANSWER.get_or_init(|| answer))
    }
}

/// A TCP socket that has a port and does not listen.
fn only_bound() -> Result<(OwnedFd, SocketAddr), Errno> {
    let socket =
        socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, Some(ipproto::TCP))?;
    bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let local = getsockname(&socket)?.try_into()?;
    Ok((socket, local))
}

/// `struct inet_diag_req_v2` for all sockets in these states.
fn request(family: libc::c_int, protocol: PortProtocol, states: u32) -> Request {
    let mut payload = vec![0; REQUEST];
    payload[0] = u8::try_from(family).unwrap_or(0);
    payload[1] = protocol.number();
    payload[4..8].copy_from_slice(&states.to_ne_bytes());
    Request { kind: BY_FAMILY, flags: 0, payload }
}

/// Reads `struct inet_diag_msg`; none for a socket without a port.
fn read(reply: &Reply) -> Option<Bound> {
    let message: &[u8; MESSAGE] = reply.payload.first_chunk()?;
    let port = u16::from_be_bytes([message[4], message[5]]);
    let addr: IpAddr = match i32::from(message[0]) {
        libc::AF_INET => Ipv4Addr::new(message[8], message[9], message[10], message[11]).into(),
        libc::AF_INET6 => Ipv6Addr::from(*message.get(8..24)?.first_chunk::<16>()?).into(),
        _ => return None,
    };
    let v6_only = Attributes::after(&reply.payload, MESSAGE)
        .find(|attribute| attribute.kind == V6ONLY)
        .and_then(|attribute| attribute.u8())
        .is_some_and(|value| value != 0);
    (port != 0).then_some(Bound { local: SocketAddr::new(addr, port), v6_only })
}
