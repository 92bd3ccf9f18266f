//! Servers in every stack, and packets to them, all at once.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use cnm::{Proto, reach::Place};
use linux::netns::Netns;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{AddressFamily, SocketFlags, SocketType, connect, ipproto, socket_with},
};

use super::{
    forecast::{Forecast, Outcome, name},
    topology::SERVED,
    world::Stack,
};

/// How long a packet may take that is expected.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long those are waited for that must not come.
const DOUBT: Duration = Duration::from_millis(250);
/// After so long a datagram is sent again.
const AGAIN: Duration = Duration::from_millis(500);

/// Echo requests (RFC 792, RFC 4443 §4.1).
const ECHO: u8 = 8;
const ECHO6: u8 = 128;

enum Listener {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

/// Answers whoever comes with the stack's name and the client's address.
pub(crate) struct Servers {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Servers {
    pub(crate) fn start<'a>(stacks: impl Iterator<Item = (Place, &'a Netns, &'a [IpAddr])>) -> Self {
        let mut listeners = Vec::new();
        for (place, netns, addresses) in stacks {
            let loopback = ["127.0.0.1", "::1"].map(|text| text.parse().expect("an address"));
            let all: Vec<IpAddr> = addresses.iter().copied().chain(loopback).collect();
            let open = || {
                all.iter().flat_map(|address| SERVED.map(|port| listen(*address, port))).collect::<Vec<_>>()
            };
            let opened = netns.enter(open).expect("entered");
            listeners.extend(opened.into_iter().flatten().map(|listener| (name(place), listener)));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                serve(&listeners);
            }
        });
        Self { stop, thread }
    }

    pub(crate) fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("servers do not panic");
    }
}

/// A listener for each protocol. A socket of its own for each address: it answers from there.
fn listen(address: IpAddr, port: u16) -> [Listener; 2] {
    let at = SocketAddr::new(address, port);
    let tcp = TcpListener::bind(at).unwrap_or_else(|error| panic!("listen at {at}: {error}"));
    let udp = UdpSocket::bind(at).unwrap_or_else(|error| panic!("bind {at}: {error}"));
    tcp.set_nonblocking(true).expect("not blocking");
    udp.set_nonblocking(true).expect("not blocking");
    [Listener::Tcp(tcp), Listener::Udp(udp)]
}

fn serve(listeners: &[(String, Listener)]) {
    let mut ready: Vec<PollFd<'_>> = listeners
        .iter()
        .map(|(_, listener)| match listener {
            Listener::Tcp(listener) => PollFd::new(listener, PollFlags::IN),
            Listener::Udp(socket) => PollFd::new(socket, PollFlags::IN),
        })
        .collect();
    wait(&mut ready, Duration::from_millis(20));
    let ready: Vec<bool> = ready.iter().map(|fd| !fd.revents().is_empty()).collect();
    for ((who, listener), _) in listeners.iter().zip(ready).filter(|(_, ready)| *ready) {
        match listener {
            Listener::Tcp(listener) => {
                while let Ok((mut client, peer)) = listener.accept() {
                    drop(client.write_all(format!("{who} {}\n", peer.ip()).as_bytes()));
                }
            }
            Listener::Udp(socket) => {
                let mut question = [0; 16];
                while let Ok((_, peer)) = socket.recv_from(&mut question) {
                    drop(socket.send_to(format!("{who} {}\n", peer.ip()).as_bytes(), peer));
                }
            }
        }
    }
}

