//! The bytes of link messages (`struct ifinfomsg` and `IFLA_…`, linux/if_link.h).

use std::os::fd::AsRawFd;

use crate::netlink::attribute::{Attribute, Attributes, Writer};
use crate::rtnl::MacAddr;

use super::{AddrGen, Link, LinkAdd, LinkKind, LinkSet, LinkType, Lower, Peer, Which};

mod upper;

/// The size of `struct ifinfomsg`.
const HEADER: usize = 16;

// Numbers that are not in libc (linux/if_link.h, linux/veth.h, linux/net_namespace.h).
const VETH_INFO_PEER: u16 = 1;
const IFLA_BR_STP_STATE: u16 = 5;
const IFLA_BRPORT_MODE: u16 = 4;
const IFLA_BRPORT_ISOLATED: u16 = 33;
const IFLA_INET_CONF: u16 = 1;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;
/// `IPV4_DEVCONF_ROUTE_LOCALNET` (linux/ip.h), which counts from one.
const ROUTE_LOCALNET: u16 = 26;
/// `RTEXT_FILTER_SKIP_STATS` (linux/rtnetlink.h): no counters, half the bytes.
const SKIP_STATS: u32 = 1 << 3;
/// `IN6_ADDR_GEN_MODE_NONE` (linux/if_link.h).
const GENERATE_NONE: u8 = 1;

const AF_INET: u16 = libc::AF_INET as u16;
const AF_INET6: u16 = libc::AF_INET6 as u16;
const UP: u32 = libc::IFF_UP as u32;
const LOWER_UP: u32 = 1 << 16;

/// `struct ifinfomsg`.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::rtnl) struct Ifinfo {
    pub(in crate::rtnl) index: u32,
    pub(in crate::rtnl) flags: u32,
    pub(in crate::rtnl) change: u32,
}

impl Ifinfo {
    fn bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[4..8].copy_from_slice(&self.index.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.flags.to_ne_bytes());
        bytes[12..16].copy_from_slice(&self.change.to_ne_bytes());
        bytes
    }

    pub(in crate::rtnl) fn writer(self) -> Writer {
        Writer::new(&self.bytes())
    }
}

/// A link to make, as far as the kernel takes it in one message.
pub(super) fn add(add: &LinkAdd<'_>) -> Vec<u8> {
    let mut writer = Ifinfo::default().writer();
    writer.put_text(libc::IFLA_IFNAME, &add.name);
    address(&mut writer, add.address);
    if let Some(mtu) = add.mtu.filter(|_| !matches!(add.link_type, LinkType::Bridge)) {
        writer.put_u32(libc::IFLA_MTU, mtu);
    }
    if let Some(master) = add.master {
        writer.put_u32(libc::IFLA_MASTER, master);
    }
    if let Some(group) = add.group {
        writer.put_u32(libc::IFLA_GROUP, group);
    }
    if matches!(add.link_type, LinkType::Veth(_)) {
        one_queue(&mut writer);
    }
    if let LinkType::Macvlan(lower, _) | LinkType::Ipvlan(lower, ..) | LinkType::Vlan(lower, _) =
        &add.link_type
    {
        on(&mut writer, *lower);
    }
    writer.nest(libc::IFLA_LINKINFO, |info| match &add.link_type {
        LinkType::Dummy => {
            info.put_text(libc::IFLA_INFO_KIND, "dummy");
        }
        LinkType::Macvlan(_, mode) => upper::macvlan(info, *mode),
        LinkType::Ipvlan(_, mode, flag) => upper::ipvlan(info, *mode, *flag),
        LinkType::Vlan(_, id) => upper::vlan(info, *id),
        LinkType::Bridge => {
            info.put_text(libc::IFLA_INFO_KIND, "bridge");
            info.nest(libc::IFLA_INFO_DATA, |data| {
                data.put_u32(IFLA_BR_STP_STATE, 0);
            });
        }
        LinkType::Veth(other_end) => {
            info.put_text(libc::IFLA_INFO_KIND, "veth");
            info.nest(libc::IFLA_INFO_DATA, |data| {
                data.nest(VETH_INFO_PEER, |inner| peer(inner, other_end, add.mtu));
            });
        }
    });
    writer.finish()
}

/// The link that another one is on.
fn on(writer: &mut Writer, lower: Lower) {
    writer.put_u32(libc::IFLA_LINK, lower.index);
    if let Some(netns) = lower.netns {
        writer.put(libc::IFLA_LINK_NETNSID, &netns.to_ne_bytes());
    }
}

