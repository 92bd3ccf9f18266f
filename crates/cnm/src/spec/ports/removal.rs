//! Ports that are to be published no longer, as users name them: by the port of the
//! host, by that of the container, or by both.

use std::{net::IpAddr, ops::RangeInclusive};

use thiserror::Error;

use super::{PortMappingError, address, protocol, range};
use crate::{HostPorts, PortBinding, PortMapping, Ports, Proto};

/// What is to be published no longer; what is absent matches all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortRemoval {
    /// As the user wrote it.
    pub text: String,
    pub proto: Proto,
    pub host_address: Option<IpAddr>,
    pub host: Option<RangeInclusive<u16>>,
    pub container: Option<RangeInclusive<u16>>,
}

/// Nothing of the kind is published.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("port {text} is not published")]
pub struct NotPublishedError {
    pub text: String,
}

impl PortRemoval {
    /// Parses `8080`, `8080/udp`, `8000-8010`, `8080:80`, `:80`, `127.0.0.1:8080`, `[::1]:8080:80/tcp`.
    pub fn parse(text: &str) -> Result<Self, PortMappingError> {
        let invalid = || PortMappingError::Port { text: text.to_owned() };
        let (ports, proto) = text.split_once('/').unwrap_or((text, "tcp"));
        let proto = protocol(proto).ok_or_else(invalid)?;
        let (host_address, ports) = split_address(ports)?;
        let (host, container) = ports.split_once(':').unwrap_or((ports, ""));
        let part = |text: &str| match text {
            "" => Ok(None),
            text => range(text).filter(|range| *range.start() > 0).map(Some).ok_or_else(invalid),
        };
        let (host, container) = (part(host)?, part(container)?);
        if host.is_none() && container.is_none() {
            return Err(invalid());
        }
        Ok(Self { text: text.to_owned(), proto, host_address, host, container })
    }

    /// What is left of `mappings`. `bindings` say which ports of the host are meant where
    /// a mapping leaves that open.
    pub fn remove(
        &self,
        mappings: &[PortMapping],
        bindings: &[PortBinding],
    ) -> Result<Vec<PortMapping>, NotPublishedError> {
        let mut left = Vec::new();
        let mut found = false;
        for mapping in mappings {
            match self.cut(mapping, bindings) {
                Some(cut) => {
                    found = true;
                    left.extend(without(mapping, &cut));
                }
                None => left.push(mapping.clone()),
            }
        }
        if found { Ok(left) } else { Err(NotPublishedError { text: self.text.clone() }) }
    }

    /// The ports of the container that a mapping loses.
    fn cut(&self, mapping: &PortMapping, bindings: &[PortBinding]) -> Option<RangeInclusive<u16>> {
        let Ports { proto, range: inside } = &mapping.container;
        let is_meant = *proto == self.proto
            && self.host_address.is_none_or(|address| mapping.host_address == Some(address));
        if !is_meant {
            return None;
        }
        let by_host = match (&self.host, &mapping.host) {
            (None, _) => inside.clone(),
            (Some(wanted), HostPorts::Exact(host)) => {
                shifted(&common(wanted, host)?, *host.start(), *inside.start())?
            }
            (Some(wanted), HostPorts::FirstFree(host)) if wanted == host => inside.clone(),
            (Some(wanted), HostPorts::Any | HostPorts::FirstFree(_)) => {
                common(&self.bound(wanted, mapping, bindings)?, inside)?
            }
        };
        match &self.container {
            None => Some(by_host),
            Some(container) => common(container, &by_host),
        }
    }

    /// The ports of the container to which these ports of the host lead now.
    fn bound(
        &self,
        wanted: &RangeInclusive<u16>,
        mapping: &PortMapping,
        bindings: &[PortBinding],
    ) -> Option<RangeInclusive<u16>> {
        let of_mapping = bindings.iter().filter(|binding| {
            binding.is_of_host()
                && binding.proto == self.proto
                && mapping.host_address.is_none_or(|address| address == binding.host_address)
        });
        let found = of_mapping.filter_map(|binding| {
            let ports = common(wanted, &binding.host)?;
            let inside = shifted(&ports, *binding.host.start(), *binding.container.start())?;
            common(&inside, &mapping.container.range)
        });
        found.reduce(|a, b| (*a.start()).min(*b.start())..=(*a.end()).max(*b.end()))
    }
}

