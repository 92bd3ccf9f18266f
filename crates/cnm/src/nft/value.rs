//! The values that keys and data of elements are made of.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use thiserror::Error;

use crate::Proto;

/// The type of one part of a key or of data, in nft's vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Ipv4Addr,
    Ipv6Addr,
    InetProto,
    InetService,
    Ifname,
}

impl Type {
    /// nft's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ipv4Addr => "ipv4_addr",
            Self::Ipv6Addr => "ipv6_addr",
            Self::InetProto => "inet_proto",
            Self::InetService => "inet_service",
            Self::Ifname => "ifname",
        }
    }

    /// nft's number (`enum datatypes` of nftables), which the kernel keeps for its readers.
    pub const fn number(self) -> u32 {
        match self {
            Self::Ipv4Addr => 7,
            Self::Ipv6Addr => 8,
            Self::InetProto => 12,
            Self::InetService => 13,
            Self::Ifname => 41,
        }
    }

    /// In bytes, without the padding to four that a concatenation adds.
    pub const fn size(self) -> usize {
        match self {
            Self::InetProto => 1,
            Self::InetService => 2,
            Self::Ipv4Addr => 4,
            Self::Ipv6Addr | Self::Ifname => 16,
        }
    }
}

/// One part of an element's key or data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    Ifname(String),
    Proto(Proto),
    Port(u16),
    Addr(IpAddr),
    /// A key of an interval set: these ports and all between, both included.
    Ports(u16, u16),
    /// A key of an interval set: all addresses of a network.
    Net(IpNet),
}

/// The kernel's bytes are not a value of the type.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{bytes:?} is no {}", .kind.name())]
pub struct DecodeError {
    pub kind: Type,
    pub bytes: Vec<u8>,
}

impl Value {
    /// The bytes as the kernel compares them: network order, names padded with zeros.
    /// Of an interval the first value.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Ifname(name) => {
                let mut bytes = name.as_bytes().to_vec();
                bytes.resize(Type::Ifname.size(), 0);
                bytes
            }
            Self::Proto(proto) => vec![proto.number()],
            Self::Port(port) | Self::Ports(port, _) => port.to_be_bytes().to_vec(),
            Self::Addr(address) => octets(*address),
            Self::Net(net) => octets(net.network()),
        }
    }

    /// The first value behind an interval, where the kernel wants an element that ends it;
    /// `None` for an exact value and for an interval that runs to the end.
    pub fn end(&self) -> Option<Vec<u8>> {
        match self {
            Self::Ports(_, last) => last.checked_add(1).map(|port| port.to_be_bytes().to_vec()),
            Self::Net(IpNet::V4(net)) => {
                u32::from(net.broadcast()).checked_add(1).map(|address| address.to_be_bytes().to_vec())
            }
            Self::Net(IpNet::V6(net)) => {
                u128::from(net.broadcast()).checked_add(1).map(|address| address.to_be_bytes().to_vec())
            }
            Self::Ifname(_) | Self::Proto(_) | Self::Port(_) | Self::Addr(_) => None,
        }
    }

    /// Reads an exact value back.
    pub fn decode(kind: Type, bytes: &[u8]) -> Result<Self, DecodeError> {
        let error = || DecodeError { kind, bytes: bytes.to_vec() };
        let value = match kind {
            Type::Ifname => name(bytes).map(Self::Ifname),
            Type::InetProto => one(bytes).and_then(Proto::from_number).map(Self::Proto),
            Type::InetService => bytes.try_into().ok().map(|port| Self::Port(u16::from_be_bytes(port))),
            Type::Ipv4Addr => {
                <[u8; 4]>::try_from(bytes).ok().map(|octets| Self::Addr(Ipv4Addr::from(octets).into()))
            }
            Type::Ipv6Addr => {
                <[u8; 16]>::try_from(bytes).ok().map(|octets| Self::Addr(Ipv6Addr::from(octets).into()))
            }
        };
        value.ok_or_else(error)
    }

    /// Reads an interval back; `end` as in [`Value::end`].
    ///
    /// Addresses that are not one network are refused: we never write them.
    pub fn decode_interval(kind: Type, first: &[u8], end: Option<&[u8]>) -> Result<Self, DecodeError> {
        let error = || DecodeError { kind, bytes: [first, end.unwrap_or_default()].concat() };
        let (first, end) = (Self::decode(kind, first)?, end.map(|end| Self::decode(kind, end)).transpose()?);
        match (first, end) {
            (Self::Port(first), None) => Ok(Self::Ports(first, u16::MAX)),
            (Self::Port(first), Some(Self::Port(end))) if end > first => Ok(Self::Ports(first, end - 1)),
            (Self::Addr(first), None) => network(first, None).ok_or_else(error),
            (Self::Addr(first), Some(Self::Addr(end))) => network(first, Some(end)).ok_or_else(error),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ifname(name) => write!(f, "{name:?}"),
            Self::Proto(proto) => write!(f, "{proto}"),
            Self::Port(port) => write!(f, "{port}"),
            Self::Addr(address) => write!(f, "{address}"),
            Self::Ports(first, last) => write!(f, "{first}-{last}"),
            Self::Net(net) => write!(f, "{net}"),
        }
    }
}