fn peer(writer: &mut Writer, peer: &Peer<'_>, mtu: Option<u32>) {
    writer.raw(&Ifinfo::default().bytes());
    writer.put_text(libc::IFLA_IFNAME, &peer.name);
    address(writer, peer.address);
    if let Some(mtu) = mtu {
        writer.put_u32(libc::IFLA_MTU, mtu);
    }
    one_queue(writer);
    if let Some(netns) = peer.netns {
        writer.put(libc::IFLA_NET_NS_FD, &netns.as_raw_fd().to_ne_bytes());
    }
}

/// A queue per processor costs 0.2 ms and memory, and gains a veth nothing.
fn one_queue(writer: &mut Writer) {
    writer.put_u32(libc::IFLA_NUM_TX_QUEUES, 1).put_u32(libc::IFLA_NUM_RX_QUEUES, 1);
}

fn address(writer: &mut Writer, address: Option<MacAddr>) {
    if let Some(MacAddr(bytes)) = address {
        writer.put(libc::IFLA_ADDRESS, &bytes);
    }
}

/// Changes of a link. One that is found by its name is not renamed.
pub(super) fn set(which: Which<'_>, set: &LinkSet) -> Vec<u8> {
    let flags = if set.up == Some(true) { UP } else { 0 };
    let change = if set.up.is_some() { UP } else { 0 };
    let index = if let Which::Index(index) = which { index } else { 0 };
    let mut writer = Ifinfo { index, flags, change }.writer();
    let name = match which {
        Which::Name(name) => Some(name),
        Which::Index(_) => set.name.as_deref(),
    };
    if let Some(name) = name {
        writer.put_text(libc::IFLA_IFNAME, name);
    }
    address(&mut writer, set.address);
    if let Some(mtu) = set.mtu {
        writer.put_u32(libc::IFLA_MTU, mtu);
    }
    if let Some(alias) = &set.alias {
        // Without a zero byte: the empty text removes the alias.
        writer.put(libc::IFLA_IFALIAS, alias.as_bytes());
    }
    if let Some(master) = set.master {
        writer.put_u32(libc::IFLA_MASTER, master);
    }
    if let Some(group) = set.group {
        writer.put_u32(libc::IFLA_GROUP, group);
    }
    families(&mut writer, set);
    if let Some(port) = set.port {
        writer.nest(libc::IFLA_LINKINFO, |info| {
            info.put_text(libc::IFLA_INFO_SLAVE_KIND, "bridge");
            info.nest(libc::IFLA_INFO_SLAVE_DATA, |data| {
                data.put_u8(IFLA_BRPORT_MODE, port.hairpin.into());
                data.put_u8(IFLA_BRPORT_ISOLATED, port.isolated.into());
            });
        });
    }
    writer.finish()
}

/// Settings of IPv4 and IPv6 on the link, which otherwise are files in /proc/sys.
fn families(writer: &mut Writer, set: &LinkSet) {
    if set.addr_gen.is_none() && set.route_localnet.is_none() {
        return;
    }
    writer.nest(libc::IFLA_AF_SPEC, |families| {
        if let Some(route_localnet) = set.route_localnet {
            families.nest(AF_INET, |inet| {
                inet.nest(IFLA_INET_CONF, |conf| {
                    conf.put_u32(ROUTE_LOCALNET, route_localnet.into());
                });
            });
        }
        if let Some(addr_gen) = set.addr_gen {
            let mode = match addr_gen {
                AddrGen::Eui64 => 0,
                AddrGen::None => GENERATE_NONE,
                AddrGen::Other(mode) => mode,
            };
            families.nest(AF_INET6, |inet6| {
                inet6.put_u8(IFLA_INET6_ADDR_GEN_MODE, mode);
            });
        }
    });
}

/// A question for one link.
pub(super) fn get(which: Which<'_>) -> Vec<u8> {
    let index = if let Which::Index(index) = which { index } else { 0 };
    let mut writer = Ifinfo { index, ..Ifinfo::default() }.writer();
    if let Which::Name(name) = which {
        writer.put_text(libc::IFLA_IFNAME, name);
    }
    writer.put_u32(libc::IFLA_EXT_MASK, SKIP_STATS);
    writer.finish()
}

/// A question for all links.
pub(super) fn list() -> Vec<u8> {
    get(Which::Index(0))
}

/// A question for all links of a kind.
pub(super) fn list_of(kind: &str) -> Vec<u8> {
    let mut writer = Ifinfo::default().writer();
    writer.put_u32(libc::IFLA_EXT_MASK, SKIP_STATS);
    writer.nest(libc::IFLA_LINKINFO, |info| {
        info.put_text(libc::IFLA_INFO_KIND, kind);
    });
    writer.finish()
}

