//! Methods that write what nft(8) calls by the same names.

use std::{net::IpAddr, ops::RangeInclusive};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::super::expr::{
    CmpOp, Counter, CtKey, Expr, FibResult, Limit, LogTarget, LookupTo, MetaKey, NatKind, Nfproto,
    PayloadBase, Reg, Reject, fib,
};
use super::super::value::{Verdict, ifname_bytes};
use super::{Field, Rule};

/// The protocol's number (RFC 4443 §1).
const ICMPV6: u8 = 58;

/// Which end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// `saddr`, `sport`
    Source,
    /// `daddr`, `dport`
    Destination,
}

/// What kind of address something is to this machine (`RTN_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddrType {
    /// Somebody else's.
    Unicast,
    /// One of this machine's.
    Local,
    /// A broadcast address.
    Broadcast,
    /// A multicast address.
    Multicast,
}

impl AddrType {
    fn number(self) -> u32 {
        match self {
            Self::Unicast => 1,
            Self::Local => 2,
            Self::Broadcast => 3,
            Self::Multicast => 5,
        }
    }
}

/// What a map gives that translates addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NatTo {
    /// An address and a port.
    AddrPort,
    /// An address; the port stays.
    Addr,
}

/// Whether a test asks for something or for its absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Is {
    /// `==`
    Equal,
    /// `!=`
    Not,
}

impl Is {
    fn op(self) -> CmpOp {
        match self {
            Self::Equal => CmpOp::Eq,
            Self::Not => CmpOp::Neq,
        }
    }
}

/// # Writing rules
///
/// Every method adds what nft(8) calls by the same name, and returns the rule.
/// Tests of addresses first test the packet's family, as nft does, so that
/// rules work in `inet` tables. Translation needs no such test: the kernel
/// leaves packets of the other family alone.
impl Rule {
    /// A rule that does nothing yet.
    pub fn new(chain: impl Into<String>) -> Self {
        Self { chain: chain.into(), exprs: Vec::new(), comment: None }
    }

    /// Adds an expression.
    #[must_use]
    pub fn expr(mut self, expr: Expr) -> Self {
        self.exprs.push(expr);
        self
    }