fn wait(ready: &mut [PollFd<'_>], most: Duration) {
    let most = Timespec::try_from(most).expect("a short time");
    // A signal only makes it shorter.
    let _count = poll(ready, Some(&most));
}

/// A packet under way.
enum Client {
    Tcp(TcpStream),
    Udp(UdpSocket),
    Echo(UdpSocket),
    Done(Outcome),
}

/// Sends all, and says what became of each.
pub(crate) fn all(stacks: &BTreeMap<Place, Stack>, forecasts: &[Forecast]) -> Vec<Outcome> {
    let mut clients: Vec<Client> = forecasts.iter().map(|_| Client::Done(None)).collect();
    for (place, stack) in stacks {
        let mine: Vec<_> = forecasts.iter().enumerate().filter(|(_, it)| it.from == *place).collect();
        // Echo requests without a raw socket (icmp(7)).
        linux::sysctl::write_in(&stack.netns, &[("net/ipv4/ping_group_range", "0 0")]).expect("a setting");
        let sent = stack.netns.enter(|| mine.iter().map(|(at, it)| (*at, send(it))).collect::<Vec<_>>());
        for (at, client) in sent.expect("entered") {
            clients[at] = client;
        }
    }
    let (begun, mut asked) = (Instant::now(), Instant::now());
    let mut last = Instant::now();
    loop {
        if look(&mut clients) {
            last = Instant::now();
        }
        let waits = |(client, forecast): (&Client, &Forecast)| {
            forecast.expected.is_some() && !matches!(client, Client::Done(_))
        };
        let expects = clients.iter().zip(forecasts).any(waits);
        if (!expects && last.elapsed() > DOUBT) || begun.elapsed() > PATIENCE {
            break;
        }
        if asked.elapsed() > AGAIN {
            asked = Instant::now();
            clients.iter().for_each(ask);
        }
    }
    clients
        .into_iter()
        .map(|client| if let Client::Done(outcome) = client { outcome } else { None })
        .collect()
}

fn send(forecast: &Forecast) -> Client {
    let to = SocketAddr::new(forecast.to, forecast.port);
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (kind, proto) = match forecast.proto {
        Some(Proto::Tcp) => (SocketType::STREAM, None),
        Some(Proto::Udp | Proto::Sctp) => (SocketType::DGRAM, None),
        None if to.is_ipv4() => (SocketType::DGRAM, Some(ipproto::ICMP)),
        None => (SocketType::DGRAM, Some(ipproto::ICMPV6)),
    };
    let socket: OwnedFd = socket_with(family, kind, flags, proto).expect("a socket");
    match connect(&socket, &to) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
        Err(_) => return Client::Done(None),
    }
    let client = match forecast.proto {
        Some(Proto::Tcp) => Client::Tcp(socket.into()),
        Some(Proto::Udp | Proto::Sctp) => Client::Udp(socket.into()),
        // A socket for datagrams, too.
        None => Client::Echo(socket.into()),
    };
    ask(&client);
    client
}

fn ask(client: &Client) {
    match client {
        Client::Udp(socket) => drop(socket.send(b"who?")),
        Client::Echo(socket) => {
            // The kernel sets checksum and identifier (icmp(7)).
            let is_v4 = socket.local_addr().is_ok_and(|own| own.is_ipv4());
            drop(socket.send(&[if is_v4 { ECHO } else { ECHO6 }, 0, 0, 0, 0, 0, 0, 1]));
        }
        Client::Tcp(_) | Client::Done(_) => {}
    }
}

/// Takes what has come; says whether anything has.
fn look(clients: &mut [Client]) -> bool {
    let mut waiting = Vec::new();
    let mut ready = Vec::new();
    for (at, client) in clients.iter().enumerate() {
        let fd = match client {
            Client::Tcp(stream) => PollFd::new(stream, PollFlags::IN),
            Client::Udp(socket) | Client::Echo(socket) => PollFd::new(socket, PollFlags::IN),
            Client::Done(_) => continue,
        };
        waiting.push(at);
        ready.push(fd);
    }
    wait(&mut ready, Duration::from_millis(20));
    let ready: Vec<_> = ready.iter().map(|fd| !fd.revents().is_empty()).collect();
    let mut has_come = false;
    for at in waiting.into_iter().zip(ready).filter(|(_, ready)| *ready).map(|(at, _)| at) {
        if let Some(outcome) = take(&mut clients[at]) {
            clients[at] = Client::Done(outcome);
            has_come = true;
        }
    }
    has_come
}

/// What a client was told; none if it has to wait on.
fn take(client: &mut Client) -> Option<Outcome> {
    let mut answer = [0; 128];
    let (read, own) = match client {
        Client::Tcp(stream) => (stream.read(&mut answer), stream.local_addr()),
        // A refusal is no answer, and the next one may come all the same.
        Client::Udp(socket) => match socket.recv(&mut answer) {
            Ok(read) => (Ok(read), socket.local_addr()),
            Err(_) => return None,
        },
        Client::Echo(socket) => {
            let own = socket.local_addr().ok()?.ip();
            return socket.recv(&mut answer).ok().map(|_| Some((String::from("echo"), own, own)));
        }
        Client::Done(_) => return None,
    };
    let outcome = match (read, own) {
        (Err(error), _) if error.kind() == io::ErrorKind::WouldBlock => return None,
        (Ok(read), Ok(own)) => said(&answer[..read], own.ip()),
        (Err(_), _) | (_, Err(_)) => None,
    };
    Some(outcome)
}

fn said(answer: &[u8], own: IpAddr) -> Outcome {
    let text = str::from_utf8(answer).ok()?;
    let (who, seen) = text.trim().split_once(' ')?;
    let seen: IpAddr = seen.parse().ok()?;
    Some((who.to_owned(), seen.to_canonical(), own.to_canonical()))
}
