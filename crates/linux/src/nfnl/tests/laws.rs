//! Whatever bytes arrive, reading them does not panic; what was written is read.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::netlink::message::messages;

/// A datagram like the kernel's: a table with everything that this module can write.
fn datagram() -> Vec<u8> {
    let hop =
        Base { devices: vec!["a".into(), "b".into()], ..Base::new(ChainType::Filter, Hook::Ingress, 0) };
    let rule = Rule::new("c")
        .iifname(Is::Equal, "p0")
        .ct_state(ct_state::NEW)
        .port_range(End::Source, Is::Not, 1, 2)
        .nat_map(NatKind::Destination, Nfproto::Ipv4, &[Field::L4proto, Field::Dport], ("m", NatTo::AddrPort))
        .counter()
        .log(Some("x"), LogTarget::Group(1))
        .reject(Reject::Icmpx(IcmpxCode::NoRoute))
        .verdict(Verdict::Jump("d".into()))
        .comment("why");
    let talk = Set::new("talk", exact(&[Type::Ifname, Type::Ipv4Addr])).with_counters();
    let mut batch = Batch::new();
    batch.add_table(&table()).add_chain(&table(), &Chain::base("c", hop)).add_rule(&table(), &rule);
    batch.add_set(&table(), &talk).add_set(&table(), &range());
    batch.add_elements(&table(), &talk, &[Element::new([name("p0"), ip("10.0.0.1")]).comment("why")]);
    batch.add_elements(&table(), &range(), &[Element::range(port(1), port(9)).to([ip("10.0.0.1")])]);
    super::super::datagram(&batch, 1, 9)
}

#[test]
fn a_whole_datagram_is_read() {
    let datagram = datagram();
    let events: Vec<_> = messages(&datagram)
        .map(|message| message.expect("a message"))
        .map(|message| Event::decode(message.kind, message.payload).expect("an event"))
        .collect();
    assert_eq!(events.iter().filter(|event| event.table() == Some(&table())).count(), 7);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in vec(any::<u8>(), 0..400), kind in 0u16..35) {
        read_anything(&bytes);
        drop(Event::decode(SUBSYS_NFTABLES << 8 | kind, &bytes));
    }

    #[test]
    fn no_mutation_of_a_datagram_makes_the_reader_panic(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        len in any::<prop::sample::Index>(),
    ) {
        let mut bytes = datagram();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        read_anything(&bytes);
        bytes.truncate(len.index(bytes.len()));
        read_anything(&bytes);
    }

    #[test]
    fn ranges_that_do_not_overlap_are_read_as_they_were_written(cuts in vec(any::<u16>(), 2..40)) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        cuts.dedup();
        let ranges: Vec<_> = cuts
            .chunks_exact(2)
            .map(|ends| Element::range(port(ends[0]), port(ends[1])).to([ip("10.0.0.1")]))
            .collect();
        let mut out = Writer::default();
        for element in &ranges {
            element.encode(&range(), &mut out).expect("an element");
        }
        let items = attr::Attrs(out.bytes());
        let mut raw: Vec<_> = items
            .map(|item| element::RawElement::decode(item.expect("an item").nested()).expect("raw"))
            .collect();
        prop_assert!(element::sort(&mut raw));
        let read = element::entries(&range(), raw).expect("entries");
        prop_assert_eq!(read.into_iter().map(|entry| entry.element).collect::<Vec<_>>(), ranges);
    }
}
