//! Ports as clients ask for them. A client writes a range as many single ports;
//! here they become a range again, because a range costs what one port costs.

use std::{net::IpAddr, ops::RangeInclusive};

use thiserror::Error;

use crate::{HostPorts, PortMapping, Ports, Proto};

mod removal;

pub use removal::{NotPublishedError, PortRemoval, are_published};

/// One published port as a client wrote it; what is empty was not given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortForm {
    /// `80`, `80/tcp`, `8000-8010/udp`.
    pub container: String,
    pub host_address: String,
    /// `8080`, or `8000-8010` for as many ports, or for the first free one for a single port.
    pub host: String,
}

/// Why ports cannot be published as written.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PortMappingError {
    #[error("invalid port specification: \"{text}\"")]
    Port { text: String },
    #[error("invalid IP address: {text}")]
    Address { text: String },
    #[error("invalid ranges specified for container and host ports: {container} and {host}")]
    Lengths { container: String, host: String },
}

impl Ports {
    /// Parses `80`, `80/tcp`, `8000-8010/udp`.
    pub fn parse(text: &str) -> Result<Self, PortMappingError> {
        let invalid = || PortMappingError::Port { text: text.to_owned() };
        let (numbers, proto) = text.split_once('/').unwrap_or((text, "tcp"));
        let proto = protocol(proto).ok_or_else(invalid)?;
        let range = range(numbers).filter(|range| *range.start() > 0).ok_or_else(invalid)?;
        Ok(Self { proto, range })
    }
}

impl PortMapping {
    /// Checks what a client wrote.
    pub fn parse(form: &PortForm) -> Result<Self, PortMappingError> {
        let container = Ports::parse(&form.container)?;
        let host_address = match form.host_address.as_str() {
            "" => None,
            text => Some(address(text)?),
        };
        let host = host_ports(&container, form)?;
        Ok(Self { container, host_address, host })
    }
}

fn protocol(text: &str) -> Option<Proto> {
    match text.to_ascii_lowercase().as_str() {
        "tcp" => Some(Proto::Tcp),
        "udp" => Some(Proto::Udp),
        "sctp" => Some(Proto::Sctp),
        _ => None,
    }
}

fn host_ports(container: &Ports, form: &PortForm) -> Result<HostPorts, PortMappingError> {
    if form.host.is_empty() {
        return Ok(HostPorts::Any);
    }
    let invalid = || PortMappingError::Port { text: form.host.clone() };
    let host = range(&form.host).ok_or_else(invalid)?;
    match (container.range.len(), host.len()) {
        (_, 1) if *host.start() == 0 => Ok(HostPorts::Any),
        _ if *host.start() == 0 => Err(invalid()),
        (inside, outside) if inside == outside => Ok(HostPorts::Exact(host)),
        (1, _) => Ok(HostPorts::FirstFree(host)),
        _ => Err(PortMappingError::Lengths { container: form.container.clone(), host: form.host.clone() }),
    }
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u16>().ok())?
    };
    let range = number(first)?..=number(last)?;
    (!range.is_empty()).then_some(range)
}

fn address(text: &str) -> Result<IpAddr, PortMappingError> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| PortMappingError::Address { text: text.to_owned() })
}

/// The same mappings as few ranges as possible, each once, in a fixed order.
///
/// Exact ports merge if they are consecutive on both sides, ephemeral ones if they
/// are consecutive inside.
pub fn coalesce(mut mappings: Vec<PortMapping>) -> Vec<PortMapping> {
    mappings.sort_by_cached_key(key);
    mappings.dedup();
    let mut merged: Vec<PortMapping> = Vec::new();
    for mapping in mappings {
        match merged.last_mut().and_then(|last| merge(last, &mapping).map(|both| (last, both))) {
            Some((last, both)) => *last = both,
            None => merged.push(mapping),
        }
    }
    merged
}

/// Exact before first-free before any; mappings that may merge are neighbours.
fn key(mapping: &PortMapping) -> (u8, Proto, Option<IpAddr>, i32, u16, u16, u16) {
    let (first, last) = (*mapping.container.range.start(), *mapping.container.range.end());
    let (kind, distance, host_end) = match &mapping.host {
        HostPorts::Exact(host) => (0, i32::from(*host.start()) - i32::from(first), *host.end()),
        HostPorts::FirstFree(host) => (1, i32::from(*host.start()), *host.end()),
        HostPorts::Any => (2, 0, 0),
    };
    (kind, mapping.container.proto, mapping.host_address, distance, first, last, host_end)
}

