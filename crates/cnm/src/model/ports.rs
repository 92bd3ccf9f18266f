//! Which ports of the host lead where. The unspecified address of a family
//! clashes with every address of the family, and every address with it.

use std::{net::IpAddr, ops::RangeInclusive};

use imbl::OrdMap;

use crate::{Family, PortBinding, Proto, SandboxId};

/// Published ports of the host, by address and, for wildcards, over all addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortIndex {
    /// Protocol, address, first port → last port, sandbox.
    held: OrdMap<(Proto, IpAddr, u16), (u16, SandboxId)>,
    /// Protocol, family, first port → how many addresses hold the ports from here
    /// to the next entry. Neighbours differ, and the lowest entry is not zero.
    depth: OrdMap<(Proto, Family, u32), u32>,
}

impl PortIndex {
    /// Whether nothing is published.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Every published range of the host: protocol, address, ports, sandbox.
    pub fn iter(&self) -> impl Iterator<Item = (Proto, IpAddr, RangeInclusive<u16>, &SandboxId)> {
        self.held
            .iter()
            .map(|((proto, address, first), (last, sandbox))| (*proto, *address, *first..=*last, sandbox))
    }

    /// Who holds this very port: of the address, or else of all addresses.
    pub fn holder(&self, proto: Proto, address: IpAddr, port: u16) -> Option<&SandboxId> {
        let of = |address| {
            let (_, (_, sandbox)) =
                self.last_from(proto, address, port).filter(|(_, (last, _))| *last >= port)?;
            Some(sandbox)
        };
        of(address).or_else(|| of(Family::of(&address).unspecified()))
    }

    /// The ports of a clash: published ones that the same port at `address` cannot share.
    ///
    /// Some of the clashes if there are several, not always the lowest.
    pub fn clash(
        &self,
        proto: Proto,
        address: IpAddr,
        range: &RangeInclusive<u16>,
    ) -> Option<RangeInclusive<u16>> {
        if address.is_unspecified() {
            return self.busy(proto, Family::of(&address), range);
        }
        let of = |address| {
            let (first, (last, _)) = self.last_from(proto, address, *range.end())?;
            (last >= range.start()).then_some(first..=*last)
        };
        of(address).or_else(|| of(Family::of(&address).unspecified()))
    }

    /// The interval of the address with the highest first port up to `port`.
    fn last_from(&self, proto: Proto, address: IpAddr, port: u16) -> Option<(u16, &(u16, SandboxId))> {
        let ((p, a, first), found) = self.held.get_prev(&(proto, address, port))?;
        (*p == proto && *a == address).then_some((*first, found))
    }

    /// Ports of `range` that some address of the family holds.
    fn busy(&self, proto: Proto, family: Family, range: &RangeInclusive<u16>) -> Option<RangeInclusive<u16>> {
        let (start, end) = (u32::from(*range.start()), u32::from(*range.end()));
        let mut first = start;
        if self.depth_at(proto, family, start) == 0 {
            first = self.next_edge(proto, family, start + 1).filter(|edge| *edge <= end)?;
        }
        let mut last = first;
        while self.depth_at(proto, family, last) > 0 {
            last = self.next_edge(proto, family, last + 1)?;
        }
        Some(u16::try_from(first).ok()?..=u16::try_from(last - 1).ok()?)
    }

    fn depth_at(&self, proto: Proto, family: Family, port: u32) -> u32 {
        match self.depth.get_prev(&(proto, family, port)) {
            Some(((p, f, _), depth)) if *p == proto && *f == family => *depth,
            _ => 0,
        }
    }

    fn next_edge(&self, proto: Proto, family: Family, from: u32) -> Option<u32> {
        let ((p, f, edge), _) = self.depth.get_next(&(proto, family, from))?;
        (*p == proto && *f == family).then_some(*edge)
    }

    /// Adds one binding of `sandbox`.
    pub(crate) fn insert(&mut self, binding: &PortBinding, sandbox: SandboxId) {
        let PortBinding { proto, host_address, host, container: _ } = binding;
        self.held.insert((*proto, *host_address, *host.start()), (*host.end(), sandbox));
        self.shift(binding, |depth| depth + 1);
    }

    /// Takes out what [`Self::insert`] added.
    pub(crate) fn remove(&mut self, binding: &PortBinding) {
        let PortBinding { proto, host_address, host, container: _ } = binding;
        self.held.remove(&(*proto, *host_address, *host.start()));
        self.shift(binding, |depth| depth - 1);
    }

    /// Changes the depth of all ports of a binding by one.
    fn shift(&mut self, binding: &PortBinding, change: fn(u32) -> u32) {
        let (proto, family) = (binding.proto, Family::of(&binding.host_address));
        let (start, end) = (u32::from(*binding.host.start()), u32::from(*binding.host.end()) + 1);
        for edge in [start, end] {
            let depth = self.depth_at(proto, family, edge);
            self.depth.insert((proto, family, edge), depth);
        }
        let mut edge = Some(start);
        while let Some(at) = edge.filter(|at| *at < end) {
            let depth = change(self.depth_at(proto, family, at));
            self.depth.insert((proto, family, at), depth);
            edge = self.next_edge(proto, family, at + 1);
        }
        for edge in [start, end] {
            let before = edge.checked_sub(1).map_or(0, |port| self.depth_at(proto, family, port));
            if before == self.depth_at(proto, family, edge) {
                self.depth.remove(&(proto, family, edge));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(address: &str, first: u16, last: u16) -> PortBinding {
        PortBinding {
            proto: Proto::Tcp,
            host_address: address.parse().expect("an address"),
            host: first..=last,
            container: first..=last,
        }
    }

    fn check(published: &[(&str, u16, u16)], asked: (&str, u16, u16), expected: Option<RangeInclusive<u16>>) {
        let mut index = PortIndex::default();
        for (address, first, last) in published {
            index.insert(&binding(address, *first, *last), SandboxId::new([1; 32]));
        }
        let address = asked.0.parse().expect("an address");
        assert_eq!(index.clash(Proto::Tcp, address, &(asked.1..=asked.2)), expected);
        assert_eq!(index.clash(Proto::Udp, address, &(asked.1..=asked.2)), None);
        for (address, first, last) in published {
            index.remove(&binding(address, *first, *last));
        }
        assert_eq!(index, PortIndex::default());
    }

    #[test]
    fn wildcards_clash_with_every_address_of_their_family() {
        check(&[("0.0.0.0", 80, 80)], ("127.0.0.1", 80, 80), Some(80..=80));
        check(&[("127.0.0.1", 80, 80)], ("0.0.0.0", 80, 80), Some(80..=80));
        check(&[("127.0.0.1", 80, 80)], ("127.0.0.2", 80, 80), None);
        check(&[("0.0.0.0", 80, 80)], ("::", 80, 80), None);
        check(&[("::", 80, 80)], ("::1", 80, 80), Some(80..=80));
        check(&[("127.0.0.1", 80, 90), ("127.0.0.2", 85, 95)], ("0.0.0.0", 94, 99), Some(94..=95));
        check(&[("127.0.0.1", 80, 90), ("127.0.0.2", 85, 95)], ("0.0.0.0", 1, 84), Some(80..=95));
        check(&[("127.0.0.1", 80, 90), ("127.0.0.2", 85, 95)], ("127.0.0.1", 91, 99), None);
        check(&[("0.0.0.0", 1, u16::MAX)], ("0.0.0.0", 7, 7), Some(7..=u16::MAX));
        check(&[("0.0.0.0", 79, 79), ("0.0.0.0", 81, 81)], ("0.0.0.0", 80, 80), None);
    }
}
