//! What a chain of somebody else's does with a packet: drops it, may drop it, or not.
//!
//! A rule is run over what is known of the packet. What is not known of it, or of
//! the rule, neither matches nor fails for certain: its drop is one that may be.

use std::{collections::BTreeMap, net::IpAddr};

use linux::nfnl::{
    Chain, CmpOp, CtKey, Expr, LookupTo, MetaKey, PayloadBase, Policy, Reg, RuleEntry, Verdict,
};

/// The longest chain of jumps that is followed; the kernel has 16 as well.
const DEPTH: usize = 16;

/// What is known of a packet that starts a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Packet {
    /// IPv6 instead of IPv4.
    pub v6: bool,
    /// The link it comes by; empty if it is the host's own.
    pub iif: Option<String>,
    /// The link it leaves by; empty if it is for the host.
    pub oif: Option<String>,
    pub source: Option<IpAddr>,
    pub destination: Option<IpAddr>,
    /// As IANA numbers it.
    pub proto: Option<u8>,
    pub port: Option<u16>,
    /// Whether its destination was translated.
    pub translated: bool,
}

/// Which rule drops: its chain and handle, or the policy of a base chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    pub chain: String,
    /// Absent for a policy.
    pub handle: Option<u64>,
    /// Whether all such packets are dropped, as far as is known of them.
    pub certain: bool,
}

/// What the rules of a table do with a packet that enters the base chain; nothing if it passes.
pub(super) fn judge(base: &Chain, rules: &[RuleEntry], packet: &Packet) -> Option<Rule> {
    let mut walk = Walk { rules, packet, found: None, certain: true };
    let ended = walk.chain(&base.name, DEPTH);
    let policy = base.base.as_ref().map_or(Policy::Accept, |base| base.policy);
    if policy == Policy::Drop && !ended {
        walk.drop(&base.name, None, walk.certain);
    }
    walk.found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Match {
    Yes,
    No,
    Maybe,
}

struct Walk<'a> {
    rules: &'a [RuleEntry],
    packet: &'a Packet,
    found: Option<Rule>,
    /// Whether every packet of the kind gets here.
    certain: bool,
}

impl Walk<'_> {
    fn drop(&mut self, chain: &str, handle: Option<u64>, certain: bool) {
        if certain || self.found.is_none() {
            self.found = Some(Rule { chain: chain.to_owned(), handle, certain });
        }
    }

    /// Whether the packet's way through the base chain ends here for certain.
    fn chain(&mut self, name: &str, depth: usize) -> bool {
        if depth == 0 {
            self.certain = false;
            return false;
        }
        for entry in self.rules.iter().filter(|entry| entry.rule.chain == name) {
            let (matches, verdict) = run(&entry.rule.exprs, self.packet);
            if matches == Match::No {
                continue;
            }
            let before = self.certain;
            let sure = before && matches == Match::Yes;
            match verdict {
                None | Some(Verdict::Continue) => {}
                Some(Verdict::Drop) => {
                    self.drop(name, Some(entry.handle), sure);
                    if sure {
                        return true;
                    }
                }
                Some(Verdict::Accept) if sure => return true,
                Some(Verdict::Return) if sure => return false,
                Some(Verdict::Accept | Verdict::Return) => self.certain = false,
                Some(Verdict::Jump(to) | Verdict::Goto(to)) => {
                    self.certain = sure;
                    let ended = self.chain(&to, depth - 1);
                    let went = matches!(entry.rule.exprs.last(), Some(Expr::Verdict(Verdict::Goto(_))));
                    if sure && (ended || went) {
                        return ended;
                    }
                    // Packets that were not led there go on here.
                    self.certain &= before;
                }
            }
        }
        false
    }
}

