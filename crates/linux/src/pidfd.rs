//! Processes by a descriptor, which cannot come to mean another process.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};

/// A process. The descriptor is readable once it has ended.
#[derive(Debug)]
pub struct Pidfd(OwnedFd);

impl Pidfd {
    /// The process that has this number now.
    pub fn open(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self(pidfd_open(pid, PidfdFlags::empty())?))
    }

    pub fn signal(&self, signal: i32) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.0, crate::process::signal(signal)?)?)
    }

    /// Whether it has ended.
    pub fn ended(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        Ok(poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? > 0)
    }
}

impl AsFd for Pidfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::process::Spawn;

    #[test]
    fn a_process_is_signalled_and_seen_to_end() {
        let child = Spawn::new(Path::new("/bin/sleep")).arg("1000").spawn().expect("spawn");
        let process = Pidfd::open(child.pid()).expect("open");
        assert!(!process.ended().expect("poll"));
        process.signal(9).expect("kill");
        assert_eq!(child.wait().expect("wait"), None, "a signal gives no status");
        assert!(process.ended().expect("poll"));
    }
}
