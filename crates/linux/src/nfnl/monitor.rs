//! A subscription to changes of the rules.

use std::os::fd::{AsFd, BorrowedFd};

use thiserror::Error;

use super::attr::Malformed;
use super::event::Event;
use super::uapi::GROUP_NFTABLES;
use crate::netlink::message::messages;
use crate::netlink::{self, Protocol, Socket};

/// Tells what happens to the rules of the namespace in which it was opened.
///
/// The descriptor becomes readable when there is something; then
/// [`Monitor::try_receive`] until it says `None`.
#[derive(Debug)]
pub struct Monitor {
    socket: Socket,
    buffer: Vec<u8>,
}

/// Why events could not be told.
#[derive(Debug, Error)]
pub enum MonitorError {
    /// Events came faster than they were read, and some are lost: read everything again.
    #[error("events about rules were lost")]
    Missed,
    /// An event makes no sense.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The socket failed.
    #[error(transparent)]
    Netlink(netlink::Error),
}

impl From<netlink::Error> for MonitorError {
    fn from(error: netlink::Error) -> Self {
        if is_overrun(&error) { Self::Missed } else { Self::Netlink(error) }
    }
}

/// Whether the kernel had more to say than the socket's buffer holds.
pub(super) fn is_overrun(error: &netlink::Error) -> bool {
    let netlink::Error::Socket { source, .. } = error else { return false };
    source.raw_os_error() == Some(libc::ENOBUFS)
}

impl Monitor {
    /// Subscribes in the calling thread's network namespace.
    pub fn open() -> Result<Self, netlink::Error> {
        let socket = Socket::open(Protocol::Netfilter)?;
        socket.join(GROUP_NFTABLES)?;
        Ok(Self { socket, buffer: Vec::new() })
    }

    /// Waits for the next events.
    pub fn receive(&mut self) -> Result<Vec<Event>, MonitorError> {
        self.socket.receive(&mut self.buffer)?;
        self.events()
    }

    /// The next events, or none if there are none now.
    pub fn try_receive(&mut self) -> Result<Option<Vec<Event>>, MonitorError> {
        match self.socket.try_receive(&mut self.buffer)? {
            true => self.events().map(Some),
            false => Ok(None),
        }
    }

    fn events(&self) -> Result<Vec<Event>, MonitorError> {
        messages(&self.buffer)
            .map(|message| {
                let message = message?;
                Ok(Event::decode(message.kind, message.payload)?)
            })
            .collect()
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
