//! Processes: started without forking ourselves, watched, and made ready to execute.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitOptions, waitpid};

mod attributes;
mod signals;

pub use signals::{Signals, block_signals, reset_signals, send, signal};

use attributes::{Actions, Attributes};

/// A program to start with exactly the descriptors it is given.
///
/// Standard input, output and error are `/dev/null`; the given descriptors
/// follow from 3 on; no other is inherited. Uses posix_spawn(3): the caller's
/// memory is not copied and its threads do not matter.
#[derive(Debug)]
pub struct Spawn {
    program: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    descriptors: Vec<OwnedFd>,
    session: bool,
    /// A name or an argument held a zero byte.
    broken: bool,
}

impl Spawn {
    /// `program` is a path; `PATH` is not searched. The environment starts empty.
    pub fn new(program: &Path) -> Self {
        let name = CString::new(program.as_os_str().as_bytes());
        let program = name.clone().unwrap_or_default();
        Self {
            arguments: vec![program.clone()],
            broken: name.is_err(),
            program,
            environment: Vec::new(),
            descriptors: Vec::new(),
            session: false,
        }
    }

    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        let argument = CString::new(argument.as_ref().as_bytes());
        self.broken |= argument.is_err();
        self.arguments.extend(argument);
        self
    }

    /// Adds `NAME=value`.
    pub fn env(mut self, entry: &str) -> Self {
        let entry = CString::new(entry);
        self.broken |= entry.is_err();
        self.environment.extend(entry);
        self
    }

    /// Gives it a descriptor: the first becomes 3, the second 4, and so on.
    pub fn descriptor(mut self, descriptor: OwnedFd) -> Self {
        self.descriptors.push(descriptor);
        self
    }

    /// Makes it the leader of a session of its own, without a terminal.
    pub fn new_session(mut self) -> Self {
        self.session = true;
        self
    }

    /// Starts it; returns once the program was executed.
    pub fn spawn(self) -> io::Result<Spawned> {
        if self.broken {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a zero byte in a program's arguments"));
        }
        let mut actions = Actions::new()?;
        actions.open_null(0, libc::O_RDONLY)?;
        actions.open_null(1, libc::O_WRONLY)?;
        actions.open_null(2, libc::O_WRONLY)?;
        // Copied above all targets first, so that no copy lands on another's source.
        let above = i32::try_from(self.descriptors.len()).map_err(io::Error::other)? + 3;
        let copies = self
            .descriptors
            .iter()
            .map(|descriptor| fcntl_dupfd_cloexec(descriptor, above))
            .collect::<Result<Vec<_>, _>>()?;
        for (target, copy) in (3..).zip(&copies) {
            actions.duplicate(copy.as_raw_fd(), target)?;
        }
        actions.close_from(above)?;
        let attributes = Attributes::new(self.session)?;
        let pid =
            attributes::spawn(&self.program, &actions, &attributes, &self.arguments, &self.environment)?;
        Ok(Spawned { pid })
    }
}

/// A child that was started. Dropping it does not wait.
#[derive(Debug)]
pub struct Spawned {
    pid: Pid,
}

impl Spawned {
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Waits for its end; `Some` status if it exited by itself.
    pub fn wait(self) -> io::Result<Option<i32>> {
        loop {
            match waitpid(Some(self.pid), WaitOptions::empty()) {
                Ok(Some((_, status))) => return Ok(status.exit_status()),
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A pipe whose reading end does not block; both ends close on exec.
pub fn pipe_nonblocking_reader() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    fcntl_setfl(&reader, OFlags::NONBLOCK)?;
    Ok((reader, writer))
}

/// Goes on in an orphaned child: whoever started us sees us end at once and
/// has no child to wait for.
///
/// Only for a process with one thread.
pub fn detach() -> io::Result<()> {
    // SAFETY: the process has one thread, so the child finds every lock free.
    #[expect(unsafe_code)]
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(()),
        _ => leave(0),
    }
}

/// Ends the process at once: no destructors, no exit handlers.
pub fn leave(status: i32) -> ! {
    // SAFETY: _exit(2) has no requirements.
    #[expect(unsafe_code)]
    unsafe {
        libc::_exit(status)
    }
}

/// Takes over a descriptor this process was started with.
///
/// Fails if it is not open. Call it once for each number.
pub fn inherited(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: fcntl on a number that is no descriptor fails harmlessly.
    #[expect(unsafe_code)]
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open, and by this function's contract nobody else owns it.
    #[expect(unsafe_code)]
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Replaces this process's program; returns only if that failed.
pub fn execute(program: &Path, arguments: &[String], environment: &[String]) -> io::Error {
    let strings =
        |all: &[String]| all.iter().map(|one| CString::new(one.as_str())).collect::<Result<Vec<_>, _>>();
    let (path, arguments, environment) =
        match (CString::new(program.as_os_str().as_bytes()), strings(arguments), strings(environment)) {
            (Ok(path), Ok(arguments), Ok(environment)) => (path, arguments, environment),
            _ => return io::Error::new(io::ErrorKind::InvalidInput, "a zero byte in a program's arguments"),
        };
    let (arguments, environment) = (attributes::pointers(&arguments), attributes::pointers(&environment));
    // SAFETY: both vectors end in null and point to strings that live in this frame.
    #[expect(unsafe_code)]
    unsafe {
        libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr())
    };
    io::Error::last_os_error()
}
