//! The tables posix_spawn(3) works from.

use std::ffi::{CStr, CString, c_char, c_int, c_short};
use std::io;
use std::mem::MaybeUninit;

use rustix::process::Pid;

/// What happens with the descriptors, in order.
pub(super) struct Actions(libc::posix_spawn_file_actions_t);

impl Actions {
    pub(super) fn new() -> io::Result<Self> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: the call fills what it is given.
        #[expect(unsafe_code)]
        check(unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) })?;
        // SAFETY: it succeeded.
        #[expect(unsafe_code)]
        Ok(Self(unsafe { actions.assume_init() }))
    }

    pub(super) fn open_null(&mut self, target: c_int, flags: c_int) -> io::Result<()> {
        let path = c"/dev/null".as_ptr();
        // SAFETY: the table is initialised; the path is copied.
        #[expect(unsafe_code)]
        check(unsafe { libc::posix_spawn_file_actions_addopen(&raw mut self.0, target, path, flags, 0) })
    }

    pub(super) fn duplicate(&mut self, source: c_int, target: c_int) -> io::Result<()> {
        // SAFETY: the table is initialised.
        #[expect(unsafe_code)]
        check(unsafe { libc::posix_spawn_file_actions_adddup2(&raw mut self.0, source, target) })
    }

    pub(super) fn close_from(&mut self, first: c_int) -> io::Result<()> {
        // SAFETY: the table is initialised.
        #[expect(unsafe_code)]
        check(unsafe { libc::posix_spawn_file_actions_addclosefrom_np(&raw mut self.0, first) })
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: the table is initialised and not used any more.
        #[expect(unsafe_code)]
        unsafe {
            libc::posix_spawn_file_actions_destroy(&raw mut self.0)
        };
    }
}

/// Signals as they are at the start of a program, and a session if wanted.
pub(super) struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    pub(super) fn new(session: bool) -> io::Result<Self> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: the call fills what it is given.
        #[expect(unsafe_code)]
        check(unsafe { libc::posix_spawnattr_init(attributes.as_mut_ptr()) })?;
        // SAFETY: it succeeded.
        #[expect(unsafe_code)]
        let mut attributes = Self(unsafe { attributes.assume_init() });
        attributes.fill(session)?;
        Ok(attributes)
    }

    fn fill(&mut self, session: bool) -> io::Result<()> {
        let mut flags = libc::POSIX_SPAWN_SETSIGDEF | libc::POSIX_SPAWN_SETSIGMASK;
        if session {
            flags |= 0x80; // POSIX_SPAWN_SETSID of glibc's spawn.h
        }
        let flags = c_short::try_from(flags).map_err(io::Error::other)?;
        let (all, none) = (super::signals::every(), super::signals::none());
        // SAFETY: the attributes are initialised.
        #[expect(unsafe_code)]
        check(unsafe { libc::posix_spawnattr_setflags(&raw mut self.0, flags) })?;
        // SAFETY: the attributes and the set are initialised.
        #[expect(unsafe_code)]
        check(unsafe { libc::posix_spawnattr_setsigdefault(&raw mut self.0, &raw const all) })?;
        // SAFETY: the attributes and the set are initialised.
        #[expect(unsafe_code)]
        check(unsafe { libc::posix_spawnattr_setsigmask(&raw mut self.0, &raw const none) })
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: the attributes are initialised and not used any more.
        #[expect(unsafe_code)]
        unsafe {
            libc::posix_spawnattr_destroy(&raw mut self.0)
        };
    }
}

/// Starts the program.
pub(super) fn spawn(
    program: &CStr,
    actions: &Actions,
    attributes: &Attributes,
    arguments: &[CString],
    environment: &[CString],
) -> io::Result<Pid> {
    let mut pid = 0;
    let (argv, envp) = (pointers(arguments), pointers(environment));
    // SAFETY: the tables are initialised; both vectors end in null and their
    // strings outlive the call, which does not write to them.
    #[expect(unsafe_code)]
    check(unsafe {
        libc::posix_spawn(
            &raw mut pid,
            program.as_ptr(),
            &raw const actions.0,
            &raw const attributes.0,
            argv.as_ptr().cast(),
            envp.as_ptr().cast(),
        )
    })?;
    Pid::from_raw(pid).ok_or_else(|| io::Error::other("posix_spawn gave no process"))
}

/// Null-terminated pointers into `strings`.
pub(super) fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
}

/// posix_spawn(3) and its kin return the error number.
fn check(status: c_int) -> io::Result<()> {
    if status == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(status)) }
}