/// Whether what is published is what these mappings ask for, at whichever addresses.
pub fn are_published(mappings: &[PortMapping], bindings: &[PortBinding]) -> bool {
    let is_bound = |mapping: &PortMapping| {
        let proto = mapping.container.proto;
        let mut here = bindings.iter().filter(|binding| binding.proto == proto);
        match &mapping.host {
            HostPorts::Exact(host) => pairs(host, &mapping.container.range).all(|(host, inside)| {
                bindings.iter().any(|binding| binding.proto == proto && leads(binding, host, inside))
            }),
            HostPorts::Any | HostPorts::FirstFree(_) => {
                here.any(|binding| common(&binding.container, &mapping.container.range).is_some())
            }
        }
    };
    let is_asked_for = |binding: &PortBinding| {
        pairs(&binding.host, &binding.container).all(|(host, inside)| {
            let of_proto = mappings.iter().filter(|mapping| mapping.container.proto == binding.proto);
            of_proto.filter(|mapping| mapping.container.range.contains(&inside)).any(|mapping| match &mapping
                .host
            {
                HostPorts::Exact(range) if binding.is_of_host() => {
                    pairs(range, &mapping.container.range).any(|pair| pair == (host, inside))
                }
                HostPorts::Exact(_) | HostPorts::Any => true,
                HostPorts::FirstFree(range) => !binding.is_of_host() || range.contains(&host),
            })
        })
    };
    mappings.iter().all(is_bound) && bindings.iter().all(is_asked_for)
}

fn leads(binding: &PortBinding, host: u16, inside: u16) -> bool {
    let offset = host.checked_sub(*binding.host.start()).filter(|_| binding.host.contains(&host));
    let there = offset.and_then(|offset| binding.container.start().checked_add(offset));
    there == Some(inside) || (!binding.is_of_host() && binding.container.contains(&inside))
}

fn pairs(
    host: &RangeInclusive<u16>,
    inside: &RangeInclusive<u16>,
) -> impl Iterator<Item = (u16, u16)> + use<> {
    let first = *host.start();
    inside.clone().zip(0..).map(move |(inside, offset): (u16, u16)| (first.saturating_add(offset), inside))
}

/// A mapping without some of its container's ports.
fn without(mapping: &PortMapping, cut: &RangeInclusive<u16>) -> Vec<PortMapping> {
    let inside = &mapping.container.range;
    let before = cut.start().checked_sub(1).map(|last| *inside.start()..=last);
    let after = cut.end().checked_add(1).map(|first| first..=*inside.end());
    let parts = before.into_iter().chain(after).filter(|range| !range.is_empty());
    let part = |range: RangeInclusive<u16>| {
        let host = match &mapping.host {
            HostPorts::Exact(host) => HostPorts::Exact(shifted(&range, *inside.start(), *host.start())?),
            HostPorts::Any | HostPorts::FirstFree(_) => mapping.host.clone(),
        };
        let container = Ports { proto: mapping.container.proto, range };
        Some(PortMapping { container, host, host_address: mapping.host_address })
    };
    parts.filter_map(part).collect()
}

/// A range that lies relative to `to` as this one does to `from`.
fn shifted(range: &RangeInclusive<u16>, from: u16, to: u16) -> Option<RangeInclusive<u16>> {
    let one = |port: u16| to.checked_add(port.checked_sub(from)?);
    Some(one(*range.start())?..=one(*range.end())?)
}

fn common(a: &RangeInclusive<u16>, b: &RangeInclusive<u16>) -> Option<RangeInclusive<u16>> {
    let both = *a.start().max(b.start())..=*a.end().min(b.end());
    (!both.is_empty()).then_some(both)
}

/// The address in front of ports, if there is one: `127.0.0.1:` or `[::1]:`.
fn split_address(text: &str) -> Result<(Option<IpAddr>, &str), PortMappingError> {
    let (written, ports) = match text.find("]:") {
        Some(end) if text.starts_with('[') => (&text[..=end], &text[end + 2..]),
        _ => match text.split_once(':') {
            Some((first, rest)) if first.contains('.') => (first, rest),
            _ => return Ok((None, text)),
        },
    };
    Ok((Some(address(written)?), ports))
}

#[cfg(test)]
mod tests;
