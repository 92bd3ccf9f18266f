//! Connection tracking over ctnetlink: listing flows, deleting them by exact tuple.
//!
//! A flow that was translated is remembered: packets of a UDP client that does
//! not pause go where its first one went, even after the rule has changed.
//! Whoever changes a rule deletes the flows that it made.

use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use crate::netlink::attribute::{Attribute, Attributes, Writer};
use crate::netlink::{self, Protocol, Reply, Request, Socket};

#[cfg(test)]
mod tests;

/// `NFNL_SUBSYS_CTNETLINK` (linux/netfilter/nfnetlink.h).
const SUBSYSTEM: u16 = 1;
/// `IPCTNL_MSG_CT_GET` and `IPCTNL_MSG_CT_DELETE` (linux/netfilter/nfnetlink_conntrack.h).
const GET: u16 = SUBSYSTEM << 8 | 1;
const DELETE: u16 = SUBSYSTEM << 8 | 2;

/// `enum ctattr_type`, `ctattr_tuple`, `ctattr_ip` and `ctattr_l4proto` of the same header.
mod attr {
    pub(super) const TUPLE_ORIG: u16 = 1;
    pub(super) const TUPLE_REPLY: u16 = 2;
    pub(super) const MARK: u16 = 8;
    pub(super) const TUPLE_IP: u16 = 1;
    pub(super) const TUPLE_PROTO: u16 = 2;
    pub(super) const IP_V4_SRC: u16 = 1;
    pub(super) const IP_V4_DST: u16 = 2;
    pub(super) const IP_V6_SRC: u16 = 3;
    pub(super) const IP_V6_DST: u16 = 4;
    pub(super) const PROTO_NUM: u16 = 1;
    pub(super) const PROTO_SRC_PORT: u16 = 2;
    pub(super) const PROTO_DST_PORT: u16 = 3;
}

/// `struct nfgenmsg`.
const HEADER: usize = 4;

/// The two ends of one direction of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    /// The layer 4 protocol by its IANA number: 6 is TCP, 17 UDP, 132 SCTP.
    pub protocol: u8,
    /// Who sends.
    pub source: SocketAddr,
    /// Who receives.
    pub destination: SocketAddr,
}

/// A flow of packets that the kernel remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Its first packet, as it came.
    pub original: Tuple,
    /// The answer to it, as it comes; not the mirror image if the flow is translated.
    pub reply: Tuple,
    /// Its mark.
    pub mark: u32,
}

/// What the ends of a tuple must be; `None` is anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// The sender's address.
    pub source: Option<IpAddr>,
    /// The sender's port.
    pub source_port: Option<u16>,
    /// The receiver's address.
    pub destination: Option<IpAddr>,
    /// The receiver's port.
    pub destination_port: Option<u16>,
}

/// Which flows are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Their protocol; `None` is any.
    pub protocol: Option<u8>,
    /// What their first packet was like.
    pub original: Ends,
    /// What the answers are like.
    pub reply: Ends,
}

impl Ends {
    fn matches(&self, tuple: &Tuple) -> bool {
        fits(self.source, tuple.source.ip())
            && fits(self.source_port, tuple.source.port())
            && fits(self.destination, tuple.destination.ip())
            && fits(self.destination_port, tuple.destination.port())
    }
}

fn fits<T: PartialEq>(wanted: Option<T>, value: T) -> bool {
    wanted.is_none_or(|wanted| wanted == value)
}

impl Filter {
    /// Whether a flow is wanted.
    pub fn matches(&self, flow: &Flow) -> bool {
        fits(self.protocol, flow.original.protocol)
            && self.original.matches(&flow.original)
            && self.reply.matches(&flow.reply)
    }
}

/// Why flows could not be listed or deleted.
#[derive(Debug, Error)]
pub enum ConntrackError {
    /// Asking for the list failed.
    #[error("cannot list the tracked connections")]
    List(#[source] netlink::Error),
    /// Deleting one failed.
    #[error(
        "cannot forget the connection from {} to {} (protocol {})",
        .tuple.source, .tuple.destination, .tuple.protocol
    )]
    Delete {
        /// The flow.
        tuple: Tuple,
        /// The kernel's answer.
        #[source]
        source: netlink::Error,
    },
    /// A tuple's ends are of different families.
    #[error("no connection goes from {} to {}", .0.source, .0.destination)]
    Families(Tuple),
}

/// The flows that a network namespace remembers.
#[derive(Debug)]
pub struct Conntrack {
    socket: Socket,
}

impl Conntrack {
    /// Opens the calling thread's network namespace.
    pub fn open() -> Result<Self, netlink::Error> {
        Ok(Self { socket: Socket::open(Protocol::Netfilter)? })
    }

