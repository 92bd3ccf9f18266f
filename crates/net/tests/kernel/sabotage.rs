//! Somebody breaks things; a reconciliation later packets flow again.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use cnm::apply::{Kernel, apply, reconcile};
use cnm::nft::{Set, Value};
use cnm::state::{Key, Ns, Object, State, veth_name};
use linux::rtnl::{AddrAdd, LinkAdd, LinkSet, LinkType, Route, Rtnl};

use crate::states::*;
use crate::worlds::{Machine, World, linux_command, on_linux};

/// How long a packet may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A machine on which everything is as it should be.
fn on_whole_machine(test: impl FnOnce(&mut Machine, &State) + Send) {
    on_linux(|machine| {
        let all = everything();
        apply(machine, &State::new(), &all).expect("create");
        assert_flows(machine);
        test(machine, &all);
    });
}

/// Brings everything back, and says that it did.
#[track_caller]
fn assert_repaired(machine: &mut Machine, all: &State) {
    let steps = reconcile(machine, all).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert!(steps > 0, "nothing was missed");
    assert_eq!(reconcile(machine, all), Ok(0));
    assert_flows(machine);
}

/// Datagrams and streams of both families pass between the sandboxes, and from
/// the host to a published port.
#[track_caller]
fn assert_flows(machine: &Machine) {
    for address in ["10.1.0.12", "fd00:1::12"] {
        let server = SocketAddr::new(ip(address), 4000);
        echo_udp(machine, server);
        echo_tcp(machine, Ns::Sandbox(sandbox(1)), Ns::Sandbox(sandbox(2)), (server, server));
    }
    let (published, server) = (SocketAddr::new(ip("127.0.0.1"), 80), SocketAddr::new(ip("10.1.0.11"), 8080));
    echo_tcp(machine, Ns::Host, Ns::Sandbox(sandbox(1)), (published, server));
}

/// A socket in a namespace. A program that another test is starting may hold the
/// last one until it runs.
#[track_caller]
fn bound<T: Send>(machine: &Machine, ns: Ns, bind: impl Fn() -> io::Result<T> + Sync) -> T {
    let (inside, deadline) = (machine.inside(ns), Instant::now() + PATIENCE);
    loop {
        match inside.enter(&bind).expect("enter") {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {}
            bound => return bound.expect("bind"),
        }
    }
}

#[track_caller]
fn echo_udp(machine: &Machine, server: SocketAddr) {
    let bind = |n, address: SocketAddr| {
        let socket = bound(machine, Ns::Sandbox(sandbox(n)), || UdpSocket::bind(address));
        socket.set_read_timeout(Some(PATIENCE)).expect("set");
        socket
    };
    let any = SocketAddr::new(if server.is_ipv4() { ip("0.0.0.0") } else { ip("::") }, 0);
    let (client, server_socket) = (bind(1, any), bind(2, server));
    client.send_to(b"ping", server).expect("send");
    let mut bytes = [0; 8];
    let (length, from) = server_socket.recv_from(&mut bytes).expect("a datagram arrives");
    server_socket.send_to(&bytes[..length], from).expect("send back");
    assert_eq!(client.recv_from(&mut bytes).expect("the answer arrives"), (4, server));
}

/// `to` is where the client connects, and where the server is.
#[track_caller]
fn echo_tcp(machine: &Machine, from: Ns, at: Ns, (to, server): (SocketAddr, SocketAddr)) {
    let listener = bound(machine, at, || TcpListener::bind(server));
    let connect = || TcpStream::connect_timeout(&to, PATIENCE);
    let mut client = match from {
        Ns::Host => connect(),
        inside @ Ns::Sandbox(_) => machine.inside(inside).enter(connect).expect("enter"),
    }
    .expect("connect");
    let (mut served, _) = listener.accept().expect("accept");
    client.write_all(b"ping").expect("send");
    let mut bytes = [0; 4];
    served.read_exact(&mut bytes).expect("receive");
    served.write_all(&bytes).expect("send back");
    client.read_exact(&mut bytes).expect("the answer arrives");
    assert_eq!(&bytes, b"ping");
}

