//! The chains and rules of our table, the same on every host.
//!
//! What they mean is in `docs/nftables/`. In short: a base chain of ours
//! accepts by default, drops only what enters or leaves one of our bridges, and
//! finds everything it must know in sets.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Base, Chain, Field, Hook, Kind, Rule, Set, Statement, Table, Verdict};
use crate::{
    Family, Proto,
    access::{LENGTHS4, LENGTHS6},
};

use Family::{V4, V6};
use Field::{Block, Daddr, Dport, Iifname, L4proto, Oifname, Saddr};
use Statement::{
    Counter, Dnat, Icmp, Invalid, Known, Link, Lookup, Masquerade, NeighbourDiscovery, Net, Nfproto, Snat,
    ToHost, Translated,
};

const ACCEPT: Statement = Statement::Verdict(Verdict::Accept);
const DROP: Statement = Statement::Verdict(Verdict::Drop);
const PUBLISH4: &str = "publish_ipv4";
const PUBLISH6: &str = "publish_ipv6";
const SOURCES4: &str = "sources_ipv4";
const SOURCES6: &str = "sources_ipv6";

/// Our table without elements.
pub fn skeleton() -> Table {
    let chains = vec![
        chain("raw", Kind::Filter, Hook::Prerouting, -300, raw()),
        chain("prerouting", Kind::Nat, Hook::Prerouting, -100, prerouting()),
        chain("output", Kind::Nat, Hook::Output, -100, output()),
        Chain { name: PUBLISH4, base: None, rules: publish(V4) },
        Chain { name: PUBLISH6, base: None, rules: publish(V6) },
        Chain { name: SOURCES4, base: None, rules: sources(V4) },
        Chain { name: SOURCES6, base: None, rules: sources(V6) },
        chain("forward", Kind::Filter, Hook::Forward, 0, forward()),
        chain("postrouting", Kind::Nat, Hook::Postrouting, 100, postrouting()),
    ];
    Table { sets: Set::ALL.to_vec(), chains }
}

/// Our bridges route loopback addresses for the host's own sake
/// (`route_localnet`). What comes out of a sandbox must not profit from it.
fn raw() -> Vec<Rule> {
    let loopback = |field| Net { field, not: false, net: loopback4() };
    let from_us = || lookup(&[Iifname], Set::Bridges);
    vec![
        drop("to the host's loopback", [Nfproto(V4), loopback(Daddr(V4)), from_us()]),
        drop("from a loopback address", [Nfproto(V4), loopback(Saddr(V4)), from_us()]),
    ]
}

/// From the wire and from our bridges. A port that is published on a loopback
/// address is not for them. A link-local client could not be answered.
///
/// What networks without egress may not send to the host is dropped here: the chain sees the
/// first packet of a flow only, and none of neighbour discovery, so that it costs others nothing.
fn prerouting() -> Vec<Rule> {
    let from = |set| lookup(&[Iifname], set);
    vec![
        drop("to the host, out of a network without egress", [from(Set::EgressNone), ToHost]),
        rule([Nfproto(V4), Net { field: Daddr(V4), not: true, net: loopback4() }, ToHost, jump(PUBLISH4)]),
        rule([Nfproto(V6), Net { field: Saddr(V6), not: true, net: link_local6() }, ToHost, jump(PUBLISH6)]),
        drop("to the host, out of a network for the internet only", [from(Set::EgressInternet), ToHost]),
    ]
}

/// From the host itself. The kernel does not route `::1` (there is no
/// `route_localnet` for IPv6); connections to it are spliced by the engine.
fn output() -> Vec<Rule> {
    vec![
        rule([Nfproto(V4), ToHost, jump(PUBLISH4)]),
        rule([Nfproto(V6), Net { field: Daddr(V6), not: true, net: loopback6() }, ToHost, jump(PUBLISH6)]),
    ]
}

/// Exact ports first, most of them are; then those of one address; then ranges.
fn publish(family: Family) -> Vec<Rule> {
    let range = |proto| {
        let to = Dnat { family, fields: vec![Dport], map: Set::Range(family, proto) };
        rule([Statement::L4proto(proto), to])
    };
    let exact = Dnat { family, fields: vec![L4proto, Dport], map: Set::Publish(family) };
    let fields = vec![Daddr(family), L4proto, Dport];
    let address = Dnat { family, fields, map: Set::PublishAddr(family) };
    vec![
        rule([exact]),
        rule([Nfproto(family), address]),
        range(Proto::Tcp),
        range(Proto::Udp),
        range(Proto::Sctp),
    ]
}

/// Whether the client may reach a port that not everybody reaches: by its link, as a local one, or by
/// its address, cut to each length that networks are listed with.
fn sources(family: Family) -> Vec<Rule> {
    let port = || [Daddr(family), L4proto, Dport];
    let allowed = |field, set| {
        let fields: Vec<_> = std::iter::once(field).chain(port()).collect();
        rule([Nfproto(family), lookup(&fields, set), Statement::Verdict(Verdict::Return)])
    };
    let local = lookup(&[Saddr(family)], Set::Local(family));
    let from_local = lookup(&port(), Set::AllowLocal(family));
    let lengths: &[u8] = if family == V4 { &LENGTHS4 } else { &LENGTHS6 };
    let listed = lengths.iter().map(|length| allowed(Block(family, *length), Set::Allow(family, *length)));
    let mut rules = vec![
        allowed(Iifname, Set::AllowLink(family)),
        rule([Nfproto(family), from_local, local, Statement::Verdict(Verdict::Return)]),
    ];
    rules.extend(listed);
    rules.push(drop("not from an allowed source", []));
    rules
}

