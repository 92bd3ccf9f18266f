//! Options of sockets that the standard library does not set.

use std::io;
use std::os::fd::AsFd;

use rustix::net::sockopt;

/// Makes room for datagrams that arrive before the first is read, in bytes: as
/// many as asked for or, without the privilege, as the system allows everybody.
///
/// A small datagram takes about 800 bytes.
pub fn enlarge(socket: impl AsFd, bytes: usize) -> io::Result<()> {
    let fd = socket.as_fd();
    if sockopt::set_socket_recv_buffer_size_force(fd, bytes).is_err() {
        sockopt::set_socket_recv_buffer_size(fd, bytes)?;
    }
    Ok(())
}
