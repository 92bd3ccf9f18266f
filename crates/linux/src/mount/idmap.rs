//! Mounts that show other owners than the file system has (`MOUNT_ATTR_IDMAP`, Linux 5.12).

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use super::{MountAttr, MountError, Reach, Tree, mount_setattr};

/// `MOUNT_ATTR_IDMAP` of linux/mount.h.
const MAP_IDS: u64 = 0x10_0000;

/// Which ids are shown as which others, in the form of `/proc/PID/uid_map`: the
/// file system's, the one shown, how many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdMap {
    pub uids: Vec<(u32, u32, u32)>,
    pub gids: Vec<(u32, u32, u32)>,
}

impl Tree {
    /// Shows the files with other owners. Only before it is attached.
    pub fn map_ids(&self, map: &IdMap, reach: Reach) -> Result<(), MountError> {
        let step = "map the ids of a mount";
        let namespace = user_namespace(map).map_err(|source| MountError::new("make an id map", source))?;
        let user_namespace = u64::from(namespace.as_raw_fd().unsigned_abs());
        let attributes = MountAttr { set: MAP_IDS, user_namespace, ..MountAttr::default() };
        mount_setattr(&self.fd, attributes, reach).map_err(|source| MountError::new(step, source))
    }
}

/// A user namespace with this map. It takes a process to make one: a namespace of a
/// process's own is refused to those with threads.
fn user_namespace(map: &IdMap) -> io::Result<OwnedFd> {
    let sleeper = Sleeper::start()?;
    let place = format!("/proc/{}", sleeper.pid);
    let write = |file: &str, map: &[(u32, u32, u32)]| {
        let lines: String = map.iter().map(|(from, to, count)| format!("{from} {to} {count}\n")).collect();
        std::fs::write(Path::new(&place).join(file), lines)
    };
    write("uid_map", &map.uids)?;
    write("gid_map", &map.gids)?;
    Ok(File::open(Path::new(&place).join("ns/user"))?.into())
}

/// A process that does nothing, in a user namespace of its own. It ends with the value.
struct Sleeper {
    pid: libc::pid_t,
}

impl Sleeper {
    fn start() -> io::Result<Self> {
        let flags = libc::CLONE_NEWUSER | libc::SIGCHLD;
        // SAFETY: as fork(2): without a stack of its own the child goes on with a copy of ours.
        #[expect(unsafe_code, reason = "no library makes a process in a user namespace")]
        let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
        match pid {
            -1 => Err(io::Error::last_os_error()),
            0 => sleep(),
            pid => Ok(Self { pid: libc::pid_t::try_from(pid).map_err(io::Error::other)? }),
        }
    }
}

/// What the child does. Locks may be held by threads it does not have: it makes system calls only.
fn sleep() -> ! {
    // SAFETY: prctl(2) with plain numbers; the child ends with the thread that made it.
    #[expect(unsafe_code, reason = "nothing but bare system calls is allowed here")]
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
    loop {
        // SAFETY: pause(2) has no arguments.
        #[expect(unsafe_code, reason = "nothing but bare system calls is allowed here")]
        unsafe {
            libc::pause();
        }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let Some(pid) = rustix::process::Pid::from_raw(self.pid) else { return };
        // Nobody else waits for it: both work.
        let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        let _reaped = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
    }
}