#[test]
fn lost_objects_come_back_one_by_one() {
    on_whole_machine(|machine, all| {
        for key in all.keys().filter(|key| !matches!(key, Key::Port { .. })) {
            machine.lose(key);
            assert_repaired(machine, all);
        }
    });
}

#[test]
fn all_is_lost_and_comes_back() {
    on_whole_machine(|machine, all| {
        let lost =
            [Key::Bridge("br-1".to_owned()), Key::Veth(endpoint(1)), Key::Netns(sandbox(2)), Key::Table];
        lost.iter().for_each(|key| machine.lose(key));
        assert_repaired(machine, all);
    });
}

#[test]
fn a_flushed_ruleset_comes_back() {
    on_whole_machine(|machine, all| {
        assert!(linux_command("nft", "flush ruleset"));
        assert_repaired(machine, all);
        assert!(linux_command("nft", "flush chain inet tombolo forward"));
        assert_repaired(machine, all);
        assert!(linux_command("nft", "add rule inet tombolo forward drop"));
        assert_repaired(machine, all);
        assert!(linux_command("nft", "add element inet tombolo bridges { strange }"));
        assert_repaired(machine, all);
    });
}

#[test]
fn links_that_were_changed_are_changed_back() {
    on_whole_machine(|machine, all| {
        let (veth, inside) = (veth_name(&endpoint(1)), Ns::Sandbox(sandbox(1)));
        let down = LinkSet { up: Some(false), ..LinkSet::default() };
        let small = LinkSet { mtu: Some(1300), ..LinkSet::default() };
        let alone = LinkSet { master: Some(0), ..LinkSet::default() };
        for (ns, name, set) in [
            (Ns::Host, veth.as_str(), &down),
            (Ns::Host, veth.as_str(), &small),
            (Ns::Host, veth.as_str(), &alone),
            (Ns::Host, "br-1", &down),
            (Ns::Host, "br-1", &small),
            (inside, "eth0", &down),
            (inside, "eth0", &small),
        ] {
            let mut rtnl = Rtnl::open_in(&machine.inside(ns)).expect("a socket");
            let index = rtnl.link_by_name(name).expect("ask").expect("a link").index;
            rtnl.link_set(index, set).expect("set");
            assert_repaired(machine, all);
        }
    });
}

#[test]
fn renamed_links_are_replaced() {
    on_whole_machine(|machine, all| {
        for (ns, name) in [(Ns::Host, veth_name(&endpoint(1))), (Ns::Sandbox(sandbox(1)), "eth0".to_owned())]
        {
            let mut rtnl = Rtnl::open_in(&machine.inside(ns)).expect("a socket");
            let index = rtnl.link_by_name(&name).expect("ask").expect("a link").index;
            let other = LinkSet { name: Some("other".to_owned()), ..LinkSet::default() };
            rtnl.link_set(index, &other).expect("rename");
            assert_repaired(machine, all);
            assert_eq!(rtnl.link_by_name("other").expect("ask"), None);
        }
    });
}

#[test]
fn what_strangers_added_survives() {
    on_whole_machine(|machine, all| {
        let stranger = machine.rtnl.link_add(&LinkAdd::new("br-2", LinkType::Bridge)).expect("a bridge");
        let mut inside = Rtnl::open_in(&machine.inside(Ns::Sandbox(sandbox(1)))).expect("a socket");
        let eth0 = inside.link_by_name("eth0").expect("ask").expect("a link");
        let address = AddrAdd::new(eth0.index, net("192.0.2.1/24"));
        inside.addr_add(&address).expect("add");
        inside.route_add(&Route::on_link(net("198.51.100.0/24"), eth0.index)).expect("add");
        assert!(linux_command("nft", "add table inet stranger"));
        assert_eq!(reconcile(machine, all), Ok(0));
        machine.lose(&Key::Table);
        assert_repaired(machine, all);
        assert_eq!(machine.rtnl.link_by_name("br-2").expect("ask"), Some(stranger));
        assert!(inside.addr_list().expect("list").iter().any(|addr| addr.net == address.net));
        assert!(
            inside
                .route_list()
                .expect("list")
                .iter()
                .any(|route| route.destination == net("198.51.100.0/24"))
        );
        assert!(linux_command("nft", "list table inet stranger"));
    });
}

