//! Neighbours: which Ethernet address an IP address on a link has.

use std::net::IpAddr;

use crate::netlink::Request;
use crate::netlink::attribute::{Attributes, Writer};
use crate::netlink::message::{CREATE, REPLACE};

use super::{Change, MacAddr, Rtnl, RtnlError};

/// The size of `struct ndmsg` (linux/neighbour.h).
const HEADER: usize = 12;

/// A neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neigh {
    /// The link over which it is reached.
    pub index: u32,
    /// Its IP address.
    pub ip: IpAddr,
    /// Its Ethernet address.
    pub address: MacAddr,
    /// Whether it was told rather than found out, and stays.
    pub permanent: bool,
}

/// Tells the kernel a neighbour, in place of what it knows of that address.
pub fn neigh_add(neigh: &Neigh) -> Change {
    let operation = format!("add neighbour {} at {} on link {}", neigh.ip, neigh.address, neigh.index);
    let state = if neigh.permanent { libc::NUD_PERMANENT } else { libc::NUD_REACHABLE };
    let mut writer = writer(neigh.index, neigh.ip, state);
    writer.put(libc::NDA_LLADDR, &neigh.address.0);
    Change::new(operation, libc::RTM_NEWNEIGH, CREATE | REPLACE, writer.finish())
}

/// Makes the kernel forget a neighbour.
pub fn neigh_del(index: u32, ip: IpAddr) -> Change {
    let operation = format!("delete neighbour {ip} on link {index}");
    Change::new(operation, libc::RTM_DELNEIGH, 0, writer(index, ip, 0).finish())
}

impl Rtnl {
    /// Tells the kernel a neighbour.
    pub fn neigh_add(&mut self, neigh: &Neigh) -> Result<(), RtnlError> {
        self.apply(&[neigh_add(neigh)])
    }

    /// Makes the kernel forget a neighbour.
    pub fn neigh_del(&mut self, index: u32, ip: IpAddr) -> Result<(), RtnlError> {
        self.apply(&[neigh_del(index, ip)])
    }

    /// All neighbours whose Ethernet address is known.
    pub fn neigh_list(&mut self) -> Result<Vec<Neigh>, RtnlError> {
        let request = Request { kind: libc::RTM_GETNEIGH, flags: 0, payload: vec![0; HEADER] };
        let replies = self.dump("list neighbours", &request)?;
        Ok(replies
            .iter()
            .filter(|reply| reply.kind == libc::RTM_NEWNEIGH)
            .filter_map(|r| read(&r.payload))
            .collect())
    }
}

fn writer(index: u32, ip: IpAddr, state: u16) -> Writer {
    let mut header = [0; HEADER];
    header[0] = if ip.is_ipv4() { libc::AF_INET as u8 } else { libc::AF_INET6 as u8 };
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..10].copy_from_slice(&state.to_ne_bytes());
    let mut writer = Writer::new(&header);
    writer.put_ip(libc::NDA_DST, ip);
    writer
}

fn read(payload: &[u8]) -> Option<Neigh> {
    let header: &[u8; HEADER] = payload.first_chunk()?;
    let (mut ip, mut address) = (None, None);
    for attribute in Attributes::after(payload, HEADER) {
        match attribute.kind {
            libc::NDA_DST => ip = attribute.ip(),
            libc::NDA_LLADDR => address = attribute.value.try_into().ok().map(MacAddr),
            _ => {}
        }
    }
    Some(Neigh {
        index: u32::from_ne_bytes([header[4], header[5], header[6], header[7]]),
        ip: ip?,
        address: address?,
        permanent: u16::from_ne_bytes([header[8], header[9]]) & libc::NUD_PERMANENT != 0,
    })
}
