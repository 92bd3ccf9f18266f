//! Links: bridges, veth pairs, and what all links have.
//!
//! [`Rtnl::link_add`] makes a link with all that belongs to it in one system
//! call, so that a process that dies at any moment leaves no link without its
//! alias. The kernel takes names, MAC addresses, MTU, master, queues and the
//! peer with its namespace in the creating message, but alias, address
//! generation and `up` only afterwards: they are further messages of the same
//! send.

use std::os::fd::{AsRawFd, BorrowedFd};

use crate::netlink::Request;
use crate::netlink::message::{ACKNOWLEDGE, CREATE, EXCLUSIVE};

use super::{Change, MacAddr, Refusal, Rtnl, RtnlError};

mod message;

pub(super) use message::{Ifinfo, read};

/// What kind of link to make.
#[derive(Debug)]
pub enum LinkType<'a> {
    /// A bridge without spanning tree.
    Bridge,
    /// One end of a veth pair; the other end is part of it.
    Veth(Peer<'a>),
    /// A link that leads nowhere, where the kernel has them.
    Dummy,
    /// A link with a MAC address of its own on another link.
    Macvlan(Lower, MacvlanMode),
    /// A link that shares another link's MAC address, where the kernel has them.
    Ipvlan(Lower, IpvlanMode, IpvlanFlag),
    /// What carries one VLAN id (IEEE 802.1Q) on another link, where the kernel has them.
    Vlan(Lower, u16),
}

/// The link that another one is made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lower {
    /// Its index in its own namespace.
    pub index: u32,
    /// By which number the socket's namespace knows that namespace ([`Rtnl::netns_id_add`]);
    /// `None` if it is the same one.
    pub netns: Option<i32>,
}

/// How the macvlan links on one link reach each other (`enum macvlan_mode`, linux/if_link.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacvlanMode {
    /// Not at all.
    Private,
    /// By the switch, if it sends frames back where they came from.
    Vepa,
    /// Directly.
    Bridge,
    /// There is only one; it takes over the lower link's MAC address.
    Passthru,
}

/// What an ipvlan link forwards by (`enum ipvlan_mode`, linux/if_link.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpvlanMode {
    /// MAC addresses.
    L2,
    /// IP addresses; no broadcast, no multicast.
    L3,
    /// The same, and packets pass the host's netfilter.
    L3s,
}

/// How the ipvlan links on one link reach each other (`IPVLAN_F_…`, linux/if_link.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpvlanFlag {
    /// Directly.
    Bridge,
    /// Not at all.
    Private,
    /// By the switch, if it sends packets back where they came from.
    Vepa,
}

/// The other end of a veth pair.
#[derive(Debug)]
pub struct Peer<'a> {
    /// Its name, in its namespace.
    pub name: String,
    /// Its MAC address; the kernel chooses one if there is none.
    pub address: Option<MacAddr>,
    /// The namespace to make it in; that of the socket if there is none.
    pub netns: Option<BorrowedFd<'a>>,
}

/// Whether the kernel gives a link an IPv6 link-local address of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddrGen {
    /// It does: from the MAC address, once the link is up.
    #[default]
    Eui64,
    /// It does not: no address, no duplicate detection, no multicast reports.
    None,
    /// Another way of the kernel's (stable privacy, random).
    Other(u8),
}

/// A link to make. Start with [`LinkAdd::new`] and change what differs.
#[derive(Debug)]
pub struct LinkAdd<'a> {
    /// At most 15 bytes.
    pub name: String,
    /// Its kind.
    pub link_type: LinkType<'a>,
    /// In bytes, for both ends of a pair; the kernel's default if there is none.
    pub mtu: Option<u32>,
    /// Its MAC address; the kernel chooses one if there is none.
    pub address: Option<MacAddr>,
    /// A text that the kernel keeps with the link: whose it is.
    pub alias: Option<String>,
    /// The index of the bridge that it becomes a port of.
    pub master: Option<u32>,
    /// Whether it is up from the start.
    pub up: bool,
    /// The kernel's group number, by which links can be deleted together.
    pub group: Option<u32>,
    /// Whether the kernel gives it a link-local address.
    pub addr_gen: AddrGen,
    /// Whether 127.0.0.0/8 is routed over it (`route_localnet`).
    pub route_localnet: bool,
}

