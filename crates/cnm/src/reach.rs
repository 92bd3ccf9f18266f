//! Who reaches whom: the specification of the data path.
//!
//! [`reach`] says what becomes of the first packet of a flow, and of the answer to
//! it, from the model alone. It knows nothing of rules and their elements: what it
//! says is what the rules, routes and links must make true. So it can be compared
//! with them, and with packets.
//!
//! # What is predicted
//!
//! A client at a [`Place`] sends to an address, a protocol and a port as it would
//! write them. The answer is one of
//!
//! * [`Verdict::Arrives`]: the packet is delivered to a stack, the answer comes back.
//!   Whether a socket listens there is not the model's to say: at [`Arrival::at`], at
//!   [`Arrival::address`] and [`Arrival::port`], a socket of that place decides. An
//!   arrival at [`Place::Host`] is at the host's own stack, published to nobody.
//! * [`Verdict::Leaves`]: the packet is routed to somewhere that is not ours: beyond the host.
//! * [`Verdict::Fails`]: no answer comes, whoever listens; with the first reason.
//!
//! # What is assumed
//!
//! The kernel is as the model wants it; it forwards; no foreign rule drops; hosts of
//! the wire have the host as their router. Source addresses are those that the
//! kernel chooses for an unbound socket. Networks' pools do not overlap with each
//! other or with the wire's. [`Place::Outside`] has an address of global scope, has routes
//! to our networks by the host, and comes by a link that no network trusts. It is in no list of
//! sources; whether a certain neighbour is, is asked of a [`Place::Neighbour`].

use std::net::IpAddr;

use crate::{Family, Model, NetworkId, Proto, SandboxId, access::LinkName};

mod host;
mod text;
mod way;

#[cfg(test)]
mod tests;

pub use text::label;

/// A network stack: one that sends, or one where a packet arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The host's own.
    Host,
    /// A neighbour's on a wire of the host.
    Outside,
    /// The same of one of which more is known.
    Neighbour(Neighbour),
    /// A sandbox's. One on the host's namespace is the host.
    Sandbox(SandboxId),
}

/// A client on a wire of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Neighbour {
    pub address: IpAddr,
    /// The link of the host that it comes by.
    pub link: Option<LinkName>,
}

/// An address as a client writes it.
///
/// Addresses of networks, gateways and loopback addresses are known for what they
/// are. The host's addresses on its wires are not in the model: who asks says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// An address of the host that is on none of our bridges.
    Host(IpAddr),
    /// Any other.
    Address(IpAddr),
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Arrives(Arrival),
    Leaves(Departure),
    Fails(Obstacle),
}

/// Where a packet arrives, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    pub at: Place,
    /// The destination as the receiver sees it.
    pub address: IpAddr,
    pub port: u16,
    pub way: Way,
    pub seen: Seen,
}

/// How a packet gets where it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// It does not leave its stack.
    Within,
    /// Over the bridge of a network that both are on; to or from the host itself as well.
    Link(NetworkId),
    /// Routed by the host to the receiver's own address, as the network's gateway mode allows.
    Routed(NetworkId),
    /// To an address of the host that leads to nobody: its own stack.
    Wire,
    /// By a published port of the host; the network is that of the receiver's gateway.
    Published(NetworkId),
    /// By a connection that the engine accepts and carries on.
    Carried,
}

/// Which address the receiver sees as the client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Seen {
    /// The one it sent from.
    Own,
    /// The host's, on the network by which the packet arrives.
    Bridge,
    /// The same, since a neighbour on one bridge would answer directly; but where bridged
    /// frames pass netfilter (`net.bridge.bridge-nf-call-iptables`, `-ip6tables`) answers do not
    /// get past the host either way, and it is the client's own.
    Neighbour,
}

/// How a packet leaves us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// The network of the sandbox by which it left; none if it was no sandbox's.
    pub by: Option<NetworkId>,
    /// It leaves with an address of the host.
    pub hidden: bool,
}