fn merge(a: &PortMapping, b: &PortMapping) -> Option<PortMapping> {
    let same = a.container.proto == b.container.proto && a.host_address == b.host_address;
    let adjacent =
        |a: &RangeInclusive<u16>, b: &RangeInclusive<u16>| a.end().checked_add(1) == Some(*b.start());
    if !same || !adjacent(&a.container.range, &b.container.range) {
        return None;
    }
    let host = match (&a.host, &b.host) {
        (HostPorts::Any, HostPorts::Any) => HostPorts::Any,
        (HostPorts::Exact(a), HostPorts::Exact(b)) if adjacent(a, b) => {
            HostPorts::Exact(*a.start()..=*b.end())
        }
        (HostPorts::Any | HostPorts::Exact(_) | HostPorts::FirstFree(_), _) => return None,
    };
    let range = *a.container.range.start()..=*b.container.range.end();
    Some(PortMapping {
        container: Ports { proto: a.container.proto, range },
        host,
        host_address: a.host_address,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(container: &str, host_address: &str, host: &str) -> PortForm {
        PortForm { container: container.into(), host_address: host_address.into(), host: host.into() }
    }

    #[track_caller]
    fn check(forms: &[(&str, &str, &str)], expected: &[&str]) {
        let parse = |(container, address, host): &(&str, &str, &str)| {
            PortMapping::parse(&form(container, address, host))
        };
        let got = match forms.iter().map(parse).collect::<Result<Vec<_>, _>>() {
            Ok(mappings) => coalesce(mappings).iter().map(text).collect(),
            Err(error) => vec![error.to_string()],
        };
        assert_eq!(got, expected);
    }

    fn text(mapping: &PortMapping) -> String {
        let host = match &mapping.host {
            HostPorts::Any => "any".to_owned(),
            HostPorts::Exact(range) => format!("{range:?}"),
            HostPorts::FirstFree(range) => format!("first of {range:?}"),
        };
        let address = mapping.host_address.map(|address| format!("{address} ")).unwrap_or_default();
        format!("{address}{host} -> {:?}/{}", mapping.container.range, mapping.container.proto)
    }

    #[test]
    fn parses_what_clients_write() {
        check(&[("80/tcp", "", "8080")], &["8080..=8080 -> 80..=80/tcp"]);
        check(&[("80", "", "")], &["any -> 80..=80/tcp"]);
        check(&[("80", "", "0")], &["any -> 80..=80/tcp"]);
        check(&[("53/UDP", "[::1]", "53")], &["::1 53..=53 -> 53..=53/udp"]);
        check(&[("80", "127.0.0.1", "8000-8010")], &["127.0.0.1 first of 8000..=8010 -> 80..=80/tcp"]);
        check(&[("1-3/sctp", "", "4-6")], &["4..=6 -> 1..=3/sctp"]);
        check(&[("0/tcp", "", "1")], &["invalid port specification: \"0/tcp\""]);
        check(&[("80/icmp", "", "1")], &["invalid port specification: \"80/icmp\""]);
        check(&[("80", "", "65536")], &["invalid port specification: \"65536\""]);
        check(&[("80", "", "+1")], &["invalid port specification: \"+1\""]);
        check(&[("9-8", "", "")], &["invalid port specification: \"9-8\""]);
        check(&[("80", "localhost", "1")], &["invalid IP address: localhost"]);
        check(&[("1-2", "", "1-3")], &["invalid ranges specified for container and host ports: 1-2 and 1-3"]);
    }

    #[test]
    fn single_ports_become_ranges_again() {
        let three = [("81", "", "8081"), ("80", "", "8080"), ("82", "", "8082")];
        check(&three, &["8080..=8082 -> 80..=82/tcp"]);
        check(&[("80", "", "1"), ("81", "", "2"), ("81", "", "2")], &["1..=2 -> 80..=81/tcp"]);
        check(&[("80", "", "1"), ("81", "", "3")], &["1..=1 -> 80..=80/tcp", "3..=3 -> 81..=81/tcp"]);
        check(&[("80", "", ""), ("81", "", "")], &["any -> 80..=81/tcp"]);
        check(&[("80", "", "1"), ("81/udp", "", "2")], &["1..=1 -> 80..=80/tcp", "2..=2 -> 81..=81/udp"]);
        check(&[("80", "", ""), ("80", "", "8")], &["8..=8 -> 80..=80/tcp", "any -> 80..=80/tcp"]);
    }

    #[test]
    fn a_thousand_bindings_are_one() {
        let ports = (10_000..11_000).rev().map(|port: u16| port.to_string());
        let mappings = ports.map(|port| PortMapping::parse(&form(&port, "", &port)).expect("a mapping"));
        assert_eq!(coalesce(mappings.collect()).len(), 1);
    }
}
