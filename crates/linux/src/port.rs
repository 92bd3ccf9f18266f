//! Ports that are held so that nobody else binds them.
//!
//! A socket that is bound and never listens holds its port; one for datagrams
//! has a filter that drops everything, so that nothing piles up in it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, bind, ipproto, socket_with, sockopt};
use thiserror::Error;

use crate::sock_diag::{PortProtocol, SockDiag};

/// How many ports of a range are held by sockets. Of larger ranges it is only
/// looked whether they are free: descriptors are limited.
pub const HELD: usize = 1024;

/// A port is not free.
#[derive(Debug, Error)]
#[error("cannot bind {address}")]
pub struct PortError {
    /// The address and port that is in the way.
    pub address: SocketAddr,
    /// The system's answer.
    #[source]
    pub source: io::Error,
}

/// Ports that are held until this value is dropped.
#[derive(Debug)]
pub struct Reservation {
    sockets: Vec<OwnedFd>,
}

impl Reservation {
    /// Holds these ports of an address of the calling thread's namespace, whether it is there yet or
    /// not. The unspecified address stands for all of its family.
    pub fn new(
        protocol: PortProtocol,
        address: IpAddr,
        ports: RangeInclusive<u16>,
    ) -> Result<Self, PortError> {
        if ports.len() > HELD {
            return look(protocol, address, ports).map(|()| Self { sockets: Vec::new() });
        }
        let mut sockets = Vec::new();
        for port in ports {
            let address = SocketAddr::new(address, port);
            let socket =
                bound(protocol, address).map_err(|errno| PortError { address, source: errno.into() })?;
            sockets.extend(socket);
        }
        Ok(Self { sockets })
    }

    /// The sockets, in the order of the ports; none for large ranges.
    ///
    /// One for TCP may be made to listen: then it serves what no rule leads elsewhere.
    pub fn sockets(&self) -> &[OwnedFd] {
        &self.sockets
    }
}

/// Makes room for as many descriptors. The kernel enlarges a process' table by doubling it,
/// and where there are threads waits for all processors each time, 5 to 20 ms: better
/// once at the start than in somebody's request. Without the room, as before.
pub fn make_room(descriptors: u16) {
    if let Ok(any) = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None) {
        drop(rustix::io::fcntl_dupfd_cloexec(&any, i32::from(descriptors)));
    }
}

/// Whether all these ports are free, as far as anybody has bound them.
fn look(protocol: PortProtocol, address: IpAddr, ports: RangeInclusive<u16>) -> Result<(), PortError> {
    let failed = |port, source| PortError { address: SocketAddr::new(address, port), source };
    let list = || -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
        let mut diag = SockDiag::open()?;
        let complete = protocol != PortProtocol::Tcp || diag.lists_bound_tcp()?;
        Ok((diag.bound(protocol)?, complete))
    };
    let (bound, complete) = list().map_err(|error| failed(*ports.start(), io::Error::other(error)))?;
    let in_the_way = |port: &u16| bound.iter().any(|bound| bound.conflicts(address, *port));
    let mut taken: Vec<_> =
        bound.iter().map(|bound| bound.local.port()).filter(|port| ports.contains(port)).collect();
    taken.sort_unstable();
    match taken.into_iter().find(in_the_way) {
        Some(port) => Err(failed(port, Errno::ADDRINUSE.into())),
        None if complete => Ok(()),
        None => bind_each(protocol, address, ports),
    }
}

/// The same where the kernel does not list all that is bound: each port is bound for a moment.
fn bind_each(protocol: PortProtocol, address: IpAddr, ports: RangeInclusive<u16>) -> Result<(), PortError> {
    ports.map(|port| SocketAddr::new(address, port)).try_for_each(|address| {
        bound(protocol, address).map(drop).map_err(|errno| PortError { address, source: errno.into() })
    })
}

/// A socket that holds a port, unless the kernel does not know the protocol.
fn bound(protocol: PortProtocol, address: SocketAddr) -> Result<Option<OwnedFd>, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let (kind, number): (_, Protocol) = match protocol {
        PortProtocol::Tcp => (SocketType::STREAM, ipproto::TCP),
        PortProtocol::Udp => (SocketType::DGRAM, ipproto::UDP),
        PortProtocol::Sctp => (SocketType::STREAM, ipproto::SCTP),
    };
    let socket = match socket_with(family, kind, SocketFlags::CLOEXEC, Some(number)) {
        Err(Errno::PROTONOSUPPORT | Errno::SOCKTNOSUPPORT) if protocol == PortProtocol::Sctp => {
            return Ok(None);
        }
        socket => socket?,
    };
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    if protocol == PortProtocol::Udp {
        drop_all(std::os::fd::AsFd::as_fd(&socket))?;
    }
    match bind(&socket, &address) {
        // Connections that are long over may be in the way, if they were made to give way.
        Err(Errno::ADDRINUSE) if protocol == PortProtocol::Tcp => {
            sockopt::set_socket_reuseaddr(&socket, true)?;
            bind(&socket, &address)?;
            sockopt::set_socket_reuseaddr(&socket, false)?;
        }
        // The address may come later, and its ports are to be held by then.
        Err(Errno::ADDRNOTAVAIL) => {
            match address {
                SocketAddr::V4(_) => sockopt::set_ip_freebind(&socket, true)?,
                SocketAddr::V6(_) => sockopt::set_ipv6_freebind(&socket, true)?,
            }
            bind(&socket, &address)?;
        }
        bound => bound?,
    }
    Ok(Some(socket))
}

