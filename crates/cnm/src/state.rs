//! What the kernel must hold: a sorted map of objects.
//!
//! The declaration order of [`Key`] is the order of creation; deletion runs
//! backwards. What vanishes with what (`carriers`, `provides`) and what can be
//! changed in place ([`can_become`]) is all that a plan must know about Linux.

mod scope;

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;

use crate::{
    EndpointId, Mac, NetworkId, Proto, SandboxId,
    driver::upper::Kind,
    nft::{Digest, Set, Value},
};

pub use scope::{Scope, kernel_state, kernel_state_of};

/// All objects of ours, or those of one part of the model.
pub type State = BTreeMap<Key, Object>;

/// A network stack that holds objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ns {
    Host,
    Sandbox(SandboxId),
}

/// The identity of a kernel object.
///
/// The order of the variants is the order of creation: an object may refer only
/// to objects of an earlier variant. What can be refused for reasons outside
/// of our control comes first, what confines a link before the link, what leads
/// to it after.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A setting of the host. It is kept: others may rely on it by the time we
    /// do not need it any more.
    Sysctl(Sysctl),
    /// Ports of the host that nobody else may bind. The unspecified address stands for all of its family.
    ///
    /// A single port is held by a bound socket; of a range it is only made sure that nobody has
    /// one now. Published ranges of up to [`HELD_PORTS`] are held, port by port.
    Port {
        proto: Proto,
        address: IpAddr,
        first: u16,
        last: u16,
    },
    /// The skeleton of our nftables table.
    Table,
    /// An element that confines a link ([`Set::is_guard`]).
    Guard(Set, Vec<Value>),
    Netns(SandboxId),
    /// By its name on the host.
    Bridge(String),
    /// A link of the host, by its name, that others are made on.
    Lower(String),
    /// Both ends; the host's is called [`veth_name`].
    Veth(EndpointId),
    /// A link in a sandbox on a link of the host.
    Upper(EndpointId),
    /// A setting that a user gave a link in a sandbox: the link and the path below
    /// `/proc/sys`. It is kept, and vanishes with the link.
    LinkSysctl(Ns, String, String),
    /// An address of the link of this name.
    Addr(Ns, String, IpNet),
    /// A route by its destination, in the main table.
    Route(Ns, IpNet),
    /// An element that leads to a sandbox.
    Publish(Set, Vec<Value>),
}

/// A setting of the host that routing needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sysctl {
    Ipv4Forwarding,
    Ipv6Forwarding,
}

impl Sysctl {
    /// The path below `/proc/sys`.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Ipv4Forwarding => "net/ipv4/ip_forward",
            Self::Ipv6Forwarding => "net/ipv6/conf/all/forwarding",
        }
    }
}

/// What is known of a kernel object besides its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// The setting is 1. Any other value is observed as no object.
    Sysctl,
    Port,
    Table(Digest),
    /// The data of a map's element, nothing for a set's.
    Element(Vec<Value>),
    Netns(Netns),
    Bridge(Bridge),
    Lower(Lower),
    Veth(Veth),
    Upper(Upper),
    LinkSysctl(String),
    /// Without duplicate address detection.
    Addr,
    Route(Route),
}

/// Where a sandbox's network namespace comes from. Its loopback is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Netns {
    /// It is created and removed with the object.
    Own,
    /// It is somebody else's, found at this path: entered, neither created nor removed.
    Path(String),
}

/// A bridge on the host. The kernel gives it no address of its own accord
/// (`addrgenmode none`): a link-local address that has to be probed first is of
/// no use for a second, and none is needed where there is no IPv6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// In its mark.
    pub network: NetworkId,
    pub mac: Mac,
    /// In bytes.
    pub mtu: u32,
    /// It routes loopback addresses, so that the host reaches published ports by its own.
    pub route_localnet: bool,
    /// Observed as `false` if somebody took it down.
    pub up: bool,
}

/// A pair of virtual links: one end on the host, in a bridge; one in a sandbox.
/// The endpoint of its key is in its mark, at the host's end. The kernel gives
/// neither end an address of its own accord, as with bridges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Veth {
    /// The bridge; observed as `None` if somebody took it out.
    pub master: Option<String>,
    /// Where the other end is, with its name there.
    pub peer: (Ns, String),
    /// Of the peer.
    pub mac: Mac,
    /// Of both ends, in bytes.
    pub mtu: u32,
    /// It exchanges frames with the bridge's own stack only, not with other isolated ports.
    ///
    /// Where bridged frames pass netfilter (`net.bridge.bridge-nf-call-iptables` and
    /// `-ip6tables`, once `br_netfilter` is loaded), our `forward` chain sees to that, and the
    /// port's flag must be off: frames to published ports are bridged there, too. The object
    /// says what holds, not which of the two makes it so.
    pub isolated: bool,
    /// Frames may leave by the port they came by: a sandbox that reaches itself by a
    /// published port, where bridged frames pass netfilter.
    pub hairpin: bool,
    /// Observed as `false` if somebody took an end down.
    pub up: bool,
}

/// A link of the host that is made for others to be on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lower {
    pub kind: LowerKind,
    /// Observed as `false` if somebody took it down.
    pub up: bool,
}

/// What such a link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LowerKind {
    /// One VLAN of another link of the host.
    Vlan { on: String, id: u16 },
    /// It leads nowhere.
    Dummy,
}

