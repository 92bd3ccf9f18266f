//! Routing netlink: links, addresses, routes, neighbours.
//!
//! An [`Rtnl`] is a socket in one network namespace. Every change exists twice:
//! as a [`Change`] that is put together and sent with others in one system call
//! ([`Rtnl::apply`]), and as a method that sends it alone. Listings are methods.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::str::FromStr;

use thiserror::Error;

use crate::netlink::{self, Protocol, Refusal, Reply, Request, Socket};
use crate::netns::{Netns, NetnsError};

pub mod addr;
pub mod link;
pub mod monitor;
pub mod neigh;
pub mod reaper;
pub mod route;
#[cfg(test)]
mod tests;

pub use addr::{Addr, AddrAdd};
pub use link::{
    AddrGen, IpvlanFlag, IpvlanMode, Link, LinkAdd, LinkKind, LinkSet, LinkType, Lower, MacvlanMode, Peer,
    PortFlags,
};
pub use monitor::{Event, Monitor};
pub use neigh::Neigh;
pub use reaper::Reaper;
pub use route::{Route, RouteProtocol};

/// Why the kernel's links, addresses, routes or neighbours could not be changed or read.
#[derive(Debug, Error)]
#[error("cannot {operation}")]
pub struct RtnlError {
    operation: String,
    #[source]
    source: netlink::Error,
}

impl RtnlError {
    fn new(operation: impl Into<String>, source: impl Into<netlink::Error>) -> Self {
        Self { operation: operation.into(), source: source.into() }
    }

    /// What was tried, on what: `add link br-1`.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// The kernel's refusal, if it refused.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.source.refusal()
    }

    /// Whether it failed because the object is there already.
    pub fn is_exists(&self) -> bool {
        self.refusal().is_some_and(|refusal| refusal.errno() == libc::EEXIST)
    }

    /// Whether it failed because the object, or what it is on, is not there.
    pub fn is_gone(&self) -> bool {
        let gone = [libc::ENODEV, libc::ENOENT, libc::ESRCH, libc::EADDRNOTAVAIL];
        self.refusal().is_some_and(|refusal| gone.contains(&refusal.errno()))
    }
}

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr(pub [u8; 6]);

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A text is not an Ethernet address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("invalid Ethernet address {text}")]
pub struct InvalidMac {
    text: String,
}

impl FromStr for MacAddr {
    type Err = InvalidMac;

    fn from_str(text: &str) -> Result<Self, InvalidMac> {
        let invalid = || InvalidMac { text: text.to_owned() };
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or_else(invalid)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| invalid())?;
        }
        if parts.next().is_some() { Err(invalid()) } else { Ok(Self(bytes)) }
    }
}

/// A change that is put together but not yet made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    operation: String,
    request: Request,
}

impl Change {
    fn new(operation: String, kind: u16, flags: u16, payload: Vec<u8>) -> Self {
        Self { operation, request: Request { kind, flags, payload } }
    }

    /// What it does, on what: `add address 10.0.0.1/24 to link 3`.
    pub fn operation(&self) -> &str {
        &self.operation
    }
}

/// A routing netlink socket, which acts in the namespace in which it was
/// opened, whichever thread uses it.
#[derive(Debug)]
pub struct Rtnl {
    socket: Socket,
}

impl Rtnl {
    /// Opens a socket in the calling thread's namespace.
    pub fn open() -> Result<Self, RtnlError> {
        let socket = Socket::open(Protocol::Route).map_err(|error| RtnlError::new("use rtnetlink", error))?;
        Ok(Self { socket })
    }

    /// Opens a socket in another namespace.
    pub fn open_in(netns: &Netns) -> Result<Self, OpenError> {
        Ok(netns.enter(Self::open)??)
    }

    /// Makes the changes in order, in as few system calls as possible. All are
    /// tried; the outcomes are in the order of the changes.
    pub fn apply_each(&mut self, changes: &[Change]) -> Result<Vec<Result<(), RtnlError>>, RtnlError> {
        let requests: Vec<_> = changes.iter().map(|change| change.request.clone()).collect();
        let outcomes = self.socket.exchange(&requests).map_err(|error| {
            let first = changes.first().map_or("", Change::operation);
            RtnlError::new(first, error)
        })?;
        let named = changes.iter().zip(outcomes);
        Ok(named
            .map(|(change, outcome)| outcome.result.map_err(|r| RtnlError::new(&change.operation, r)))
            .collect())
    }

    /// As [`Rtnl::apply_each`], and reports the first that failed.
    pub fn apply(&mut self, changes: &[Change]) -> Result<(), RtnlError> {
        self.apply_each(changes)?.into_iter().collect()
    }

    /// Asks for one object.
    fn get(&mut self, operation: impl Into<String>, request: &Request) -> Result<Vec<Reply>, RtnlError> {
        self.socket.request(request).map_err(|error| RtnlError::new(operation, error))
    }

    /// Lists a table.
    fn dump(&mut self, operation: &str, request: &Request) -> Result<Vec<Reply>, RtnlError> {
        self.socket.dump(request).map_err(|error| RtnlError::new(operation, error))
    }
}

impl AsFd for Rtnl {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Why no socket could be opened in another namespace.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The namespace could not be entered.
    #[error(transparent)]
    Enter(#[from] NetnsError),
    /// Inside, the socket could not be opened.
    #[error(transparent)]
    Socket(#[from] RtnlError),
}