/// The first thing that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// There is no such sandbox.
    NoSandbox(SandboxId),
    /// A link-local or multicast address means nothing without a link.
    NeedsLink(IpAddr),
    /// The sandbox has no address of the family.
    NoAddress(Family),
    /// The sandbox has an address of the family and no default route: all its networks are
    /// internal, or have no gateway.
    NoGateway(Family),
    /// The address is of the network's pool, and no endpoint that has joined a sandbox holds it.
    Nobody { network: NetworkId, address: IpAddr },
    /// Both are on the network, and its endpoints may not talk to one another.
    Apart { network: NetworkId },
    /// The question arrives. The answer would go directly over this network, on which both are and
    /// whose endpoints may not talk; where bridged frames pass netfilter it is let through all the same.
    AnswersApart { network: NetworkId },
    /// The network is on a link of the host: the kernel leads nothing from the host by that link to it.
    Below { network: NetworkId },
    /// Nothing is routed into or out of the network.
    Internal { network: NetworkId },
    /// The address is of a network whose endpoints are reached from elsewhere by published ports only.
    NotPublished { network: NetworkId },
    /// New flows out of the network do not lead there.
    Egress { network: NetworkId },
    /// The port is published, and the client in no list of those who reach it.
    NotAllowed { sandbox: SandboxId },
    /// The port is published, and could only be carried by the engine: datagrams and large ranges are not.
    NotCarried { sandbox: SandboxId },
}

/// One thing that a packet meets, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The address is the client's own.
    Within,
    /// The address is on a network that the client is on.
    OnLink(NetworkId),
    /// The client's default route, by a network and its gateway.
    Gateway(NetworkId, IpAddr),
    /// The client's default route, onto the wire of a network that is on a link of the host.
    Wire(NetworkId),
    /// The address is the host's.
    OfHost,
    /// The port of the host is published to a sandbox: to its address and port.
    Published { sandbox: SandboxId, to: IpAddr, port: u16 },
    /// The engine accepts the connection and opens another one.
    Carried { sandbox: SandboxId, to: IpAddr, port: u16 },
    /// The host routes into a network.
    Into(NetworkId),
    /// The host routes to elsewhere.
    Elsewhere,
}

/// What a packet meets, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    pub steps: Vec<Step>,
    pub verdict: Verdict,
}

/// What becomes of a packet from `from` to `port` of `to`, and of the answer to it.
///
/// Pure, and independent of the rules: see the [module](self) for what is predicted
/// and what is assumed.
pub fn reach(model: &Model, from: Place, to: Target, proto: Proto, port: u16) -> Verdict {
    walk(model, from, to, proto, port).verdict
}

/// What becomes of an ICMP echo request, and of the reply. Every stack replies; the port of an arrival is zero.
pub fn ping(model: &Model, from: Place, to: Target) -> Verdict {
    way::Packet {
        model,
        from,
        to: to.address(),
        of_host: to.is_host(),
        proto: None,
        port: 0,
        steps: Vec::new(),
    }
    .from(from)
}

/// The same as [`reach`] with what the packet meets on its way.
pub fn walk(model: &Model, from: Place, to: Target, proto: Proto, port: u16) -> Walk {
    let mut packet = way::Packet {
        model,
        from,
        to: to.address(),
        of_host: to.is_host(),
        proto: Some(proto),
        port,
        steps: Vec::new(),
    };
    let verdict = packet.from(from);
    Walk { steps: packet.steps, verdict }
}

impl Target {
    /// The address itself.
    pub const fn address(self) -> IpAddr {
        match self {
            Self::Host(address) | Self::Address(address) => address,
        }
    }

    const fn is_host(self) -> bool {
        matches!(self, Self::Host(_))
    }
}

impl Verdict {
    /// Whether a server at this place would get the packet and be heard.
    pub fn arrives_at(&self, place: Place) -> bool {
        matches!(self, Self::Arrives(arrival) if arrival.at == place)
    }
}
