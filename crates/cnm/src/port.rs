//! Ports of the host: which ones a mapping gets. A range stays one interval
//! wherever it can; a wildcard is `0.0.0.0` and `[::]` with the same ports.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    ops::RangeInclusive,
};

use thiserror::Error;

use crate::{
    Family, HostPorts, PortBinding, PortIndex, PortMapping, Proto, SandboxId,
    controller::{Host, Kind},
    model::WayIn,
    spec::coalesce,
};

/// Why ports cannot be published. The texts are Docker's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RequestPortError {
    #[error("Bind for {address}:{port} failed: port is already allocated")]
    Allocated { proto: Proto, address: IpAddr, port: u16, holder: Option<SandboxId> },
    #[error("failed to bind host port {address}:{port}/{proto}: address already in use")]
    Busy { proto: Proto, address: IpAddr, port: u16 },
    #[error("all ports are allocated")]
    Exhausted { proto: Proto },
}

impl RequestPortError {
    /// What kind of refusal it is. Docker answers 500 for all of them.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Allocated { .. } | Self::Busy { .. } | Self::Exhausted { .. } => Kind::System,
        }
    }
}

/// What is to be published for one sandbox, and where names no address means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes<'a> {
    pub(crate) sandbox: SandboxId,
    pub(crate) mappings: &'a [PortMapping],
    /// What the sandbox holds now; the same wish keeps the same ports.
    pub(crate) held: &'a [PortBinding],
    pub(crate) unnamed: Unnamed,
    /// How each family is reached, IPv4 first.
    pub(crate) ways: [WayIn; 2],
}

/// Where ports are published that name no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unnamed {
    Everywhere,
    At(IpAddr),
    /// At the host's loopback addresses: nowhere in families that have no ports of the host.
    Loopback,
}

/// Mappings that are equal except for the address: they get the same ports.
struct Group {
    mapping: PortMapping,
    addresses: Vec<IpAddr>,
}

/// The bindings for all wishes, IPv4 before IPv6, or none of them.
pub(crate) fn request_ports(
    published: &PortIndex,
    wishes: &Wishes<'_>,
    host: &Host,
) -> Result<Vec<PortBinding>, RequestPortError> {
    let mut request = Request {
        published: published.clone(),
        held: PortIndex::default(),
        host,
        sandbox: wishes.sandbox,
        next: host.given.port.map_or(*host.ephemeral.start(), |last| last.saturating_add(1)),
        bindings: Vec::new(),
    };
    let held: Vec<_> = wishes.held.iter().filter(|binding| binding.is_of_host()).cloned().collect();
    held.iter().for_each(|binding| request.published.remove(binding));
    held.iter().for_each(|binding| request.held.insert(binding, wishes.sandbox));
    for mut group in groups(wishes, host.v6) {
        request.bindings.extend(open(&mut group, wishes.ways));
        if !group.addresses.is_empty() {
            request.group(&group, &held)?;
        }
    }
    request.bindings.sort_by_key(|binding| {
        (binding.proto, *binding.container.start(), *binding.host.start(), binding.host_address)
    });
    // A container port that is open is so once, however many host ports were asked for.
    request.bindings.dedup_by(|a, b| a == b);
    Ok(request.bindings)
}

/// Takes the families out of a group of which no port of the host is needed; what it is to them.
fn open(group: &mut Group, ways: [WayIn; 2]) -> Vec<PortBinding> {
    let container = &group.mapping.container;
    let mut bindings = Vec::new();
    for (family, way) in Family::BOTH.into_iter().zip(ways).filter(|(_, way)| *way != WayIn::HostPorts) {
        let wanted = group.addresses.iter().any(|address| Family::of(address) == family);
        group.addresses.retain(|address| Family::of(address) != family);
        bindings.extend((wanted && way == WayIn::OwnAddress).then(|| PortBinding {
            proto: container.proto,
            host_address: family.unspecified(),
            host: PortBinding::OPEN,
            container: container.range.clone(),
        }));
    }
    bindings
}

fn groups(wishes: &Wishes<'_>, v6: bool) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places = BTreeMap::new();
    for mapping in coalesce(wishes.mappings.to_vec()) {
        let addresses = addresses(mapping.host_address, wishes, v6);
        let place = *places.entry(wish(&mapping)).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.addresses.extend(addresses),
            None => groups.push(Group { mapping, addresses }),
        }
    }
    for group in &mut groups {
        group.addresses.sort_unstable();
        group.addresses.dedup();
        // A wildcard leaves nothing to the other addresses of its family.
        let wild: Vec<_> = group.addresses.iter().copied().filter(IpAddr::is_unspecified).collect();
        let stays =
            |address: &IpAddr| address.is_unspecified() || !wild.contains(&Family::of(address).unspecified());
        group.addresses.retain(stays);
    }
    groups
}

