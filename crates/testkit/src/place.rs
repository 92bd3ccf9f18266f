//! The stacks of a scratch machine, and packets between them.
//!
//! A test opens its sockets in the stack where it wants them and uses them from
//! its own thread: what a server sees of a client is what `accept` says.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::PathBuf,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use linux::netns::Netns;

use crate::Machine;

/// How long a packet may take that is expected.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one is waited for that must not come.
const DOUBT: Duration = Duration::from_millis(700);

/// A network stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// The machine's own.
    Host,
    /// The neighbour's.
    Outside,
    /// That of the peer on the private network ([`Machine::lay_lan`]).
    Peer,
    /// That of the neighbour behind a router ([`Machine::lay_lan`]).
    Far,
    /// That of a container that runs.
    In(&'a str),
}

impl Machine {
    /// Does something in a stack; what it opens there stays there.
    ///
    /// # Errors
    /// If the container does not run.
    pub fn at<T: Send + 'static>(
        &self,
        place: Place<'_>,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let netns = self.stack(place)?;
        Ok(thread::spawn(move || netns.enter(job)).join().expect("a job does not panic")?)
    }

    fn stack(&self, place: Place<'_>) -> Result<Netns> {
        let path = match place {
            Place::Host => return Ok(self.within(Netns::current)?),
            Place::Outside => PathBuf::from("/run/netns/outside"),
            Place::Peer => PathBuf::from("/run/netns/peer"),
            Place::Far => PathBuf::from("/run/netns/far"),
            Place::In(container) => {
                let key = self.inspect(container)?["NetworkSettings"]["SandboxKey"].clone();
                let key = key.as_str().filter(|key| !key.is_empty()).map(PathBuf::from);
                key.with_context(|| format!("{container} has no stack"))?
            }
        };
        Ok(self.within(move || Netns::open(&path))?)
    }

    /// Listens in a stack.
    ///
    /// # Errors
    /// If the address is taken there.
    pub fn listen(&self, place: Place<'_>, address: &str) -> Result<TcpListener> {
        let address = socket_address(address)?;
        let listener = self.at(place, move || TcpListener::bind(address))?.context("cannot listen")?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    /// Waits for datagrams in a stack.
    ///
    /// # Errors
    /// If the address is taken there.
    pub fn datagrams(&self, place: Place<'_>, address: &str) -> Result<UdpSocket> {
        let address = socket_address(address)?;
        let socket = self.at(place, move || UdpSocket::bind(address))?.context("cannot bind")?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(socket)
    }

    /// Connects to `to` from a stack, has both sides say something, and tells whom the server saw.
    ///
    /// # Errors
    /// If the server is not reached.
    pub fn tcp(&self, from: Place<'_>, to: &str, server: &TcpListener) -> Result<IpAddr> {
        let mut client = self.connect(from, to, PATIENCE)?.with_context(|| format!("{from:?} to {to}"))?;
        let accepted = crate::until("a connection at the server", || server.accept().ok());
        let (mut serving, peer) = accepted.with_context(|| format!("{from:?} to {to}"))?;
        serving.set_nonblocking(false)?;
        said(&mut client, &mut serving)?;
        said(&mut serving, &mut client)?;
        Ok(peer.ip().to_canonical())
    }

    /// Whether nothing answers at `to`, by TCP.
    ///
    /// # Errors
    /// If something does.
    pub fn no_tcp(&self, from: Place<'_>, to: &str) -> Result<()> {
        ensure!(self.connect(from, to, DOUBT)?.is_err(), "{from:?} reaches {to}");
        Ok(())
    }

    fn connect(&self, from: Place<'_>, to: &str, most: Duration) -> Result<io::Result<TcpStream>> {
        let to = socket_address(to)?;
        self.at(from, move || TcpStream::connect_timeout(&to, most))
    }

    /// Whether an echo request from a stack is answered.
    ///
    /// # Errors
    /// If the container does not run.
    pub fn pings(&self, from: Place<'_>, to: &str) -> Result<bool> {
        let path = self.stack(from)?.path().display().to_string();
        let ping = format!("nsenter --net={path} busybox ping -c 1 -W 1 {to} > /dev/null");
        Ok(self.sh(&ping).code == 0)
    }

    /// A socket that sends to `to` from a stack.
    ///
    /// # Errors
    /// If there is no way there.
    pub fn sender(&self, from: Place<'_>, to: &str) -> Result<UdpSocket> {
        let to = socket_address(to)?;
        let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let open = move || UdpSocket::bind(any).and_then(|socket| socket.connect(to).map(|()| socket));
        let socket = self.at(from, open)?.with_context(|| format!("no way to {to}"))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(socket)
    }
}

/// Sends a datagram and an answer to it, and tells whom the server saw.
///
/// # Errors
/// If one of them does not arrive.
pub fn udp(client: &UdpSocket, server: &UdpSocket) -> Result<IpAddr> {
    let mut buffer = [0; 16];
    client.send(b"question")?;
    let (len, peer) = server.recv_from(&mut buffer).context("no question")?;
    ensure!(&buffer[..len] == b"question");
    server.send_to(b"answer", peer)?;
    let len = client.recv(&mut buffer).context("no answer")?;
    ensure!(&buffer[..len] == b"answer");
    Ok(peer.ip().to_canonical())
}

fn said(writer: &mut TcpStream, reader: &mut TcpStream) -> Result<()> {
    let mut heard = [0; 5];
    reader.set_read_timeout(Some(PATIENCE))?;
    writer.write_all(b"hello")?;
    reader.read_exact(&mut heard)?;
    ensure!(&heard == b"hello");
    Ok(())
}

fn socket_address(text: &str) -> Result<SocketAddr> {
    text.parse().with_context(|| format!("{text} is no address with a port"))
}
