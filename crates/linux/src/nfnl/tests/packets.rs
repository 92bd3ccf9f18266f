//! Real TCP and UDP through three namespaces: a client, a host that translates, a server.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;

use super::*;
use crate::conntrack::{self, Conntrack, Tuple};
use crate::netns::Netns;
use crate::rtnl::{AddrAdd, LinkAdd, LinkSet, LinkType, Peer, Route, Rtnl};
use crate::sysctl;

const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 2);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 1);

/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(5);

fn net(addr: Ipv4Addr) -> IpNet {
    IpNet::new(addr.into(), 24).expect("a prefix length")
}

/// A namespace at the other end of a veth, with an address and a default route to ours.
fn neighbour(rtnl: &mut Rtnl, path: &Path, (link, ours, theirs): (&str, Ipv4Addr, Ipv4Addr)) -> Netns {
    let (netns, inside) = Netns::create_with(path, Rtnl::open).expect("a namespace");
    let mut inside = inside.expect("a socket");
    let peer = Peer { name: "eth0".to_owned(), address: None, netns: Some(netns.as_fd()) };
    let add = LinkAdd { up: true, ..LinkAdd::new(link, LinkType::Veth(peer)) };
    let veth = rtnl.link_add(&add).expect("a veth");
    rtnl.addr_add(&AddrAdd::new(veth.index, net(ours))).expect("an address");
    let eth0 = inside.link_by_name("eth0").expect("ask").expect("the peer");
    let up = LinkSet { up: Some(true), ..LinkSet::default() };
    inside.link_set(eth0.index, &up).expect("up");
    inside.addr_add(&AddrAdd::new(eth0.index, net(theirs))).expect("an address");
    inside.route_add(&Route::default_via(ours.into(), eth0.index)).expect("a route");
    netns
}

/// A host between a client and a server.
struct Host {
    client: Netns,
    server: Netns,
}

fn with_host(test: impl FnOnce(&mut Nfnl, &Host) + Send) {
    alone(|nfnl| {
        let directory = tempfile::tempdir().expect("a directory");
        let mut rtnl = Rtnl::open().expect("a socket");
        let client = neighbour(&mut rtnl, &directory.path().join("client"), ("wire", HOST, CLIENT));
        let server = neighbour(&mut rtnl, &directory.path().join("server"), ("p0", GATEWAY, SERVER));
        sysctl::write("net/ipv4/ip_forward", "1").expect("forward");
        test(nfnl, &Host { client, server });
        for name in ["client", "server"] {
            Netns::remove(&directory.path().join(name)).expect("remove");
        }
    });
}

/// The rules that publish ports and hide the server, without elements.
fn install(nfnl: &mut Nfnl) {
    let base = |kind, hook, priority| Base::new(kind, hook, priority);
    let to = |set, fields: &[Field]| {
        Rule::new("publish").nat_map(NatKind::Destination, Nfproto::Ipv4, fields, (set, NatTo::AddrPort))
    };
    let ranges = Rule::new("publish").l4proto(Is::Equal, TCP).nat_map(
        NatKind::Destination,
        Nfproto::Ipv4,
        &[Field::Dport],
        ("range", NatTo::Addr),
    );
    let mut batch = Batch::new();
    batch.add_table(&table());
    for set in [publish(), publish_addr(), range(), Set::new("bridges", exact(&[Type::Ifname]))] {
        batch.add_set(&table(), &set);
    }
    for chain in [
        Chain::base("prerouting", base(ChainType::Nat, Hook::Prerouting, -100)),
        Chain::base("postrouting", base(ChainType::Nat, Hook::Postrouting, 100)),
        Chain::base("forward", base(ChainType::Filter, Hook::Forward, 0)),
        Chain::regular("publish"),
    ] {
        batch.add_chain(&table(), &chain);
    }
    for rule in [
        Rule::new("prerouting")
            .addr_type(End::Destination, Is::Equal, AddrType::Local)
            .verdict(Verdict::Jump("publish".into())),
        to("publish", &[Field::L4proto, Field::Dport]),
        to("publish_addr", &[Field::IpDaddr, Field::L4proto, Field::Dport]),
        ranges,
        Rule::new("forward").ct_state(ct_state::ESTABLISHED).verdict(Verdict::Accept),
        Rule::new("forward")
            .in_set(&[Field::Oifname], Is::Equal, "bridges")
            .ct_status(ct_status::DNAT)
            .counter()
            .verdict(Verdict::Accept),
        Rule::new("forward").in_set(&[Field::Oifname], Is::Equal, "bridges").counter().verdict(Verdict::Drop),
        Rule::new("postrouting")
            .addr(End::Source, Is::Equal, net(SERVER).trunc())
            .in_set(&[Field::Oifname], Is::Not, "bridges")
            .masquerade(0),
    ] {
        batch.add_rule(&table(), &rule);
    }
    let bridges = Set::new("bridges", exact(&[Type::Ifname]));
    batch.add_elements(&table(), &bridges, &[Element::new([name("p0")])]);
    nfnl.commit(batch).expect("commit");
}

/// A TCP server that answers every connection with its client's address.
fn tcp_server(host: &Host, port: u16) -> TcpListener {
    host.server.enter(|| TcpListener::bind((SERVER, port))).expect("enter").expect("listen")
}