/// Where a mapping is to be published.
fn addresses(named: Option<IpAddr>, wishes: &Wishes<'_>, v6: bool) -> Vec<IpAddr> {
    let spoken = |family: &Family| v6 || *family == Family::V4;
    let unspecified = Family::V4.unspecified();
    match (named, wishes.unnamed) {
        (Some(address), _) => vec![address],
        // Docker's default 0.0.0.0 means all addresses; a mapping that says so means IPv4.
        (None, Unnamed::At(address)) if address != unspecified => vec![address],
        (None, Unnamed::Loopback) => {
            let of_host = Family::BOTH.into_iter().zip(wishes.ways);
            let of_host = of_host.filter(|(_, way)| *way == WayIn::HostPorts).map(|(family, _)| family);
            of_host.filter(spoken).map(Family::loopback).collect()
        }
        (None, Unnamed::Everywhere | Unnamed::At(_)) => {
            Family::BOTH.into_iter().filter(spoken).map(Family::unspecified).collect()
        }
    }
}

/// All of a mapping but the address, to be compared.
fn wish(mapping: &PortMapping) -> (Proto, u16, u16, Option<(bool, u16, u16)>) {
    let PortMapping { container, host_address: _, host } = mapping;
    let host = match host {
        HostPorts::Any => None,
        HostPorts::Exact(range) => Some((true, *range.start(), *range.end())),
        HostPorts::FirstFree(range) => Some((false, *range.start(), *range.end())),
    };
    (container.proto, *container.range.start(), *container.range.end(), host)
}

/// A range of container ports, cut where bindings of it begin and end.
fn pieces<'a>(
    inside: &RangeInclusive<u16>,
    held: impl Iterator<Item = &'a PortBinding>,
) -> Vec<RangeInclusive<u16>> {
    let ends = |binding: &PortBinding| {
        [Some(*binding.container.start()), binding.container.end().checked_add(1)].into_iter().flatten()
    };
    let within = |port: &u16| port > inside.start() && port <= inside.end();
    let cuts: BTreeSet<u16> = held.flat_map(ends).filter(within).collect();
    let mut first = *inside.start();
    let mut pieces = Vec::new();
    for cut in cuts {
        pieces.push(first..=cut - 1);
        first = cut;
    }
    pieces.push(first..=*inside.end());
    pieces
}

struct Request<'a> {
    published: PortIndex,
    /// What the sandbox holds: the last to be given to another wish.
    held: PortIndex,
    host: &'a Host,
    sandbox: SandboxId,
    /// Where the search for an ephemeral port begins.
    next: u16,
    bindings: Vec<PortBinding>,
}

