//! Expressions: the instructions of a rule.
//!
//! A rule is a small program over sixteen registers of four bytes. An
//! expression loads something into registers, compares registers, or acts.
//! [`super::Rule`] has methods that write the usual sequences.

mod decode;
mod encode;

use super::value::Verdict;

pub(super) use decode::element_counter;
pub(super) use encode::set_counter;

/// A register of four bytes, 0 to 15. Longer values use the following ones, too.
///
/// The kernel knows the same storage under two names (`NFT_REG_1` is
/// `NFT_REG32_00` to `_03`); this type has one, so that what is read back
/// equals what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reg(u8);

impl Reg {
    /// The first register.
    pub const FIRST: Self = Self(0);

    /// The register with this number; none above 15.
    pub fn new(number: u8) -> Option<Self> {
        (number < 16).then_some(Self(number))
    }

    /// The register behind a value of `size` bytes that starts in this one;
    /// the last one if there is none.
    #[must_use]
    pub fn after(self, size: usize) -> Self {
        let number = usize::from(self.0) + size.div_ceil(4);
        Self(u8::try_from(number.min(15)).unwrap_or(15))
    }

    /// The kernel's number: the wide name where there is one, as `nft` does it.
    fn number(self) -> u32 {
        let slot = u32::from(self.0);
        if slot.is_multiple_of(4) { 1 + slot / 4 } else { 8 + slot }
    }

    fn from_number(number: u32) -> Option<Self> {
        let slot = match number {
            1..=4 => (number - 1) * 4,
            8..=23 => number - 8,
            _ => return None,
        };
        u8::try_from(slot).ok().map(Self)
    }
}

/// Something known about a packet besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetaKey {
    /// The ethertype, 2 bytes in network order.
    Protocol,
    /// The mark, 4 bytes in host order.
    Mark,
    /// The name of the link it came in by, 16 bytes.
    Iifname,
    /// The name of the link it goes out by, 16 bytes.
    Oifname,
    /// Whether it is traced, 1 byte.
    Nftrace,
    /// The layer 3 family, 1 byte: 2 is IPv4, 10 is IPv6.
    Nfproto,
    /// The layer 4 protocol, 1 byte.
    L4proto,
    /// The name of the bridge a port belongs to, 16 bytes (`ibrname`).
    BriIifname,
    /// The same of the port it goes out by (`obrname`).
    BriOifname,
    /// To whom the frame is addressed, 1 byte.
    Pkttype,
    /// Another key by its number in `enum nft_meta_keys`.
    Other(u32),
}

/// Something that connection tracking knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CtKey {
    /// The state, a bit mask of [`ct_state`] in host order.
    State,
    /// The status, a bit mask of [`ct_status`] in host order.
    Status,
    /// The mark, 4 bytes in host order.
    Mark,
    /// The port a connection was first sent to, 2 bytes in network order.
    OriginalPortDst,
    /// The IPv4 address a connection was first sent to.
    OriginalIpDst,
    /// The IPv6 address a connection was first sent to.
    OriginalIp6Dst,
    /// Another key by its number in `enum nft_ct_keys`.
    Other(u32),
}

/// Bits of [`CtKey::State`] (`NF_CT_STATE_BIT`).
pub mod ct_state {
    /// Makes no sense for any connection.
    pub const INVALID: u32 = 1;
    /// Of a connection that was seen in both directions.
    pub const ESTABLISHED: u32 = 2;
    /// Belongs to another connection, e.g. an ICMP error.
    pub const RELATED: u32 = 4;
    /// Starts a connection.
    pub const NEW: u32 = 8;
    /// Excluded from tracking.
    pub const UNTRACKED: u32 = 64;
}

/// Bits of [`CtKey::Status`] (`enum ip_conntrack_status`).
pub mod ct_status {
    /// The source is translated.
    pub const SNAT: u32 = 1 << 4;
    /// The destination is translated.
    pub const DNAT: u32 = 1 << 5;
}

/// Where an offset into a packet is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PayloadBase {
    /// The frame's header.
    Link,
    /// The IP header.
    Network,
    /// The TCP, UDP… header.
    Transport,
}

