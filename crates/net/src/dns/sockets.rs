//! The sockets of a resolver, inside its sandbox.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::thread;

use cnm::files::RESOLVER;
use ipnet::{IpNet, Ipv4Net};
use linux::netns::Netns;
use linux::nfnl::{
    Base, Batch, Chain, ChainType, CmpOp, End, Expr, Family, Hook, Is, Nfnl, PayloadBase, Reg, Rule, Table,
    Verdict,
};

use super::DnsError;

/// The table inside a sandbox that leads port 53 to the resolver.
const TABLE: &str = "tombolo_dns";
/// Leads questions to the resolver's port, and shows its replies as from port 53.
const THERE: &str = "there";
const BACK: &str = "back";
/// Keeps from clients that nobody listens: a resolver that is refused gives up at once, one
/// that hears nothing asks again, and by then the next engine is there.
const SILENCE: &str = "silence";
/// The port of DNS.
pub(super) const PORT: u16 = 53;
/// `NF_IP_PRI_RAW`, `NF_IP_PRI_MANGLE` and `NF_IP_PRI_FILTER`: before connection tracking, after it, last.
const RAW: i32 = -300;
const MANGLE: i32 = -150;
const FILTER: i32 = 0;
/// `ICMP_DEST_UNREACH`.
const UNREACHABLE: u8 = 3;
/// IANA's numbers of ICMP, TCP and UDP.
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Where the checksum is in the headers of UDP and TCP.
const UDP_CHECKSUM: u32 = 6;
const TCP_CHECKSUM: u32 = 16;

/// Room for a burst of thousands of queries that come before one is read, in bytes.
const BURST: usize = 4 * 1024 * 1024;

/// Where a resolver is asked.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) udp: UdpSocket,
    pub(super) tcp: TcpListener,
}

impl Sockets {
    /// Opens them in the namespace and leads 127.0.0.11:53 to them.
    /// `old` is what leads them elsewhere now, or has.
    pub(super) fn open(netns: &Netns, old: Option<Redirection>) -> Result<(Self, Redirection), DnsError> {
        netns.enter(|| {
            let sockets = Self::bind().map_err(|source| DnsError::Socket { action: "open", source })?;
            let port = |address: io::Result<SocketAddr>| address.map(|address| address.port());
            let ports = (port(sockets.udp.local_addr()), port(sockets.tcp.local_addr()));
            let (Ok(udp), Ok(tcp)) = ports else {
                let source = io::Error::other("a bound socket has no address");
                return Err(DnsError::Socket { action: "ask", source });
            };
            Ok((sockets, Redirection::lead(netns, old, udp, tcp)?))
        })?
    }

    fn bind() -> io::Result<Self> {
        let udp = UdpSocket::bind((RESOLVER, 0))?;
        let tcp = TcpListener::bind((RESOLVER, 0))?;
        linux::socket::enlarge(&udp, BURST)?;
        udp.set_nonblocking(true)?;
        tcp.set_nonblocking(true)?;
        Ok(Self { udp, tcp })
    }
}

/// The redirection inside a sandbox, and the socket it is made with.
///
/// The socket stays open as long as the sandbox, and is closed on a thread of its own: the
/// kernel lets whoever closes it wait until it has freed what the last transactions
/// replaced, some 10 to 35 ms, and lets no other transaction begin meanwhile.
#[derive(Debug)]
pub(super) struct Redirection {
    netns: Netns,
    nfnl: Option<Nfnl>,
}

impl Redirection {
    /// Leads port 53 of the resolver's address to these ports, in one transaction
    /// and instead of what a resolver before us wanted.
    fn lead(netns: &Netns, old: Option<Self>, udp: u16, tcp: u16) -> Result<Self, DnsError> {
        let old = old.filter(|old| old.netns.same_as(netns).unwrap_or(false));
        let mut redirection = match old {
            Some(old) => old,
            None => Self { netns: netns.try_clone()?, nfnl: Some(Nfnl::open().map_err(DnsError::Netlink)?) },
        };
        let table = Table::new(Family::Ip, TABLE);
        let mut batch = Batch::new();
        batch.destroy_table(&table).add_table(&table);
        for (chain, priority) in [(THERE, RAW), (BACK, MANGLE), (SILENCE, FILTER)] {
            let base = Base::new(ChainType::Filter, Hook::Output, priority);
            batch.add_chain(&table, &Chain::base(chain, base));
        }
        for (protocol, checksum, port) in [(UDP, UDP_CHECKSUM, udp), (TCP, TCP_CHECKSUM, tcp)] {
            let there = of_resolver(THERE, End::Destination, protocol, PORT);
            let back = of_resolver(BACK, End::Source, protocol, port);
            batch.add_rule(&table, &there.set_port(End::Destination, port, checksum));
            batch.add_rule(&table, &back.set_port(End::Source, PORT, checksum));
        }
        batch.add_rule(&table, &silence());
        redirection.nfnl().commit(batch).map_err(DnsError::Redirect)?;
        Ok(redirection)
    }

    fn nfnl(&mut self) -> &mut Nfnl {
        self.nfnl.as_mut().expect("it is open until it is dropped")
    }

    /// Takes it away.
    pub(super) fn withdraw(&mut self) -> Result<(), DnsError> {
        let mut batch = Batch::new();
        batch.destroy_table(&Table::new(Family::Ip, TABLE));
        self.nfnl().commit(batch).map_err(DnsError::Redirect)
    }
}

impl Drop for Redirection {
    fn drop(&mut self) {
        let nfnl = self.nfnl.take();
        // Without a thread, the socket is closed here.
        drop(thread::Builder::new().name("close-nfnl".to_owned()).spawn(move || drop(nfnl)));
    }
}

/// A test of packets to or from a port of the resolver's address.
fn of_resolver(chain: &str, end: End, protocol: u8, port: u16) -> Rule {
    Rule::new(chain).addr(end, Is::Equal, address()).l4proto(Is::Equal, protocol).port(end, Is::Equal, port)
}

/// Drops what would tell a client that nobody listens.
fn silence() -> Rule {
    let kind = Expr::Payload { dreg: Reg::FIRST, base: PayloadBase::Transport, offset: 0, len: 1 };
    Rule::new(SILENCE)
        .addr(End::Source, Is::Equal, address())
        .l4proto(Is::Equal, ICMP)
        .expr(kind)
        .expr(Expr::Cmp { op: CmpOp::Eq, sreg: Reg::FIRST, data: vec![UNREACHABLE] })
        .verdict(Verdict::Drop)
}

fn address() -> IpNet {
    Ipv4Net::new_assert(RESOLVER, Ipv4Addr::BITS as u8).into()
}

/// A socket to ask a server of this address, of the calling thread's namespace.
pub(super) fn udp_for(server: IpAddr) -> io::Result<UdpSocket> {
    let any = cnm::Family::of(&server).unspecified();
    let socket = UdpSocket::bind((any, 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
