//! Attributes to expressions.
//!
//! What is not known becomes [`Expr::Unknown`]; a rule that somebody else wrote
//! may hold anything.

use super::super::attr::{Attr, Attrs, Malformed, malformed};
use super::super::uapi::{data, expr as attr, verdict};
use super::super::value::Verdict;
use super::{
    CT_KEYS, CmpOp, Counter, CtKey, Expr, FibResult, IcmpxCode, Limit, LimitUnit, LogTarget, LookupTo,
    META_KEYS, MetaKey, NatKind, Nfproto, PayloadBase, Reg, RegRange, Reject, nat_flags,
};

impl Expr {
    /// Reads the content of one `NFTA_LIST_ELEM`.
    pub(crate) fn decode(attrs: Attrs<'_>) -> Result<Self, Malformed> {
        let name = attrs.find(attr::NAME)?.ok_or(malformed("an expression without a name"))?.string()?;
        let fields = match attrs.find(attr::DATA)? {
            Some(fields) => Fields(fields.nested()),
            None => Fields(Attrs(&[])),
        };
        let known = match name {
            "immediate" => fields.immediate()?,
            "meta" => fields.meta()?,
            "ct" => fields.ct()?,
            "payload" => fields.payload()?,
            "cmp" => fields.cmp()?,
            "range" => fields.range_test()?,
            "bitwise" => fields.bitwise()?,
            "fib" => fields.fib()?,
            "lookup" => fields.lookup()?,
            "nat" => fields.nat()?,
            "masq" => fields.masquerade()?,
            "redir" => fields.redirect()?,
            "counter" => Some(Self::Counter(fields.counter()?)),
            "log" => fields.log()?,
            "limit" => fields.limit()?,
            "reject" => fields.reject()?,
            "notrack" => Some(Self::Notrack),
            _ => None,
        };
        Ok(known.unwrap_or_else(|| Self::Unknown(name.to_owned())))
    }
}

/// The attributes of one expression.
///
/// Its methods answer `None` for what the kernel may well say but this module
/// does not know, and an error for what the kernel never says.
#[derive(Clone, Copy)]
struct Fields<'a>(Attrs<'a>);

type Known<T> = Result<Option<T>, Malformed>;

impl<'a> Fields<'a> {
    fn be32(self, kind: u16) -> Known<u32> {
        self.0.find(kind)?.map(|attr| attr.be32()).transpose()
    }

    fn be64(self, kind: u16) -> Result<u64, Malformed> {
        Ok(self.0.find(kind)?.map(|attr| attr.be64()).transpose()?.unwrap_or(0))
    }

    fn reg(self, kind: u16) -> Known<Reg> {
        Ok(self.be32(kind)?.and_then(Reg::from_number))
    }

    fn value(self, kind: u16) -> Known<Vec<u8>> {
        let Some(attr) = self.0.find(kind)? else { return Ok(None) };
        Ok(attr.nested().find(data::VALUE)?.map(|value| value.payload.to_vec()))
    }

    fn range(self, [min, max]: [u16; 2]) -> Known<RegRange> {
        let Some(min) = self.reg(min)? else { return Ok(None) };
        Ok(Some(RegRange { min, max: self.reg(max)?.unwrap_or(min) }))
    }

    fn nat_flags(self, kind: u16) -> Result<u32, Malformed> {
        Ok(self.be32(kind)?.unwrap_or(0) & nat_flags::SETTABLE)
    }

    fn immediate(self) -> Known<Expr> {
        if let Some(dreg) = self.reg(attr::IMMEDIATE_DREG)? {
            return Ok(self.value(attr::IMMEDIATE_DATA)?.map(|data| Expr::Immediate { dreg, data }));
        }
        let Some(data) = self.0.find(attr::IMMEDIATE_DATA)? else { return Ok(None) };
        Ok(Verdict::decode(data.nested())?.map(Expr::Verdict))
    }

    fn meta(self) -> Known<Expr> {
        let Some(number) = self.be32(attr::META_KEY)? else { return Ok(None) };
        let known = META_KEYS.iter().find(|(_, of_key)| *of_key == number);
        let key = known.map_or(MetaKey::Other(number), |(key, _)| *key);
        if let Some(sreg) = self.reg(attr::META_SREG)? {
            return Ok(Some(Expr::MetaSet { key, sreg }));
        }
        Ok(self.reg(attr::META_DREG)?.map(|dreg| Expr::Meta { key, dreg }))
    }

