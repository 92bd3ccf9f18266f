//! Expressions to attributes.

use super::super::attr::Writer;
use super::super::uapi::{data, expr as attr, set, verdict};
use super::super::value::Verdict;
use super::{
    CT_KEYS, CmpOp, CtKey, Expr, FibResult, IcmpxCode, Limit, LimitUnit, LogTarget, LookupTo, META_KEYS,
    MetaKey, NatKind, PayloadBase, Reg, RegRange, Reject,
};

/// `NFT_REG_VERDICT`.
const VERDICT_REGISTER: u32 = 0;

impl MetaKey {
    fn number(self) -> u32 {
        if let Self::Other(number) = self {
            return number;
        }
        META_KEYS.iter().find(|(key, _)| *key == self).map_or(u32::MAX, |(_, number)| *number)
    }
}

impl CtKey {
    fn number(self) -> u32 {
        if let Self::Other(number) = self {
            return number;
        }
        CT_KEYS.iter().find(|(key, _)| *key == self).map_or(u32::MAX, |(_, number)| *number)
    }
}

impl Expr {
    /// The kernel's name for the kind of expression.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Meta { .. } | Self::MetaSet { .. } => "meta",
            Self::Payload { .. } | Self::PayloadSet { .. } => "payload",
            Self::Cmp { .. } => "cmp",
            Self::Range { .. } => "range",
            Self::Bitwise { .. } => "bitwise",
            Self::Ct { .. } | Self::CtSet { .. } => "ct",
            Self::Fib { .. } => "fib",
            Self::Lookup { .. } => "lookup",
            Self::Immediate { .. } | Self::Verdict(_) => "immediate",
            Self::Nat { .. } => "nat",
            Self::Masquerade { .. } => "masq",
            Self::Redirect { .. } => "redir",
            Self::Counter(_) => "counter",
            Self::Log { .. } => "log",
            Self::Limit(_) => "limit",
            Self::Reject(_) => "reject",
            Self::Notrack => "notrack",
            Self::Unknown(name) => name,
        }
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        out.string(attr::NAME, self.name());
        out.nest(attr::DATA, |out| self.encode_data(out));
    }

    fn encode_data(&self, out: &mut Writer) {
        match self {
            Self::Meta { key, dreg } => {
                out.be32(attr::META_KEY, key.number());
                out.be32(attr::META_DREG, dreg.number());
            }
            Self::MetaSet { key, sreg } => {
                out.be32(attr::META_KEY, key.number());
                out.be32(attr::META_SREG, sreg.number());
            }
            Self::Ct { key, dreg } => encode_ct(*key, attr::CT_DREG, *dreg, out),
            Self::CtSet { key, sreg } => encode_ct(*key, attr::CT_SREG, *sreg, out),
            Self::Counter(counter) => {
                out.be64(attr::COUNTER_BYTES, counter.bytes);
                out.be64(attr::COUNTER_PACKETS, counter.packets);
            }
            Self::Log { prefix, target } => encode_log(prefix.as_deref(), *target, out),
            Self::Limit(limit) => encode_limit(limit, out),
            Self::Reject(reject) => encode_reject(*reject, out),
            Self::Notrack | Self::Unknown(_) => {}
            Self::Payload { .. } | Self::Fib { .. } | Self::Immediate { .. } => self.encode_load(out),
            Self::Cmp { .. } | Self::Range { .. } | Self::Bitwise { .. } | Self::Lookup { .. } => {
                self.encode_test(out);
            }
            Self::PayloadSet { .. }
            | Self::Verdict(_)
            | Self::Nat { .. }
            | Self::Masquerade { .. }
            | Self::Redirect { .. } => self.encode_action(out),
        }
    }

    fn encode_load(&self, out: &mut Writer) {
        if let Self::Payload { base, offset, len, dreg } = self {
            out.be32(attr::PAYLOAD_DREG, dreg.number());
            out.be32(attr::PAYLOAD_BASE, base.number());
            out.be32(attr::PAYLOAD_OFFSET, *offset);
            out.be32(attr::PAYLOAD_LEN, *len);
        }
        if let Self::Fib { result, flags, dreg } = self {
            out.be32(attr::FIB_FLAGS, *flags);
            out.be32(attr::FIB_RESULT, result.number());
            out.be32(attr::FIB_DREG, dreg.number());
        }
        if let Self::Immediate { dreg, data } = self {
            out.be32(attr::IMMEDIATE_DREG, dreg.number());
            value(attr::IMMEDIATE_DATA, data, out);
        }
    }

    fn encode_test(&self, out: &mut Writer) {
        if let Self::Cmp { op, sreg, data } = self {
            out.be32(attr::CMP_SREG, sreg.number());
            out.be32(attr::CMP_OP, op.number());
            value(attr::CMP_DATA, data, out);
        }
        if let Self::Range { sreg, inverted, from, to } = self {
            out.be32(attr::RANGE_SREG, sreg.number());
            out.be32(attr::RANGE_OP, u32::from(*inverted));
            value(attr::RANGE_FROM, from, out);
            value(attr::RANGE_TO, to, out);
        }
        if let Self::Bitwise { sreg, dreg, mask, xor } = self {
            out.be32(attr::BITWISE_SREG, sreg.number());
            out.be32(attr::BITWISE_DREG, dreg.number());
            out.be32(attr::BITWISE_LEN, u32::try_from(mask.len()).unwrap_or(u32::MAX));
            value(attr::BITWISE_MASK, mask, out);
            value(attr::BITWISE_XOR, xor, out);
        }
        if let Self::Lookup { set, sreg, dreg, inverted } = self {
            out.string(attr::LOOKUP_SET, set);
            out.be32(attr::LOOKUP_SREG, sreg.number());
            match dreg {
                Some(LookupTo::Reg(dreg)) => out.be32(attr::LOOKUP_DREG, dreg.number()),
                Some(LookupTo::Verdict) => out.be32(attr::LOOKUP_DREG, VERDICT_REGISTER),
                None => {}
            }
            if *inverted {
                out.be32(attr::LOOKUP_FLAGS, 1);
            }
        }
    }

    fn encode_action(&self, out: &mut Writer) {
        if let Self::PayloadSet { base, offset, len, sreg, checksum } = self {
            out.be32(attr::PAYLOAD_SREG, sreg.number());
            out.be32(attr::PAYLOAD_BASE, base.number());
            out.be32(attr::PAYLOAD_OFFSET, *offset);
            out.be32(attr::PAYLOAD_LEN, *len);
            out.be32(attr::PAYLOAD_CSUM_TYPE, u32::from(checksum.is_some()));
            out.be32(attr::PAYLOAD_CSUM_OFFSET, checksum.unwrap_or_default());
        }
        if let Self::Verdict(verdict) = self {
            out.be32(attr::IMMEDIATE_DREG, VERDICT_REGISTER);
            out.nest(attr::IMMEDIATE_DATA, |out| verdict.encode(out));
        }
        if let Self::Nat { kind, family, addr, port, flags } = self {
            out.be32(attr::NAT_TYPE, u32::from(*kind == NatKind::Destination));
            out.be32(attr::NAT_FAMILY, u32::from(family.number()));
            range([attr::NAT_ADDR_MIN, attr::NAT_ADDR_MAX], *addr, out);
            range([attr::NAT_PROTO_MIN, attr::NAT_PROTO_MAX], *port, out);
            nat_flags(attr::NAT_FLAGS, *flags, out);
        }
        if let Self::Masquerade { port, flags } = self {
            nat_flags(attr::MASQ_FLAGS, *flags, out);
            range([attr::MASQ_PROTO_MIN, attr::MASQ_PROTO_MAX], *port, out);
        }
        if let Self::Redirect { port, flags } = self {
            range([attr::REDIR_PROTO_MIN, attr::REDIR_PROTO_MAX], *port, out);
            nat_flags(attr::REDIR_FLAGS, *flags, out);
        }
    }
}