/// Attaches a filter that lets nothing through.
fn drop_all(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut nothing = [libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: 0 }];
    let program = libc::sock_fprog { len: 1, filter: nothing.as_mut_ptr() };
    let size = libc::socklen_t::try_from(size_of_val(&program)).expect("a program's header is small");
    // SAFETY: the kernel copies the program, which lives until the call returns, and keeps nothing of it.
    #[expect(unsafe_code, reason = "rustix has no socket filters")]
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};

    use super::*;
    use crate::netns::leave_host;
    use crate::rtnl::{LinkSet, Rtnl};

    fn alone(test: impl FnOnce() + Send) {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                leave_host().expect("a namespace of the test's own");
                let up = LinkSet { up: Some(true), ..LinkSet::default() };
                Rtnl::open().expect("a socket").link_set(1, &up).expect("lo up");
                test();
            });
        });
    }

    #[test]
    fn a_port_that_is_held_cannot_be_bound_and_then_can() {
        alone(|| {
            let (any4, any6) = (IpAddr::from(Ipv4Addr::UNSPECIFIED), IpAddr::from(Ipv6Addr::UNSPECIFIED));
            let tcp = Reservation::new(PortProtocol::Tcp, any4, 80..=81).expect("free");
            let udp = Reservation::new(PortProtocol::Udp, any6, 53..=53).expect("free");
            assert_eq!((tcp.sockets().len(), udp.sockets().len()), (2, 1));
            assert!(TcpListener::bind("127.0.0.1:81").is_err());
            assert!(UdpSocket::bind("[::1]:53").is_err());
            drop((
                TcpListener::bind("[::1]:80").expect("the other family"),
                UdpSocket::bind("127.0.0.1:53").expect("too"),
            ));
            drop((tcp, udp));
            drop((
                TcpListener::bind("127.0.0.1:81").expect("free"),
                UdpSocket::bind("[::1]:53").expect("free"),
            ));
        });
    }

    #[test]
    fn connections_that_are_over_are_not_in_the_way() {
        alone(|| {
            let any = IpAddr::from(Ipv4Addr::UNSPECIFIED);
            let held = Reservation::new(PortProtocol::Tcp, any, 80..=80).expect("free");
            let socket = held.sockets()[0].try_clone().expect("a descriptor");
            sockopt::set_socket_reuseaddr(&socket, true).expect("an option");
            rustix::net::listen(&socket, 1).expect("listens");
            let listener = TcpListener::from(socket);
            let client = std::net::TcpStream::connect("127.0.0.1:80").expect("a client");
            drop(listener.accept().expect("a connection"));
            drop((listener, held, client));
            let held = Reservation::new(PortProtocol::Tcp, any, 80..=80).expect("free again");
            assert!(TcpListener::bind("127.0.0.1:80").is_err());
            let second = Reservation::new(PortProtocol::Tcp, any, 80..=80).expect_err("held");
            assert_eq!(second.source.kind(), io::ErrorKind::AddrInUse);
            drop(held);
        });
    }

    #[test]
    fn the_port_in_the_way_is_named() {
        alone(|| {
            let _stranger = TcpListener::bind("127.0.0.1:8085").expect("free");
            let any = IpAddr::from(Ipv4Addr::UNSPECIFIED);
            let error = Reservation::new(PortProtocol::Tcp, any, 8000..=9999).expect_err("in the way");
            assert_eq!(error.to_string(), "cannot bind 0.0.0.0:8085");
            assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
            let one = Reservation::new(PortProtocol::Tcp, any, 8000..=8000).expect("nothing is left of it");
            drop(one);
            let large = Reservation::new(PortProtocol::Udp, any, 10_000..=12_000).expect("free");
            assert!(large.sockets().is_empty());
        });
    }

    #[test]
    fn a_port_that_is_only_bound_is_in_the_way_of_a_range() {
        alone(|| {
            let any = IpAddr::from(Ipv4Addr::UNSPECIFIED);
            let held = Reservation::new(PortProtocol::Tcp, any, 8085..=8085).expect("free");
            for refused in [
                Reservation::new(PortProtocol::Tcp, any, 8000..=9999).map(drop),
                bind_each(PortProtocol::Tcp, any, 8000..=9999),
            ] {
                let error = refused.expect_err("in the way");
                assert_eq!(error.to_string(), "cannot bind 0.0.0.0:8085");
            }
            drop(held);
            bind_each(PortProtocol::Tcp, any, 8000..=9999).expect("free");
            drop(Reservation::new(PortProtocol::Tcp, any, 8000..=9999).expect("free, and it was let go"));
        });
    }

    #[test]
    fn nothing_piles_up_in_a_port_that_is_held() {
        alone(|| {
            let held =
                Reservation::new(PortProtocol::Udp, Ipv4Addr::LOCALHOST.into(), 53..=53).expect("free");
            let client = UdpSocket::bind("127.0.0.1:0").expect("a client");
            client.send_to(b"hello", "127.0.0.1:53").expect("send");
            let socket = UdpSocket::from(held.sockets()[0].try_clone().expect("a clone"));
            socket.set_nonblocking(true).expect("set");
            let error = socket.recv(&mut [0; 8]).expect_err("dropped");
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        });
    }
}
