//! The last steps in the new process, from the library's hands to the program's.
//!
//! The library leaves us with every capability and the process's user. In
//! runc's order: the filter (loading it takes CAP_SYS_ADMIN, unless no new
//! privileges can be had), the bounding set, the other sets, no-new-privileges
//! and then the filter, execve(2).

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;

use libcontainer::workload::{
    Executor as Workload, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError,
};
use linux::mount::{Propagation, Reach};
use linux::seccomp;
use runtime::oci;
use runtime::protocol::{Failure, FailureKind};
use rustix::thread::{self, CapabilitySet, CapabilitySets};

use super::{config, program};

/// How a process of the container becomes its program.
#[derive(Clone)]
pub(super) struct Executor {
    process: Rc<oci::Process>,
    filter: Option<Rc<seccomp::Program>>,
    /// Where a failure goes; execve(2) closes it, which is success.
    report: Rc<OwnedFd>,
    creates_cwd: bool,
    /// Targets of bind mounts and how they spread, parents first.
    propagation: Rc<Vec<(PathBuf, Propagation, Reach)>>,
}

impl Executor {
    pub(super) fn new(process: &oci::Process, filter: Option<Rc<seccomp::Program>>, report: OwnedFd) -> Self {
        Self {
            process: Rc::new(process.clone()),
            filter,
            report: Rc::new(report),
            creates_cwd: false,
            propagation: Rc::default(),
        }
    }

    /// Makes the working directory if it is missing, as runc does for the first process.
    pub(super) fn creating_cwd(mut self) -> Self {
        self.creates_cwd = true;
        self
    }

    /// Has bind mounts spread as the document says, which the library does not.
    pub(super) fn propagating(mut self, spec: &oci::Spec) -> Self {
        self.propagation = Rc::new(config::propagation(spec));
        self
    }

    fn propagate(&self) -> Result<(), Failure> {
        for (target, propagation, reach) in &*self.propagation {
            linux::mount::set_propagation(target, *propagation, *reach)
                .map_err(|error| crate::failure(FailureKind::Other, &error))?;
        }
        Ok(())
    }

    /// What can fail and be told before the container counts as created.
    fn prepare(&self) -> Result<(), Failure> {
        self.propagate()?;
        self.own_stdio()?;
        self.size_terminal()?;
        let cwd = self.process.cwd();
        if self.creates_cwd {
            // It may exist as whatever it is; chdir tells.
            drop(std::fs::create_dir_all(cwd));
        }
        std::env::set_current_dir(cwd).map_err(|error| program::cwd(cwd, &error))?;
        if let Some(score) = self.process.oom_score_adj() {
            std::fs::write("/proc/self/oom_score_adj", score.to_string())
                .map_err(crate::failed("oom_score_adj"))?;
        }
        program::find(&self.process).map(drop)
    }

    /// Before the program can look, which it could not if the shim did it.
    fn size_terminal(&self) -> Result<(), Failure> {
        let Some(size) = self.process.console_size() else { return Ok(()) };
        let small = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
        linux::pty::resize(rustix::stdio::stdin(), small(size.height()), small(size.width()))
            .map_err(crate::failed("cannot resize the terminal"))
    }

    /// Gives pipes and terminal to the process's user, who may open them again
    /// by `/dev/stdout` (runc's `fixStdioPermissions`); devices stay as they are.
    fn own_stdio(&self) -> Result<(), Failure> {
        let uid = rustix::fs::Uid::from_raw(self.process.user().uid());
        let stdio = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
        for descriptor in stdio {
            let null = File::open("/dev/null").and_then(|null| Ok(rustix::fs::fstat(&null)?));
            let status =
                rustix::fs::fstat(descriptor).map_err(|error| crate::failed("stdio")(error.into()))?;
            if null.is_ok_and(|null| null.st_rdev == status.st_rdev) || status.st_uid == uid.as_raw() {
                continue;
            }
            match rustix::fs::fchown(descriptor, Some(uid), None) {
                Ok(())
                | Err(rustix::io::Errno::INVAL | rustix::io::Errno::PERM | rustix::io::Errno::ROFS) => {}
                Err(error) => return Err(crate::failed("cannot give stdio to the user")(error.into())),
            }
        }
        Ok(())
    }

