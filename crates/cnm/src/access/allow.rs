//! Allow-lists as users write them.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Ports, driver::bridge::link_name};

/// What narrows who reaches the published ports of a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The sandbox's own list.
    pub allow: Vec<Allow>,
    /// Ports that only local sources reach, unless a list says otherwise: what they were
    /// published as names no address, and the default is `lan`.
    pub local: Vec<Ports>,
}

/// One line of an allow-list: who reaches these ports, or all ports if absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Allow {
    /// Ports of the sandbox.
    pub ports: Option<Ports>,
    pub source: Source,
}

/// Where a client comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    Net(IpNet),
    /// By this link of the host.
    Link(String),
    /// A private address, or one of a network that the host is on.
    Local,
}

/// Why a line of an allow-list means nothing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AllowError {
    #[error("invalid source {text:?}: an address, a subnet or the name of a link of the host")]
    Source { text: String },
    #[error("invalid source {net}: it should be {should}")]
    Bits { net: IpNet, should: IpNet },
    #[error("invalid ports {text:?} of an allow-list: 80, 80/udp or 8000-8010")]
    Ports { text: String },
}

/// Parses lines separated by commas: `10.0.0.0/8,5432=wg0,53/udp=2001:db8::/32`.
pub fn allow_list(text: &str) -> Result<Vec<Allow>, AllowError> {
    text.split(',').map(str::trim).filter(|line| !line.is_empty()).map(str::parse).collect()
}

impl FromStr for Allow {
    type Err = AllowError;

    fn from_str(text: &str) -> Result<Self, AllowError> {
        let (ports, source) = match text.split_once('=') {
            Some((ports, source)) => {
                let parsed = Ports::parse(ports.trim());
                (Some(parsed.map_err(|_| AllowError::Ports { text: ports.to_owned() })?), source)
            }
            None => (None, text),
        };
        Ok(Self { ports, source: source.trim().parse()? })
    }
}

impl FromStr for Source {
    type Err = AllowError;

    fn from_str(text: &str) -> Result<Self, AllowError> {
        let wrong = || AllowError::Source { text: text.to_owned() };
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Net(address.into()));
        }
        if text.contains('/') {
            let net: IpNet = text.parse().map_err(|_| wrong())?;
            let should = net.trunc();
            return if net == should { Ok(Self::Net(net)) } else { Err(AllowError::Bits { net, should }) };
        }
        // Half an address is a slip, not a link.
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        link_name(text).filter(|_| !is_number).map(Self::Link).ok_or_else(wrong)
    }
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Ports { proto, range }) = &self.ports {
            let (first, last) = (range.start(), range.end());
            let last = if first == last { String::new() } else { format!("-{last}") };
            write!(f, "{first}{last}/{proto}=")?;
        }
        write!(f, "{}", self.source)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(net) if net.prefix_len() == net.max_prefix_len() => write!(f, "{}", net.addr()),
            Self::Net(net) => write!(f, "{net}"),
            Self::Link(name) => f.write_str(name),
            Self::Local => f.write_str("local networks"),
        }
    }
}

impl TryFrom<String> for Allow {
    type Error = AllowError;

    fn try_from(text: String) -> Result<Self, AllowError> {
        text.parse()
    }
}

impl From<Allow> for String {
    fn from(allow: Allow) -> Self {
        allow.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let got = match allow_list(text) {
            Ok(list) => list.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            Err(error) => error.to_string(),
        };
        assert_eq!(got, expected, "{text:?}");
    }

    #[test]
    fn lists_are_read_as_they_are_written() {
        check("", "");
        check("10.0.0.0/8", "10.0.0.0/8");
        check(" 10.0.0.0/8 , 5432=wg0,53/UDP=2001:db8::/32,", "10.0.0.0/8,5432/tcp=wg0,53/udp=2001:db8::/32");
        check("8000-8010=198.51.100.7", "8000-8010/tcp=198.51.100.7");
        check("2001:db8::1", "2001:db8::1");
        check("0.0.0.0/0,::/0", "0.0.0.0/0,::/0");
        check("10.1.0.0/8", "invalid source 10.1.0.0/8: it should be 10.0.0.0/8");
        for slip in ["10.0.0", "a/b", "lo", "much-too-long-a-name", "80=", "10.0.0.0/33"] {
            let error = allow_list(slip).expect_err(slip).to_string();
            assert!(error.starts_with("invalid source"), "{slip}: {error}");
        }
        for slip in ["0=wg0", "80/icmp=wg0", "x=wg0", "=wg0"] {
            let error = allow_list(slip).expect_err(slip).to_string();
            assert!(error.starts_with("invalid ports"), "{slip}: {error}");
        }
    }
}
