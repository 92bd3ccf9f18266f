//! Data types of sets and maps, and values of these types.
//!
//! Names and numbers are those of nft(8), so that `nft list ruleset` prints
//! what we wrote; to the kernel a key is only bytes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::attr::{Malformed, malformed};

/// The longest interface name with its terminating zero (`IFNAMSIZ`).
pub const IFNAMSIZ: usize = 16;

/// The longest key or data in bytes (`NFT_DATA_VALUE_MAXLEN`).
pub(crate) const VALUE_MAX: usize = 64;

/// A data type of a set's key or a map's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// `ipv4_addr`
    Ipv4Addr,
    /// `ipv6_addr`
    Ipv6Addr,
    /// `ether_addr`
    EtherAddr,
    /// `inet_proto`: the layer 4 protocol
    InetProto,
    /// `inet_service`: a port
    InetService,
    /// `ifname`: the name of a link
    Ifname,
    /// `mark`
    Mark,
}

/// All types, for looking one up by its number.
const TYPES: [Type; 7] = [
    Type::Ipv4Addr,
    Type::Ipv6Addr,
    Type::EtherAddr,
    Type::InetProto,
    Type::InetService,
    Type::Ifname,
    Type::Mark,
];

impl Type {
    /// The length of a value in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::InetProto => 1,
            Self::InetService => 2,
            Self::Ipv4Addr | Self::Mark => 4,
            Self::EtherAddr => 6,
            Self::Ipv6Addr | Self::Ifname => 16,
        }
    }

    /// The number that nft(8) gives the type (`include/datatype.h`).
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Ipv4Addr => 7,
            Self::Ipv6Addr => 8,
            Self::EtherAddr => 9,
            Self::InetProto => 12,
            Self::InetService => 13,
            Self::Mark => 19,
            Self::Ifname => 41,
        }
    }

    pub(crate) fn from_number(number: u32) -> Option<Self> {
        TYPES.into_iter().find(|kind| kind.number() == number)
    }

    /// Whether the bytes are in network order, so that they sort like the values.
    pub(crate) fn is_big_endian(self) -> bool {
        match self {
            Self::Ifname | Self::Mark => false,
            Self::Ipv4Addr | Self::Ipv6Addr | Self::EtherAddr | Self::InetProto | Self::InetService => true,
        }
    }

    /// Reads a value from the start of `bytes`.
    fn decode(self, bytes: &[u8]) -> Result<Value, Malformed> {
        let short = malformed("a value shorter than its type");
        let bytes = bytes.get(..self.size()).ok_or(short)?;
        let value = match self {
            Self::InetProto => Value::InetProto(bytes[0]),
            Self::InetService => Value::InetService(u16::from_be_bytes(exactly(bytes)?)),
            Self::Ipv4Addr => Value::Ipv4Addr(Ipv4Addr::from(exactly::<4>(bytes)?)),
            Self::Ipv6Addr => Value::Ipv6Addr(Ipv6Addr::from(exactly::<16>(bytes)?)),
            Self::EtherAddr => Value::EtherAddr(exactly(bytes)?),
            Self::Mark => Value::Mark(u32::from_ne_bytes(exactly(bytes)?)),
            Self::Ifname => Value::Ifname(ifname(bytes)?),
        };
        Ok(value)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4Addr => "ipv4_addr",
            Self::Ipv6Addr => "ipv6_addr",
            Self::EtherAddr => "ether_addr",
            Self::InetProto => "inet_proto",
            Self::InetService => "inet_service",
            Self::Ifname => "ifname",
            Self::Mark => "mark",
        })
    }
}

/// A value of a [`Type`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// An IPv4 address.
    Ipv4Addr(Ipv4Addr),
    /// An IPv6 address.
    Ipv6Addr(Ipv6Addr),
    /// A MAC address.
    EtherAddr([u8; 6]),
    /// A layer 4 protocol by its IANA number: 6 is TCP, 17 UDP, 132 SCTP.
    InetProto(u8),
    /// A port.
    InetService(u16),
    /// The name of a link; cut at 15 bytes when written.
    Ifname(String),
    /// A packet mark.
    Mark(u32),
}

impl Value {
    /// The type this is a value of.
    pub fn kind(&self) -> Type {
        match self {
            Self::Ipv4Addr(_) => Type::Ipv4Addr,
            Self::Ipv6Addr(_) => Type::Ipv6Addr,
            Self::EtherAddr(_) => Type::EtherAddr,
            Self::InetProto(_) => Type::InetProto,
            Self::InetService(_) => Type::InetService,
            Self::Ifname(_) => Type::Ifname,
            Self::Mark(_) => Type::Mark,
        }
    }

    pub(crate) fn append_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Ipv4Addr(addr) => bytes.extend(addr.octets()),
            Self::Ipv6Addr(addr) => bytes.extend(addr.octets()),
            Self::EtherAddr(addr) => bytes.extend(addr),
            Self::InetProto(proto) => bytes.push(*proto),
            Self::InetService(port) => bytes.extend(port.to_be_bytes()),
            Self::Ifname(name) => bytes.extend(ifname_bytes(name)),
            Self::Mark(mark) => bytes.extend(mark.to_ne_bytes()),
        }
    }
}