    /// Adds a remark.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    fn cmp(self, is: Is, data: impl Into<Vec<u8>>) -> Self {
        self.expr(Expr::Cmp { op: is.op(), sreg: Reg::FIRST, data: data.into() })
    }

    fn load(self, field: Field) -> Self {
        self.expr(field.load(Reg::FIRST))
    }

    /// `iifname NAME`; a trailing `*` matches all names that start so.
    #[must_use]
    pub fn iifname(self, is: Is, name: &str) -> Self {
        self.load(Field::Iifname).cmp(is, name_pattern(name))
    }

    /// `oifname NAME`; a trailing `*` matches all names that start so.
    #[must_use]
    pub fn oifname(self, is: Is, name: &str) -> Self {
        self.load(Field::Oifname).cmp(is, name_pattern(name))
    }

    /// `meta nfproto ipv4|ipv6`, once.
    #[must_use]
    pub fn nfproto(self, proto: Nfproto) -> Self {
        let load = Expr::Meta { key: MetaKey::Nfproto, dreg: Reg::FIRST };
        let test = Expr::Cmp { op: CmpOp::Eq, sreg: Reg::FIRST, data: vec![proto.number()] };
        if self.exprs.windows(2).any(|pair| pair[0] == load && pair[1] == test) {
            return self;
        }
        self.expr(load).expr(test)
    }

    /// `meta l4proto NUMBER`.
    #[must_use]
    pub fn l4proto(self, is: Is, proto: u8) -> Self {
        self.load(Field::L4proto).cmp(is, [proto])
    }

    /// `icmpv6 type FIRST-LAST` (RFC 4443 §2.1).
    #[must_use]
    pub fn icmpv6_type(self, types: RangeInclusive<u8>) -> Self {
        let (first, last) = types.into_inner();
        let load = Expr::Payload { base: PayloadBase::Transport, offset: 0, len: 1, dreg: Reg::FIRST };
        let test = Expr::Range { sreg: Reg::FIRST, inverted: false, from: vec![first], to: vec![last] };
        self.l4proto(Is::Equal, ICMPV6).expr(load).expr(test)
    }

    /// `meta mark and MASK == VALUE`.
    #[must_use]
    pub fn mark(self, is: Is, value: u32, mask: u32) -> Self {
        let rule = self.load(Field::Mark);
        if mask == u32::MAX {
            return rule.cmp(is, value.to_ne_bytes());
        }
        rule.masked(mask.to_ne_bytes().to_vec()).cmp(is, value.to_ne_bytes())
    }

    /// `ip saddr NET`, `ip6 daddr NET`…
    #[must_use]
    pub fn addr(self, end: End, is: Is, net: IpNet) -> Self {
        match net {
            IpNet::V4(net) => self.addr4(end, is, net),
            IpNet::V6(net) => self.addr6(end, is, net),
        }
    }

    fn addr4(self, end: End, is: Is, net: Ipv4Net) -> Self {
        let field = if end == End::Source { Field::IpSaddr } else { Field::IpDaddr };
        let rule = self.nfproto(Nfproto::Ipv4).load(field);
        let rule = if net.prefix_len() == 32 { rule } else { rule.masked(net.netmask().octets().to_vec()) };
        rule.cmp(is, net.network().octets())
    }

    fn addr6(self, end: End, is: Is, net: Ipv6Net) -> Self {
        let field = if end == End::Source { Field::Ip6Saddr } else { Field::Ip6Daddr };
        let rule = self.nfproto(Nfproto::Ipv6).load(field);
        let rule = if net.prefix_len() == 128 { rule } else { rule.masked(net.netmask().octets().to_vec()) };
        rule.cmp(is, net.network().octets())
    }

    fn masked(self, mask: Vec<u8>) -> Self {
        let xor = vec![0; mask.len()];
        self.expr(Expr::Bitwise { sreg: Reg::FIRST, dreg: Reg::FIRST, mask, xor })
    }

    /// `th sport PORT`, `th dport PORT`: test the protocol first.
    #[must_use]
    pub fn port(self, end: End, is: Is, port: u16) -> Self {
        self.load(port_field(end)).cmp(is, port.to_be_bytes())
    }

    /// `th sport FIRST-LAST`, `th dport FIRST-LAST`.
    #[must_use]
    pub fn port_range(self, end: End, is: Is, first: u16, last: u16) -> Self {
        let (from, to) = (first.to_be_bytes().to_vec(), last.to_be_bytes().to_vec());
        let inverted = is == Is::Not;
        self.load(port_field(end)).expr(Expr::Range { sreg: Reg::FIRST, inverted, from, to })
    }

    /// `ct state A,B`: one of the bits of [`super::ct_state`].
    #[must_use]
    pub fn ct_state(self, states: u32) -> Self {
        self.ct_bits(CtKey::State, states)
    }

    /// `ct status A,B`: one of the bits of [`super::ct_status`].
    #[must_use]
    pub fn ct_status(self, bits: u32) -> Self {
        self.ct_bits(CtKey::Status, bits)
    }

    fn ct_bits(self, key: CtKey, bits: u32) -> Self {
        self.expr(Expr::Ct { key, dreg: Reg::FIRST })
            .masked(bits.to_ne_bytes().to_vec())
            .cmp(Is::Not, 0u32.to_ne_bytes())
    }

    /// `ct mark VALUE`.
    #[must_use]
    pub fn ct_mark(self, is: Is, value: u32) -> Self {
        self.expr(Expr::Ct { key: CtKey::Mark, dreg: Reg::FIRST }).cmp(is, value.to_ne_bytes())
    }

    /// `fib saddr type T`, `fib daddr type T`.
    #[must_use]
    pub fn addr_type(self, end: End, is: Is, kind: AddrType) -> Self {
        let flags = if end == End::Source { fib::SADDR } else { fib::DADDR };
        self.expr(Expr::Fib { result: FibResult::Type, flags, dreg: Reg::FIRST })
            .cmp(is, kind.number().to_ne_bytes())
    }

    /// Loads fields one behind the other, from the first register.
    fn key(mut self, fields: &[Field]) -> Self {
        let families = fields.iter().filter_map(|field| field.family());
        for family in families {
            self = self.nfproto(family);
        }
        let mut reg = Reg::FIRST;
        for field in fields {
            self.exprs.push(field.load(reg));
            self.exprs.extend(field.mask().map(|mask| {
                let xor = vec![0; mask.len()];
                Expr::Bitwise { sreg: reg, dreg: reg, mask, xor }
            }));
            reg = reg.after(field.size());
        }
        self
    }

    fn lookup(self, set: &str, dreg: Option<LookupTo>, is: Is) -> Self {
        self.expr(Expr::Lookup { set: set.to_owned(), sreg: Reg::FIRST, dreg, inverted: is == Is::Not })
    }

    /// `FIELDS @SET`, `FIELDS != @SET`.
    #[must_use]
    pub fn in_set(self, fields: &[Field], is: Is, set: &str) -> Self {
        self.key(fields).lookup(set, None, is)
    }

    /// `FIELDS vmap @MAP`.
    #[must_use]
    pub fn vmap(self, fields: &[Field], map: &str) -> Self {
        self.key(fields).lookup(map, Some(LookupTo::Verdict), Is::Equal)
    }

    /// `dnat ip to FIELDS map @MAP`, `snat …`.
    #[must_use]
    pub fn nat_map(self, kind: NatKind, family: Nfproto, fields: &[Field], (map, to): (&str, NatTo)) -> Self {
        let addr_size = if family == Nfproto::Ipv4 { 4 } else { 16 };
        let port = (to == NatTo::AddrPort).then(|| Reg::FIRST.after(addr_size).into());
        self.key(fields).lookup(map, Some(LookupTo::Reg(Reg::FIRST)), Is::Equal).expr(Expr::Nat {
            kind,
            family,
            addr: Some(Reg::FIRST.into()),
            port,
            flags: 0,
        })
    }

    /// `dnat ip to ADDR:PORT`, `snat …`.
    #[must_use]
    pub fn nat(self, kind: NatKind, addr: IpAddr, port: Option<u16>) -> Self {
        let (family, bytes) = match addr {
            IpAddr::V4(addr) => (Nfproto::Ipv4, addr.octets().to_vec()),
            IpAddr::V6(addr) => (Nfproto::Ipv6, addr.octets().to_vec()),
        };
        let port_reg = Reg::FIRST.after(bytes.len());
        let mut rule = self.expr(Expr::Immediate { dreg: Reg::FIRST, data: bytes });
        if let Some(port) = port {
            rule = rule.expr(Expr::Immediate { dreg: port_reg, data: port.to_be_bytes().to_vec() });
        }
        let port = port.map(|_| port_reg.into());
        rule.expr(Expr::Nat { kind, family, addr: Some(Reg::FIRST.into()), port, flags: 0 })
    }

    /// `masquerade`; flags are bits of [`super::nat_flags`].
    #[must_use]
    pub fn masquerade(self, flags: u32) -> Self {
        self.expr(Expr::Masquerade { port: None, flags })
    }

    /// `redirect to :PORT`.
    #[must_use]
    pub fn redirect(self, port: u16) -> Self {
        self.expr(Expr::Immediate { dreg: Reg::FIRST, data: port.to_be_bytes().to_vec() })
            .expr(Expr::Redirect { port: Some(Reg::FIRST.into()), flags: 0 })
    }

    /// `udp dport set PORT`, `tcp sport set PORT`: without connection tracking. After a test of
    /// the protocol; its checksum is `checksum` bytes behind the beginning of its header.
    #[must_use]
    pub fn set_port(self, end: End, port: u16, checksum: u32) -> Self {
        let (base, sreg) = (PayloadBase::Transport, Reg::FIRST);
        let offset = match end {
            End::Source => 0,
            End::Destination => 2,
        };
        self.expr(Expr::Immediate { dreg: sreg, data: port.to_be_bytes().to_vec() }).expr(Expr::PayloadSet {
            base,
            offset,
            len: 2,
            sreg,
            checksum: Some(checksum),
        })
    }

    /// `meta mark set VALUE`.
    #[must_use]
    pub fn set_mark(self, value: u32) -> Self {
        self.expr(Expr::Immediate { dreg: Reg::FIRST, data: value.to_ne_bytes().to_vec() })
            .expr(Expr::MetaSet { key: MetaKey::Mark, sreg: Reg::FIRST })
    }

    /// `ct mark set VALUE`.
    #[must_use]
    pub fn set_ct_mark(self, value: u32) -> Self {
        self.expr(Expr::Immediate { dreg: Reg::FIRST, data: value.to_ne_bytes().to_vec() })
            .expr(Expr::CtSet { key: CtKey::Mark, sreg: Reg::FIRST })
    }

    /// `counter`.
    #[must_use]
    pub fn counter(self) -> Self {
        self.expr(Expr::Counter(Counter::default()))
    }

    /// `log prefix "PREFIX"`.
    #[must_use]
    pub fn log(self, prefix: Option<&str>, target: LogTarget) -> Self {
        self.expr(Expr::Log { prefix: prefix.map(str::to_owned), target })
    }

    /// `limit rate …`.
    #[must_use]
    pub fn limit(self, limit: Limit) -> Self {
        self.expr(Expr::Limit(limit))
    }

    /// `reject with …`; a TCP reset needs `meta l4proto tcp` before it.
    #[must_use]
    pub fn reject(self, reject: Reject) -> Self {
        self.expr(Expr::Reject(reject))
    }

    /// `notrack`.
    #[must_use]
    pub fn notrack(self) -> Self {
        self.expr(Expr::Notrack)
    }

    /// `accept`, `drop`, `jump CHAIN`…
    #[must_use]
    pub fn verdict(self, verdict: Verdict) -> Self {
        self.expr(Expr::Verdict(verdict))
    }
}

fn port_field(end: End) -> Field {
    match end {
        End::Source => Field::Sport,
        End::Destination => Field::Dport,
    }
}

/// The bytes to compare a link's name with: the whole name, or how it starts.
fn name_pattern(name: &str) -> Vec<u8> {
    match name.strip_suffix('*') {
        Some(start) => start.as_bytes().iter().copied().take(15).collect(),
        None => ifname_bytes(name).to_vec(),
    }
}
