//! A claim to a network stack: one process has it, until it ends.
//!
//! It is a listening socket of an abstract name (unix(7)): such names belong to a network
//! namespace, and the kernel takes one back when its process ends, however it ends. Anybody may
//! take such a name, so that it counts only who could do what the claim is about.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with, sockopt,
};
use rustix::process::{Pid, Uid, geteuid};
use thiserror::Error;

/// How often a name is tried whose holder has just ended.
const ATTEMPTS: usize = 8;

/// A claim that is held until this value is dropped.
#[derive(Debug)]
pub struct Claim {
    _socket: OwnedFd,
}

/// Why a claim cannot be had.
#[derive(Debug, Error)]
pub enum ClaimError {
    /// The process that has it.
    #[error("process {pid} has it")]
    Taken {
        /// As seen from here; 0 if it cannot be seen.
        pid: i32,
    },
    /// Somebody has the name who may not have the claim.
    #[error("process {pid} of user {uid} keeps its name")]
    Squatted {
        /// The process.
        pid: i32,
        /// Whose it is.
        uid: u32,
    },
    /// The system's answer.
    #[error(transparent)]
    Socket(#[from] io::Error),
}

impl Claim {
    /// Claims the calling thread's network stack, under a name that is the same for all who may claim it.
    ///
    /// # Errors
    /// If somebody has the claim, or the name of it.
    pub fn new(name: &str) -> Result<Self, ClaimError> {
        let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).map_err(io::Error::from)?;
        for _ in 0..ATTEMPTS {
            let socket = socket()?;
            match bind(&socket, &address) {
                Ok(()) => {
                    listen(&socket, 1).map_err(io::Error::from)?;
                    return Ok(Self { _socket: socket });
                }
                Err(Errno::ADDRINUSE) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
            if let Some(error) = holder(&address)? {
                return Err(error);
            }
        }
        Err(ClaimError::Taken { pid: 0 })
    }
}

fn socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

/// Who has the name; none if nobody has it any more.
fn holder(address: &SocketAddrUnix) -> io::Result<Option<ClaimError>> {
    let socket = socket()?;
    match connect(&socket, address) {
        Ok(()) => {}
        Err(Errno::CONNREFUSED) => return Ok(None),
        // Others have asked as well, and nobody answers.
        Err(Errno::AGAIN) => return Ok(Some(ClaimError::Taken { pid: 0 })),
        Err(error) => return Err(error.into()),
    }
    let credentials = sockopt::socket_peercred(&socket)?;
    let (pid, uid) = (Pid::as_raw(Some(credentials.pid)), credentials.uid);
    let may_have_it = uid == Uid::ROOT || uid == geteuid();
    let uid = uid.as_raw();
    Ok(Some(if may_have_it { ClaimError::Taken { pid } } else { ClaimError::Squatted { pid, uid } }))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::netns::leave_host;

    #[test]
    fn a_network_stack_is_claimed_once() {
        thread::spawn(|| {
            leave_host().expect("a namespace of the test's own");
            let claim = Claim::new("test").expect("the first");
            let own = i32::try_from(std::process::id()).expect("a process");
            let taken = Claim::new("test").expect_err("the second");
            assert!(matches!(taken, ClaimError::Taken { pid } if pid == own), "{taken:?}");
            Claim::new("other").expect("another name");
            thread::spawn(|| {
                leave_host().expect("another namespace");
                Claim::new("test").expect("another network stack");
            })
            .join()
            .expect("it can");
            drop(claim);
            Claim::new("test").expect("after the first");
        })
        .join()
        .expect("the test passes");
    }
}