impl<'a> LinkAdd<'a> {
    /// A link that is down, with the kernel's defaults.
    pub fn new(name: impl Into<String>, link_type: LinkType<'a>) -> Self {
        Self {
            name: name.into(),
            link_type,
            mtu: None,
            address: None,
            alias: None,
            master: None,
            up: false,
            group: None,
            addr_gen: AddrGen::default(),
            route_localnet: false,
        }
    }
}

/// What to change about a link; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkSet {
    /// Whether it is up.
    pub up: Option<bool>,
    /// A new name; the link must be down on kernels before 6.2.
    pub name: Option<String>,
    /// In bytes.
    pub mtu: Option<u32>,
    /// Its MAC address.
    pub address: Option<MacAddr>,
    /// The text that the kernel keeps with it; the empty text removes it.
    pub alias: Option<String>,
    /// The index of its bridge; 0 makes it nobody's port.
    pub master: Option<u32>,
    /// The group number.
    pub group: Option<u32>,
    /// Whether the kernel gives it a link-local address.
    pub addr_gen: Option<AddrGen>,
    /// Whether 127.0.0.0/8 is routed over it.
    pub route_localnet: Option<bool>,
    /// How it behaves as a bridge's port.
    pub port: Option<PortFlags>,
}

/// How a link behaves as a bridge's port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortFlags {
    /// Frames may leave by the port through which they came.
    pub hairpin: bool,
    /// No frames between this port and others that are isolated, too.
    pub isolated: bool,
}

/// What kind of link one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// A bridge.
    Bridge,
    /// One end of a veth pair.
    Veth,
    /// One on another link, with a MAC address of its own.
    Macvlan(MacvlanMode),
    /// One on another link, with the MAC address of that.
    Ipvlan(IpvlanMode, IpvlanFlag),
    /// One VLAN id of another link.
    Vlan(u16),
    /// Any other virtual link, by the kernel's word for it.
    Other(String),
    /// No virtual link: hardware, or the loopback.
    Device,
}

/// A link as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number in its namespace.
    pub index: u32,
    /// Its name in its namespace.
    pub name: String,
    /// Its kind.
    pub kind: LinkKind,
    /// Whether it is set up (it may lack a carrier all the same).
    pub up: bool,
    /// Whether the lower layer is ready: a veth's other end is up, too.
    pub lower_up: bool,
    /// In bytes.
    pub mtu: u32,
    /// Its MAC address, if it has one of six bytes.
    pub address: Option<MacAddr>,
    /// The text that the kernel keeps with it.
    pub alias: Option<String>,
    /// The index of the bridge whose port it is.
    pub master: Option<u32>,
    /// A veth's other end, or the link that this one is on: its index in its own namespace.
    pub peer: Option<u32>,
    /// By which number this namespace knows the namespace of that (see
    /// [`Rtnl::netns_id`]); `None` if it is the same one.
    pub peer_netns: Option<i32>,
    /// The group number.
    pub group: u32,
    /// Whether the kernel gives it a link-local address.
    pub addr_gen: AddrGen,
    /// Whether 127.0.0.0/8 is routed over it.
    pub route_localnet: bool,
    /// How it behaves as a bridge's port, if it is one.
    pub port: Option<PortFlags>,
}

/// How to name a link: by index, or by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which<'a> {
    Index(u32),
    Name(&'a str),
}