/// Runs a rule: whether it matches, and its verdict. A refusal is a drop.
fn run(exprs: &[Expr], packet: &Packet) -> (Match, Option<Verdict>) {
    let mut registers: BTreeMap<Reg, Option<Vec<u8>>> = BTreeMap::new();
    let mut matches = Match::Yes;
    for expr in exprs {
        let one = match expr {
            Expr::Verdict(verdict) => return (matches, Some(verdict.clone())),
            Expr::Reject(_) => return (matches, Some(Verdict::Drop)),
            Expr::Meta { key, dreg } => load(&mut registers, *dreg, meta(*key, packet)),
            Expr::Payload { base, offset, len, dreg } => {
                load(&mut registers, *dreg, payload(packet, *base, *offset, *len))
            }
            Expr::Ct { key, dreg } => load(&mut registers, *dreg, ct(*key, packet)),
            Expr::Immediate { dreg, data } => load(&mut registers, *dreg, Some(data.clone())),
            Expr::Fib { dreg, .. } => load(&mut registers, *dreg, None),
            Expr::Bitwise { sreg, dreg, mask, xor } => {
                let source = registers.get(sreg).cloned().flatten();
                load(&mut registers, *dreg, source.map(|source| bitwise(&source, mask, xor)))
            }
            Expr::Cmp { op, sreg, data } => with(&registers, *sreg, |value| compare(*op, value, data)),
            Expr::Range { sreg, inverted, from, to } => with(&registers, *sreg, |value| {
                let value = value.get(..from.len()).unwrap_or(value);
                (from.as_slice() <= value && value <= to.as_slice()) != *inverted
            }),
            Expr::Lookup { dreg: Some(LookupTo::Reg(dreg)), .. } => {
                load(&mut registers, *dreg, None);
                Match::Maybe
            }
            Expr::Lookup { .. } | Expr::Limit(_) => Match::Maybe,
            Expr::Unknown(name) if name == "match" => Match::Maybe,
            Expr::MetaSet { .. }
            | Expr::PayloadSet { .. }
            | Expr::CtSet { .. }
            | Expr::Nat { .. }
            | Expr::Masquerade { .. }
            | Expr::Redirect { .. }
            | Expr::Counter(_)
            | Expr::Log { .. }
            | Expr::Notrack
            | Expr::Unknown(_) => Match::Yes,
        };
        match one {
            Match::No => return (Match::No, None),
            Match::Maybe => matches = Match::Maybe,
            Match::Yes => {}
        }
    }
    (matches, None)
}

fn load(registers: &mut BTreeMap<Reg, Option<Vec<u8>>>, reg: Reg, value: Option<Vec<u8>>) -> Match {
    registers.insert(reg, value);
    Match::Yes
}

fn with(registers: &BTreeMap<Reg, Option<Vec<u8>>>, reg: Reg, test: impl Fn(&[u8]) -> bool) -> Match {
    match registers.get(&reg) {
        Some(Some(value)) if test(value) => Match::Yes,
        Some(Some(_)) => Match::No,
        _ => Match::Maybe,
    }
}

/// Compares as many bytes as the rule has: the beginning of a link's name is compared so.
fn compare(op: CmpOp, value: &[u8], data: &[u8]) -> bool {
    let order = value.get(..data.len()).unwrap_or(value).cmp(data);
    match op {
        CmpOp::Eq => order.is_eq(),
        CmpOp::Neq => order.is_ne(),
        CmpOp::Lt => order.is_lt(),
        CmpOp::Lte => order.is_le(),
        CmpOp::Gt => order.is_gt(),
        CmpOp::Gte => order.is_ge(),
    }
}

fn bitwise(source: &[u8], mask: &[u8], xor: &[u8]) -> Vec<u8> {
    let parts = source.iter().zip(mask).zip(xor);
    parts.map(|((source, mask), xor)| (source & mask) ^ xor).collect()
}

/// `NFPROTO_IPV4`, `NFPROTO_IPV6`; their ethertypes.
fn meta(key: MetaKey, packet: &Packet) -> Option<Vec<u8>> {
    let name = |name: &Option<String>| {
        let mut bytes = name.clone()?.into_bytes();
        bytes.resize(16, 0);
        Some(bytes)
    };
    match key {
        MetaKey::Nfproto => Some(vec![if packet.v6 { 10 } else { 2 }]),
        MetaKey::Protocol => Some(if packet.v6 { vec![0x86, 0xdd] } else { vec![0x08, 0x00] }),
        MetaKey::L4proto => packet.proto.map(|proto| vec![proto]),
        MetaKey::Iifname => name(&packet.iif),
        MetaKey::Oifname => name(&packet.oif),
        MetaKey::Mark
        | MetaKey::Nftrace
        | MetaKey::BriIifname
        | MetaKey::BriOifname
        | MetaKey::Pkttype
        | MetaKey::Other(_) => None,
    }
}

fn ct(key: CtKey, packet: &Packet) -> Option<Vec<u8>> {
    use linux::nfnl::{ct_state, ct_status};
    match key {
        CtKey::State => Some(ct_state::NEW.to_ne_bytes().to_vec()),
        CtKey::Status => Some((if packet.translated { ct_status::DNAT } else { 0 }).to_ne_bytes().to_vec()),
        CtKey::Mark
        | CtKey::OriginalPortDst
        | CtKey::OriginalIpDst
        | CtKey::OriginalIp6Dst
        | CtKey::Other(_) => None,
    }
}