/// Isolation is the default: what enters a bridge of ours was sent from it
/// before, or to a published port, or the bridges talk. Networks that are routed or open,
/// and links that are trusted, are exceptions.
fn forward() -> Vec<Rule> {
    let entering = || lookup(&[Oifname], Set::Bridges);
    let open = |family| rule([Nfproto(family), lookup(&[Oifname], Set::Open(family)), ACCEPT]);
    let to_routed = |family| lookup(&[Oifname], Set::Routed(family));
    let published = |family| lookup(&[Daddr(family), L4proto, Dport], Set::Reach(family));
    let routed = |family| rule([Nfproto(family), to_routed(family), published(family), ACCEPT]);
    let trusted = || lookup(&[Iifname, Oifname], Set::Trusted);
    let limited = |family, chain| {
        let port = lookup(&[Daddr(family), L4proto, Dport], Set::Limited(family));
        rule([Nfproto(family), port, jump(chain)])
    };
    let local = |family| {
        let to = lookup(&[Daddr(family)], Set::Local(family));
        let reason = "to a local network, out of a network for the internet only";
        drop(reason, [lookup(&[Iifname], Set::EgressInternet), Nfproto(family), to])
    };
    vec![
        rule([Known, ACCEPT]),
        rule([lookup(&[Iifname, Oifname], Set::Talk), ACCEPT]),
        drop("out of an internal network", [lookup(&[Iifname], Set::Internal)]),
        drop("into an internal network", [lookup(&[Oifname], Set::Internal)]),
        // Bridged frames that pass netfilter are packets of IPv6 here, as ARP is none of IPv4: without
        // it nobody apart could answer what a published port leads to it.
        rule([lookup(&[Iifname, Oifname], Set::Apart), NeighbourDiscovery, ACCEPT]),
        drop("out of a network without egress", [lookup(&[Iifname], Set::EgressNone)]),
        limited(V4, SOURCES4),
        limited(V6, SOURCES6),
        rule([entering(), Translated, ACCEPT]),
        drop("between endpoints that may not talk", [lookup(&[Iifname, Oifname], Set::Apart)]),
        local(V4),
        local(V6),
        open(V4),
        open(V6),
        rule([Nfproto(V4), to_routed(V4), Icmp(V4), ACCEPT]),
        rule([Nfproto(V6), to_routed(V6), Icmp(V6), ACCEPT]),
        routed(V4),
        routed(V6),
        rule([trusted(), Nfproto(V4), published(V4), ACCEPT]),
        rule([trusted(), Nfproto(V6), published(V6), ACCEPT]),
        drop("not published", [entering()]),
        drop("of no flow", [lookup(&[Iifname], Set::Bridges), Invalid]),
    ]
}

/// Servers see their clients' true addresses, except where the answer would
/// not come back through the host.
fn postrouting() -> Vec<Rule> {
    let leaving = || Lookup { fields: vec![Oifname], not: true, set: Set::Bridges };
    let hide = |family| {
        let source = lookup(&[Saddr(family)], Set::Masquerade(family));
        rule([Nfproto(family), source, leaving(), Masquerade])
    };
    let replace = |family| {
        let source = Snat { family, field: Saddr(family), map: Set::Source(family) };
        rule([Nfproto(family), leaving(), source])
    };
    let hairpin = |family| {
        let client = lookup(&[Iifname, Daddr(family)], Set::Hairpin(family));
        rule([Nfproto(family), Translated, client, Masquerade])
    };
    let itself = |family| {
        let client = lookup(&[Saddr(family), Daddr(family)], Set::Itself(family));
        rule([Nfproto(family), Translated, client, Masquerade])
    };
    let loopback = Net { field: Saddr(V4), not: false, net: loopback4() };
    vec![
        rule([Link { field: Oifname, name: "lo" }, ACCEPT]),
        hide(V4),
        hide(V6),
        replace(V4),
        replace(V6),
        rule([Nfproto(V4), loopback, lookup(&[Oifname], Set::Bridges), Masquerade]),
        hairpin(V4),
        hairpin(V6),
        itself(V4),
        itself(V6),
    ]
}

fn chain(name: &'static str, kind: Kind, hook: Hook, priority: i32, rules: Vec<Rule>) -> Chain {
    Chain { name, base: Some(Base { kind, hook, priority }), rules }
}

fn rule<const N: usize>(statements: [Statement; N]) -> Rule {
    Rule { statements: statements.to_vec(), comment: None }
}

/// A rule that drops, counts, and says why.
fn drop<const N: usize>(reason: &'static str, statements: [Statement; N]) -> Rule {
    let statements = statements.into_iter().chain([Counter, DROP]).collect();
    Rule { statements, comment: Some(reason) }
}

fn jump(chain: &'static str) -> Statement {
    Statement::Verdict(Verdict::Jump(chain))
}

fn lookup(fields: &[Field], set: Set) -> Statement {
    Lookup { fields: fields.to_vec(), not: false, set }
}

/// 127.0.0.0/8, RFC 1122 §3.2.1.3.
fn loopback4() -> IpNet {
    Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8).into()
}

/// `::1`, RFC 4291 §2.5.3.
fn loopback6() -> IpNet {
    Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128).into()
}

/// fe80::/10, RFC 4291 §2.4.
fn link_local6() -> IpNet {
    Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10).into()
}