/// A question for the number of a namespace (`struct rtgenmsg`).
pub(super) fn netns_id(fd: u32) -> Vec<u8> {
    let mut writer = Writer::new(&[0]);
    writer.put_u32(NETNSA_FD, fd);
    writer.finish()
}

/// A wish for any free number for a namespace.
pub(super) fn new_netns_id(fd: u32) -> Vec<u8> {
    let mut writer = Writer::new(&[0]);
    writer.put_u32(NETNSA_FD, fd).put(NETNSA_NSID, &(-1_i32).to_ne_bytes());
    writer.finish()
}

/// The number in an `RTM_NEWNSID`.
pub(super) fn read_netns_id(payload: &[u8]) -> Option<i32> {
    Attributes::after(payload, 1).find(|attribute| attribute.kind == NETNSA_NSID)?.i32()
}

/// The link in an `RTM_NEWLINK` or `RTM_DELLINK`, if it is whole.
pub(in crate::rtnl) fn read(payload: &[u8]) -> Option<Link> {
    let word = |at: usize| payload.get(at..at + 4)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes));
    let flags = word(8)?;
    let mut link = Link {
        index: word(4)?,
        name: String::new(),
        kind: LinkKind::Device,
        up: flags & UP != 0,
        lower_up: flags & LOWER_UP != 0,
        mtu: 0,
        address: None,
        alias: None,
        master: None,
        peer: None,
        peer_netns: None,
        group: 0,
        addr_gen: AddrGen::default(),
        route_localnet: false,
        port: None,
    };
    Attributes::after(payload, HEADER).for_each(|attribute| read_attribute(&mut link, attribute));
    Some(link)
}

fn read_attribute(link: &mut Link, attribute: Attribute<'_>) {
    match attribute.kind {
        libc::IFLA_IFNAME => link.name = attribute.text().unwrap_or_default().to_owned(),
        libc::IFLA_MTU => link.mtu = attribute.u32().unwrap_or_default(),
        libc::IFLA_ADDRESS => link.address = attribute.value.try_into().ok().map(MacAddr),
        libc::IFLA_IFALIAS => link.alias = attribute.text().map(str::to_owned),
        libc::IFLA_MASTER => link.master = attribute.u32(),
        libc::IFLA_LINK => link.peer = attribute.u32(),
        libc::IFLA_LINK_NETNSID => link.peer_netns = attribute.i32(),
        libc::IFLA_GROUP => link.group = attribute.u32().unwrap_or_default(),
        libc::IFLA_LINKINFO => attribute.nested().for_each(|info| read_kind(link, info)),
        libc::IFLA_AF_SPEC => attribute.nested().for_each(|family| read_family(link, family)),
        _ => {}
    }
}

fn read_kind(link: &mut Link, info: Attribute<'_>) {
    match (info.kind, info.text()) {
        (libc::IFLA_INFO_KIND, Some("bridge")) => link.kind = LinkKind::Bridge,
        (libc::IFLA_INFO_KIND, Some("veth")) => link.kind = LinkKind::Veth,
        (libc::IFLA_INFO_KIND, Some(kind)) => link.kind = LinkKind::Other(kind.to_owned()),
        (libc::IFLA_INFO_DATA, _) => link.kind = upper::read(&link.kind, info).unwrap_or(link.kind.clone()),
        (libc::IFLA_INFO_SLAVE_KIND, Some("bridge")) => link.port = Some(link.port.unwrap_or_default()),
        (libc::IFLA_INFO_SLAVE_DATA, _) => {
            let port = link.port.get_or_insert_default();
            for flag in info.nested() {
                match flag.kind {
                    IFLA_BRPORT_MODE => port.hairpin = flag.u8() == Some(1),
                    IFLA_BRPORT_ISOLATED => port.isolated = flag.u8() == Some(1),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn read_family(link: &mut Link, family: Attribute<'_>) {
    for setting in family.nested() {
        match (family.kind, setting.kind) {
            (AF_INET, IFLA_INET_CONF) => {
                let at = 4 * (usize::from(ROUTE_LOCALNET) - 1);
                let value = setting.value.get(at..at + 4);
                link.route_localnet = value.is_some_and(|bytes| bytes != [0; 4]);
            }
            (AF_INET6, IFLA_INET6_ADDR_GEN_MODE) => {
                link.addr_gen = match setting.u8() {
                    Some(GENERATE_NONE) => AddrGen::None,
                    Some(0) | None => AddrGen::Eui64,
                    Some(mode) => AddrGen::Other(mode),
                };
            }
            _ => {}
        }
    }
}