/// Changes a link.
pub fn link_set(index: u32, set: &LinkSet) -> Change {
    let payload = message::set(Which::Index(index), set);
    // RTM_SETLINK would ignore the flags of a port.
    Change::new(format!("set link {index}"), libc::RTM_NEWLINK, 0, payload)
}

/// Deletes a link, and the other end of a veth pair with it.
pub fn link_del(index: u32) -> Change {
    let payload = Ifinfo { index, ..Ifinfo::default() }.writer().finish();
    Change::new(format!("delete link {index}"), libc::RTM_DELLINK, 0, payload)
}

/// Deletes all links of a group (not the default group 0) together, in about
/// the time that one takes.
pub fn link_del_group(group: u32) -> Change {
    let mut writer = Ifinfo::default().writer();
    writer.put_u32(libc::IFLA_GROUP, group);
    Change::new(format!("delete the links of group {group}"), libc::RTM_DELLINK, 0, writer.finish())
}

impl Rtnl {
    /// Makes a link with all that belongs to it and returns what the kernel
    /// made of it. A link that is in the way is left alone.
    ///
    /// For a veth whose other end is in another namespace, ask for that end
    /// there ([`Rtnl::link_by_index`]) once it is up: this makes the kernel
    /// settle the carrier of both, without which a first connection may stall
    /// for a second.
    pub fn link_add(&mut self, add: &LinkAdd<'_>) -> Result<Link, RtnlError> {
        let operation = || format!("add link {}", add.name);
        let exists = || Refusal::from_errno(libc::EEXIST);
        // The messages behind the first name the link: they must not reach
        // one that was there before.
        if self.link_by_name(&add.name)?.is_some() {
            return Err(RtnlError::new(operation(), exists()));
        }
        let which = Which::Name(&add.name);
        let mut requests = vec![
            request(libc::RTM_NEWLINK, CREATE | EXCLUSIVE, message::add(add)),
            request(libc::RTM_NEWLINK, 0, message::set(which, &marks(add))),
        ];
        if add.up {
            let up = LinkSet { up: Some(true), ..LinkSet::default() };
            requests.push(request(libc::RTM_NEWLINK, 0, message::set(which, &up)));
        }
        requests.push(request(libc::RTM_GETLINK, 0, message::get(which)));
        let outcomes = self.socket.exchange(&requests).map_err(|error| RtnlError::new(operation(), error))?;
        let mut outcomes = outcomes.into_iter();
        let made = outcomes.next().expect("every request has an outcome").result;
        made.map_err(|refusal| RtnlError::new(operation(), refusal))?;
        let (mut replies, mut refused) = (Vec::new(), None);
        for outcome in outcomes {
            replies.extend(outcome.replies);
            refused = refused.or(outcome.result.err());
        }
        let link = replies.first().and_then(|reply| read(&reply.payload));
        match (link, refused) {
            (Some(link), None) => Ok(link),
            (link, refused) => {
                // The error to tell is why it could not be completed.
                link.map(|link| self.link_del(link.index));
                let vanished = || Refusal::from_errno(libc::ENODEV);
                Err(RtnlError::new(format!("complete link {}", add.name), refused.unwrap_or_else(vanished)))
            }
        }
    }

    /// Changes a link.
    pub fn link_set(&mut self, index: u32, set: &LinkSet) -> Result<(), RtnlError> {
        self.apply(&[link_set(index, set)])
    }

    /// Deletes a link, and the other end of a veth pair with it.
    ///
    /// This waits until the kernel has let go of every trace, 17 to 35 ms for a
    /// veth; [`super::Reaper::link_del`] does not.
    pub fn link_del(&mut self, index: u32) -> Result<(), RtnlError> {
        self.apply(&[link_del(index)])
    }

    /// The link of this name, if there is one.
    pub fn link_by_name(&mut self, name: &str) -> Result<Option<Link>, RtnlError> {
        self.link(Which::Name(name), || format!("find link {name}"))
    }

