//! Telling neighbours where addresses are: gratuitous ARP (RFC 5227 §3) and unsolicited
//! neighbour advertisements (RFC 4861 §7.2.6), as frames.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::rtnl::MacAddr;

/// Everybody on the link.
const BROADCAST: [u8; 6] = [0xff; 6];
/// All IPv6 nodes on the link (RFC 2464 §7).
const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ETH_ARP: [u8; 2] = [0x08, 0x06];
const ETH_IPV6: [u8; 2] = [0x86, 0xdd];
const ICMPV6: u8 = 58;

/// What is to be told on a link, as often as it is sent.
#[derive(Debug)]
pub struct Announcer {
    socket: OwnedFd,
    link: u32,
    frames: Vec<Vec<u8>>,
}

impl Announcer {
    /// Makes ready to tell, on a link of the calling thread's namespace, that these addresses are at `mac`.
    ///
    /// # Errors
    /// If the namespace gives no packet socket.
    pub fn open(link: u32, mac: MacAddr, addresses: &[IpAddr]) -> io::Result<Self> {
        // Of protocol 0: it hears nothing.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
        let frames = addresses.iter().map(|address| match address {
            IpAddr::V4(address) => arp(mac, *address),
            IpAddr::V6(address) => advertisement(mac, *address),
        });
        Ok(Self { socket, link, frames: frames.collect() })
    }

    /// Tells it once.
    ///
    /// # Errors
    /// If the link is down or gone.
    pub fn send(&self) -> io::Result<()> {
        self.frames.iter().try_for_each(|frame| self.send_one(frame))
    }

    fn send_one(&self, frame: &[u8]) -> io::Result<()> {
        let link = i32::try_from(self.link).map_err(io::Error::other)?;
        let to = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: 0,
            sll_ifindex: link,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let size = libc::socklen_t::try_from(size_of_val(&to)).expect("an address is small");
        // SAFETY: the kernel reads the frame and the address, which live until the call returns.
        #[expect(unsafe_code, reason = "rustix has no addresses of packet sockets")]
        let sent = unsafe {
            libc::sendto(
                self.socket.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
                (&raw const to).cast(),
                size,
            )
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// A request for an address by who has it: neighbours that know the address take over the MAC.
fn arp(MacAddr(mac): MacAddr, address: Ipv4Addr) -> Vec<u8> {
    let ethernet_of_ipv4 = [0, 1, 0x08, 0x00, 6, 4];
    let request = [0, 1];
    let (address, nobody) = (address.octets(), [0; 6]);
    let parts: [&[u8]; 9] =
        [&BROADCAST, &mac, &ETH_ARP, &ethernet_of_ipv4, &request, &mac, &address, &nobody, &address];
    parts.concat()
}

/// An advertisement that overrides what neighbours know.
fn advertisement(MacAddr(mac): MacAddr, address: Ipv6Addr) -> Vec<u8> {
    let overrides = [0x20, 0, 0, 0];
    let target_link = [2, 1];
    let message = |sum: [u8; 2]| {
        let parts: [&[u8]; 6] = [&[136, 0], &sum, &overrides, &address.octets(), &target_link, &mac];
        parts.concat()
    };
    let length = u8::try_from(message([0; 2]).len()).expect("an advertisement is small");
    let pseudo = [&address.octets()[..], &ALL_NODES.octets(), &[0, 0, 0, length, 0, 0, 0, ICMPV6]].concat();
    let sum = checksum(pseudo.iter().chain(&message([0; 2])));
    let header = [0x60, 0, 0, 0, 0, length, ICMPV6, 255];
    let parts: [&[u8]; 7] = [
        &ALL_NODES_MAC,
        &mac,
        &ETH_IPV6,
        &header,
        &address.octets(),
        &ALL_NODES.octets(),
        &message(sum.to_be_bytes()),
    ];
    parts.concat()
}

/// The Internet checksum (RFC 1071) of an even number of bytes.
fn checksum<'a>(bytes: impl Iterator<Item = &'a u8>) -> u16 {
    let mut sum: u32 = bytes.enumerate().map(|(n, byte)| u32::from(*byte) << (8 * ((n + 1) % 2))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded to 16 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([2, 0x42, 10, 0, 0, 2]);

    #[test]
    fn frames_are_as_the_standards_have_them() {
        let frame = arp(MAC, [10, 0, 0, 2].into());
        let expected = "ffffffffffff02420a0000020806000108000604000102420a0000020a0000020000000000000a000002";
        assert_eq!(hex(&frame), expected);
        let frame = advertisement(MAC, "fe80::2".parse().expect("an address"));
        let expected = "33330000000102420a00000286dd6000000000203aff\
                        fe800000000000000000000000000002ff020000000000000000000000000001\
                        8800SSSS20000000fe800000000000000000000000000002020102420a000002";
        let (start, rest) = expected.split_once("SSSS").expect("a checksum");
        assert!(hex(&frame).starts_with(start) && hex(&frame).ends_with(rest), "{}", hex(&frame));
        // With its own sum, the whole sums up to nothing.
        let pseudo = [&frame[22..54], &[0, 0, 0, 32, 0, 0, 0, ICMPV6]].concat();
        assert_eq!(checksum(pseudo.iter().chain(&frame[54..])), 0);
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
