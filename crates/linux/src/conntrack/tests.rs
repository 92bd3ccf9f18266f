//! Flows of real sockets over the loopback link.

use std::net::{TcpListener, TcpStream, UdpSocket};

use proptest::prelude::*;

use super::*;
use crate::netns::leave_host;
use crate::nfnl::{Base, Batch, Chain, ChainType, Family, Hook, Nfnl, Rule, Table, ct_state};
use crate::rtnl::{LinkSet, Rtnl};

/// A namespace with a loopback link and a rule that makes it track connections.
fn tracked(test: impl FnOnce(&mut Conntrack) + Send) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            leave_host().expect("a namespace of the test's own");
            let up = LinkSet { up: Some(true), ..LinkSet::default() };
            Rtnl::open().expect("a socket").link_set(1, &up).expect("lo is up");
            let table = Table::new(Family::Inet, "t");
            let output = Chain::base("c", Base::new(ChainType::Filter, Hook::Output, 0));
            let mut batch = Batch::new();
            batch.add_table(&table).add_chain(&table, &output);
            batch.add_rule(&table, &Rule::new("c").ct_state(ct_state::NEW).counter());
            Nfnl::open().expect("a socket").commit(batch).expect("rules");
            test(&mut Conntrack::open().expect("a socket"));
        });
    });
}

const TCP: u8 = 6;
const UDP: u8 = 17;

fn udp(server: &UdpSocket, client: &str) -> Tuple {
    let client = UdpSocket::bind(client).expect("bind");
    let destination = server.local_addr().expect("an address");
    client.send_to(b"ping", destination).expect("send");
    Tuple { protocol: UDP, source: client.local_addr().expect("an address"), destination }
}

#[test]
fn exactly_the_flow_that_was_meant_is_forgotten() {
    tracked(|conntrack| {
        for loopback in ["127.0.0.1", "[::1]"] {
            let server = UdpSocket::bind(format!("{loopback}:0")).expect("bind");
            let one = udp(&server, &format!("{loopback}:0"));
            let two = udp(&server, &format!("{loopback}:0"));
            let listener = TcpListener::bind(server.local_addr().expect("an address")).expect("listen");
            let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("connect");
            let source = client.local_addr().expect("an address");
            let tcp = Tuple { protocol: TCP, source, ..one };
            let to = Ends {
                destination: Some(one.destination.ip()),
                destination_port: Some(one.destination.port()),
                ..Ends::default()
            };
            let filter = Filter { original: to, ..Filter::default() };
            let mut list = |filter: &Filter| {
                let mut tuples: Vec<_> =
                    conntrack.flow_list(filter).expect("list").iter().map(|flow| flow.original).collect();
                tuples.sort();
                tuples
            };
            let mut expected = [one, two, tcp];
            expected.sort();
            assert_eq!(list(&filter), expected);
            let from_one = Ends {
                destination: Some(one.source.ip()),
                destination_port: Some(one.source.port()),
                ..Ends::default()
            };
            assert_eq!(list(&Filter { reply: from_one, ..Filter::default() }), [one]);
            assert!(conntrack.flow_del(&one).expect("delete"));
            assert!(!conntrack.flow_del(&one).expect("delete"));
            assert_eq!(
                conntrack.flow_del_matching(&Filter { protocol: Some(UDP), ..filter }).expect("delete"),
                1
            );
            let left = conntrack.flow_list(&filter).expect("list");
            assert_eq!(left.iter().map(|flow| flow.original).collect::<Vec<_>>(), [tcp]);
        }
    });
}

#[test]
fn ends_of_two_families_are_no_flow() {
    let odd = Tuple {
        protocol: UDP,
        source: "127.0.0.1:1".parse().expect("an address"),
        destination: "[::1]:1".parse().expect("an address"),
    };
    tracked(|conntrack| {
        let error = conntrack.flow_del(&odd).expect_err("odd");
        assert_eq!(error.to_string(), "no connection goes from 127.0.0.1:1 to [::1]:1");
        let sctp = Tuple { protocol: 132, destination: odd.source, ..odd };
        assert!(!conntrack.flow_del(&sctp).expect("no such flow"));
    });
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(payload in prop::collection::vec(any::<u8>(), 0..300)) {
        read(&Reply { kind: 0, payload });
    }

    #[test]
    fn what_is_written_is_read(source in any::<([u8; 16], u16)>(), port in any::<u16>(), protocol in any::<u8>()) {
        let source = SocketAddr::new(std::net::Ipv6Addr::from(source.0).into(), source.1);
        let tuple = Tuple { protocol, source, destination: SocketAddr::new(source.ip(), port) };
        let payload = payload(&tuple).expect("one family");
        let read = Attributes::after(&payload, HEADER).next().as_ref().and_then(read_tuple);
        prop_assert_eq!(read, Some(tuple));
    }
}