    /// The link with this index, if there is one.
    ///
    /// Asking synchronises the state of its carrier.
    pub fn link_by_index(&mut self, index: u32) -> Result<Option<Link>, RtnlError> {
        self.link(Which::Index(index), || format!("find link {index}"))
    }

    /// All links of the namespace.
    pub fn link_list(&mut self) -> Result<Vec<Link>, RtnlError> {
        self.links(message::list())
    }

    /// All bridges of the namespace; the kernel leaves out what is none.
    pub fn bridge_list(&mut self) -> Result<Vec<Link>, RtnlError> {
        self.links(message::list_of("bridge"))
    }

    fn links(&mut self, message: Vec<u8>) -> Result<Vec<Link>, RtnlError> {
        let request = request(libc::RTM_GETLINK, 0, message);
        let replies = self.dump("list links", &request)?;
        Ok(replies
            .iter()
            .filter(|reply| reply.kind == libc::RTM_NEWLINK)
            .filter_map(|r| read(&r.payload))
            .collect())
    }

    /// By which number the socket's namespace knows another one, as in
    /// [`Link::peer_netns`]; `None` if it does not know it.
    pub fn netns_id(&mut self, netns: BorrowedFd<'_>) -> Result<Option<i32>, RtnlError> {
        let fd = u32::try_from(netns.as_raw_fd()).expect("a descriptor is not negative");
        let request = request(libc::RTM_GETNSID, 0, message::netns_id(fd));
        let replies = self.get("identify a network namespace", &request)?;
        let id = replies.first().and_then(|reply| message::read_netns_id(&reply.payload));
        Ok(id.filter(|id| *id >= 0))
    }

    /// The same; a namespace that has no number yet gets one.
    pub fn netns_id_add(&mut self, netns: BorrowedFd<'_>) -> Result<i32, RtnlError> {
        if let Some(id) = self.netns_id(netns)? {
            return Ok(id);
        }
        let operation = "number a network namespace";
        let fd = u32::try_from(netns.as_raw_fd()).expect("a descriptor is not negative");
        let added = self.socket.request(&request(libc::RTM_NEWNSID, ACKNOWLEDGE, message::new_netns_id(fd)));
        // Somebody else may have asked at the same time.
        if let Err(error) = added
            && error.refusal().is_none_or(|refusal| refusal.errno() != libc::EEXIST)
        {
            return Err(RtnlError::new(operation.to_owned(), error));
        }
        let gone = || RtnlError::new(operation.to_owned(), Refusal::from_errno(libc::ENOENT));
        self.netns_id(netns)?.ok_or_else(gone)
    }

    fn link(
        &mut self,
        which: Which<'_>,
        operation: impl FnOnce() -> String,
    ) -> Result<Option<Link>, RtnlError> {
        let request = request(libc::RTM_GETLINK, ACKNOWLEDGE, message::get(which));
        match self.socket.request(&request) {
            Ok(replies) => Ok(replies.first().and_then(|reply| read(&reply.payload))),
            Err(error) if error.refusal().is_some_and(|r| r.errno() == libc::ENODEV) => Ok(None),
            Err(error) => Err(RtnlError::new(operation(), error)),
        }
    }
}

/// What the kernel does not take in the message that makes a link.
fn marks(add: &LinkAdd<'_>) -> LinkSet {
    // A bridge that is made with an MTU takes that of its ports all the same,
    // or 1500 without any; one that is told later keeps it.
    let bridge = matches!(add.link_type, LinkType::Bridge);
    LinkSet {
        mtu: add.mtu.filter(|_| bridge),
        alias: add.alias.clone(),
        addr_gen: (add.addr_gen != AddrGen::default()).then_some(add.addr_gen),
        route_localnet: add.route_localnet.then_some(true),
        ..LinkSet::default()
    }
}

fn request(kind: u16, flags: u16, payload: Vec<u8>) -> Request {
    Request { kind, flags, payload }
}