fn encode_ct(key: CtKey, kind: u16, reg: Reg, out: &mut Writer) {
    out.be32(attr::CT_KEY, key.number());
    out.be32(kind, reg.number());
    if let Some(direction) = key.direction() {
        out.attr(attr::CT_DIRECTION, &[direction]);
    }
}

fn encode_log(prefix: Option<&str>, target: LogTarget, out: &mut Writer) {
    if let Some(prefix) = prefix {
        out.string(attr::LOG_PREFIX, prefix);
    }
    match target {
        LogTarget::Level(level) => out.be32(attr::LOG_LEVEL, u32::from(level)),
        LogTarget::Group(group) => out.attr(attr::LOG_GROUP, &group.to_be_bytes()),
    }
}

fn encode_limit(limit: &Limit, out: &mut Writer) {
    out.be64(attr::LIMIT_RATE, limit.rate);
    out.be64(attr::LIMIT_UNIT, limit.seconds);
    out.be32(attr::LIMIT_BURST, limit.burst);
    out.be32(attr::LIMIT_TYPE, u32::from(limit.unit == LimitUnit::Bytes));
    out.be32(attr::LIMIT_FLAGS, u32::from(limit.over));
}

fn encode_reject(reject: Reject, out: &mut Writer) {
    let (kind, code) = match reject {
        Reject::Icmp(code) => (0, Some(code)),
        Reject::TcpReset => (1, None),
        Reject::Icmpx(code) => (2, Some(code.number())),
    };
    out.be32(attr::REJECT_TYPE, kind);
    if let Some(code) = code {
        out.attr(attr::REJECT_CODE, &[code]);
    }
}