/// A macvlan or ipvlan link. The endpoint of its key is in its mark. The kernel gives it no
/// address of its own accord, as with bridges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upper {
    /// The link of the host that it is on; observed as empty if it is on none.
    pub lower: String,
    pub kind: Kind,
    /// Where it is, with its name there.
    pub place: (Ns, String),
    /// Its own, if it has one.
    pub mac: Option<Mac>,
    /// In bytes; the lower link's if absent.
    pub mtu: Option<u32>,
    /// Observed as `false` if somebody took it down.
    pub up: bool,
}

/// A route's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The gateway; the destination is on the link if absent.
    pub via: Option<IpAddr>,
    /// The name of the link.
    pub link: String,
}

/// The longest range of ports that is held by sockets, one for each.
pub const HELD_PORTS: usize = 1024;

impl Key {
    /// Whether the object outlives its purpose: it cannot be said what was there before.
    pub const fn is_kept(&self) -> bool {
        matches!(self, Self::Sysctl(_) | Self::LinkSysctl(..))
    }
}

/// What an object needs under itself, or is for others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Carrier {
    Table,
    Netns(SandboxId),
    Link(Ns, String),
    /// An address through which a gateway is reached.
    Addr(Ns, String, IpNet),
}

/// How an object goes when its carrier does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bond {
    /// The kernel deletes it, too.
    Vanishes,
    /// It must be deleted before.
    Rides,
}

/// The name of the host's end of an endpoint's veth pair: 14 of the 15 bytes that a name may have.
pub fn veth_name(endpoint: &EndpointId) -> String {
    format!("veth{}", &endpoint.short()[..10])
}

/// What the object is a carrier for.
pub(crate) fn provides(key: &Key, object: &Object) -> Option<Carrier> {
    match (key, object) {
        (Key::Table, _) => Some(Carrier::Table),
        (Key::Netns(sandbox), _) => Some(Carrier::Netns(*sandbox)),
        (Key::Bridge(name) | Key::Lower(name), _) => Some(Carrier::Link(Ns::Host, name.clone())),
        (Key::Veth(_), Object::Veth(veth)) => Some(Carrier::Link(veth.peer.0, veth.peer.1.clone())),
        (Key::Upper(_), Object::Upper(upper)) => Some(Carrier::Link(upper.place.0, upper.place.1.clone())),
        (Key::Addr(ns, link, net), _) => Some(Carrier::Addr(*ns, link.clone(), *net)),
        _ => None,
    }
}

/// What the object cannot be without.
pub(crate) fn carriers(key: &Key, object: &Object) -> Vec<(Carrier, Bond)> {
    match (key, object) {
        (Key::Guard(..) | Key::Publish(..), _) => vec![(Carrier::Table, Bond::Vanishes)],
        (Key::Veth(_), Object::Veth(veth)) => {
            let master = veth.master.iter().map(|name| (Carrier::Link(Ns::Host, name.clone()), Bond::Rides));
            let peer = match veth.peer.0 {
                Ns::Sandbox(sandbox) => Some((Carrier::Netns(sandbox), Bond::Rides)),
                Ns::Host => None,
            };
            master.chain(peer).collect()
        }
        (Key::Lower(_), Object::Lower(Lower { kind: LowerKind::Vlan { on, .. }, .. })) => {
            vec![(Carrier::Link(Ns::Host, on.clone()), Bond::Vanishes)]
        }
        (Key::Upper(_), Object::Upper(upper)) => {
            let lower = (Carrier::Link(Ns::Host, upper.lower.clone()), Bond::Vanishes);
            // It vanishes with its namespace at a time of the kernel's choosing, until when others
            // cannot have its MAC address.
            let inside = match upper.place.0 {
                Ns::Sandbox(sandbox) => Some((Carrier::Netns(sandbox), Bond::Rides)),
                Ns::Host => None,
            };
            std::iter::once(lower).chain(inside).collect()
        }
        (Key::LinkSysctl(ns, link, _) | Key::Addr(ns, link, _), _) => {
            vec![(Carrier::Link(*ns, link.clone()), Bond::Vanishes)]
        }
        (Key::Route(ns, _), Object::Route(route)) => {
            vec![(Carrier::Link(*ns, route.link.clone()), Bond::Vanishes)]
        }
        _ => Vec::new(),
    }
}

/// Whether the kernel can make the second out of the first without deleting it.
///
/// An element is changed by deleting and adding it in one transaction, a route
/// by replacing it.
pub fn can_become(old: &Object, new: &Object) -> bool {
    match (old, new) {
        (Object::Bridge(old), Object::Bridge(new)) => old.network == new.network,
        (Object::Veth(old), Object::Veth(new)) => old.peer == new.peer && old.mac == new.mac,
        (Object::Lower(old), Object::Lower(new)) => old.kind == new.kind,
        (Object::Upper(old), Object::Upper(new)) => {
            let same = |upper: &Upper| (upper.lower.clone(), upper.kind, upper.place.clone(), upper.mac);
            same(old) == same(new)
        }
        (Object::Route(_), Object::Route(_))
        | (Object::Element(_), Object::Element(_))
        | (Object::LinkSysctl(_), Object::LinkSysctl(_)) => true,
        (old, new) => old == new,
    }
}
