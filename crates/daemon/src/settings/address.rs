//! Texts of settings that are addresses.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;
use thiserror::Error;

/// Where the engine listens when nothing is said.
const DEFAULT_SOCKET: &str = "/run/tombolo/tombolo.sock";

/// A socket to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Host {
    /// `unix:///path`
    Unix(PathBuf),
    /// `fd://`: the sockets that systemd opened.
    Systemd,
}

impl Default for Host {
    fn default() -> Self {
        Self::Unix(DEFAULT_SOCKET.into())
    }
}

/// Why an address is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum AddressError {
    #[error(
        "{text}: without mutual TLS, which this engine does not have yet, it listens on unix sockets only"
    )]
    Tcp { text: String },
    #[error("invalid bind address ({text}): unix:///path or fd://")]
    Host { text: String },
    #[error("invalid address {text:?}: address/prefix length, such as 172.20.0.1/16")]
    Subnet { text: String },
    #[error("invalid address {text:?}: an address, or address:port, such as 127.0.0.60:53")]
    DnsHost { text: String },
    #[error(
        "invalid argument {text:?}: base=<subnet>,size=<prefix length>, such as base=10.10.0.0/16,size=24"
    )]
    Pool { text: String },
}

impl FromStr for Host {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text.split_once("://") {
            Some(("unix", "")) => Ok(Self::default()),
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(("fd", _)) => Ok(Self::Systemd),
            Some(("tcp", _)) => Err(AddressError::Tcp { text: text.to_owned() }),
            _ => Err(AddressError::Host { text: text.to_owned() }),
        }
    }
}

impl TryFrom<String> for Host {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Systemd => f.write_str("fd://"),
        }
    }
}

/// Where names are asked for: an address and a port, 53 if none is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct DnsHost(pub(crate) SocketAddr);

impl FromStr for DnsHost {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let plain = || Some(SocketAddr::new(text.parse().ok()?, 53));
        let address = text.parse().ok().or_else(plain);
        address.map(Self).ok_or_else(|| AddressError::DnsHost { text: text.to_owned() })
    }
}

impl TryFrom<String> for DnsHost {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

/// An address with the length of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Subnet {
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
}

impl FromStr for Subnet {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let parse = || {
            let (address, prefix) = text.split_once('/')?;
            let (address, prefix) = (address.parse::<IpAddr>().ok()?, prefix.parse::<u8>().ok()?);
            let longest = if address.is_ipv4() { 32 } else { 128 };
            (prefix <= longest).then_some(Self { address, prefix })
        };
        parse().ok_or_else(|| AddressError::Subnet { text: text.to_owned() })
    }
}

impl TryFrom<String> for Subnet {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// A subnet that networks are cut from, and the prefix length of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddressPool {
    pub(crate) base: Subnet,
    pub(crate) size: u8,
}

impl FromStr for AddressPool {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let parse = || {
            let (mut base, mut size) = (None, None);
            for part in text.split(',') {
                match part.split_once('=')? {
                    ("base", value) => base = Some(value.parse::<Subnet>().ok()?),
                    ("size", value) => size = Some(value.parse::<u8>().ok()?),
                    _ => return None,
                }
            }
            let (base, size) = (base?, size?);
            let longest = if base.address.is_ipv4() { 32 } else { 128 };
            (base.prefix <= size && size <= longest).then_some(Self { base, size })
        };
        parse().ok_or_else(|| AddressError::Pool { text: text.to_owned() })
    }
}

impl fmt::Display for AddressPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "base={},size={}", self.base, self.size)
    }
}
