//! The OCI runtime library behind one type.
//!
//! libcontainer sets up name spaces, mounts, devices and control groups. What
//! it does not do as Docker's users expect, [`executor`] does: the system call
//! filter (of exec'd processes, too), capabilities in runc's order, the working
//! directory, stdio's owner, signals. So the spec it is given ([`config`])
//! leaves these out.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use linux::cgroup::{Group, Hierarchies};
use linux::seccomp;
use runtime::bundle;
use runtime::oci;
use runtime::protocol::{ExecSpec, Failure, FailureKind};

use crate::process::{Ends, Stdio};
use crate::{failed, failure};

mod config;
mod executor;
mod program;
mod sysctl;

use executor::{Executor, Report};

/// The container of this shim.
pub(crate) struct Container {
    /// The bundle.
    directory: PathBuf,
    spec: oci::Spec,
    filter: Option<Rc<seccomp::Program>>,
    inner: libcontainer::container::Container,
    pub(crate) group: Group,
    pub(crate) pid: u32,
    /// Says whether the first program could be executed; taken by `start`.
    report: Option<Report>,
    pub(crate) settings: bundle::Config,
}

/// The library's own name for the one container in its state directory.
const NAME: &str = "container";

/// What Docker's clients see in front of a reason (moby wraps containerd's
/// text, which wraps the runtime's).
const CREATE_FAILED: &str = "failed to create task for container: failed to create shim task: \
     OCI runtime create failed: unable to start container process: error during container init: ";
const EXEC_FAILED: &str = "OCI runtime exec failed: exec failed: unable to start container process: ";

impl Container {
    /// Sets a container up to the point where its program would run.
    pub(crate) fn create(directory: &Path, hierarchies: &Hierarchies) -> Result<(Self, Stdio), Failure> {
        let read =
            |name: &str| std::fs::read(directory.join(name)).map_err(failed(&format!("cannot read {name}")));
        let spec: oci::Spec = parse(&read(bundle::CONFIG)?)?;
        let settings: bundle::Config = parse(&read(bundle::SHIM)?)?;
        let filter = filter(directory)?;
        let path = spec.linux().as_ref().and_then(|linux| linux.cgroups_path().clone()).unwrap_or_default();
        let group = hierarchies.group(&path.to_string_lossy());
        let result = Self::build(directory, (&spec, &settings), filter.as_ref(), hierarchies);
        match result {
            Ok((inner, report, stdio)) => {
                let pid = inner.pid().map_or(0, |pid| pid.as_raw().unsigned_abs());
                let directory = directory.to_owned();
                let report = Some(report);
                Ok((Self { directory, spec, filter, inner, group, pid, report, settings }, stdio))
            }
            Err(failure) => {
                let message = sysctl::refused(&spec, &failure.message).unwrap_or(failure.message);
                crate::cleanup::remove_traces(directory, &group);
                Err(Failure { message: format!("{CREATE_FAILED}{message}: unknown"), kind: failure.kind })
            }
        }
    }

    fn build(
        directory: &Path,
        (spec, settings): (&oci::Spec, &bundle::Config),
        filter: Option<&Rc<seccomp::Program>>,
        hierarchies: &Hierarchies,
    ) -> Result<(libcontainer::container::Container, Report, Stdio), Failure> {
        config::write(directory, spec, hierarchies)
            .map_err(failed("cannot write the runtime's configuration"))?;
        let process = spec.process().clone().unwrap_or_default();
        let (report, writer) = Report::new().map_err(failed("cannot open a pipe"))?;
        let executor = Executor::new(&process, filter.cloned(), writer).creating_cwd().propagating(spec);
        let prepared = Prepared::new(directory, terminal(&process), settings.open_stdin)?;
        let builder = builder(directory, executor, &prepared)?;
        let (builder, stdio) = prepared.hand_over(builder)?;
        let built = builder
            .as_init(directory.join(config::DIRECTORY))
            .with_systemd(false)
            .with_detach(true)
            .build()
            .map_err(|error| report.take().unwrap_or_else(|| failure(FailureKind::Other, &error)))?;
        Ok((built, report, stdio.finish()?))
    }

    /// Lets the program run; returns once it was executed, or could not be.
    pub(crate) fn start(&mut self) -> Result<(), Failure> {
        self.inner.start().map_err(|error| failure(FailureKind::Other, &error))?;
        let report = self.report.take();
        match report.and_then(|report| report.wait()) {
            None => Ok(()),
            Some(failure) => {
                Err(Failure { message: format!("{CREATE_FAILED}{}: unknown", failure.message), ..failure })
            }
        }
    }

    /// Starts a further process; its process identifier on the host.
    pub(crate) fn exec(&self, exec: &ExecSpec) -> Result<(u32, Stdio), Failure> {
        let result = self.join(exec);
        config::forget_exec(&self.directory);
        result.map_err(|failure| Failure {
            message: format!("{EXEC_FAILED}{}: unknown", failure.message),
            ..failure
        })
    }