/// Bytes of the headers, as far as they are known: RFC 791, RFC 8200; ports are at the same place in all protocols.
fn payload(packet: &Packet, base: PayloadBase, offset: u32, len: u32) -> Option<Vec<u8>> {
    let mut header: Vec<Option<u8>> = vec![None; 64];
    let mut put = |at: usize, bytes: &[u8]| {
        header.iter_mut().skip(at).zip(bytes).for_each(|(byte, known)| *byte = Some(*known));
    };
    match base {
        PayloadBase::Network => {
            let (proto, source, destination) = if packet.v6 { (6, 8, 24) } else { (9, 12, 16) };
            packet.proto.iter().for_each(|number| put(proto, &[*number]));
            packet.source.iter().for_each(|address| put(source, &octets(*address)));
            packet.destination.iter().for_each(|address| put(destination, &octets(*address)));
        }
        PayloadBase::Transport => packet.port.iter().for_each(|port| put(2, &port.to_be_bytes())),
        PayloadBase::Link => {}
    }
    let from = usize::try_from(offset).ok()?;
    header.get(from..from + usize::try_from(len).ok()?)?.iter().copied().collect()
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use linux::nfnl::{Base, ChainType, End, Hook, Is, Rule as Written};

    use super::*;

    const REFUSED: linux::nfnl::Reject = linux::nfnl::Reject::Icmpx(linux::nfnl::IcmpxCode::NoRoute);

    fn base(policy: Policy) -> Chain {
        let base = Base { policy, ..Base::new(ChainType::Filter, Hook::Forward, 0) };
        Chain::base("forward", base)
    }

    fn forward() -> Written {
        Written::new("forward")
    }

    /// Into 10.0.0.2 by `p0`, translated.
    #[track_caller]
    fn check(policy: Policy, rules: &[Written], expected: Option<(&str, Option<u64>, bool)>) {
        let packet = Packet {
            iif: Some("wire".to_owned()),
            oif: Some("p0".to_owned()),
            destination: Some([10, 0, 0, 2].into()),
            proto: Some(6),
            port: Some(80),
            translated: true,
            ..Packet::default()
        };
        let rules: Vec<_> =
            (1..).zip(rules).map(|(handle, rule)| RuleEntry { handle, rule: rule.clone() }).collect();
        let got = judge(&base(policy), &rules, &packet);
        let expected =
            expected.map(|(chain, handle, certain)| Rule { chain: chain.to_owned(), handle, certain });
        assert_eq!(got, expected);
    }

    #[test]
    fn policies_and_rules_drop() {
        let (accept, drop) =
            (|rule: Written| rule.verdict(Verdict::Accept), |rule: Written| rule.verdict(Verdict::Drop));
        let certain = |handle| Some(("forward", handle, true));
        let known = linux::nfnl::ct_state::ESTABLISHED;
        check(Policy::Accept, &[], None);
        check(Policy::Drop, &[], certain(None));
        check(Policy::Drop, &[accept(forward().oifname(Is::Equal, "p0"))], None);
        check(Policy::Drop, &[accept(forward().oifname(Is::Equal, "p1"))], certain(None));
        check(Policy::Drop, &[accept(forward().ct_state(known))], certain(None));
        check(Policy::Drop, &[accept(forward().ct_status(linux::nfnl::ct_status::DNAT))], None);
        check(Policy::Accept, &[drop(forward())], certain(Some(1)));
        check(Policy::Accept, &[drop(forward().iifname(Is::Equal, "p9"))], None);
        check(Policy::Accept, &[drop(forward().iifname(Is::Not, "p9"))], certain(Some(1)));
        check(Policy::Accept, &[drop(forward().port(End::Destination, Is::Equal, 81))], None);
        check(Policy::Accept, &[drop(forward().port(End::Destination, Is::Equal, 80))], certain(Some(1)));
        let of = |net: &str| forward().addr(End::Destination, Is::Equal, net.parse().expect("a network"));
        check(Policy::Accept, &[drop(of("10.0.0.0/8"))], certain(Some(1)));
        check(Policy::Accept, &[drop(of("10.1.0.0/16"))], None);
        check(Policy::Accept, &[drop(of("10.0.0.0/25"))], certain(Some(1)));
        let from = forward().addr(End::Source, Is::Equal, "192.0.2.0/24".parse().expect("a network"));
        check(Policy::Accept, &[drop(from.clone())], Some(("forward", Some(1), false)));
        check(Policy::Drop, &[accept(from)], Some(("forward", None, false)));
    }

    #[test]
    fn jumps_are_followed() {
        let to = |verdict| forward().verdict(verdict);
        let own = |rule: Written| rule.verdict(Verdict::Drop);
        let jump = || to(Verdict::Jump("own".to_owned()));
        check(Policy::Accept, &[jump(), own(Written::new("own"))], Some(("own", Some(2), true)));
        check(Policy::Drop, &[jump(), Written::new("own").verdict(Verdict::Accept)], None);
        check(
            Policy::Drop,
            &[jump(), Written::new("own").verdict(Verdict::Return)],
            Some(("forward", None, true)),
        );
        let goto = to(Verdict::Goto("own".to_owned()));
        check(Policy::Drop, &[goto, to(Verdict::Accept)], Some(("forward", None, true)));
        let endless = Written::new("own").verdict(Verdict::Jump("own".to_owned()));
        check(Policy::Accept, &[jump(), endless], None);
        check(Policy::Accept, &[forward().reject(REFUSED)], Some(("forward", Some(1), true)));
    }
}
