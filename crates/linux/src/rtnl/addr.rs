//! Addresses of links, of both families.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use crate::netlink::Request;
use crate::netlink::attribute::{Attributes, Writer};
use crate::netlink::message::{CREATE, EXCLUSIVE, REPLACE};

use super::{Change, Rtnl, RtnlError};

/// The size of `struct ifaddrmsg` (linux/if_addr.h).
const HEADER: usize = 8;
/// `IFA_F_NODAD` (linux/if_addr.h): no duplicate detection.
const NODAD: u32 = 0x02;
/// `IFA_F_TENTATIVE` (linux/if_addr.h): duplicate detection has not ended.
const TENTATIVE: u32 = 0x40;
/// `IFA_F_PERMANENT` (linux/if_addr.h).
const PERMANENT: u32 = 0x80;
/// `IFA_FLAGS` (linux/if_addr.h): the flags in full.
const IFA_FLAGS: u16 = 8;
/// `IFA_PROTO` (linux/if_addr.h): who made it. Kernels before 5.18 do not keep it.
const IFA_PROTO: u16 = 11;
/// `RT_SCOPE_LINK` (linux/rtnetlink.h).
const SCOPE_LINK: u8 = 253;

/// An address to give to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddrAdd {
    /// The link.
    pub index: u32,
    /// The address itself, and the length of its prefix.
    pub net: IpNet,
    /// The subnet's broadcast address, if the kernel should know it (IPv4 only).
    pub broadcast: Option<Ipv4Addr>,
    /// Who makes it, as `ip addr` shows after `proto`: 1 to 3 are the kernel's
    /// own, zero is nobody in particular.
    pub protocol: u8,
}

impl AddrAdd {
    /// An address, with the broadcast address that its subnet has by convention.
    pub fn new(index: u32, net: IpNet) -> Self {
        let broadcast = match net {
            IpNet::V4(net) if net.prefix_len() <= 30 => Some(net.broadcast()),
            IpNet::V4(_) | IpNet::V6(_) => None,
        };
        Self { index, net, broadcast, protocol: 0 }
    }
}

/// An address as the kernel has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addr {
    /// The link that has it.
    pub index: u32,
    /// The address itself, and the length of its prefix.
    pub net: IpNet,
    /// The subnet's broadcast address.
    pub broadcast: Option<Ipv4Addr>,
    /// Who made it; zero if nobody said, and on kernels before 5.18.
    pub protocol: u8,
    /// Whether it is valid on this link only (fe80::/10, 169.254.0.0/16).
    pub link_scope: bool,
    /// Whether it stays until somebody deletes it.
    pub permanent: bool,
    /// Whether IPv6 still looks for a duplicate, so that it cannot be used yet.
    pub tentative: bool,
}

/// Gives an address to a link. IPv6 does not look for duplicates: addresses are given out once.
pub fn addr_add(add: &AddrAdd) -> Change {
    let operation = format!("add address {} to link {}", add.net, add.index);
    Change::new(operation, libc::RTM_NEWADDR, CREATE | EXCLUSIVE, payload(add))
}

/// As [`addr_add`], and one that is there already is fine.
pub fn addr_replace(add: &AddrAdd) -> Change {
    let operation = format!("set address {} on link {}", add.net, add.index);
    Change::new(operation, libc::RTM_NEWADDR, CREATE | REPLACE, payload(add))
}

/// Takes an address from a link.
pub fn addr_del(index: u32, net: IpNet) -> Change {
    let operation = format!("delete address {net} from link {index}");
    Change::new(
        operation,
        libc::RTM_DELADDR,
        0,
        payload(&AddrAdd { index, net, broadcast: None, protocol: 0 }),
    )
}

impl Rtnl {
    /// Gives an address to a link.
    pub fn addr_add(&mut self, add: &AddrAdd) -> Result<(), RtnlError> {
        self.apply(&[addr_add(add)])
    }

    /// Takes an address from a link.
    pub fn addr_del(&mut self, index: u32, net: IpNet) -> Result<(), RtnlError> {
        self.apply(&[addr_del(index, net)])
    }

    /// All addresses of the namespace.
    pub fn addr_list(&mut self) -> Result<Vec<Addr>, RtnlError> {
        let request = Request { kind: libc::RTM_GETADDR, flags: 0, payload: vec![0; HEADER] };
        let replies = self.dump("list addresses", &request)?;
        Ok(replies
            .iter()
            .filter(|reply| reply.kind == libc::RTM_NEWADDR)
            .filter_map(|r| read(&r.payload))
            .collect())
    }
}

fn payload(add: &AddrAdd) -> Vec<u8> {
    let (family, flags) = match add.net {
        IpNet::V4(_) => (libc::AF_INET, 0),
        IpNet::V6(_) => (libc::AF_INET6, NODAD),
    };
    let mut header = [0; HEADER];
    header[0] = family as u8;
    header[1] = add.net.prefix_len();
    header[3] = scope(add.net.addr());
    header[4..8].copy_from_slice(&add.index.to_ne_bytes());
    let mut writer = Writer::new(&header);
    writer.put_ip(libc::IFA_LOCAL, add.net.addr()).put_ip(libc::IFA_ADDRESS, add.net.addr());
    if let Some(broadcast) = add.broadcast {
        writer.put_ip(libc::IFA_BROADCAST, broadcast.into());
    }
    if flags != 0 {
        writer.put_u32(IFA_FLAGS, flags);
    }
    if add.protocol != 0 {
        writer.put_u8(IFA_PROTO, add.protocol);
    }
    writer.finish()
}

fn scope(address: IpAddr) -> u8 {
    let link = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    if link { SCOPE_LINK } else { 0 }
}

/// The address in an `RTM_NEWADDR` or `RTM_DELADDR`, if it is whole.
pub(super) fn read(payload: &[u8]) -> Option<Addr> {
    let header: &[u8; HEADER] = payload.first_chunk()?;
    let index = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
    let (mut local, mut address, mut broadcast, mut protocol) = (None, None, None, 0);
    let mut flags = u32::from(header[2]);
    for attribute in Attributes::after(payload, HEADER) {
        match attribute.kind {
            libc::IFA_LOCAL => local = attribute.ip(),
            libc::IFA_ADDRESS => address = attribute.ip(),
            libc::IFA_BROADCAST => broadcast = attribute.ip(),
            IFA_PROTO => protocol = attribute.u8()?,
            IFA_FLAGS => flags = attribute.u32()?,
            _ => {}
        }
    }
    let broadcast = match broadcast {
        Some(IpAddr::V4(broadcast)) => Some(broadcast),
        Some(IpAddr::V6(_)) | None => None,
    };
    Some(Addr {
        index,
        // Of a point-to-point link, IFA_ADDRESS is the other side.
        net: IpNet::new(local.or(address)?, header[1]).ok()?,
        broadcast,
        protocol,
        link_scope: header[3] == SCOPE_LINK,
        permanent: flags & PERMANENT != 0,
        tentative: flags & TENTATIVE != 0,
    })
}