/// How registers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CmpOp {
    /// `==`
    Eq,
    /// `!=`
    Neq,
    /// `<`
    Lt,
    /// `<=`
    Lte,
    /// `>`
    Gt,
    /// `>=`
    Gte,
}

/// What a look-up of a packet's address in the routing table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FibResult {
    /// The index of the link, 4 bytes in host order.
    Oif,
    /// The name of the link, 16 bytes.
    Oifname,
    /// The address type ([`super::AddrType`]), 4 bytes in host order.
    Type,
}

/// Bits of [`Expr::Fib`]'s flags (`enum nft_fib_flags`).
pub mod fib {
    /// Look up the source.
    pub const SADDR: u32 = 1;
    /// Look up the destination.
    pub const DADDR: u32 = 2;
    /// Respect the mark.
    pub const MARK: u32 = 4;
    /// Respect the link it came in by.
    pub const IIF: u32 = 8;
    /// Respect the link it goes out by.
    pub const OIF: u32 = 16;
}

/// Which end is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NatKind {
    /// `snat`
    Source,
    /// `dnat`
    Destination,
}

/// The family of a translated address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Nfproto {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Nfproto {
    /// `NFPROTO_IPV4`, `NFPROTO_IPV6`.
    pub fn number(self) -> u8 {
        match self {
            Self::Ipv4 => 2,
            Self::Ipv6 => 10,
        }
    }
}

/// Registers with the ends of a range; both the same for one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegRange {
    /// Where the lowest value starts.
    pub min: Reg,
    /// Where the highest value starts.
    pub max: Reg,
}

impl From<Reg> for RegRange {
    fn from(reg: Reg) -> Self {
        Self { min: reg, max: reg }
    }
}

/// Bits of the flags of `snat`, `dnat`, `masquerade` and `redirect` (`NF_NAT_RANGE_*`).
pub mod nat_flags {
    /// Random ports.
    pub const RANDOM: u32 = 1 << 2;
    /// The same client is always given the same address.
    pub const PERSISTENT: u32 = 1 << 3;
    /// Random ports that cannot be guessed.
    pub const FULLY_RANDOM: u32 = 1 << 4;
    /// What a rule may say; the kernel adds bits of its own when it is read back.
    pub(crate) const SETTABLE: u32 = RANDOM | PERSISTENT | FULLY_RANDOM;
}

/// Packets and bytes seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes of these packets.
    pub bytes: u64,
}

/// What a [`Limit`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitUnit {
    /// Packets.
    Packets,
    /// Bytes.
    Bytes,
}

/// Matches until a rate is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Limit {
    /// So many…
    pub rate: u64,
    /// …of these…
    pub unit: LimitUnit,
    /// …in so many seconds.
    pub seconds: u64,
    /// So many more at once; the kernel makes 0 packets 5.
    pub burst: u32,
    /// Match above the rate instead of below.
    pub over: bool,
}

/// How a packet is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reject {
    /// With a TCP reset.
    TcpReset,
    /// With an ICMP error of the packet's family (`icmpx`).
    Icmpx(IcmpxCode),
    /// With an ICMP or ICMPv6 error by its number, in tables of one family.
    Icmp(u8),
}

/// ICMP errors that both families have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IcmpxCode {
    /// `no-route`
    NoRoute,
    /// `port-unreachable`
    PortUnreachable,
    /// `host-unreachable`
    HostUnreachable,
    /// `admin-prohibited`
    AdminProhibited,
}