    fn ct(self) -> Known<Expr> {
        let Some(number) = self.be32(attr::CT_KEY)? else { return Ok(None) };
        let direction = self.0.find(attr::CT_DIRECTION)?.map(|attr| attr.byte()).transpose()?;
        let known = CT_KEYS.iter().find(|(_, of_key)| *of_key == number);
        let key = known.map_or(CtKey::Other(number), |(key, _)| *key);
        if key.direction() != direction {
            return Ok(None);
        }
        if let Some(sreg) = self.reg(attr::CT_SREG)? {
            return Ok(Some(Expr::CtSet { key, sreg }));
        }
        Ok(self.reg(attr::CT_DREG)?.map(|dreg| Expr::Ct { key, dreg }))
    }

    fn payload(self) -> Known<Expr> {
        let base = self.be32(attr::PAYLOAD_BASE)?.and_then(PayloadBase::from_number);
        let (offset, len) = (self.be32(attr::PAYLOAD_OFFSET)?, self.be32(attr::PAYLOAD_LEN)?);
        let (Some(base), Some(offset), Some(len)) = (base, offset, len) else { return Ok(None) };
        if let Some(sreg) = self.reg(attr::PAYLOAD_SREG)? {
            let kind = self.be32(attr::PAYLOAD_CSUM_TYPE)?.unwrap_or_default();
            let at = self.be32(attr::PAYLOAD_CSUM_OFFSET)?.unwrap_or_default();
            let checksum = (kind == 1).then_some(at);
            return Ok((kind <= 1).then_some(Expr::PayloadSet { base, offset, len, sreg, checksum }));
        }
        Ok(self.reg(attr::PAYLOAD_DREG)?.map(|dreg| Expr::Payload { base, offset, len, dreg }))
    }

    fn cmp(self) -> Known<Expr> {
        let op = self.be32(attr::CMP_OP)?.and_then(CmpOp::from_number);
        let (sreg, data) = (self.reg(attr::CMP_SREG)?, self.value(attr::CMP_DATA)?);
        let (Some(op), Some(sreg), Some(data)) = (op, sreg, data) else { return Ok(None) };
        Ok(Some(Expr::Cmp { op, sreg, data }))
    }

    fn range_test(self) -> Known<Expr> {
        let inverted = match self.be32(attr::RANGE_OP)? {
            Some(0) => false,
            Some(1) => true,
            _ => return Ok(None),
        };
        let sreg = self.reg(attr::RANGE_SREG)?;
        let (from, to) = (self.value(attr::RANGE_FROM)?, self.value(attr::RANGE_TO)?);
        let (Some(sreg), Some(from), Some(to)) = (sreg, from, to) else { return Ok(None) };
        Ok(Some(Expr::Range { sreg, inverted, from, to }))
    }

    fn bitwise(self) -> Known<Expr> {
        if self.be32(attr::BITWISE_OP)?.unwrap_or(0) != 0 {
            return Ok(None);
        }
        let (sreg, dreg) = (self.reg(attr::BITWISE_SREG)?, self.reg(attr::BITWISE_DREG)?);
        let (mask, xor) = (self.value(attr::BITWISE_MASK)?, self.value(attr::BITWISE_XOR)?);
        let (Some(sreg), Some(dreg), Some(mask), Some(xor)) = (sreg, dreg, mask, xor) else {
            return Ok(None);
        };
        Ok(Some(Expr::Bitwise { sreg, dreg, mask, xor }))
    }

    fn fib(self) -> Known<Expr> {
        let result = self.be32(attr::FIB_RESULT)?.and_then(FibResult::from_number);
        let (flags, dreg) = (self.be32(attr::FIB_FLAGS)?, self.reg(attr::FIB_DREG)?);
        let (Some(result), Some(flags), Some(dreg)) = (result, flags, dreg) else { return Ok(None) };
        Ok(Some(Expr::Fib { result, flags, dreg }))
    }

    fn lookup(self) -> Known<Expr> {
        let (set, sreg) = (self.0.find(attr::LOOKUP_SET)?, self.reg(attr::LOOKUP_SREG)?);
        let (Some(set), Some(sreg)) = (set, sreg) else { return Ok(None) };
        let dreg = match self.be32(attr::LOOKUP_DREG)? {
            None => None,
            Some(0) => Some(LookupTo::Verdict),
            Some(number) => Reg::from_number(number).map(LookupTo::Reg),
        };
        let inverted = self.be32(attr::LOOKUP_FLAGS)?.unwrap_or(0) & 1 == 1;
        Ok(Some(Expr::Lookup { set: set.string()?.to_owned(), sreg, dreg, inverted }))
    }

