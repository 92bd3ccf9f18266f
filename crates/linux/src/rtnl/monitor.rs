//! What changes in a namespace, as it happens.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};

use crate::netlink::attribute::Attributes;
use crate::netlink::message::messages;
use crate::netlink::{self, Protocol, Socket};

use super::{Addr, Link, Route, RtnlError, addr, link, route};

const GROUPS: [u32; 7] = [
    libc::RTNLGRP_LINK,
    libc::RTNLGRP_IPV4_IFADDR,
    libc::RTNLGRP_IPV6_IFADDR,
    libc::RTNLGRP_IPV4_ROUTE,
    libc::RTNLGRP_IPV6_ROUTE,
    libc::RTNLGRP_IPV4_NETCONF,
    libc::RTNLGRP_IPV6_NETCONF,
];

/// The size of `struct netconfmsg`, padded (linux/netconf.h).
const NETCONF_HEADER: usize = 4;
/// `NETCONFA_IFINDEX`, `NETCONFA_FORWARDING` (linux/netconf.h).
const NETCONF_LINK: u16 = 1;
const NETCONF_FORWARDING: u16 = 2;
/// `NETCONFA_IFINDEX_ALL`, -1: the setting of the namespace.
const ALL_LINKS: u32 = u32::MAX;

/// Something changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A link is new or different.
    Link(Link),
    /// A link is gone; this is what it was.
    LinkGone(Link),
    /// An address is new or different.
    Addr(Addr),
    /// An address is gone.
    AddrGone(Addr),
    /// A route is new or different.
    Route(Route),
    /// A route is gone. The kernel is silent about routes that vanish with their link or address.
    RouteGone(Route),
    /// Forwarding was switched on or off for the whole namespace.
    Forwarding {
        /// Of IPv6, else of IPv4.
        v6: bool,
        /// Whether it is on now.
        on: bool,
    },
    /// Events were lost: whoever keeps a picture has to observe again.
    Overrun,
}

/// A subscription to the links, addresses and routes of the namespace in which it was opened.
///
/// As an iterator it waits for the next event and never ends. In an event
/// loop, wait until the descriptor is readable and call [`Monitor::try_next`]
/// until it has nothing more.
#[derive(Debug)]
pub struct Monitor {
    socket: Socket,
    groups: &'static [u32],
    buffer: Vec<u8>,
    queue: VecDeque<Event>,
}

impl Monitor {
    /// Subscribes, in the calling thread's namespace.
    pub fn open() -> Result<Self, RtnlError> {
        Self::open_groups(&GROUPS)
    }

    /// Subscribes to links only.
    pub fn open_links() -> Result<Self, RtnlError> {
        Self::open_groups(&[libc::RTNLGRP_LINK])
    }

    /// The next event if there is one already.
    pub fn try_next(&mut self) -> Result<Option<Event>, RtnlError> {
        while self.queue.is_empty() {
            let received = self.socket.try_receive(&mut self.buffer);
            if !self.sort(received)? {
                return Ok(None);
            }
        }
        Ok(self.queue.pop_front())
    }

    /// Hears nothing until [`Monitor::resume`], and forgets what it has heard.
    pub fn pause(&mut self) -> Result<(), RtnlError> {
        self.each_group(Socket::leave)?;
        while self.try_next()?.is_some() {}
        Ok(())
    }

    /// Listens again. One that was not paused goes on.
    pub fn resume(&mut self) -> Result<(), RtnlError> {
        self.each_group(Socket::join)
    }

    fn each_group(&self, act: fn(&Socket, u32) -> Result<(), netlink::Error>) -> Result<(), RtnlError> {
        let each = self.groups.iter().try_for_each(|group| act(&self.socket, *group));
        each.map_err(|error| RtnlError::new("monitor the namespace", error))
    }

    fn open_groups(groups: &'static [u32]) -> Result<Self, RtnlError> {
        let socket =
            Socket::open(Protocol::Route).map_err(|error| RtnlError::new("monitor the namespace", error))?;
        let monitor = Self { socket, groups, buffer: Vec::new(), queue: VecDeque::new() };
        monitor.each_group(Socket::join)?;
        Ok(monitor)
    }

    /// Queues the events of what was received; false if nothing was.
    fn sort(&mut self, received: Result<bool, netlink::Error>) -> Result<bool, RtnlError> {
        match received {
            Ok(false) => return Ok(false),
            Ok(true) => {}
            Err(netlink::Error::Socket { source, .. }) if source.raw_os_error() == Some(libc::ENOBUFS) => {
                self.queue.push_back(Event::Overrun);
                return Ok(true);
            }
            Err(error) => return Err(RtnlError::new("monitor the namespace", error)),
        }
        for message in messages(&self.buffer) {
            let message = message.map_err(|error| RtnlError::new("monitor the namespace", error))?;
            self.queue.extend(event(message.kind, message.payload));
        }
        Ok(true)
    }
}

/// What a message says, if it is one that we asked for and understand.
fn event(kind: u16, payload: &[u8]) -> Option<Event> {
    match kind {
        // A bridge tells about its ports in this group, too, in the family of bridges.
        libc::RTM_NEWLINK | libc::RTM_DELLINK if payload.first() != Some(&0) => None,
        libc::RTM_NEWLINK => link::read(payload).map(Event::Link),
        libc::RTM_DELLINK => link::read(payload).map(Event::LinkGone),
        libc::RTM_NEWADDR => addr::read(payload).map(Event::Addr),
        libc::RTM_DELADDR => addr::read(payload).map(Event::AddrGone),
        libc::RTM_NEWROUTE => route::read(payload).map(Event::Route),
        libc::RTM_DELROUTE => route::read(payload).map(Event::RouteGone),
        libc::RTM_NEWNETCONF => forwarding(payload),
        _ => None,
    }
}

/// What a message about settings says of forwarding in the whole namespace.
fn forwarding(payload: &[u8]) -> Option<Event> {
    let family = i32::from(*payload.first()?);
    let (mut link, mut on) = (None, None);
    for attribute in Attributes::after(payload, NETCONF_HEADER) {
        match attribute.kind {
            NETCONF_LINK => link = attribute.u32(),
            NETCONF_FORWARDING => on = attribute.u32().map(|value| value != 0),
            _ => {}
        }
    }
    let known = family == libc::AF_INET || family == libc::AF_INET6;
    (known && link == Some(ALL_LINKS)).then_some(Event::Forwarding { v6: family == libc::AF_INET6, on: on? })
}

impl Iterator for Monitor {
    type Item = Result<Event, RtnlError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.queue.is_empty() {
            let received = self.socket.receive(&mut self.buffer).map(|()| true);
            if let Err(error) = self.sort(received) {
                return Some(Err(error));
            }
        }
        self.queue.pop_front().map(Ok)
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
