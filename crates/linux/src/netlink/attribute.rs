//! Netlink attributes: a writer that nests, a reader that never reads past the end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::message::align;

/// The size of `struct nlattr`.
const HEADER: usize = 4;
/// `NLA_F_NESTED`: the value is attributes.
pub const NESTED: u16 = 1 << 15;
/// Without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const KIND: u16 = (1 << 14) - 1;

/// Puts a payload together: first the protocol's own header, then attributes.
///
/// An attribute's length is a `u16`. [`Writer::put`] and [`Writer::nest`]
/// panic on more than 65,535 bytes: whoever writes tables of open length cuts
/// them (see [`Writer::len`]).
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Starts with the protocol's own header (`struct ifinfomsg`…).
    pub fn new(header: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(header);
        bytes.resize(align(bytes.len()), 0);
        Self { bytes }
    }

    /// How many bytes are written.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// An attribute with any value.
    pub fn put(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = u16::try_from(HEADER + value.len()).expect("an attribute is shorter than 64 KiB");
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(align(self.bytes.len()), 0);
        self
    }

    /// One byte.
    pub fn put_u8(&mut self, kind: u16, value: u8) -> &mut Self {
        self.put(kind, &[value])
    }

    /// Two bytes in the machine's order, as rtnetlink has them.
    pub fn put_u16(&mut self, kind: u16, value: u16) -> &mut Self {
        self.put(kind, &value.to_ne_bytes())
    }

    /// Four bytes in the machine's order, as rtnetlink has them.
    pub fn put_u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.put(kind, &value.to_ne_bytes())
    }

    /// Four bytes in network order, as netfilter has them.
    pub fn put_be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.put(kind, &value.to_be_bytes())
    }

    /// Eight bytes in network order, as netfilter has them.
    pub fn put_be64(&mut self, kind: u16, value: u64) -> &mut Self {
        self.put(kind, &value.to_be_bytes())
    }

    /// A text with the zero byte that ends it.
    pub fn put_text(&mut self, kind: u16, text: &str) -> &mut Self {
        let mut value = Vec::with_capacity(text.len() + 1);
        value.extend_from_slice(text.as_bytes());
        value.push(0);
        self.put(kind, &value)
    }

    /// An address of either family.
    pub fn put_ip(&mut self, kind: u16, address: IpAddr) -> &mut Self {
        match address {
            IpAddr::V4(address) => self.put(kind, &address.octets()),
            IpAddr::V6(address) => self.put(kind, &address.octets()),
        }
    }

    /// Bytes without an attribute header, padded: a structure inside a nest.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(align(self.bytes.len()), 0);
        self
    }

    /// An attribute that holds what `fill` writes, marked as nested.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.bytes.len();
        self.put(kind | NESTED, &[]);
        fill(self);
        let length = u16::try_from(self.bytes.len() - start).expect("a nest is shorter than 64 KiB");
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }
}

/// One attribute of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The number, without the flags for nesting and byte order.
    pub kind: u16,
    /// The value, without padding.
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// The value as one byte.
    pub fn u8(&self) -> Option<u8> {
        self.value.first().copied()
    }

    /// The value as two bytes in the machine's order.
    pub fn u16(&self) -> Option<u16> {
        self.value.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
    }

    /// The value as four bytes in the machine's order.
    pub fn u32(&self) -> Option<u32> {
        self.value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
    }

    /// The value as a signed number of four bytes in the machine's order.
    pub fn i32(&self) -> Option<i32> {
        self.value.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes))
    }

    /// The value as four bytes in network order.
    pub fn be32(&self) -> Option<u32> {
        self.value.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// The value as eight bytes in network order.
    pub fn be64(&self) -> Option<u64> {
        self.value.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
    }

    /// The value as text up to its zero byte, if it is UTF-8.
    pub fn text(&self) -> Option<&'a str> {
        let end = self.value.iter().position(|byte| *byte == 0).unwrap_or(self.value.len());
        std::str::from_utf8(&self.value[..end]).ok()
    }

    /// The value as an address: four bytes or sixteen.
    pub fn ip(&self) -> Option<IpAddr> {
        if let Ok(octets) = <[u8; 4]>::try_from(self.value) {
            return Some(Ipv4Addr::from(octets).into());
        }
        <[u8; 16]>::try_from(self.value).ok().map(|octets| Ipv6Addr::from(octets).into())
    }

    /// The attributes that it holds.
    pub fn nested(&self) -> Attributes<'a> {
        Attributes::new(self.value)
    }
}

/// The attributes in some bytes. Ends at the first one that does not fit.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// The attributes in `bytes`, which start with an attribute's header.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The attributes behind a protocol's own header of `header` bytes.
    pub fn after(payload: &'a [u8], header: usize) -> Self {
        Self::new(payload.get(align(header)..).unwrap_or_default())
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let header: &[u8; HEADER] = self.rest.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & KIND;
        let value = self.rest.get(HEADER..length)?;
        self.rest = self.rest.get(align(length)..).unwrap_or_default();
        Some(Attribute { kind, value })
    }
}