    fn join(&self, exec: &ExecSpec) -> Result<(u32, Stdio), Failure> {
        let process = config::exec_process(&self.spec, exec);
        let file = config::write_exec(&self.directory, &process)
            .map_err(failed("cannot write the runtime's configuration"))?;
        let (report, writer) = Report::new().map_err(failed("cannot open a pipe"))?;
        let executor = Executor::new(&process, self.filter.clone(), writer);
        let prepared = Prepared::new(&self.directory, exec.terminal, exec.stdin)?;
        let builder = builder(&self.directory, executor, &prepared)?;
        let (builder, stdio) = prepared.hand_over(builder)?;
        let pid = builder
            .as_tenant()
            .with_detach(true)
            .with_process(Some(file))
            .build()
            .map_err(|error| report.take().unwrap_or_else(|| failure(FailureKind::Other, &error)))?;
        if let Some(failure) = report.take() {
            return Err(failure);
        }
        Ok((pid.as_raw().unsigned_abs(), stdio.finish()?))
    }

    /// Writes new limits.
    pub(crate) fn update(&self, resources: &runtime::spec::Resources) -> Result<(), Failure> {
        use libcgroups::common::{CgroupConfig, CgroupManager, ControllerOpt, create_cgroup_manager};
        let linux = self.spec.linux().clone().unwrap_or_default();
        let config = CgroupConfig {
            cgroup_path: linux.cgroups_path().clone().unwrap_or_default(),
            systemd_cgroup: false,
            container_name: NAME.to_owned(),
        };
        let manager = create_cgroup_manager(config).map_err(|error| failure(FailureKind::Other, &error))?;
        let resources = runtime::spec::resources::oci_limits(resources);
        let change = ControllerOpt {
            resources: &resources,
            freezer_state: None,
            oom_score_adj: None,
            disable_oom_killer: resources
                .memory()
                .as_ref()
                .and_then(oci::LinuxMemory::disable_oom_killer)
                .unwrap_or(false),
        };
        manager.apply(&change).map_err(|error| failure(FailureKind::Other, &error))
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

fn terminal(process: &oci::Process) -> bool {
    process.terminal().unwrap_or(false)
}

fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|error| failure(FailureKind::Other, &error))
}

fn filter(directory: &Path) -> Result<Option<Rc<seccomp::Program>>, Failure> {
    let bytes = match std::fs::read(directory.join(bundle::SECCOMP)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("cannot read the system call filter")(error)),
    };
    let program = seccomp::Program::from_bytes(&bytes)
        .ok_or_else(|| failed("cannot read the system call filter")(io::ErrorKind::InvalidData.into()))?;
    Ok(Some(Rc::new(program)))
}

fn builder(directory: &Path, executor: Executor, prepared: &Prepared) -> Result<ContainerBuilder, Failure> {
    let state = directory.join(config::STATE);
    let builder = ContainerBuilder::new(NAME.to_owned(), SyscallType::default())
        .with_executor(executor)
        .with_root_path(state)
        .map_err(|error| failure(FailureKind::Other, &error))?;
    Ok(builder.with_console_socket(prepared.console().map(Path::to_owned)))
}

/// The stdio of a process that is about to be made: both ends still here.
enum Prepared {
    Terminal { listener: UnixListener, path: PathBuf },
    Pipes { ours: Ends, theirs: [OwnedFd; 3] },
}

/// Our side, once the library has the other.
enum Waiting {
    Terminal { listener: UnixListener, path: PathBuf },
    Pipes(Ends),
}

impl Prepared {
    fn new(directory: &Path, terminal: bool, stdin: bool) -> Result<Self, Failure> {
        if terminal {
            let path = directory.join(config::STATE).join("console.sock");
            let listener = config::listen(&path).map_err(failed("cannot listen for the terminal"))?;
            return Ok(Self::Terminal { listener, path });
        }
        let (ours, theirs) = Ends::new(stdin).map_err(failed("cannot open pipes"))?;
        Ok(Self::Pipes { ours, theirs })
    }

    fn console(&self) -> Option<&Path> {
        match self {
            Self::Terminal { path, .. } => Some(path),
            Self::Pipes { .. } => None,
        }
    }

    /// Gives the library its ends, which close here when it is done.
    fn hand_over(self, builder: ContainerBuilder) -> Result<(ContainerBuilder, Waiting), Failure> {
        match self {
            Self::Terminal { listener, path } => Ok((builder, Waiting::Terminal { listener, path })),
            Self::Pipes { ours, theirs: [stdin, stdout, stderr] } => {
                let builder = builder.with_stdin(stdin).with_stdout(stdout).with_stderr(stderr);
                Ok((builder, Waiting::Pipes(ours)))
            }
        }
    }
}

impl Waiting {
    /// The process exists; receives its terminal, if it has one.
    fn finish(self) -> Result<Stdio, Failure> {
        match self {
            Self::Pipes(ends) => Ok(Stdio::pipes(ends)),
            Self::Terminal { listener, path } => {
                let received = listener.accept().and_then(|(socket, _)| linux::pty::receive(&socket));
                drop(std::fs::remove_file(path));
                let terminal = received.map_err(failed("cannot receive the terminal"))?;
                Stdio::terminal(File::from(terminal)).map_err(failed("cannot use the terminal"))
            }
        }
    }
}
