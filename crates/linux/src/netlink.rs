//! Blocking netlink sockets: requests, acknowledgements with the kernel's own words, multicast groups.
//!
//! A [`Socket`] belongs to the network namespace in which it was opened and may
//! be used from any thread. Three ways to talk:
//!
//! * [`Socket::exchange`]: several requests in one send, each answered for itself;
//! * [`Socket::dump`]: a whole table, read again if it changed meanwhile;
//! * [`Socket::send`] and [`Socket::receive`]: raw datagrams, for protocols with
//!   transactions of their own (nf_tables) and for multicast.
//!
//! Bytes are put together with [`attribute::Writer`] and taken apart with
//! [`attribute::Attributes`] and [`message::messages`].

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{RecvFlags, SendFlags, recvfrom, send, sockopt};
use thiserror::Error;

pub mod attribute;
pub mod message;
#[cfg(test)]
mod tests;

pub use message::{Refusal, Reply, Request};

use message::{DUMP_INTERRUPTED, Message, append, messages};

/// The largest datagram read at once. The kernel fills dumps up to 32 KiB and
/// never sends more in one datagram unless a single object is larger.
const RECEIVE: usize = 64 * 1024;

/// What a socket may hold before the kernel drops messages, in bytes. An
/// acknowledgement is charged with about 1 KiB, so this is thousands of them.
const BUFFER: usize = 8 * 1024 * 1024;

/// How many requests go into one send: their acknowledgements fit in the
/// receive buffer even where it could not be enlarged.
const BATCH: usize = 128;

/// How often a dump is read again before it is given up.
const DUMP_TRIES: u32 = 100;

/// The part of the kernel a socket talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Links, addresses, routes, neighbours.
    Route,
    /// Netfilter: nf_tables and connection tracking.
    Netfilter,
    /// Sockets and their ports.
    SockDiag,
}

impl Protocol {
    fn number(self) -> isize {
        match self {
            Self::Route => netlink_sys::protocols::NETLINK_ROUTE,
            Self::Netfilter => netlink_sys::protocols::NETLINK_NETFILTER,
            Self::SockDiag => netlink_sys::protocols::NETLINK_SOCK_DIAG,
        }
    }
}

/// Why an exchange with the kernel failed.
#[derive(Debug, Error)]
pub enum Error {
    /// A system call on the socket failed.
    #[error("cannot {action} a netlink socket")]
    Socket {
        /// What was tried: `open`, `send to`, `receive from`…
        action: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The kernel refused the request.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The kernel's table kept changing while it was read.
    #[error("the kernel's answer changed while it was read, {tries} times")]
    Unsteady {
        /// How often it was read.
        tries: u32,
    },
    /// The kernel sent what it should never send.
    #[error("malformed netlink message: {fact}")]
    Malformed {
        /// What is wrong with it.
        fact: &'static str,
    },
}

impl Error {
    /// The kernel's refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Socket { .. } | Self::Unsteady { .. } | Self::Malformed { .. } => None,
        }
    }
}

/// What became of one request of an exchange.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the kernel sent before its acknowledgement.
    pub replies: Vec<Reply>,
    /// The acknowledgement.
    pub result: Result<(), Refusal>,
}

/// A blocking netlink socket, bound to the namespace in which it was opened.
#[derive(Debug)]
pub struct Socket {
    socket: netlink_sys::Socket,
    next: u32,
}

impl Socket {
    /// Opens a socket in the calling thread's network namespace.
    ///
    /// Errors carry the kernel's text, acknowledgements do not repeat the
    /// request, and the buffers are enlarged as far as we are allowed to.
    pub fn open(protocol: Protocol) -> Result<Self, Error> {
        let open = || -> io::Result<netlink_sys::Socket> {
            let mut socket = netlink_sys::Socket::new(protocol.number())?;
            socket.set_ext_ack(true)?;
            socket.set_cap_ack(true)?;
            socket.bind(&netlink_sys::SocketAddr::new(0, 0))?;
            enlarge(socket.as_fd())?;
            Ok(socket)
        };
        let socket = open().map_err(|source| Error::Socket { action: "open", source })?;
        Ok(Self { socket, next: 1 })
    }

    /// Joins a multicast group by its number (`RTNLGRP_…`, `NFNLGRP_…`).
    ///
    /// Messages that do not fit in the buffer make [`Socket::receive`] fail
    /// with `ENOBUFS`: the reader then knows that it missed something.
    pub fn join(&self, group: u32) -> Result<(), Error> {
        self.socket.add_membership(group).map_err(|source| Error::Socket { action: "subscribe with", source })
    }

    /// Leaves a multicast group. What was received before is still there.
    pub fn leave(&self, group: u32) -> Result<(), Error> {
        let left = self.socket.drop_membership(group);
        left.map_err(|source| Error::Socket { action: "unsubscribe with", source })
    }

    /// Reserves `count` sequence numbers and returns the first.
    pub fn sequence(&mut self, count: u32) -> u32 {
        let first = self.next;
        // Zero is what the kernel puts on messages that nobody asked for.
        self.next = first.checked_add(count).unwrap_or(1);
        first
    }

    /// Sends one datagram, which may hold several messages.
    pub fn send(&self, bytes: &[u8]) -> Result<(), Error> {
        let sent = rustix::io::retry_on_intr(|| send(self.as_fd(), bytes, SendFlags::empty()));
        match sent {
            Ok(_) => Ok(()),
            Err(errno) => Err(Error::Socket { action: "send to", source: errno.into() }),
        }
    }