/// Connects and returns the address that the server saw, which it answers.
fn tcp(from: &Netns, to: SocketAddr, server: &TcpListener) -> std::io::Result<SocketAddr> {
    let mut client = from.enter(|| TcpStream::connect_timeout(&to, DEADLINE)).expect("enter")?;
    let (mut accepted, seen) = server.accept()?;
    accepted.write_all(b"hello")?;
    drop(accepted);
    let mut text = String::new();
    client.set_read_timeout(Some(DEADLINE))?;
    client.read_to_string(&mut text)?;
    assert_eq!(text, "hello");
    Ok(seen)
}

fn udp_socket(netns: &Netns, addr: Ipv4Addr, port: u16) -> UdpSocket {
    let socket = netns.enter(|| UdpSocket::bind((addr, port))).expect("enter").expect("bind");
    socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    socket
}

/// Sends a datagram through the published port and an answer back.
fn udp(client: &UdpSocket, to: SocketAddr, server: &UdpSocket) -> SocketAddr {
    let mut buffer = [0; 16];
    client.send_to(b"ping", to).expect("send");
    let (len, seen) = server.recv_from(&mut buffer).expect("a datagram");
    server.send_to(&buffer[..len], seen).expect("answer");
    assert_eq!(client.recv_from(&mut buffer).expect("an answer"), (4, to));
    seen
}

fn at(addr: Ipv4Addr, port: u16) -> SocketAddr {
    (addr, port).into()
}

fn add(nfnl: &mut Nfnl, set: &Set, element: Element) {
    let mut batch = Batch::new();
    batch.add_elements(&table(), set, &[element]);
    nfnl.commit(batch).expect("commit");
}

#[test]
fn published_ports_reach_the_server_and_it_sees_its_clients() {
    with_host(|nfnl, host| {
        install(nfnl);
        let server = tcp_server(host, 8080);
        let direct =
            host.client.enter(|| TcpStream::connect_timeout(&at(SERVER, 8080), Duration::from_millis(100)));
        assert!(direct.expect("enter").is_err(), "an unpublished port");

        add(nfnl, &publish(), Element::new([proto(TCP), port(80)]).to([ip("172.17.0.2"), port(8080)]));
        assert_eq!(tcp(&host.client, at(HOST, 80), &server).expect("by port").ip(), CLIENT);
        let by_addr = Element::new([ip("192.0.2.1"), proto(TCP), port(81)]);
        add(nfnl, &publish_addr(), by_addr.to([ip("172.17.0.2"), port(8080)]));
        assert_eq!(tcp(&host.client, at(HOST, 81), &server).expect("by address").ip(), CLIENT);
        add(nfnl, &range(), Element::range(port(8000), port(8999)).to([ip("172.17.0.2")]));
        assert_eq!(tcp(&host.client, at(HOST, 8080), &server).expect("by range").ip(), CLIENT);

        let counters = nfnl.rules(&table()).expect("list").into_iter().flat_map(|entry| entry.rule.exprs);
        let counted = counters.filter(|expr| matches!(expr, Expr::Counter(counter) if counter.packets > 0));
        assert_eq!(counted.count(), 2, "the rules that accept and drop have counted");
    });
}

#[test]
fn a_server_goes_out_behind_the_hosts_address() {
    with_host(|nfnl, host| {
        install(nfnl);
        let outside = host.client.enter(|| TcpListener::bind((CLIENT, 80))).expect("enter").expect("listen");
        assert_eq!(tcp(&host.server, at(CLIENT, 80), &outside).expect("out").ip(), HOST);
    });
}

#[test]
fn a_udp_flow_follows_its_port_once_its_entry_is_deleted() {
    with_host(|nfnl, host| {
        install(nfnl);
        let element = |inner| Element::new([proto(UDP), port(53)]).to([ip("172.17.0.2"), port(inner)]);
        add(nfnl, &publish(), element(1053));
        let old = udp_socket(&host.server, SERVER, 1053);
        let new = udp_socket(&host.server, SERVER, 2053);
        let client = udp_socket(&host.client, CLIENT, 4000);
        assert_eq!(udp(&client, at(HOST, 53), &old), at(CLIENT, 4000));

        let mut batch = Batch::new();
        batch.delete_elements(&table(), &publish(), &[element(1053)]);
        batch.add_elements(&table(), &publish(), &[element(2053)]);
        nfnl.commit(batch).expect("commit");
        assert_eq!(udp(&client, at(HOST, 53), &old), at(CLIENT, 4000), "the flow is remembered");

        let mut conntrack = Conntrack::open().expect("conntrack");
        let to_port = conntrack::Filter {
            protocol: Some(UDP),
            original: conntrack::Ends {
                destination: Some(HOST.into()),
                destination_port: Some(53),
                ..Default::default()
            },
            ..Default::default()
        };
        let flows = conntrack.flow_list(&to_port).expect("list");
        let original = Tuple { protocol: UDP, source: at(CLIENT, 4000), destination: at(HOST, 53) };
        assert_eq!(flows.iter().map(|flow| flow.original).collect::<Vec<_>>(), [original]);
        assert_eq!(flows[0].reply.source, at(SERVER, 1053));
        assert!(conntrack.flow_del(&original).expect("delete"));
        assert!(!conntrack.flow_del(&original).expect("delete"), "it is gone");
        assert_eq!(udp(&client, at(HOST, 53), &new), at(CLIENT, 4000));
    });
}