impl Request<'_> {
    fn group(&mut self, group: &Group, held: &[PortBinding]) -> Result<(), RequestPortError> {
        let (proto, inside) = (group.mapping.container.proto, &group.mapping.container.range);
        match &group.mapping.host {
            HostPorts::Exact(host) => self.exact(group, held, (host, inside))?,
            HostPorts::FirstFree(range) => {
                let kept = self.kept(group, held, inside).filter(|port| range.contains(port));
                let port = kept.or_else(|| self.free(proto, &group.addresses, range, 1));
                let port = port.ok_or(RequestPortError::Exhausted { proto })?;
                self.bind(group, port..=port, inside.clone());
            }
            HostPorts::Any => self.any_but_held(group, held, inside)?,
        }
        Ok(())
    }

    /// These ports of the host. What is held of them stays as it is: a port that comes beside it
    /// is a binding of its own.
    fn exact(
        &mut self,
        group: &Group,
        held: &[PortBinding],
        (host, inside): (&RangeInclusive<u16>, &RangeInclusive<u16>),
    ) -> Result<(), RequestPortError> {
        let proto = group.mapping.container.proto;
        let distance = |host: &RangeInclusive<u16>, inside: &RangeInclusive<u16>| {
            i32::from(*host.start()) - i32::from(*inside.start())
        };
        let is_part = |binding: &&PortBinding| {
            binding.proto == proto
                && group.addresses.contains(&binding.host_address)
                && distance(&binding.host, &binding.container) == distance(host, inside)
        };
        for piece in pieces(inside, held.iter().filter(is_part)) {
            let outside = |port: &u16| host.start() + (port - inside.start());
            let outer = outside(piece.start())..=outside(piece.end());
            self.check(proto, &group.addresses, &outer)?;
            self.bind(group, outer, piece);
        }
        Ok(())
    }

    /// Ephemeral ports; those that are held are kept.
    fn any_but_held(
        &mut self,
        group: &Group,
        held: &[PortBinding],
        inside: &RangeInclusive<u16>,
    ) -> Result<(), RequestPortError> {
        let is_part = |binding: &&PortBinding| {
            binding.proto == group.mapping.container.proto && group.addresses.contains(&binding.host_address)
        };
        // One that somebody asked for by its number is none of these.
        let is_ephemeral = |binding: &&PortBinding| self.host.ephemeral.contains(binding.host.start());
        let held: Vec<_> = held.iter().filter(is_ephemeral).cloned().collect();
        if self.kept(group, &held, inside).is_some() {
            return self.any(group, &held, inside);
        }
        let pieces = pieces(inside, held.iter().filter(is_part));
        pieces.iter().try_for_each(|piece| self.any(group, &held, piece))
    }

    /// Ephemeral ports: in one block if there is one, else in smaller ones.
    fn any(
        &mut self,
        group: &Group,
        held: &[PortBinding],
        inside: &RangeInclusive<u16>,
    ) -> Result<(), RequestPortError> {
        let (proto, size) = (group.mapping.container.proto, inside.len());
        let size = u16::try_from(size).unwrap_or(u16::MAX);
        if let Some(first) = self.kept(group, held, inside).or_else(|| self.ephemeral(group, size)) {
            let last = first + (size - 1);
            if self.host.ephemeral.contains(&first) {
                self.next = last.saturating_add(1);
            }
            self.bind(group, first..=last, inside.clone());
            return Ok(());
        }
        if size == 1 {
            return Err(RequestPortError::Exhausted { proto });
        }
        let middle = inside.start() + (size / 2);
        self.any(group, held, &(*inside.start()..=middle - 1))?;
        self.any(group, held, &(middle..=*inside.end()))
    }

    /// The first port of the block that held these ports until now, if it is still to be had.
    fn kept(&self, group: &Group, held: &[PortBinding], inside: &RangeInclusive<u16>) -> Option<u16> {
        let proto = group.mapping.container.proto;
        let has_all = |binding: &PortBinding| {
            binding.proto == proto
                && binding.container.contains(inside.start())
                && binding.container.contains(inside.end())
        };
        let first =
            |binding: &PortBinding| binding.host.start() + (inside.start() - binding.container.start());
        let is_had = |port: &u16| {
            let same = |binding: &PortBinding| has_all(binding) && first(binding) == *port;
            let held_at = |address: &IpAddr| {
                held.iter().any(|binding| binding.host_address == *address && same(binding))
            };
            let range = *port..=port + (inside.end() - inside.start());
            group.addresses.iter().all(held_at) && self.check(proto, &group.addresses, &range).is_ok()
        };
        held.iter().filter(|binding| has_all(binding)).map(first).find(is_had)
    }

    /// The first of `size` free ports of the ephemeral range, from the cursor on and then from the start.
    fn ephemeral(&self, group: &Group, size: u16) -> Option<u16> {
        let proto = group.mapping.container.proto;
        let (first, last) = (*self.host.ephemeral.start(), *self.host.ephemeral.end());
        let from = if self.host.ephemeral.contains(&self.next) { self.next } else { first };
        self.free(proto, &group.addresses, &(from..=last), size)
            .or_else(|| self.free(proto, &group.addresses, &(first..=last), size))
    }

    /// The first of `size` ports of `range` that are free at all addresses.
    fn free(
        &self,
        proto: Proto,
        addresses: &[IpAddr],
        range: &RangeInclusive<u16>,
        size: u16,
    ) -> Option<u16> {
        let but_held = self.free_beside(&self.held, (proto, addresses), range, size);
        but_held.or_else(|| self.free_beside(&PortIndex::default(), (proto, addresses), range, size))
    }

    fn free_beside(
        &self,
        held: &PortIndex,
        (proto, addresses): (Proto, &[IpAddr]),
        range: &RangeInclusive<u16>,
        size: u16,
    ) -> Option<u16> {
        let mut first = *range.start();
        loop {
            let last = first.checked_add(size - 1).filter(|last| last <= range.end())?;
            let taken = addresses.iter().find_map(|address| {
                let published =
                    self.published.clash(proto, *address, &(first..=last)).map(|clash| *clash.end());
                let held = || held.clash(proto, *address, &(first..=last)).map(|clash| *clash.end());
                published.or_else(held).or_else(|| self.host.busy.clash(proto, *address, &(first..=last)))
            });
            match taken {
                None => return Some(first),
                Some(taken) => first = taken.checked_add(1)?,
            }
        }
    }

    /// Whether all ports of `range` are free at all addresses.
    fn check(
        &self,
        proto: Proto,
        addresses: &[IpAddr],
        range: &RangeInclusive<u16>,
    ) -> Result<(), RequestPortError> {
        for address in addresses.iter().copied() {
            if let Some(clash) = self.published.clash(proto, address, range) {
                let port = *clash.start().max(range.start());
                let holder = self.published.holder(proto, address, port).copied();
                return Err(RequestPortError::Allocated { proto, address, port, holder });
            }
            if let Some(port) = self.host.busy.clash(proto, address, range) {
                return Err(RequestPortError::Busy { proto, address, port });
            }
        }
        Ok(())
    }

    fn bind(&mut self, group: &Group, host: RangeInclusive<u16>, container: RangeInclusive<u16>) {
        for address in &group.addresses {
            let binding = PortBinding {
                proto: group.mapping.container.proto,
                host_address: *address,
                host: host.clone(),
                container: container.clone(),
            };
            self.published.insert(&binding, self.sandbox);
            self.bindings.push(binding);
        }
    }
}

#[cfg(test)]
mod tests;
