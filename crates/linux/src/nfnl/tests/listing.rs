//! What is written is what the kernel says, and what nft(8) says.

use std::time::Duration;

use super::*;

/// Writes sets with elements, and expects nft's text and our own listing of them.
#[track_caller]
fn check_sets(sets: &[(Set, Vec<Element>)], text: &str) {
    let caller = std::panic::Location::caller();
    alone(|nfnl| {
        let mut batch = Batch::new();
        batch.add_table(&table());
        for (set, elements) in sets {
            batch.add_set(&table(), set).add_elements(&table(), set, elements);
        }
        nfnl.commit(batch).expect("commit");
        assert_eq!(nft_list(), text, "{caller}");
        let listed: Vec<_> = nfnl.sets(&table()).expect("list");
        let written: Vec<_> = sets.iter().map(|(set, _)| AnySet::Known(set.clone())).collect();
        assert_eq!(listed, written, "{caller}");
        for (set, elements) in sets {
            let mut elements = elements.clone();
            elements.sort();
            let listed = nfnl.elements(&table(), set).expect("list");
            let mut listed: Vec<_> = listed.into_iter().map(|entry| entry.element).collect();
            listed.sort();
            assert_eq!(listed, elements, "{caller}");
        }
    });
}

#[test]
fn maps_of_published_ports() {
    let web = Element::new([proto(TCP), port(80)]).to([ip("172.17.0.2"), port(8080)]);
    let dns = Element::new([ip("192.0.2.1"), proto(UDP), port(53)]).to([ip("172.17.0.3"), port(5353)]);
    let ports = Element::range(port(20_000), port(29_999)).to([ip("172.17.0.4")]);
    let last = Element::range(port(60_000), port(65_535)).to([ip("172.17.0.5")]);
    check_sets(
        &[(publish(), vec![web]), (publish_addr(), vec![dns]), (range(), vec![ports, last])],
        "table inet t {
	map publish {
		type inet_proto . inet_service : ipv4_addr . inet_service
		elements = { 6 . 80 : 172.17.0.2 . 8080 }
	}

	map publish_addr {
		type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
		elements = { 192.0.2.1 . 17 . 53 : 172.17.0.3 . 5353 }
	}

	map range {
		type inet_service : ipv4_addr
		flags interval
		elements = { 20000-29999 : 172.17.0.4, 60000-65535 : 172.17.0.5 }
	}
}
",
    );
}