#[test]
fn a_stranger_takes_our_place_and_keeps_it_until_it_leaves() {
    on_whole_machine(|machine, all| {
        machine.lose(&Key::Bridge("br-1".to_owned()));
        machine.add_stranger_link("br-1");
        let errors = reconcile(machine, all).expect_err("in the way");
        assert!(errors.iter().any(|error| error.refusal().errno == 17), "{errors:?}");
        assert!(machine.has_stranger_link("br-1"));
        let index = machine.rtnl.link_by_name("br-1").expect("ask").expect("a link").index;
        machine.rtnl.link_del(index).expect("delete");
        assert_repaired(machine, all);
    });
}

#[test]
fn an_address_in_the_way_fails_the_change_and_survives_it() {
    on_linux(|machine| {
        let mut before = everything();
        let key = Key::Addr(Ns::Sandbox(sandbox(1)), "eth0".to_owned(), net("fd00:1::11/64"));
        let route = Key::Route(Ns::Sandbox(sandbox(1)), net("::/0"));
        before.retain(|other, _| *other != key && *other != route);
        apply(machine, &State::new(), &before).expect("create");
        let mut inside = Rtnl::open_in(&machine.inside(Ns::Sandbox(sandbox(1)))).expect("a socket");
        let eth0 = inside.link_by_name("eth0").expect("ask").expect("a link");
        inside.addr_add(&AddrAdd::new(eth0.index, net("fd00:1::11/64"))).expect("add");
        let to = with(before.clone(), key.clone(), Object::Addr);
        let failed = apply(machine, &before, &to).expect_err("in the way");
        assert_eq!((failed.cause.refusal().errno, failed.left_behind), (17, vec![]));
        assert_eq!(failed.cause.key(), Some(&key));
        assert!(inside.addr_list().expect("list").iter().any(|addr| addr.net == net("fd00:1::11/64")));
        let seen = machine.observe(cnm::apply::Extent::All(&before)).expect("observe");
        assert_eq!(seen, before);
    });
}

#[test]
fn a_client_that_never_pauses_follows_the_port() {
    on_whole_machine(|machine, all| {
        let server = |n: u8| {
            let address = format!("10.1.0.{}:53", 10 + n);
            let socket = bound(machine, Ns::Sandbox(sandbox(n)), || UdpSocket::bind(&address));
            socket.set_read_timeout(Some(PATIENCE)).expect("set");
            socket
        };
        let (first, second) = (server(1), server(2));
        let client = UdpSocket::bind("127.0.0.1:0").expect("bind");
        let door = SocketAddr::new(ip("127.0.0.1"), 53);
        client.send_to(b"one", door).expect("send");
        assert_eq!(first.recv(&mut [0; 8]).expect("it arrives"), 3);
        let (key, _) = all
            .iter()
            .find(|(key, _)| matches!(key, Key::Publish(Set::PublishAddr(_), _)))
            .expect("a published port");
        let elsewhere = Object::Element(vec![Value::Addr(ip("10.1.0.12")), Value::Port(53)]);
        let to = with(all.clone(), key.clone(), elsewhere);
        apply(machine, all, &to).expect("change");
        client.send_to(b"three", door).expect("send");
        assert_eq!(second.recv(&mut [0; 8]).expect("it arrives there"), 5);
    });
}
