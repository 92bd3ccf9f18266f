//! Parts of a packet that rules test and sets are asked for.

use super::super::expr::{CtKey, Expr, MetaKey, Nfproto, PayloadBase, Reg};

/// A part of a packet, or something known about it, that a set can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// `iifname`
    Iifname,
    /// `oifname`
    Oifname,
    /// `meta mark`
    Mark,
    /// `meta l4proto`
    L4proto,
    /// `ip saddr`
    IpSaddr,
    /// `ip daddr`
    IpDaddr,
    /// `ip6 saddr`
    Ip6Saddr,
    /// `ip6 daddr`
    Ip6Daddr,
    /// `th sport`: of any protocol whose header starts with ports
    Sport,
    /// `th dport`
    Dport,
    /// `ether saddr`
    EtherSaddr,
    /// `ether daddr`
    EtherDaddr,
    /// `ct original proto-dst`: the port a connection was first sent to
    CtOriginalDport,
    /// `ct original ip daddr`
    CtOriginalIpDaddr,
    /// `ip saddr & MASK`: so many first bits of it
    IpSaddrBlock(u8),
    /// `ip6 saddr & MASK`: so many first bits of it
    Ip6SaddrBlock(u8),
}

impl Field {
    /// The length of its value in bytes.
    pub(super) fn size(self) -> usize {
        match self {
            Self::Iifname | Self::Oifname => 16,
            Self::Ip6Saddr | Self::Ip6Daddr | Self::Ip6SaddrBlock(_) => 16,
            Self::Mark | Self::IpSaddr | Self::IpDaddr | Self::IpSaddrBlock(_) => 4,
            Self::CtOriginalIpDaddr => 4,
            Self::L4proto => 1,
            Self::Sport | Self::Dport | Self::CtOriginalDport => 2,
            Self::EtherSaddr | Self::EtherDaddr => 6,
        }
    }

    /// The family that a packet must be of to have this field.
    pub(super) fn family(self) -> Option<Nfproto> {
        match self {
            Self::IpSaddr | Self::IpDaddr | Self::IpSaddrBlock(_) | Self::CtOriginalIpDaddr => {
                Some(Nfproto::Ipv4)
            }
            Self::Ip6Saddr | Self::Ip6Daddr | Self::Ip6SaddrBlock(_) => Some(Nfproto::Ipv6),
            Self::Iifname
            | Self::Oifname
            | Self::Mark
            | Self::L4proto
            | Self::Sport
            | Self::Dport
            | Self::EtherSaddr
            | Self::EtherDaddr
            | Self::CtOriginalDport => None,
        }
    }

    pub(super) fn load(self, dreg: Reg) -> Expr {
        let payload = |base, offset, len| Expr::Payload { base, offset, len, dreg };
        match self {
            Self::Iifname => Expr::Meta { key: MetaKey::Iifname, dreg },
            Self::Oifname => Expr::Meta { key: MetaKey::Oifname, dreg },
            Self::Mark => Expr::Meta { key: MetaKey::Mark, dreg },
            Self::L4proto => Expr::Meta { key: MetaKey::L4proto, dreg },
            Self::IpSaddr | Self::IpSaddrBlock(_) => payload(PayloadBase::Network, 12, 4),
            Self::IpDaddr => payload(PayloadBase::Network, 16, 4),
            Self::Ip6Saddr | Self::Ip6SaddrBlock(_) => payload(PayloadBase::Network, 8, 16),
            Self::Ip6Daddr => payload(PayloadBase::Network, 24, 16),
            Self::Sport => payload(PayloadBase::Transport, 0, 2),
            Self::Dport => payload(PayloadBase::Transport, 2, 2),
            Self::EtherDaddr => payload(PayloadBase::Link, 0, 6),
            Self::EtherSaddr => payload(PayloadBase::Link, 6, 6),
            Self::CtOriginalDport => Expr::Ct { key: CtKey::OriginalPortDst, dreg },
            Self::CtOriginalIpDaddr => Expr::Ct { key: CtKey::OriginalIpDst, dreg },
        }
    }

    /// What is kept of the value, if not all of it is.
    pub(super) fn mask(self) -> Option<Vec<u8>> {
        let bits = |length: u8, size: usize| {
            let byte = |place: usize| {
                let kept = usize::from(length).saturating_sub(place * 8).min(8);
                u8::MAX.checked_shl(8 - u32::try_from(kept).unwrap_or(0)).unwrap_or(0)
            };
            (usize::from(length) < size * 8).then(|| (0..size).map(byte).collect())
        };
        let (Self::IpSaddrBlock(length) | Self::Ip6SaddrBlock(length)) = self else { return None };
        bits(length, self.size())
    }
}