    fn nat(self) -> Known<Expr> {
        let kind = match self.be32(attr::NAT_TYPE)? {
            Some(0) => NatKind::Source,
            Some(1) => NatKind::Destination,
            _ => return Ok(None),
        };
        let family = match self.be32(attr::NAT_FAMILY)? {
            Some(2) => Nfproto::Ipv4,
            Some(10) => Nfproto::Ipv6,
            _ => return Ok(None),
        };
        let addr = self.range([attr::NAT_ADDR_MIN, attr::NAT_ADDR_MAX])?;
        let port = self.range([attr::NAT_PROTO_MIN, attr::NAT_PROTO_MAX])?;
        let flags = self.nat_flags(attr::NAT_FLAGS)?;
        Ok(Some(Expr::Nat { kind, family, addr, port, flags }))
    }

    fn masquerade(self) -> Known<Expr> {
        let port = self.range([attr::MASQ_PROTO_MIN, attr::MASQ_PROTO_MAX])?;
        Ok(Some(Expr::Masquerade { port, flags: self.nat_flags(attr::MASQ_FLAGS)? }))
    }

    fn redirect(self) -> Known<Expr> {
        let port = self.range([attr::REDIR_PROTO_MIN, attr::REDIR_PROTO_MAX])?;
        Ok(Some(Expr::Redirect { port, flags: self.nat_flags(attr::REDIR_FLAGS)? }))
    }

    fn counter(self) -> Result<Counter, Malformed> {
        Ok(Counter { packets: self.be64(attr::COUNTER_PACKETS)?, bytes: self.be64(attr::COUNTER_BYTES)? })
    }

    fn log(self) -> Known<Expr> {
        let prefix = self.0.find(attr::LOG_PREFIX)?.map(|attr| attr.string()).transpose()?;
        let prefix = prefix.map(str::to_owned);
        let target = match self.0.find(attr::LOG_GROUP)? {
            Some(group) => LogTarget::Group(group.be16()?),
            None => match u8::try_from(self.be32(attr::LOG_LEVEL)?.unwrap_or(4)) {
                Ok(level) => LogTarget::Level(level),
                Err(_) => return Ok(None),
            },
        };
        Ok(Some(Expr::Log { prefix, target }))
    }

    fn limit(self) -> Known<Expr> {
        let unit = match self.be32(attr::LIMIT_TYPE)? {
            Some(0) => LimitUnit::Packets,
            Some(1) => LimitUnit::Bytes,
            _ => return Ok(None),
        };
        Ok(Some(Expr::Limit(Limit {
            rate: self.be64(attr::LIMIT_RATE)?,
            unit,
            seconds: self.be64(attr::LIMIT_UNIT)?,
            burst: self.be32(attr::LIMIT_BURST)?.unwrap_or(0),
            over: self.be32(attr::LIMIT_FLAGS)?.unwrap_or(0) & 1 == 1,
        })))
    }

    fn reject(self) -> Known<Expr> {
        let code = self.0.find(attr::REJECT_CODE)?.map(|attr: Attr<'a>| attr.byte()).transpose()?;
        let reject = match (self.be32(attr::REJECT_TYPE)?, code) {
            (Some(0), Some(code)) => Some(Reject::Icmp(code)),
            (Some(1), _) => Some(Reject::TcpReset),
            (Some(2), Some(code)) => IcmpxCode::from_number(code).map(Reject::Icmpx),
            _ => None,
        };
        Ok(reject.map(Expr::Reject))
    }
}

/// The counter among the expressions of a set element.
pub(crate) fn element_counter(attrs: Attrs<'_>) -> Known<Counter> {
    let Expr::Counter(counter) = Expr::decode(attrs)? else { return Ok(None) };
    Ok(Some(counter))
}

impl Verdict {
    /// Reads the content of a data attribute; none if it is a value or unknown here.
    pub(crate) fn decode(attrs: Attrs<'_>) -> Known<Self> {
        let Some(attr) = attrs.find(data::VERDICT)? else { return Ok(None) };
        let Some(code) = attr.nested().find(data::VERDICT_CODE)? else { return Ok(None) };
        let chain = match attr.nested().find(data::VERDICT_CHAIN)? {
            Some(chain) => chain.string()?.to_owned(),
            None => String::new(),
        };
        Ok(match i32::from_be_bytes(code.array("a verdict")?) {
            verdict::DROP => Some(Self::Drop),
            verdict::ACCEPT => Some(Self::Accept),
            verdict::CONTINUE => Some(Self::Continue),
            verdict::RETURN => Some(Self::Return),
            verdict::JUMP => Some(Self::Jump(chain)),
            verdict::GOTO => Some(Self::Goto(chain)),
            _ => None,
        })
    }
}