impl Proto {
    /// IANA's protocol number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// The protocol with this number, if its ports can be published.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            132 => Some(Self::Sctp),
            _ => None,
        }
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn name(bytes: &[u8]) -> Option<String> {
    let name = bytes.split(|byte| *byte == 0).next()?;
    String::from_utf8(name.to_vec()).ok()
}

fn one(bytes: &[u8]) -> Option<u8> {
    <[u8; 1]>::try_from(bytes).ok().map(|[byte]| byte)
}

/// The network from `first` to the address before `end`, if these are exactly one.
fn network(first: IpAddr, end: Option<IpAddr>) -> Option<Value> {
    let net: IpNet = match (first, end) {
        (IpAddr::V4(first), end) => {
            let last = match end {
                None => Ipv4Addr::BROADCAST,
                Some(IpAddr::V4(end)) => u32::from(end).checked_sub(1)?.into(),
                Some(IpAddr::V6(_)) => return None,
            };
            let prefix = (u32::from(first) ^ u32::from(last)).leading_zeros() as u8;
            let net = Ipv4Net::new(first, prefix).ok()?;
            (net.network() == first && net.broadcast() == last).then_some(net.into())?
        }
        (IpAddr::V6(first), end) => {
            let last = match end {
                None => Ipv6Addr::from(u128::MAX),
                Some(IpAddr::V6(end)) => u128::from(end).checked_sub(1)?.into(),
                Some(IpAddr::V4(_)) => return None,
            };
            let prefix = (u128::from(first) ^ u128::from(last)).leading_zeros() as u8;
            let net = Ipv6Net::new(first, prefix).ok()?;
            (net.network() == first && net.broadcast() == last).then_some(net.into())?
        }
    };
    Some(Value::Net(net))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: Value, kind: Type, first: &[u8], end: Option<&[u8]>) {
        assert_eq!((value.bytes().as_slice(), value.end().as_deref()), (first, end));
        let interval = matches!(value, Value::Ports(..) | Value::Net(_));
        let read =
            if interval { Value::decode_interval(kind, first, end) } else { Value::decode(kind, first) };
        assert_eq!(read, Ok(value));
    }

    #[test]
    fn bytes_are_read_back_as_they_were_written() {
        let net = |text: &str| Value::Net(text.parse().expect("a network"));
        check(Value::Ifname("p0".into()), Type::Ifname, b"p0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", None);
        check(Value::Proto(Proto::Sctp), Type::InetProto, &[132], None);
        check(Value::Port(8080), Type::InetService, &[0x1f, 0x90], None);
        check(Value::Addr([10, 0, 0, 2].into()), Type::Ipv4Addr, &[10, 0, 0, 2], None);
        check(Value::Ports(80, 80), Type::InetService, &[0, 80], Some(&[0, 81]));
        check(Value::Ports(1, 65535), Type::InetService, &[0, 1], None);
        check(net("10.0.0.0/24"), Type::Ipv4Addr, &[10, 0, 0, 0], Some(&[10, 0, 1, 0]));
        check(net("0.0.0.0/0"), Type::Ipv4Addr, &[0; 4], None);
        check(net("240.0.0.0/4"), Type::Ipv4Addr, &[240, 0, 0, 0], None);
        check(net("::/0"), Type::Ipv6Addr, &[0; 16], None);
    }

    #[test]
    fn what_we_never_write_is_refused() {
        assert!(Value::decode_interval(Type::Ipv4Addr, &[10, 0, 0, 0], Some(&[10, 0, 0, 3])).is_err());
        assert!(Value::decode_interval(Type::InetService, &[0, 2], Some(&[0, 2])).is_err());
        assert!(Value::decode(Type::InetProto, &[1]).is_err());
        assert!(Value::decode(Type::Ipv4Addr, &[1, 2, 3]).is_err());
    }
}
