//! Our table in the words of `linux::nfnl`, and back.

use cnm::nft::{self, Statement};
use cnm::{Family, Proto};
use linux::nfnl::{
    AddrType, AnySet, Base, Chain, ChainType, Datum, Element, ElementKey, End, Field, Hook, Is, Key,
    ListError, NatKind, NatTo, Nfnl, Nfproto, Rule, Set, Table, Type, Value, Verdict, ct_state, ct_status,
};

/// IANA's protocol numbers.
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// Our table.
pub(super) fn table() -> Table {
    Table::new(linux::nfnl::Family::Inet, nft::TABLE)
}

/// A set or map of it.
pub(super) fn set(set: nft::Set) -> Set {
    let types: Vec<_> = set.key().iter().copied().map(kind).collect();
    let key = if set.is_interval() { Key::interval(types[0]) } else { Key::exact(types) };
    let key = key.expect("the keys of our sets fit");
    match set.data() {
        [] => Set::new(set.name(), key),
        data => {
            let data: Vec<_> = data.iter().copied().map(kind).collect();
            Set::map(set.name(), key, data).expect("the data of our maps fit")
        }
    }
}

/// A chain of it, without rules.
pub(super) fn chain(chain: &nft::Chain) -> Chain {
    let Some(nft::Base { kind, hook, priority }) = chain.base else { return Chain::regular(chain.name) };
    let kind = match kind {
        nft::Kind::Filter => ChainType::Filter,
        nft::Kind::Nat => ChainType::Nat,
    };
    let hook = match hook {
        nft::Hook::Prerouting => Hook::Prerouting,
        nft::Hook::Forward => Hook::Forward,
        nft::Hook::Output => Hook::Output,
        nft::Hook::Postrouting => Hook::Postrouting,
    };
    Chain::base(chain.name, Base::new(kind, hook, priority))
}

/// The rules of a chain of it.
pub(super) fn rules(chain: &nft::Chain) -> impl Iterator<Item = Rule> {
    chain.rules.iter().map(|rule| {
        let written = rule.statements.iter().fold(Rule::new(chain.name), statement);
        rule.comment.map_or(written.clone(), |comment| written.comment(comment))
    })
}

fn statement(rule: Rule, statement: &Statement) -> Rule {
    let is = |not: bool| if not { Is::Not } else { Is::Equal };
    match statement {
        Statement::Nfproto(family) => rule.nfproto(nfproto(*family)),
        Statement::L4proto(proto) => rule.l4proto(Is::Equal, proto.number()),
        Statement::Icmp(Family::V4) => rule.l4proto(Is::Equal, ICMP),
        Statement::Icmp(Family::V6) => rule.l4proto(Is::Equal, ICMPV6),
        Statement::NeighbourDiscovery => rule.icmpv6_type(135..=136),
        Statement::Net { field, not, net } => {
            let end = if matches!(field, nft::Field::Saddr(_)) { End::Source } else { End::Destination };
            rule.addr(end, is(*not), *net)
        }
        Statement::Link { field: nft::Field::Iifname, name } => rule.iifname(Is::Equal, name),
        Statement::Link { name, .. } => rule.oifname(Is::Equal, name),
        Statement::Lookup { fields, not, set } => rule.in_set(&columns(fields), is(*not), set.name()),
        Statement::Known => rule.ct_state(ct_state::ESTABLISHED | ct_state::RELATED),
        Statement::Invalid => rule.ct_state(ct_state::INVALID),
        Statement::Translated => rule.ct_status(ct_status::DNAT),
        Statement::ToHost => rule.addr_type(End::Destination, Is::Equal, AddrType::Local),
        Statement::Counter => rule.counter(),
        Statement::Verdict(nft::Verdict::Accept) => rule.verdict(Verdict::Accept),
        Statement::Verdict(nft::Verdict::Drop) => rule.verdict(Verdict::Drop),
        Statement::Verdict(nft::Verdict::Return) => rule.verdict(Verdict::Return),
        Statement::Verdict(nft::Verdict::Jump(chain)) => rule.verdict(Verdict::Jump((*chain).to_owned())),
        Statement::Dnat { family, fields, map } => {
            let to = if map.data().len() == 2 { NatTo::AddrPort } else { NatTo::Addr };
            rule.nat_map(NatKind::Destination, nfproto(*family), &columns(fields), (map.name(), to))
        }
        Statement::Snat { family, field, map } => {
            rule.nat_map(NatKind::Source, nfproto(*family), &columns(&[*field]), (map.name(), NatTo::Addr))
        }
        Statement::Masquerade => rule.masquerade(0),
    }
}

fn columns(fields: &[nft::Field]) -> Vec<Field> {
    let column = |field: &nft::Field| match field {
        nft::Field::Iifname => Field::Iifname,
        nft::Field::Oifname => Field::Oifname,
        nft::Field::L4proto => Field::L4proto,
        nft::Field::Dport => Field::Dport,
        nft::Field::Saddr(Family::V4) => Field::IpSaddr,
        nft::Field::Saddr(Family::V6) => Field::Ip6Saddr,
        nft::Field::Daddr(Family::V4) => Field::IpDaddr,
        nft::Field::Daddr(Family::V6) => Field::Ip6Daddr,
        nft::Field::Block(Family::V4, length) => Field::IpSaddrBlock(*length),
        nft::Field::Block(Family::V6, length) => Field::Ip6SaddrBlock(*length),
    };
    fields.iter().map(column).collect()
}

