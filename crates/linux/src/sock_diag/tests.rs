//! Real sockets in a namespace of the test's own.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;

use proptest::prelude::*;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, ipproto, listen, socket_with};

use super::*;
use crate::netns::leave_host;
use crate::rtnl::{LinkSet, Rtnl};

fn alone(test: impl FnOnce(&mut SockDiag) + Send) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            leave_host().expect("a namespace of the test's own");
            let up = LinkSet { up: Some(true), ..LinkSet::default() };
            Rtnl::open().expect("a socket").link_set(1, &up).expect("lo is up");
            test(&mut SockDiag::open().expect("a socket"));
        });
    });
}

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn held(diag: &mut SockDiag, protocol: PortProtocol) -> Vec<(String, bool)> {
    let bound = diag.bound(protocol).expect("list");
    bound.into_iter().map(|bound| (bound.local.to_string(), bound.v6_only)).collect()
}

#[test]
fn sockets_that_hold_a_port_are_listed_and_connections_are_not() {
    alone(|diag| {
        let listener = TcpListener::bind("127.0.0.1:80").expect("listen");
        let _client = TcpStream::connect("127.0.0.1:80").expect("connect");
        let _server = listener.accept().expect("accept");
        let _both = TcpListener::bind("[::]:81").expect("listen");
        let expected = [("127.0.0.1:80", false), ("[::]:81", false)];
        let expected = expected.map(|(addr, only)| (addr.to_owned(), only));
        assert_eq!(held(diag, PortProtocol::Tcp), expected);
        assert_eq!(held(diag, PortProtocol::Udp), []);

        let _udp = UdpSocket::bind("0.0.0.0:53").expect("bind");
        let connected = UdpSocket::bind("127.0.0.1:54").expect("bind");
        connected.connect("127.0.0.1:53").expect("connect");
        let v6 = socket(AddressFamily::INET6, ipproto::UDP);
        rustix::net::sockopt::set_ipv6_v6only(&v6, true).expect("IPv6 only");
        bind(&v6, &at("[::]:53")).expect("bind");
        let expected = [("0.0.0.0:53", false), ("127.0.0.1:54", false), ("[::]:53", true)];
        let expected = expected.map(|(addr, only)| (addr.to_owned(), only));
        assert_eq!(held(diag, PortProtocol::Udp), expected);
    });
}

/// Linux 6.8 and later. What is done without: `port::tests::a_port_that_is_only_bound_is_in_the_way_of_a_range`.
#[test]
fn tcp_sockets_that_are_only_bound_are_listed() {
    alone(|diag| {
        let only_bound = socket(AddressFamily::INET, ipproto::TCP);
        bind(&only_bound, &at("127.0.0.1:82")).expect("bind");
        assert!(diag.lists_bound_tcp().expect("list"));
        assert_eq!(held(diag, PortProtocol::Tcp), [("127.0.0.1:82".to_owned(), false)]);
    });
}

fn socket(family: AddressFamily, protocol: rustix::net::Protocol) -> OwnedFd {
    let kind = if protocol == ipproto::UDP { SocketType::DGRAM } else { SocketType::STREAM };
    socket_with(family, kind, SocketFlags::CLOEXEC, Some(protocol)).expect("a socket")
}

#[test]
fn a_kernel_with_or_without_sctp_answers() {
    alone(|diag| {
        let made =
            socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, Some(ipproto::SCTP));
        let expected: Vec<_> =
            made.as_ref().ok().into_iter().map(|_| ("127.0.0.1:80".to_owned(), false)).collect();
        if let Ok(socket) = &made {
            bind(socket, &at("127.0.0.1:80")).expect("bind");
            listen(socket, 1).expect("listen");
        }
        assert_eq!(held(diag, PortProtocol::Sctp), expected);
    });
}

#[track_caller]
fn check(local: &str, v6_only: bool, wanted: &str, conflicts: bool) {
    let wanted = at(wanted);
    assert_eq!(Bound { local: at(local), v6_only }.conflicts(wanted.ip(), wanted.port()), conflicts);
}

#[test]
fn an_unspecified_address_is_in_the_way_of_all() {
    check("127.0.0.1:80", false, "127.0.0.1:80", true);
    check("127.0.0.1:80", false, "127.0.0.1:81", false);
    check("127.0.0.1:80", false, "127.0.0.2:80", false);
    check("127.0.0.1:80", false, "0.0.0.0:80", true);
    check("0.0.0.0:80", false, "127.0.0.1:80", true);
    check("0.0.0.0:80", false, "[::1]:80", false);
    check("[::]:80", false, "127.0.0.1:80", true);
    check("[::]:80", true, "127.0.0.1:80", false);
    check("[::]:80", true, "[::1]:80", true);
    check("[::1]:80", false, "127.0.0.1:80", false);
    check("[::1]:80", false, "[::]:80", true);
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        read(&Reply { kind: BY_FAMILY, payload });
    }
}