/// Where a log line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogTarget {
    /// The kernel log at this level, 0 (emergency) to 7 (debug); nft's default is 4.
    Level(u8),
    /// The listeners of this `nfnetlink_log` group.
    Group(u16),
}

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expr {
    /// Loads what is known about the packet.
    Meta { key: MetaKey, dreg: Reg },
    /// Sets what is known about the packet, e.g. its mark.
    MetaSet { key: MetaKey, sreg: Reg },
    /// Loads bytes of the packet.
    Payload { base: PayloadBase, offset: u32, len: u32, dreg: Reg },
    /// Writes bytes of the packet; `checksum` is where the Internet checksum over them is.
    PayloadSet { base: PayloadBase, offset: u32, len: u32, sreg: Reg, checksum: Option<u32> },
    /// Goes on if the registers compare like this with `data`.
    Cmp { op: CmpOp, sreg: Reg, data: Vec<u8> },
    /// Goes on if the registers are between two values, both included, or are not.
    Range { sreg: Reg, inverted: bool, from: Vec<u8>, to: Vec<u8> },
    /// `dreg = (sreg & mask) ^ xor`; both as long as the value.
    Bitwise { sreg: Reg, dreg: Reg, mask: Vec<u8>, xor: Vec<u8> },
    /// Loads what connection tracking knows.
    Ct { key: CtKey, dreg: Reg },
    /// Sets what connection tracking knows, e.g. the mark.
    CtSet { key: CtKey, sreg: Reg },
    /// Loads what the routing table says; `flags` are bits of [`fib`].
    Fib { result: FibResult, flags: u32, dreg: Reg },
    /// Goes on if the registers are a key of the set (or are not); with `dreg`
    /// the set is a map whose data is loaded, or becomes the verdict.
    Lookup { set: String, sreg: Reg, dreg: Option<LookupTo>, inverted: bool },
    /// Loads a constant.
    Immediate { dreg: Reg, data: Vec<u8> },
    /// Ends the rule.
    Verdict(Verdict),
    /// Translates an address, a port, or both; `flags` are bits of [`nat_flags`].
    Nat { kind: NatKind, family: Nfproto, addr: Option<RegRange>, port: Option<RegRange>, flags: u32 },
    /// Translates the source to the address of the link the packet leaves by.
    Masquerade { port: Option<RegRange>, flags: u32 },
    /// Translates the destination to this machine.
    Redirect { port: Option<RegRange>, flags: u32 },
    /// Counts.
    Counter(Counter),
    /// Writes a log line.
    Log { prefix: Option<String>, target: LogTarget },
    /// Matches until a rate is reached.
    Limit(Limit),
    /// Refuses the packet and says so.
    Reject(Reject),
    /// Excludes the packet from connection tracking.
    Notrack,
    /// One that this module does not know, read from a rule that somebody else wrote.
    Unknown(String),
}

/// Where the data of a map goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LookupTo {
    /// Into registers.
    Reg(Reg),
    /// It is a verdict and becomes the rule's.
    Verdict,
}

/// `enum nft_meta_keys`.
const META_KEYS: [(MetaKey, u32); 10] = [
    (MetaKey::Protocol, 1),
    (MetaKey::Mark, 3),
    (MetaKey::Iifname, 6),
    (MetaKey::Oifname, 7),
    (MetaKey::Nftrace, 12),
    (MetaKey::Nfproto, 15),
    (MetaKey::L4proto, 16),
    (MetaKey::BriIifname, 17),
    (MetaKey::BriOifname, 18),
    (MetaKey::Pkttype, 19),
];

/// `enum nft_ct_keys`.
const CT_KEYS: [(CtKey, u32); 6] = [
    (CtKey::State, 0),
    (CtKey::Status, 2),
    (CtKey::Mark, 3),
    (CtKey::OriginalPortDst, 12),
    (CtKey::OriginalIpDst, 20),
    (CtKey::OriginalIp6Dst, 22),
];

impl CtKey {
    /// `NFTA_CT_DIRECTION` of keys that need one: 0 is the original direction.
    fn direction(self) -> Option<u8> {
        matches!(self, Self::OriginalPortDst | Self::OriginalIpDst | Self::OriginalIp6Dst).then_some(0)
    }
}

impl Expr {
    /// Whether two expressions say the same; counters are compared without what they counted.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Counter(_), Self::Counter(_)) => true,
            (a, b) => a == b,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_of_a_register_are_one() {
        for slot in 0..16 {
            let reg = Reg::new(slot).expect("a register");
            assert_eq!(Reg::from_number(reg.number()), Some(reg));
            assert_eq!(Reg::from_number(8 + u32::from(slot)), Some(reg));
        }
        assert_eq!(Reg::new(16), None);
        assert_eq!((Reg::from_number(0), Reg::from_number(24)), (None, None));
        assert_eq!(Reg::FIRST.after(4).number(), 9);
        assert_eq!(Reg::FIRST.after(6).number(), 10);
        assert_eq!(Reg::FIRST.after(16).number(), 2);
    }
}
