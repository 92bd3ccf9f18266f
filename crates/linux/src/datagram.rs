//! Many datagrams in one system call, and those to one address in one passage through the kernel.

use std::cmp::Reverse;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr;

#[cfg(test)]
mod tests;

/// How many datagrams a system call takes.
pub const AT_ONCE: usize = 32;
/// The longest datagrams that are sent as parts of one: they fit on any link.
const LONGEST_PART: usize = 1200;
/// The sizes of `struct sockaddr_in` and `struct sockaddr_in6`.
const V4: u32 = 16;
const V6: u32 = 28;

/// `struct sockaddr_in` or `struct sockaddr_in6`.
type Name = [u8; V6 as usize];

/// Room for datagrams, and those that came last.
#[derive(Debug)]
pub struct Incoming {
    longest: usize,
    bytes: Box<[u8]>,
    /// How long each is, and who sent it.
    came: Vec<(usize, Name)>,
}

impl Incoming {
    /// Room for datagrams of this length; what is longer is cut off.
    pub fn new(longest: usize) -> Self {
        Self { longest, bytes: vec![0; longest * AT_ONCE].into(), came: Vec::with_capacity(AT_ONCE) }
    }

    /// Receives what is there by now, at most [`AT_ONCE`], in the place of what came before.
    /// Less than that says that nothing was left.
    pub fn receive(&mut self, socket: impl AsFd) -> io::Result<usize> {
        self.came.clear();
        let mut names = [[0; V6 as usize]; AT_ONCE];
        let mut room = self.bytes.chunks_mut(self.longest);
        let mut places = [(); AT_ONCE].map(|()| place_in(room.next().unwrap_or_default()));
        let mut messages: [_; AT_ONCE] =
            std::array::from_fn(|at| message(&mut names[at], V6, &mut places[at..=at], None));
        let (fd, most) = (socket.as_fd().as_raw_fd(), AT_ONCE as u32);
        // SAFETY: what the messages point to outlives the call and is as long as they say.
        #[expect(unsafe_code)]
        let count =
            unsafe { libc::recvmmsg(fd, messages.as_mut_ptr(), most, libc::MSG_DONTWAIT, ptr::null_mut()) };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        let lengths = messages.iter().take(count).map(|message| message.msg_len as usize);
        self.came.extend(lengths.zip(names));
        Ok(count)
    }

    /// What came last, without what has no sender that could be answered.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], SocketAddr)> {
        let places = self.bytes.chunks(self.longest).zip(&self.came);
        places.filter_map(|(place, (len, name))| Some((place.get(..*len)?, address(name)?)))
    }
}

/// Datagrams that are to be sent.
#[derive(Debug, Default)]
pub struct Outgoing {
    bytes: Vec<u8>,
    waiting: Vec<Waiting>,
    /// The kernel has refused to divide one.
    apart: bool,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    to: SocketAddr,
    at: usize,
    len: usize,
}

impl Outgoing {
    /// Whether nothing is to be sent.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds a datagram: what `write` appends, unless that is nothing.
    pub fn push(&mut self, to: SocketAddr, write: impl FnOnce(&mut Vec<u8>)) {
        let at = self.bytes.len();
        write(&mut self.bytes);
        let len = self.bytes.len().saturating_sub(at);
        if len > 0 {
            self.waiting.push(Waiting { to, at, len });
        }
    }