    /// Becomes the program; returns only why it could not.
    fn become_program(&self) -> Failure {
        let found = match program::find(&self.process) {
            Ok(found) => found,
            Err(failure) => return failure,
        };
        let environment = program::environment(&self.process);
        let arguments = self.process.args().clone().unwrap_or_default();
        if let Err(error) = self.drop_privileges() {
            return crate::failed("cannot drop privileges")(error);
        }
        let error = linux::process::execute(&found, &arguments, &environment);
        program::not_executed(&found, &error)
    }

    fn drop_privileges(&self) -> io::Result<()> {
        let no_new_privileges = self.process.no_new_privileges().unwrap_or(false);
        linux::process::reset_signals()?;
        if !no_new_privileges {
            self.install_filter()?;
        }
        self.set_capabilities()?;
        if no_new_privileges {
            thread::set_no_new_privs(true)?;
            self.install_filter()?;
        }
        Ok(())
    }

    fn install_filter(&self) -> io::Result<()> {
        self.filter.as_ref().map_or(Ok(()), |filter| filter.install())
    }

    fn set_capabilities(&self) -> io::Result<()> {
        let Some(sets) = self.process.capabilities() else { return Ok(()) };
        let have = thread::capabilities(None)?;
        // What the shim does not have it cannot give: less is safe.
        let wanted = |set: &Option<oci::Capabilities>| program::capability_set(set) & have.permitted;
        let bounding = program::capability_set(sets.bounding());
        for capability in CapabilitySet::all().iter().filter(|one| !bounding.contains(*one)) {
            match thread::remove_capability_from_bounding_set(capability) {
                Ok(()) | Err(rustix::io::Errno::INVAL) => {} // unknown to this kernel
                Err(error) => return Err(error.into()),
            }
        }
        thread::set_capabilities(
            None,
            CapabilitySets {
                effective: wanted(sets.effective()),
                permitted: wanted(sets.permitted()),
                inheritable: wanted(sets.inheritable()),
            },
        )?;
        thread::clear_ambient_capability_set()?;
        for capability in wanted(sets.ambient()).iter() {
            thread::configure_capability_in_ambient_set(capability, true)?;
        }
        Ok(())
    }

    /// Tells the shim; if that fails, the shim sees the pipe close and the process end.
    fn tell(&self, failure: &Failure) {
        if let Ok(bytes) = serde_json::to_vec(failure) {
            let _told = rustix::io::write(self.report.as_fd(), &bytes);
        }
    }
}

impl Workload for Executor {
    fn exec(&self, _spec: &oci::Spec) -> Result<(), ExecutorError> {
        let failure = self.become_program();
        self.tell(&failure);
        Err(ExecutorError::Other(failure.message))
    }

    fn validate(&self, _spec: &oci::Spec) -> Result<(), ExecutorValidationError> {
        self.prepare().map_err(|failure| {
            self.tell(&failure);
            ExecutorValidationError::ArgValidationError(failure.message)
        })
    }

    /// The environment goes to execve(2) as it is, in order; ours is not touched.
    fn setup_envs(
        &self,
        _envs: std::collections::HashMap<String, String>,
    ) -> Result<(), ExecutorSetEnvsError> {
        Ok(())
    }
}

/// The shim's end of a new process's report.
pub(super) struct Report(File);

impl Report {
    pub(super) fn new() -> io::Result<(Self, OwnedFd)> {
        let (reader, writer) = linux::process::pipe_nonblocking_reader()?;
        Ok((Self(reader.into()), writer))
    }

    /// What has been reported so far.
    pub(super) fn take(&self) -> Option<Failure> {
        let mut bytes = [0; 4096];
        let length = (&self.0).read(&mut bytes).ok()?;
        serde_json::from_slice(&bytes[..length]).ok()
    }

    /// Waits until the program was executed (`None`) or could not be.
    pub(super) fn wait(self) -> Option<Failure> {
        use rustix::event::{PollFd, PollFlags, poll};
        let mut readable = [PollFd::new(&self.0, PollFlags::IN)];
        while poll(&mut readable, None) == Err(rustix::io::Errno::INTR) {}
        self.take()
    }
}
