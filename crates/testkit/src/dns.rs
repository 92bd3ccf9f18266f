//! A name server that knows one name, and a client that shows whole answers (RFC 1035).

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::{Context, Result, ensure};

use crate::{Machine, Place};

/// Types of records: A, PTR and AAAA.
pub const A: u16 = 1;
/// See [`A`].
pub const PTR: u16 = 12;
/// See [`A`].
pub const AAAA: u16 = 28;

/// The header and nothing else.
const HEADER: usize = 12;
/// The resolver of every sandbox.
const RESOLVER: &str = "127.0.0.11:53";

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The response code: 0 is NOERROR, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED.
    pub code: u8,
    /// Addresses and names.
    pub records: Vec<String>,
}

/// Asks the resolver of a container by UDP and by TCP, which must say the same.
///
/// # Errors
/// If it does not answer, or not twice the same.
pub fn ask(machine: &Machine, container: &str, name: &str, kind: u16) -> Result<Said> {
    ask_at(machine, (Place::In(container), RESOLVER), name, kind)
}

/// Asks a server of a stack by UDP and by TCP, which must say the same.
///
/// # Errors
/// If it does not answer, or not twice the same.
pub fn ask_at(
    machine: &Machine,
    (place, server): (Place<'_>, &'static str),
    name: &str,
    kind: u16,
) -> Result<Said> {
    let query = query(name, kind);
    let client = machine.sender(place, server)?;
    client.send(&query)?;
    let mut reply = vec![0; 4096];
    let len = client.recv(&mut reply).with_context(|| format!("no answer about {name}"))?;
    let by_udp = read(&reply[..len])?;
    let connect = move || TcpStream::connect(server);
    let mut stream = machine.at(place, connect)?.context("no TCP")?;
    let by_tcp = read(&exchange(&mut stream, &query)?)?;
    ensure!(by_udp == by_tcp, "{name}: {by_udp:?} by UDP, {by_tcp:?} by TCP");
    Ok(by_udp)
}

/// The name under which an IPv4 address is looked up.
pub fn reverse(address: &str) -> String {
    let octets: Vec<_> = address.split('.').rev().collect();
    format!("{}.in-addr.arpa", octets.join("."))
}

/// Starts a server on port 53 of an address of the machine: `known` is at `address`, for a
/// minute, and nothing else is anywhere. It ends with the test's process. Returns how often
/// it is asked.
///
/// # Errors
/// If the port is taken.
pub fn serve(
    machine: &Machine,
    at: &str,
    known: &'static str,
    address: Ipv4Addr,
) -> Result<Arc<AtomicUsize>> {
    let udp = machine.datagrams(Place::Host, &format!("{at}:53"))?;
    udp.set_read_timeout(None)?;
    let tcp = machine.listen(Place::Host, &format!("{at}:53"))?;
    tcp.set_nonblocking(false)?;
    let asked = Arc::new(AtomicUsize::new(0));
    let (by_udp, by_tcp) = (Arc::clone(&asked), Arc::clone(&asked));
    thread::spawn(move || serve_udp(&udp, &by_udp, known, address));
    thread::spawn(move || serve_tcp(&tcp, &by_tcp, known, address));
    Ok(asked)
}

fn serve_udp(socket: &UdpSocket, asked: &AtomicUsize, known: &str, address: Ipv4Addr) {
    let mut buffer = [0; 1024];
    while let Ok((len, client)) = socket.recv_from(&mut buffer) {
        asked.fetch_add(1, Ordering::SeqCst);
        drop(socket.send_to(&reply(&buffer[..len], known, address), client));
    }
}

fn serve_tcp(listener: &TcpListener, asked: &AtomicUsize, known: &str, address: Ipv4Addr) {
    for mut stream in listener.incoming().flatten() {
        if let Ok(query) = receive(&mut stream) {
            asked.fetch_add(1, Ordering::SeqCst);
            drop(send(&mut stream, &reply(&query, known, address)));
        }
    }
}

/// An answer to a query: the address, or that there is no such name.
fn reply(query: &[u8], known: &str, address: Ipv4Addr) -> Vec<u8> {
    let (name, after) = name(query, HEADER).unwrap_or_default();
    let is_known = name.eq_ignore_ascii_case(known);
    let is_address = query.get(after..after + 2) == Some(&A.to_be_bytes());
    let mut reply = query[..(after + 4).min(query.len())].to_vec();
    reply[2] = 0x84;
    reply[3] = if is_known { 0x80 } else { 0x83 };
    reply[6..12].copy_from_slice(&[0, u8::from(is_known && is_address), 0, 0, 0, 0]);
    if is_known && is_address {
        reply.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        reply.extend(address.octets());
    }
    reply
}

fn query(name: &str, kind: u16) -> Vec<u8> {
    let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        query.push(u8::try_from(label.len()).unwrap_or(63));
        query.extend(label.as_bytes());
    }
    query.push(0);
    query.extend(kind.to_be_bytes());
    query.extend([0, 1]);
    query
}

fn exchange(stream: &mut TcpStream, query: &[u8]) -> Result<Vec<u8>> {
    send(stream, query)?;
    receive(stream)
}

fn send(stream: &mut TcpStream, message: &[u8]) -> Result<()> {
    let len = u16::try_from(message.len())?;
    Ok(stream.write_all(&[&len.to_be_bytes(), message].concat())?)
}

fn receive(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut len = [0; 2];
    stream.read_exact(&mut len)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut message)?;
    Ok(message)
}

fn read(reply: &[u8]) -> Result<Said> {
    let cut = || format!("a broken answer: {reply:?}");
    let code = reply.get(3).with_context(cut)? & 0x0f;
    let count = u16::from_be_bytes([reply[6], reply[7]]);
    let (_, mut at) = name(reply, HEADER).with_context(cut)?;
    at += 4;
    let mut records = Vec::new();
    for _ in 0..count {
        let (_, after) = name(reply, at).with_context(cut)?;
        let head: [u8; 10] = reply.get(after..after + 10).with_context(cut)?.try_into()?;
        let (kind, len) = (u16::from_be_bytes([head[0], head[1]]), u16::from_be_bytes([head[8], head[9]]));
        let data = reply.get(after + 10..after + 10 + usize::from(len)).with_context(cut)?;
        records.push(match kind {
            A => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(data)?)).to_string(),
            AAAA => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(data)?)).to_string(),
            PTR => name(reply, after + 10).with_context(cut)?.0,
            other => format!("type {other}"),
        });
        at = after + 10 + usize::from(len);
    }
    records.sort();
    Ok(Said { code, records })
}

/// A name and where what follows it begins.
fn name(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let (mut labels, mut after) = (Vec::new(), None);
    loop {
        let len = usize::from(*message.get(at)?);
        match len {
            0 => return Some((labels.join("."), after.unwrap_or(at + 1))),
            0xc0.. => {
                let low = usize::from(*message.get(at + 1)?);
                after = after.or(Some(at + 2));
                // Only backwards, so that it ends.
                at = Some((len & 0x3f) << 8 | low).filter(|to| *to < at)?;
            }
            _ => {
                labels.push(String::from_utf8_lossy(message.get(at + 1..at + 1 + len)?).into_owned());
                at += 1 + len;
            }
        }
    }
}