impl From<IpAddr> for Value {
    fn from(addr: IpAddr) -> Self {
        match addr {
            IpAddr::V4(addr) => Self::Ipv4Addr(addr),
            IpAddr::V6(addr) => Self::Ipv6Addr(addr),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4Addr(addr) => addr.fmt(f),
            Self::Ipv6Addr(addr) => addr.fmt(f),
            Self::EtherAddr([a, b, c, d, e, g]) => {
                write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
            }
            Self::InetProto(6) => f.write_str("tcp"),
            Self::InetProto(17) => f.write_str("udp"),
            Self::InetProto(132) => f.write_str("sctp"),
            Self::InetProto(proto) => proto.fmt(f),
            Self::InetService(port) => port.fmt(f),
            Self::Ifname(name) => write!(f, "{name:?}"),
            Self::Mark(mark) => write!(f, "{mark:#010x}"),
        }
    }
}

/// The name of a link as the kernel compares it: 16 bytes, filled with zeros.
pub(crate) fn ifname_bytes(name: &str) -> [u8; IFNAMSIZ] {
    let mut bytes = [0; IFNAMSIZ];
    for (to, from) in bytes[..IFNAMSIZ - 1].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    bytes
}

fn ifname(bytes: &[u8]) -> Result<String, Malformed> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8(bytes[..end].to_vec()).map_err(|_| malformed("a link name that is not UTF-8"))
}

fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Malformed> {
    bytes.try_into().map_err(|_| malformed("a value shorter than its type"))
}

/// The number of a type or a concatenation: six bits for each part.
pub(crate) fn types_number(types: &[Type]) -> u32 {
    types.iter().fold(0, |number, kind| number << 6 | kind.number())
}

/// The parts of a concatenation, or nothing if one is unknown here.
pub(crate) fn types_from_number(mut number: u32) -> Option<Vec<Type>> {
    let mut types = Vec::new();
    while number != 0 {
        types.push(Type::from_number(number & 0x3f)?);
        number >>= 6;
    }
    types.reverse();
    Some(types)
}

/// The room a part takes in a concatenation: whole registers of four bytes.
pub(crate) fn padded(kind: Type) -> usize {
    kind.size().next_multiple_of(4)
}

/// The length of a key or data in bytes: parts of a concatenation fill whole
/// registers, a value alone does not.
pub(crate) fn types_size(types: &[Type]) -> usize {
    match types {
        [alone] => alone.size(),
        parts => parts.iter().map(|kind| padded(*kind)).sum(),
    }
}

/// The bytes of a value or a concatenation.
pub(crate) fn encode(values: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for value in values {
        value.append_to(&mut bytes);
        if values.len() > 1 {
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
    }
    bytes
}

/// The values in the bytes of a key or data of these types.
pub(crate) fn decode(types: &[Type], bytes: &[u8]) -> Result<Vec<Value>, Malformed> {
    let mut at = 0;
    let mut values = Vec::with_capacity(types.len());
    for kind in types {
        values.push(kind.decode(bytes.get(at..).unwrap_or_default())?);
        at += padded(*kind);
    }
    Ok(values)
}

/// Values as nft(8) writes a concatenation: `tcp . 80`.
pub(crate) struct Concatenation<'a>(pub(crate) &'a [Value]);

impl fmt::Display for Concatenation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, value) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { " . " };
            write!(f, "{separator}{value}")?;
        }
        Ok(())
    }
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The base chain ends; other base chains still see the packet.
    Accept,
    /// The packet is gone.
    Drop,
    /// The next rule.
    Continue,
    /// Back to the chain that jumped here.
    Return,
    /// To this chain, and back at its end.
    Jump(String),
    /// To this chain, never back.
    Goto(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("accept"),
            Self::Drop => f.write_str("drop"),
            Self::Continue => f.write_str("continue"),
            Self::Return => f.write_str("return"),
            Self::Jump(chain) => write!(f, "jump {chain}"),
            Self::Goto(chain) => write!(f, "goto {chain}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[Value], bytes: &[u8], text: &str) {
        let types: Vec<_> = values.iter().map(Value::kind).collect();
        assert_eq!(encode(values), bytes);
        assert_eq!(types_size(&types), bytes.len());
        assert_eq!(decode(&types, bytes).as_deref(), Ok(values));
        assert_eq!(types_from_number(types_number(&types)), Some(types));
        assert_eq!(Concatenation(values).to_string(), text);
    }

    #[test]
    fn parts_of_a_concatenation_fill_whole_registers() {
        let addr = Value::Ipv4Addr([10, 0, 0, 2].into());
        let (tcp, port) = (Value::InetProto(6), Value::InetService(0x1f90));
        check(std::slice::from_ref(&port), &[0x1f, 0x90], "8080");
        check(&[tcp.clone(), port.clone()], &[6, 0, 0, 0, 0x1f, 0x90, 0, 0], "tcp . 8080");
        check(&[addr, tcp, port], &[10, 0, 0, 2, 6, 0, 0, 0, 0x1f, 0x90, 0, 0], "10.0.0.2 . tcp . 8080");
        check(&[Value::EtherAddr([2, 0, 0, 0, 0, 1])], &[2, 0, 0, 0, 0, 1], "02:00:00:00:00:01");
        check(&[Value::Ifname("p0".into())], b"p0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "\"p0\"");
    }
}
