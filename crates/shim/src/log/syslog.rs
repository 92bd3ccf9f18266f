//! Messages for a syslog server, which may be slow, or gone for a while.
//!
//! Nothing here blocks but the first connection: a container whose log cannot be had does not start.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::{Duration, Instant};

use jiff::Zoned;
use runtime::bundle::{SyslogAddress, SyslogFormat, SyslogLog};
use rustix::event::PollFlags;

use super::Entries;

/// Severities of RFC 5424: of standard error, and of standard output.
const ERROR: u8 = 3;
const INFO: u8 = 6;

/// How long a server may take to be reached.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two attempts to reach one that has gone.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the last lines are tried to be delivered.
const FAREWELL: Duration = Duration::from_secs(3);

/// A server and what waits for it.
pub(super) struct Syslog {
    config: SyslogLog,
    host: String,
    /// Absent while it cannot be reached.
    socket: Option<Socket>,
    /// When it may be tried again.
    retry: Instant,
    waiting: VecDeque<Vec<u8>>,
    /// Bytes of all that waits, and how many there may be.
    size: u64,
    most: u64,
    waits: bool,
    /// How much of the first message a stream has taken.
    sent: usize,
}

enum Socket {
    Datagram(UnixDatagram),
    Stream(UnixStream),
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Syslog {
    pub(super) fn open(config: SyslogLog, waits: bool, most: u64) -> io::Result<Self> {
        let socket = Socket::connect(&config.address).map_err(|error| {
            io::Error::other(format!("failed to initialize logging driver: syslog: {error}"))
        })?;
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Ok(Self {
            config,
            host,
            socket: Some(socket),
            retry: Instant::now(),
            waiting: VecDeque::new(),
            size: 0,
            most,
            waits,
            sent: 0,
        })
    }

    /// Takes entries; those there is no room for are lost unless the container waits.
    pub(super) fn take(&mut self, entries: &Entries<'_>) {
        let severity = if entries.is_error() { ERROR } else { INFO };
        let now = Zoned::now();
        for text in entries.each() {
            let message = self.message(severity, &now, text);
            let length = u64::try_from(message.len()).unwrap_or(0);
            if !self.waits && !self.waiting.is_empty() && self.size + length > self.most {
                continue;
            }
            self.size += length;
            self.waiting.push_back(message);
        }
        self.flush();
    }

    /// One message with its line end (moby `daemon/logger/syslog`, and the formatters of srslog).
    fn message(&self, severity: u8, now: &Zoned, text: &[u8]) -> Vec<u8> {
        let SyslogLog { address: _, facility, format, tag } = &self.config;
        let priority = facility * 8 + severity;
        let (host, process) = (&self.host, std::process::id());
        let short = now.strftime("%b %e %H:%M:%S");
        let mut message = match format {
            SyslogFormat::Unix => format!("<{priority}>{short} {tag}[{process}]: "),
            SyslogFormat::Rfc3164 => format!("<{priority}>{short} {host} {tag}[{process}]: "),
            SyslogFormat::Rfc5424 => {
                let long = now.strftime("%Y-%m-%dT%H:%M:%S%:z");
                format!("<{priority}>1 {long} {host} {tag} {process} {tag} - ")
            }
            SyslogFormat::Rfc5424Micro => {
                let long = now.strftime("%Y-%m-%dT%H:%M:%S%.6f%:z");
                format!("<{priority}>1 {long} {host} {tag} {process} {tag} - ")
            }
        }
        .into_bytes();
        message.extend_from_slice(text);
        message.push(b'\n');
        message
    }

    pub(super) fn is_full(&self) -> bool {
        self.waits && self.size > self.most
    }

    pub(super) fn pending(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let socket = self.socket.as_ref().filter(|_| !self.waiting.is_empty())?;
        Some((socket.as_fd(), PollFlags::OUT))
    }

    pub(super) fn alarm(&self) -> Option<Instant> {
        let is_lost = self.socket.is_none() && !self.waiting.is_empty();
        is_lost.then_some(self.retry)
    }

    /// Sends what the server takes now; tries to reach it if it has gone.
    pub(super) fn flush(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        if self.socket.is_none() && Instant::now() >= self.retry {
            self.retry = Instant::now() + PAUSE;
            self.socket = Socket::connect(&self.config.address).ok();
            self.sent = 0;
        }
        while let (Some(socket), Some(message)) = (&mut self.socket, self.waiting.front()) {
            match socket.send(&message[self.sent..]) {
                Ok(length) => {
                    self.sent += length;
                    if self.sent >= message.len() {
                        self.size -= u64::try_from(message.len()).unwrap_or(0);
                        self.waiting.pop_front();
                        self.sent = 0;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.socket = None;
                    self.retry = Instant::now() + PAUSE;
                }
            }
        }
    }

    /// The container has ended: what waits is given a little time.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let end = Instant::now() + FAREWELL;
        while !self.waiting.is_empty() && Instant::now() < end {
            self.flush();
            let wait = rustix::event::Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
            match self.pending() {
                Some((socket, flags)) => {
                    let mut set = [rustix::event::PollFd::from_borrowed_fd(socket, flags)];
                    let _any = rustix::event::poll(&mut set, Some(&wait));
                }
                None if self.waiting.is_empty() => {}
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        match self.waiting.len() {
            0 => Ok(()),
            lost => Err(io::Error::other(format!("{lost} lines did not reach the syslog server"))),
        }
    }
}

impl Socket {
    fn connect(address: &SyslogAddress) -> io::Result<Self> {
        let socket = match address {
            SyslogAddress::Local(path) => {
                let socket = UnixDatagram::unbound()?;
                match socket.connect(path) {
                    // It listens for streams.
                    Err(error)
                        if error.raw_os_error() == Some(rustix::io::Errno::PROTOTYPE.raw_os_error()) =>
                    {
                        Self::Stream(UnixStream::connect(path)?)
                    }
                    other => {
                        other.map_err(|error| named(&path.display(), &error))?;
                        Self::Datagram(socket)
                    }
                }
            }
            SyslogAddress::Stream(path) => {
                Self::Stream(UnixStream::connect(path).map_err(|error| named(&path.display(), &error))?)
            }
            SyslogAddress::Udp(address) => {
                let server = resolve(address)?;
                let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(any)?;
                socket.connect(server).map_err(|error| named(address, &error))?;
                Self::Udp(socket)
            }
            SyslogAddress::Tcp(address) => {
                let stream = TcpStream::connect_timeout(&resolve(address)?, PATIENCE);
                Self::Tcp(stream.map_err(|error| named(address, &error))?)
            }
        };
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(socket)
    }

    /// Sends a message, or, as a stream, the beginning of it.
    fn send(&mut self, message: &[u8]) -> io::Result<usize> {
        match self {
            Self::Datagram(socket) => socket.send(message).map(|_| message.len()),
            // Nobody listens: that is known only from the message before, which is lost.
            Self::Udp(socket) => match socket.send(message) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(message.len()),
                other => other.map(|_| message.len()),
            },
            Self::Stream(stream) => stream.write(message),
            Self::Tcp(stream) => stream.write(message),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Datagram(socket) => socket.as_fd(),
            Self::Stream(socket) => socket.as_fd(),
            Self::Udp(socket) => socket.as_fd(),
            Self::Tcp(socket) => socket.as_fd(),
        }
    }
}

fn resolve(address: &str) -> io::Result<std::net::SocketAddr> {
    let mut found = address.to_socket_addrs().map_err(|error| named(&address, &error))?;
    found.next().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{address}: no such host")))
}

fn named(address: &dyn std::fmt::Display, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{address}: {error}"))
}