/// `NFTA_DATA_VALUE` in a nest.
fn value(kind: u16, bytes: &[u8], out: &mut Writer) {
    out.nest(kind, |out| out.attr(data::VALUE, bytes));
}

fn range([min, max]: [u16; 2], range: Option<RegRange>, out: &mut Writer) {
    let Some(range) = range else { return };
    out.be32(min, range.min.number());
    if range.max != range.min {
        out.be32(max, range.max.number());
    }
}

fn nat_flags(kind: u16, flags: u32, out: &mut Writer) {
    if flags != 0 {
        out.be32(kind, flags);
    }
}

impl Verdict {
    /// `NFTA_DATA_VERDICT`, the content of a data attribute.
    pub(crate) fn encode(&self, out: &mut Writer) {
        let (code, chain) = match self {
            Self::Drop => (verdict::DROP, None),
            Self::Accept => (verdict::ACCEPT, None),
            Self::Continue => (verdict::CONTINUE, None),
            Self::Return => (verdict::RETURN, None),
            Self::Jump(chain) => (verdict::JUMP, Some(chain)),
            Self::Goto(chain) => (verdict::GOTO, Some(chain)),
        };
        out.nest(data::VERDICT, |out| {
            out.attr(data::VERDICT_CODE, &code.to_be_bytes());
            if let Some(chain) = chain {
                out.string(data::VERDICT_CHAIN, chain);
            }
        });
    }
}

impl PayloadBase {
    fn number(self) -> u32 {
        match self {
            Self::Link => 0,
            Self::Network => 1,
            Self::Transport => 2,
        }
    }

    pub(super) fn from_number(number: u32) -> Option<Self> {
        [Self::Link, Self::Network, Self::Transport].into_iter().find(|base| base.number() == number)
    }
}

impl CmpOp {
    fn number(self) -> u32 {
        match self {
            Self::Eq => 0,
            Self::Neq => 1,
            Self::Lt => 2,
            Self::Lte => 3,
            Self::Gt => 4,
            Self::Gte => 5,
        }
    }

    pub(super) fn from_number(number: u32) -> Option<Self> {
        let all = [Self::Eq, Self::Neq, Self::Lt, Self::Lte, Self::Gt, Self::Gte];
        all.into_iter().find(|op| op.number() == number)
    }
}

impl FibResult {
    fn number(self) -> u32 {
        match self {
            Self::Oif => 1,
            Self::Oifname => 2,
            Self::Type => 3,
        }
    }

    pub(super) fn from_number(number: u32) -> Option<Self> {
        [Self::Oif, Self::Oifname, Self::Type].into_iter().find(|result| result.number() == number)
    }
}

impl IcmpxCode {
    fn number(self) -> u8 {
        match self {
            Self::NoRoute => 0,
            Self::PortUnreachable => 1,
            Self::HostUnreachable => 2,
            Self::AdminProhibited => 3,
        }
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        let all = [Self::NoRoute, Self::PortUnreachable, Self::HostUnreachable, Self::AdminProhibited];
        all.into_iter().find(|code| code.number() == number)
    }
}

/// The expression that makes every element of a set count.
pub(crate) fn set_counter(out: &mut Writer) {
    out.nest(set::EXPR, |out| {
        out.string(attr::NAME, "counter");
        out.nest(attr::DATA, |_| {});
    });
}