#[test]
fn sets_of_links_marks_networks_and_verdicts() {
    let nets = Set::new("nets", Key::interval(Type::Ipv6Addr).expect("a key"));
    let net = Element::range(ip("fd00::"), ip("fd00::ffff:ffff:ffff:ffff")).comment("ours");
    let talk = Set::new("talk", exact(&[Type::Ifname, Type::Ifname]));
    let jumps = Set::verdict_map("jumps", exact(&[Type::Ifname]));
    check_sets(
        &[
            (Set::new("links", exact(&[Type::Ifname])), vec![Element::new([name("p0")])]),
            (talk, vec![Element::new([name("p0"), name("br-0123456789ab")])]),
            (jumps, vec![Element::new([name("p0")]).to_verdict(Verdict::Drop)]),
            (nets, vec![net]),
            (Set::new("macs", exact(&[Type::EtherAddr])), vec![Element::new([Value::EtherAddr([2; 6])])]),
            (
                Set { size: Some(7), ..Set::new("marks", exact(&[Type::Mark])) },
                vec![Element::new([Value::Mark(0x10)])],
            ),
        ],
        "table inet t {
	set links {
		type ifname
		elements = { \"p0\" }
	}

	set talk {
		type ifname . ifname
		elements = { \"p0\" . \"br-0123456789ab\" }
	}

	map jumps {
		type ifname : verdict
		elements = { \"p0\" : drop }
	}

	set nets {
		type ipv6_addr
		flags interval
		elements = { fd00::/64 comment \"ours\" }
	}

	set macs {
		type ether_addr
		elements = { 02:02:02:02:02:02 }
	}

	set marks {
		type mark
		size 7
		elements = { 0x00000010 }
	}
}
",
    );
}

#[test]
fn elements_expire_and_count() {
    alone(|nfnl| {
        let hour = Duration::from_secs(3600);
        let egress = Set::new("egress", exact(&[Type::Ipv4Addr])).with_timeouts(Some(hour)).with_counters();
        let [a, b] = ["192.0.2.1", "192.0.2.2"].map(|addr| Element::new([ip(addr)]));
        let elements = [a.clone(), b.expiring(Duration::from_secs(60))];
        let mut batch = Batch::new();
        batch.add_table(&table()).add_set(&table(), &egress).add_elements(&table(), &egress, &elements);
        nfnl.commit(batch).expect("commit");
        assert_eq!(nfnl.sets(&table()).expect("list"), [AnySet::Known(egress.clone())]);
        let listed = nfnl.elements(&table(), &egress).expect("list");
        assert_eq!(listed.iter().map(|entry| entry.element.clone()).collect::<Vec<_>>(), elements);
        assert!(listed.iter().all(|entry| entry.counter == Some(Counter::default())));
        assert!(listed[0].expires.is_some_and(|left| left > Duration::from_secs(3500)));
        assert!(listed[1].expires.is_some_and(|left| left <= Duration::from_secs(60)));
        let text = nft_list();
        assert!(text.contains("192.0.2.2 counter packets 0 bytes 0 timeout 60s expires"), "{text}");
    });
}

#[test]
fn chains_of_all_families() {
    let filter = |hook, priority| Base::new(ChainType::Filter, hook, priority);
    let chains = [
        (Family::Inet, Chain::base("pre", Base::new(ChainType::Nat, Hook::Prerouting, -100))),
        (Family::Inet, Chain::base("fwd_", Base { policy: Policy::Drop, ..filter(Hook::Forward, 0) })),
        (Family::Inet, Chain::regular("plain")),
        (Family::Ip, Chain::base("out", Base::new(ChainType::Route, Hook::Output, -150))),
        (Family::Ip6, Chain::base("post", Base::new(ChainType::Nat, Hook::Postrouting, 100))),
        (Family::Bridge, Chain::base("in", filter(Hook::Input, -200))),
        (
            Family::Netdev,
            Chain::base("ingress", Base { devices: vec!["lo".into()], ..filter(Hook::Ingress, 7) }),
        ),
    ];
    alone(|nfnl| {
        let mut batch = Batch::new();
        for (family, chain) in &chains {
            let table = Table::new(*family, "t");
            batch.add_table(&table).add_chain(&table, chain);
        }
        nfnl.commit(batch).expect("commit");
        assert_eq!(nfnl.tables().expect("list").len(), 5);
        for (family, _) in &chains {
            let listed = nfnl.chains(&Table::new(*family, "t")).expect("list");
            let of_family = chains.iter().filter(|(of, _)| of == family).map(|(_, chain)| chain.clone());
            assert_eq!(listed, of_family.collect::<Vec<_>>(), "{family}");
        }
        let text = nft_list();
        for line in [
            "type nat hook prerouting priority -100; policy accept;",
            "type filter hook forward priority 0; policy drop;",
            "type route hook output priority -150; policy accept;",
            "type nat hook postrouting priority 100; policy accept;",
            "type filter hook input priority -200; policy accept;",
            "type filter hook ingress device \"lo\" priority 7; policy accept;",
        ] {
            assert!(text.contains(line), "{line} not in {text}");
        }
    });
}

/// Writes a rule and expects nft's line for it, and our own listing of it.
#[track_caller]
fn check_rules(kind: ChainType, hook: Hook, rules: &[(Rule, &str)]) {
    let caller = std::panic::Location::caller();
    alone(|nfnl| {
        let mut batch = Batch::new();
        batch.add_table(&table()).add_chain(&table(), &Chain::base("c", Base::new(kind, hook, 0)));
        batch.add_chain(&table(), &Chain::regular("other"));
        batch.add_set(&table(), &publish()).add_set(&table(), &range());
        batch.add_set(&table(), &Set::new("links", exact(&[Type::Ifname])));
        batch.add_set(&table(), &Set::verdict_map("jumps", exact(&[Type::Ifname])));
        for (rule, _) in rules {
            batch.add_rule(&table(), rule);
        }
        nfnl.commit(batch).unwrap_or_else(|error| panic!("{}", chain(&error)));
        let listed = nfnl.rules(&table()).expect("list");
        for (entry, (rule, _)) in listed.iter().zip(rules) {
            assert!(entry.rule.same(rule), "{caller}: {entry:?} is not {rule:?}");
        }
        let text = nft_list();
        let start = text.find("chain c {").expect("the chain");
        let lines: Vec<_> = text[start..].lines().skip(2).take(rules.len()).map(str::trim).collect();
        assert_eq!(lines, rules.iter().map(|(_, text)| *text).collect::<Vec<_>>(), "{caller}");
    });
}

fn rule() -> Rule {
    Rule::new("c")
}

fn drop_(rule: Rule) -> Rule {
    rule.verdict(Verdict::Drop)
}

#[test]
fn rules_that_filter() {
    use End::{Destination, Source};
    use Is::{Equal, Not};
    let net = |text: &str| text.parse().expect("a network");
    let limit = Limit { rate: 10, unit: LimitUnit::Packets, seconds: 1, burst: 5, over: false };
    check_rules(
        ChainType::Filter,
        Hook::Forward,
        &[
            (
                drop_(rule().iifname(Equal, "p0").oifname(Not, "br-*")),
                "iifname \"p0\" oifname != \"br-*\" drop",
            ),
            (drop_(rule().addr(Source, Equal, net("10.0.0.0/9"))), "ip saddr 10.0.0.0/9 drop"),
            (drop_(rule().addr(Destination, Not, net("192.0.2.1/32"))), "ip daddr != 192.0.2.1 drop"),
            (drop_(rule().addr(Destination, Equal, net("fd00::/12"))), "ip6 daddr fd00::/12 drop"),
            (
                drop_(rule().l4proto(Equal, TCP).port(Destination, Equal, 80).port(Source, Not, 9)),
                "tcp dport 80 tcp sport != 9 drop",
            ),
            (drop_(rule().l4proto(Equal, UDP).port_range(Destination, Equal, 7, 9)), "udp dport 7-9 drop"),
            (
                rule().l4proto(Equal, UDP).port(Destination, Equal, 53).set_port(Destination, 5353, 6),
                "udp dport 53 udp dport set 5353",
            ),
            (
                rule().l4proto(Equal, TCP).port(Source, Equal, 5353).set_port(Source, 53, 16),
                "tcp sport 5353 tcp sport set 53",
            ),
            (drop_(rule().ct_state(ct_state::INVALID)), "ct state 0x1 drop"),
            (
                rule().ct_state(ct_state::ESTABLISHED | ct_state::RELATED).verdict(Verdict::Accept),
                "ct state 0x2,0x4 accept",
            ),
            (rule().ct_status(ct_status::DNAT).verdict(Verdict::Return), "ct status 0x20 return"),
            (rule().ct_mark(Not, 7).verdict(Verdict::Continue), "ct mark != 0x00000007 continue"),
            (
                rule().mark(Equal, 0x10, 0xf0).set_ct_mark(3),
                "meta mark & 0x000000f0 == 0x00000010 ct mark set 0x00000003",
            ),
            (rule().mark(Equal, 1, u32::MAX).set_mark(2), "meta mark 0x00000001 meta mark set 0x00000002"),
            (
                rule().addr_type(Source, Equal, AddrType::Local).counter(),
                "fib saddr type 2 counter packets 0 bytes 0",
            ),
            (drop_(rule().in_set(&[Field::Iifname], Not, "links")), "iifname != @links drop"),
            (rule().vmap(&[Field::Oifname], "jumps"), "oifname vmap @jumps"),
            (rule().verdict(Verdict::Jump("other".into())), "jump other"),
            (rule().verdict(Verdict::Goto("other".into())), "goto other"),
            (
                rule().limit(limit).log(Some("no: "), LogTarget::Level(6)),
                "limit rate 10/second log prefix \"no: \" level info",
            ),
            (rule().log(None, LogTarget::Group(3)).comment("why"), "log group 3 comment \"why\""),
            (rule().l4proto(Equal, TCP).reject(Reject::TcpReset), "meta l4proto 6 reject with tcp reset"),
            (rule().reject(Reject::Icmpx(IcmpxCode::AdminProhibited)), "reject with icmpx 3"),
            (rule().notrack(), "notrack"),
        ],
    );
}

#[test]
fn rules_that_translate() {
    use NatKind::{Destination, Source};
    let addr = |text: &str| text.parse().expect("an address");
    let key = [Field::L4proto, Field::Dport];
    check_rules(
        ChainType::Nat,
        Hook::Prerouting,
        &[
            (
                rule().nat_map(Destination, Nfproto::Ipv4, &key, ("publish", NatTo::AddrPort)),
                "dnat ip to meta l4proto . th dport map @publish",
            ),
            (
                rule().l4proto(Is::Equal, TCP).nat_map(
                    Destination,
                    Nfproto::Ipv4,
                    &key[1..],
                    ("range", NatTo::Addr),
                ),
                "dnat ip to tcp dport map @range",
            ),
            (rule().nat(Destination, addr("192.0.2.1"), None), "dnat ip to 192.0.2.1"),
            (
                rule().l4proto(Is::Equal, UDP).nat(Destination, addr("fd00::1"), Some(53)),
                "meta l4proto 17 dnat ip6 to [fd00::1]:53",
            ),
            (rule().l4proto(Is::Equal, TCP).redirect(8080), "meta l4proto 6 redirect to :8080"),
        ],
    );
    check_rules(
        ChainType::Nat,
        Hook::Postrouting,
        &[
            (rule().nat(Source, addr("192.0.2.1"), None), "snat ip to 192.0.2.1"),
            (rule().oifname(Is::Not, "p0").masquerade(0), "oifname != \"p0\" masquerade"),
            (rule().masquerade(nat_flags::FULLY_RANDOM), "masquerade fully-random"),
        ],
    );
}