    /// The flows that are wanted. The kernel lists all and we choose: its own
    /// filter is newer than the oldest kernel we run on.
    pub fn flow_list(&mut self, filter: &Filter) -> Result<Vec<Flow>, ConntrackError> {
        let request = Request { kind: GET, flags: 0, payload: vec![0; HEADER] };
        let replies = self.socket.dump(&request).map_err(ConntrackError::List)?;
        // A flow without ports (ICMP) is nothing that this module can name.
        Ok(replies.iter().filter_map(read).filter(|flow| filter.matches(flow)).collect())
    }

    /// Forgets the flow whose first packet was like this; false if there is none.
    pub fn flow_del(&mut self, original: &Tuple) -> Result<bool, ConntrackError> {
        let payload = payload(original).ok_or(ConntrackError::Families(*original))?;
        match self.socket.request(&Request { kind: DELETE, flags: 0, payload }) {
            Ok(_) => Ok(true),
            Err(error) if error.refusal().is_some_and(|refusal| refusal.errno() == libc::ENOENT) => Ok(false),
            Err(source) => Err(ConntrackError::Delete { tuple: *original, source }),
        }
    }

    /// Forgets all flows that are wanted, and says how many they were.
    pub fn flow_del_matching(&mut self, filter: &Filter) -> Result<usize, ConntrackError> {
        let flows = self.flow_list(filter)?;
        let mut deleted = 0;
        for flow in &flows {
            deleted += usize::from(self.flow_del(&flow.original)?);
        }
        Ok(deleted)
    }
}

fn payload(tuple: &Tuple) -> Option<Vec<u8>> {
    let (family, kinds) = match (tuple.source.ip(), tuple.destination.ip()) {
        (IpAddr::V4(_), IpAddr::V4(_)) => (libc::AF_INET, [attr::IP_V4_SRC, attr::IP_V4_DST]),
        (IpAddr::V6(_), IpAddr::V6(_)) => (libc::AF_INET6, [attr::IP_V6_SRC, attr::IP_V6_DST]),
        _ => return None,
    };
    let mut writer = Writer::new(&[u8::try_from(family).ok()?, 0, 0, 0]);
    writer.nest(attr::TUPLE_ORIG, |orig| {
        orig.nest(attr::TUPLE_IP, |ip| {
            ip.put_ip(kinds[0], tuple.source.ip()).put_ip(kinds[1], tuple.destination.ip());
        });
        orig.nest(attr::TUPLE_PROTO, |proto| {
            proto.put_u8(attr::PROTO_NUM, tuple.protocol);
            proto.put(attr::PROTO_SRC_PORT, &tuple.source.port().to_be_bytes());
            proto.put(attr::PROTO_DST_PORT, &tuple.destination.port().to_be_bytes());
        });
    });
    Some(writer.finish())
}

fn read(reply: &Reply) -> Option<Flow> {
    let (mut original, mut answer, mut mark) = (None, None, 0);
    for attribute in Attributes::after(&reply.payload, HEADER) {
        match attribute.kind {
            attr::TUPLE_ORIG => original = read_tuple(&attribute),
            attr::TUPLE_REPLY => answer = read_tuple(&attribute),
            attr::MARK => mark = attribute.be32()?,
            _ => {}
        }
    }
    Some(Flow { original: original?, reply: answer?, mark })
}

fn read_tuple(tuple: &Attribute<'_>) -> Option<Tuple> {
    let (mut source, mut destination) = (None, None);
    let (mut protocol, mut ports) = (None, [None; 2]);
    for part in tuple.nested() {
        for attribute in part.nested() {
            match (part.kind, attribute.kind) {
                (attr::TUPLE_IP, attr::IP_V4_SRC | attr::IP_V6_SRC) => source = attribute.ip(),
                (attr::TUPLE_IP, attr::IP_V4_DST | attr::IP_V6_DST) => destination = attribute.ip(),
                (attr::TUPLE_PROTO, attr::PROTO_NUM) => protocol = attribute.u8(),
                (attr::TUPLE_PROTO, attr::PROTO_SRC_PORT) => ports[0] = port(&attribute),
                (attr::TUPLE_PROTO, attr::PROTO_DST_PORT) => ports[1] = port(&attribute),
                _ => {}
            }
        }
    }
    Some(Tuple {
        protocol: protocol?,
        source: SocketAddr::new(source?, ports[0]?),
        destination: SocketAddr::new(destination?, ports[1]?),
    })
}

fn port(attribute: &Attribute<'_>) -> Option<u16> {
    attribute.value.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}
