//! Datagrams over loopback sockets.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::Duration;

use super::*;

fn socket(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind((address, 0)).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a deadline");
    socket
}

/// The lengths and first bytes of what a socket receives.
fn received(socket: &UdpSocket, count: usize) -> Vec<(usize, u8)> {
    let mut room = [0; 4096];
    (0..count).map(|_| socket.recv(&mut room).map(|len| (len, room[0])).expect("a datagram")).collect()
}

#[test]
fn what_came_is_received_at_once_with_its_senders() {
    for address in ["127.0.0.1", "::1"] {
        let (server, clients) = (socket(address), [socket(address), socket(address)]);
        let to = server.local_addr().expect("an address");
        for (client, byte) in clients.iter().zip(1..) {
            client.send_to(&[byte; 3], to).expect("send");
            client.send_to(&[], to).expect("send");
        }
        let mut incoming = Incoming::new(2);
        assert_eq!(incoming.receive(&server).expect("datagrams"), 4);
        let from = clients.map(|client| client.local_addr().expect("an address"));
        let expected: [(&[u8], _); 4] =
            [(&[1, 1], from[0]), (&[], from[0]), (&[2, 2], from[1]), (&[], from[1])];
        assert!(incoming.iter().eq(expected), "{:?}", incoming.iter().collect::<Vec<_>>());
        assert_eq!(incoming.receive(&server).expect_err("nothing").kind(), ErrorKind::WouldBlock);
        assert_eq!(incoming.iter().count(), 0);
    }
}

#[test]
fn each_gets_what_was_sent_to_it() {
    for address in ["127.0.0.1", "::1"] {
        let (server, clients) = (socket(address), [socket(address), socket(address)]);
        let to = clients.each_ref().map(|client| client.local_addr().expect("an address"));
        let mut outgoing = Outgoing::default();
        let lengths = [40, 20, 40, 30, 20, 2000, 2000, 40];
        for (len, byte) in lengths.iter().zip(1..) {
            for to in to {
                outgoing.push(to, |bytes| bytes.resize(bytes.len() + len, byte));
            }
        }
        outgoing.push(to[0], |_| {});
        outgoing.send(&server).expect("send");
        assert!(outgoing.is_empty());
        let expected: Vec<_> = lengths.into_iter().zip(1..).collect();
        for client in clients {
            let mut came = received(&client, lengths.len());
            came.sort_by_key(|(_, byte)| *byte);
            assert_eq!(came, expected);
        }
    }
}

#[test]
fn more_than_one_call_takes_is_sent_in_several() {
    let (server, client) = (socket("127.0.0.1"), socket("127.0.0.1"));
    let to = client.local_addr().expect("an address");
    let mut outgoing = Outgoing::default();
    for byte in 0..100 {
        outgoing.push(to, |bytes| bytes.extend([byte; 50]));
    }
    outgoing.send(&server).expect("send");
    assert_eq!(received(&client, 100), (0..100).map(|byte| (50, byte)).collect::<Vec<_>>());
}

#[test]
fn what_is_refused_does_not_keep_the_others() {
    let (server, client) = (socket("127.0.0.1"), socket("127.0.0.1"));
    let to = client.local_addr().expect("an address");
    let mut outgoing = Outgoing::default();
    let nobody = "0.0.0.1:1".parse().expect("an address");
    for to in [to, nobody, to] {
        outgoing.push(to, |bytes| bytes.push(7));
    }
    while let Err(error) = outgoing.send(&server) {
        assert_ne!(error.kind(), ErrorKind::WouldBlock);
    }
    assert_eq!(received(&client, 2), [(1, 7), (1, 7)]);
}

/// Of such a socket the kernel divides nothing.
fn without_checksums(socket: &UdpSocket) {
    let (fd, yes, len) = (socket.as_raw_fd(), 1i32, size_of::<i32>() as u32);
    // SAFETY: the option is a number, and the kernel has read it when the call returns.
    #[expect(unsafe_code)]
    let answer =
        unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_NO_CHECK, (&raw const yes).cast(), len) };
    assert_eq!(answer, 0);
}

#[test]
fn what_may_not_be_divided_is_sent_apart() {
    let (server, client) = (socket("127.0.0.1"), socket("127.0.0.1"));
    without_checksums(&server);
    let to = client.local_addr().expect("an address");
    let mut outgoing = Outgoing::default();
    for byte in 0..3 {
        outgoing.push(to, |bytes| bytes.push(byte));
    }
    outgoing.send(&server).expect("send");
    assert_eq!(received(&client, 3), [(1, 0), (1, 1), (1, 2)]);
    assert!(outgoing.apart);
}
