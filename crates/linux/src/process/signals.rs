//! Signals as a descriptor, and as they are at the start of a program.

use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::process::{Pid, Signal, kill_process};

/// Highest signal number (`_NSIG` - 1 of Linux).
const LAST: c_int = 64;

/// A signal by its number, real-time ones included.
pub fn signal(number: i32) -> io::Result<Signal> {
    // 32 and 33 are the C library's own.
    if !(1..=LAST).contains(&number) || matches!(number, 32 | 33) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("there is no signal {number}")));
    }
    // SAFETY: it is a signal, and not one the C library reserves.
    #[expect(unsafe_code)]
    Ok(unsafe { Signal::from_raw_unchecked(number) })
}

/// Sends a signal to a process; one that has ended is no error.
pub fn send(pid: u32, number: i32) -> io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    match kill_process(pid, signal(number)?) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Blocked signals, read one by one (signalfd(2)). Does not block.
#[derive(Debug)]
pub struct Signals(OwnedFd);

/// Blocks these signals for this thread and reads them from a descriptor instead.
pub fn block_signals(signals: &[i32]) -> io::Result<Signals> {
    let mut set = none();
    for signal in signals {
        // SAFETY: the set is initialised; a wrong number is an error.
        #[expect(unsafe_code)]
        if unsafe { libc::sigaddset(&raw mut set, *signal) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    mask(libc::SIG_BLOCK, &set)?;
    // SAFETY: the set is initialised.
    #[expect(unsafe_code)]
    let number = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    if number == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given it to us.
    #[expect(unsafe_code)]
    Ok(Signals(unsafe { OwnedFd::from_raw_fd(number) }))
}

impl Signals {
    /// The numbers of the signals that have come since the last call.
    pub fn take(&self) -> io::Result<Vec<i32>> {
        let mut taken = Vec::new();
        let mut one = [0; size_of::<libc::signalfd_siginfo>()];
        loop {
            match rustix::io::read(&self.0, &mut one) {
                // `ssi_signo` is the first field.
                Ok(length) if length == one.len() => {
                    taken.push(i32::from_ne_bytes([one[0], one[1], one[2], one[3]]));
                }
                Ok(_) | Err(rustix::io::Errno::AGAIN) => return Ok(taken),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sets every signal to its default and blocks none: what a program that is
/// about to be executed expects, and would otherwise inherit from us.
pub fn reset_signals() -> io::Result<()> {
    // `struct sigaction` of the kernel, all zero: the default, no flags, no mask.
    let default = [0u64; 4];
    for signal in 1..=LAST {
        // SAFETY: the kernel reads 32 bytes of `default`. SIGKILL and SIGSTOP
        // fail, and need not be set; the C library's wrapper would leave out
        // the two it keeps for itself, which posix_spawn(3) sets to be ignored.
        #[expect(unsafe_code)]
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, &raw const default, std::ptr::null::<u64>(), 8)
        };
    }
    mask(libc::SIG_SETMASK, &none())
}

fn mask(how: c_int, set: &libc::sigset_t) -> io::Result<()> {
    // SAFETY: the set is initialised; the old one is not asked for.
    #[expect(unsafe_code)]
    match unsafe { libc::pthread_sigmask(how, set, std::ptr::null_mut()) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// The empty set.
pub(super) fn none() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the call fills the set.
    #[expect(unsafe_code)]
    unsafe {
        libc::sigemptyset(set.as_mut_ptr())
    };
    // SAFETY: it was filled.
    #[expect(unsafe_code)]
    unsafe {
        set.assume_init()
    }
}

/// The full set.
pub(super) fn every() -> libc::sigset_t {
    let mut set = none();
    // SAFETY: the set is initialised.
    #[expect(unsafe_code)]
    unsafe {
        libc::sigfillset(&raw mut set)
    };
    set
}