    /// Waits for the kernel's next datagram and puts it in `buffer`, in place
    /// of what was there. Take it apart with [`messages`].
    pub fn receive(&self, buffer: &mut Vec<u8>) -> Result<(), Error> {
        self.receive_with(buffer, RecvFlags::empty())
    }

    /// As [`Socket::receive`], but returns false at once if nothing is there.
    pub fn try_receive(&self, buffer: &mut Vec<u8>) -> Result<bool, Error> {
        match self.receive_with(buffer, RecvFlags::DONTWAIT) {
            Ok(()) => Ok(true),
            Err(Error::Socket { source, .. }) if source.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sends the requests, several at a time, and waits for all their
    /// acknowledgements. The kernel carries them out in order and does not
    /// stop at one that fails: the outcomes are in the order of the requests.
    pub fn exchange(&mut self, requests: &[Request]) -> Result<Vec<Outcome>, Error> {
        let mut outcomes = Vec::with_capacity(requests.len());
        for batch in requests.chunks(BATCH) {
            self.exchange_batch(batch, &mut outcomes)?;
        }
        Ok(outcomes)
    }

    /// Sends one request and returns what the kernel answers.
    pub fn request(&mut self, request: &Request) -> Result<Vec<Reply>, Error> {
        let outcome = self.exchange(std::slice::from_ref(request))?.pop();
        let Outcome { replies, result } = outcome.expect("one request has one outcome");
        result?;
        Ok(replies)
    }

    /// Reads a whole table. If it changed while the kernel listed it, it is
    /// read again, so that the answer is one that was true at some moment.
    pub fn dump(&mut self, request: &Request) -> Result<Vec<Reply>, Error> {
        for _ in 0..DUMP_TRIES {
            if let Some(replies) = self.dump_once(request)? {
                return Ok(replies);
            }
        }
        Err(Error::Unsteady { tries: DUMP_TRIES })
    }

    fn receive_with(&self, buffer: &mut Vec<u8>, flags: RecvFlags) -> Result<(), Error> {
        let failed = |errno: Errno| Error::Socket { action: "receive from", source: errno.into() };
        loop {
            buffer.clear();
            buffer.reserve(RECEIVE);
            let received = recvfrom(self.as_fd(), spare_capacity(buffer), flags | RecvFlags::TRUNC);
            let (_, length, sender) = match received {
                Err(Errno::INTR) => continue,
                received => received.map_err(failed)?,
            };
            if length > buffer.len() {
                return Err(Error::Malformed { fact: "a datagram is larger than the receive buffer" });
            }
            let sender = sender.and_then(|address| SocketAddrNetlink::try_from(address).ok());
            if sender.is_none_or(|address| address.pid() == 0) {
                return Ok(());
            }
        }
    }

    fn exchange_batch(&mut self, requests: &[Request], outcomes: &mut Vec<Outcome>) -> Result<(), Error> {
        let count = u32::try_from(requests.len()).expect("a batch is short");
        let first = self.sequence(count);
        let mut bytes = Vec::with_capacity(requests.iter().map(|r| r.payload.len() + 32).sum());
        for (sequence, request) in (first..).zip(requests) {
            append(&mut bytes, request, message::REQUEST | message::ACKNOWLEDGE, sequence);
        }
        self.send(&bytes)?;
        let mut answers: Vec<(Vec<Reply>, Option<_>)> = requests.iter().map(|_| (Vec::new(), None)).collect();
        let (mut missing, mut buffer) = (requests.len(), bytes);
        while missing > 0 {
            self.receive(&mut buffer)?;
            for message in messages(&buffer) {
                let message = message?;
                // Answers to an exchange that was given up may still arrive.
                let index = message.sequence.wrapping_sub(first) as usize;
                let Some((replies, result)) = answers.get_mut(index) else { continue };
                match message.acknowledgement()? {
                    None => replies.push(message.to_reply()),
                    Some(_) if result.is_some() => {}
                    Some(acknowledgement) => {
                        *result = Some(acknowledgement);
                        missing -= 1;
                    }
                }
            }
        }
        outcomes.extend(answers.into_iter().map(|(replies, result)| Outcome {
            replies,
            result: result.expect("every request was acknowledged"),
        }));
        Ok(())
    }

    /// One reading of a table, or `None` if the kernel says that it changed.
    fn dump_once(&mut self, request: &Request) -> Result<Option<Vec<Reply>>, Error> {
        let sequence = self.sequence(1);
        let mut buffer = Vec::new();
        append(&mut buffer, request, message::REQUEST | message::DUMP, sequence);
        self.send(&buffer)?;
        let (mut replies, mut steady) = (Vec::new(), true);
        loop {
            self.receive(&mut buffer)?;
            for message in messages(&buffer) {
                let message: Message<'_> = message?;
                if message.sequence != sequence {
                    continue;
                }
                steady &= message.flags & DUMP_INTERRUPTED == 0;
                match message.acknowledgement()? {
                    None => replies.push(message.to_reply()),
                    Some(Ok(())) => return Ok(steady.then_some(replies)),
                    Some(Err(refusal)) if refusal.errno() == libc::EINTR => return Ok(None),
                    Some(Err(refusal)) => return Err(refusal.into()),
                }
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Lets the socket hold more than the system's limit for everybody; without
/// the privilege, as much as that limit.
fn enlarge(fd: BorrowedFd<'_>) -> io::Result<()> {
    if sockopt::set_socket_recv_buffer_size_force(fd, BUFFER).is_err() {
        sockopt::set_socket_recv_buffer_size(fd, BUFFER)?;
    }
    if sockopt::set_socket_send_buffer_size_force(fd, BUFFER).is_err() {
        sockopt::set_socket_send_buffer_size(fd, BUFFER)?;
    }
    Ok(())
}