    /// Sends all of them. Those to one address go together as far as their lengths allow it: the
    /// kernel divides them where they arrive (`UDP_SEGMENT`).
    ///
    /// # Errors
    /// If the socket takes no more for now; or if one is refused, which is dropped. The others are
    /// still to be sent.
    pub fn send(&mut self, socket: impl AsFd) -> io::Result<()> {
        self.waiting.sort_unstable_by_key(|waiting| (waiting.to, Reverse(waiting.len), waiting.at));
        while !self.waiting.is_empty() {
            match self.send_some(socket.as_fd()) {
                Ok(sent) => drop(self.waiting.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(_) if self.run(&self.waiting) > 1 => self.apart = true,
                Err(error) => {
                    self.waiting.remove(0);
                    return Err(error);
                }
            }
        }
        self.bytes.clear();
        Ok(())
    }

    /// Sends what one system call takes; returns how many datagrams that are.
    fn send_some(&self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        let waiting = &self.waiting[..self.waiting.len().min(AT_ONCE)];
        let mut places: [_; AT_ONCE] = std::array::from_fn(|at| place(self.bytes_of(waiting.get(at))));
        let mut names = [[0; V6 as usize]; AT_ONCE];
        let mut parts = [Part::of(0); AT_ONCE];
        let mut messages = [message(&mut [0; V6 as usize], 0, &mut [], None); AT_ONCE];
        let (mut count, mut from, mut ends) = (0, 0, [0; AT_ONCE]);
        while let Some(first) = waiting.get(from) {
            let to = from + self.run(&waiting[from..]);
            let len = write_name(first.to, &mut names[count]);
            parts[count] = Part::of(first.len);
            let part = (to > from + 1).then_some(&mut parts[count]);
            messages[count] = message(&mut names[count], len, &mut places[from..to], part);
            (ends[count], from, count) = (to, to, count + 1);
        }
        let (fd, most) = (fd.as_raw_fd(), count as u32);
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: what the messages point to outlives the call and is as long as they say; of the
        // datagrams it is only read.
        #[expect(unsafe_code)]
        let sent = unsafe { libc::sendmmsg(fd, messages.as_mut_ptr(), most, flags) };
        let sent = usize::try_from(sent).map_err(|_| io::Error::last_os_error())?;
        Ok(sent.checked_sub(1).map_or(0, |last| ends[last]))
    }

    fn bytes_of(&self, waiting: Option<&Waiting>) -> &[u8] {
        waiting.map_or(&[], |Waiting { at, len, .. }| &self.bytes[*at..at + len])
    }

    /// How many of these go together: they have one address and one length, but for the last, which may be
    /// shorter.
    fn run(&self, waiting: &[Waiting]) -> usize {
        let Some(first) = waiting.first().filter(|first| !self.apart && first.len <= LONGEST_PART) else {
            return waiting.len().min(1);
        };
        let next = |waiting: &Waiting| waiting.to == first.to;
        let same = waiting.iter().take_while(|waiting| next(waiting) && waiting.len == first.len).count();
        same + usize::from(waiting.get(same).is_some_and(next))
    }
}

/// A control message with the length of the parts of a datagram.
#[repr(C)]
#[derive(Clone, Copy)]
struct Part {
    header: libc::cmsghdr,
    len: u16,
}

impl Part {
    fn of(len: usize) -> Self {
        let header = libc::cmsghdr {
            cmsg_len: size_of::<libc::cmsghdr>() + size_of::<u16>(),
            cmsg_level: libc::SOL_UDP,
            cmsg_type: libc::UDP_SEGMENT,
        };
        Self { header, len: u16::try_from(len).unwrap_or(u16::MAX) }
    }
}

fn place_in(bytes: &mut [u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() }
}

fn place(bytes: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
}

fn message(
    name: &mut Name,
    name_len: u32,
    places: &mut [libc::iovec],
    part: Option<&mut Part>,
) -> libc::mmsghdr {
    let control_len = if part.is_some() { size_of::<Part>() } else { 0 };
    let msg_hdr = libc::msghdr {
        msg_name: name.as_mut_ptr().cast(),
        msg_namelen: name_len,
        msg_iov: places.as_mut_ptr(),
        msg_iovlen: places.len(),
        msg_control: part.map_or(ptr::null_mut(), |part| ptr::from_mut(part).cast()),
        msg_controllen: control_len,
        msg_flags: 0,
    };
    libc::mmsghdr { msg_hdr, msg_len: 0 }
}

/// Reads an address; none that is not of the Internet.
fn address(name: &Name) -> Option<SocketAddr> {
    let [f0, f1, p0, p1, rest @ ..] = *name;
    let port = u16::from_be_bytes([p0, p1]);
    match i32::from(u16::from_ne_bytes([f0, f1])) {
        libc::AF_INET => Some((Ipv4Addr::from(*rest.first_chunk::<4>()?), port).into()),
        libc::AF_INET6 => {
            let (flow, ip) = rest.split_first_chunk::<4>()?;
            let (ip, scope) = ip.split_first_chunk::<16>()?;
            let (flow, scope) = (u32::from_be_bytes(*flow), u32::from_ne_bytes(*scope.first_chunk()?));
            Some(SocketAddrV6::new(Ipv6Addr::from(*ip), port, flow, scope).into())
        }
        _ => None,
    }
}

/// Writes an address; returns how long it is.
fn write_name(address: SocketAddr, name: &mut Name) -> u32 {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    name[..2].copy_from_slice(&(family as u16).to_ne_bytes());
    name[2..4].copy_from_slice(&address.port().to_be_bytes());
    match address {
        SocketAddr::V4(address) => {
            name[4..8].copy_from_slice(&address.ip().octets());
            V4
        }
        SocketAddr::V6(address) => {
            name[4..8].copy_from_slice(&address.flowinfo().to_be_bytes());
            name[8..24].copy_from_slice(&address.ip().octets());
            name[24..].copy_from_slice(&address.scope_id().to_ne_bytes());
            V6
        }
    }
}