fn nfproto(family: Family) -> Nfproto {
    match family {
        Family::V4 => Nfproto::Ipv4,
        Family::V6 => Nfproto::Ipv6,
    }
}

fn kind(kind: nft::Type) -> Type {
    match kind {
        nft::Type::Ipv4Addr => Type::Ipv4Addr,
        nft::Type::Ipv6Addr => Type::Ipv6Addr,
        nft::Type::InetProto => Type::InetProto,
        nft::Type::InetService => Type::InetService,
        nft::Type::Ifname => Type::Ifname,
    }
}

/// Whether the kernel's table is exactly this one, apart from elements.
pub(super) fn is_whole(nfnl: &mut Nfnl, skeleton: &nft::Table) -> Result<bool, ListError> {
    let table = table();
    let mut sets: Vec<_> = skeleton.sets.iter().map(|wanted| set(*wanted)).collect();
    let mut found = Vec::new();
    for set in nfnl.sets(&table)? {
        match set {
            AnySet::Known(set) => found.push(set),
            AnySet::Foreign { .. } => return Ok(false),
        }
    }
    sets.sort();
    found.sort();
    let mut chains: Vec<_> = skeleton.chains.iter().map(chain).collect();
    let mut found_chains = nfnl.chains(&table)?;
    chains.sort();
    found_chains.sort();
    if sets != found || chains != found_chains {
        return Ok(false);
    }
    let entries = nfnl.rules(&table)?;
    Ok(skeleton.chains.iter().all(|chain| {
        let there: Vec<_> =
            entries.iter().map(|entry| &entry.rule).filter(|rule| rule.chain == chain.name).collect();
        let wanted: Vec<_> = rules(chain).collect();
        there.len() == wanted.len() && there.iter().zip(&wanted).all(|(there, wanted)| there.same(wanted))
    }))
}

/// An element by its key and data.
pub(super) fn element(key: &[nft::Value], data: &[nft::Value]) -> Element {
    let element = match key {
        [nft::Value::Ports(first, last)] => {
            Element::range(Value::InetService(*first), Value::InetService(*last))
        }
        [nft::Value::Net(net)] => Element::range(net.network().into(), net.broadcast().into()),
        key => Element::new(key.iter().map(value).collect::<Vec<_>>()),
    };
    if data.is_empty() { element } else { element.to(data.iter().map(value).collect::<Vec<_>>()) }
}

fn value(value: &nft::Value) -> Value {
    match value {
        nft::Value::Ifname(name) => Value::Ifname(name.clone()),
        nft::Value::Proto(proto) => Value::InetProto(proto.number()),
        nft::Value::Port(port) | nft::Value::Ports(port, _) => Value::InetService(*port),
        nft::Value::Addr(address) => (*address).into(),
        nft::Value::Net(net) => net.network().into(),
    }
}

/// Key and data of an element as the model has them; `None` for what we never write.
pub(super) fn read_element(set: nft::Set, element: &Element) -> Option<(Vec<nft::Value>, Vec<nft::Value>)> {
    let key = match &element.key {
        ElementKey::Exact(values) => values.iter().map(read).collect::<Option<Vec<_>>>()?,
        ElementKey::Range(first, last) => {
            let end = nft::Value::end(&last_of(set, read(last)?));
            vec![
                nft::Value::decode_interval(*set.key().first()?, &read(first)?.bytes(), end.as_deref())
                    .ok()?,
            ]
        }
    };
    let data = match &element.data {
        None => Vec::new(),
        Some(Datum::Values(values)) => values.iter().map(read).collect::<Option<Vec<_>>>()?,
        Some(Datum::Verdict(_)) => return None,
    };
    Some((key, data))
}

/// The last value of an interval as an interval of its own, whose end is the whole one's.
fn last_of(set: nft::Set, last: nft::Value) -> nft::Value {
    match (set.key(), last) {
        ([nft::Type::InetService], nft::Value::Port(port)) => nft::Value::Ports(port, port),
        (_, nft::Value::Addr(address)) => nft::Value::Net(address.into()),
        (_, last) => last,
    }
}

fn read(value: &Value) -> Option<nft::Value> {
    Some(match value {
        Value::Ipv4Addr(address) => nft::Value::Addr((*address).into()),
        Value::Ipv6Addr(address) => nft::Value::Addr((*address).into()),
        Value::InetProto(number) => nft::Value::Proto(Proto::from_number(*number)?),
        Value::InetService(port) => nft::Value::Port(*port),
        Value::Ifname(name) => nft::Value::Ifname(name.clone()),
        Value::EtherAddr(_) | Value::Mark(_) => return None,
    })
}
