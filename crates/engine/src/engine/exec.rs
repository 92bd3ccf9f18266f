//! Running further processes in a container.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{
    Engine,
    attach::{self, Ends},
    blocking,
};
use crate::{
    Attached, ExecId, ExecInspect, ExecSpec, ExecState, Output, State,
    container::Container,
    error::{ExecError, ProcessError},
    exec::{self, Exec},
    process::{self, Client, ProcessId, Streams},
    rootfs,
};

impl Engine {
    /// Prepares a process.
    ///
    /// # Errors
    /// If the container does not run.
    pub fn exec_create(&self, term: &str, spec: ExecSpec) -> Result<ExecId, ExecError> {
        let container = self.registry.find(term)?;
        self.exec_create_in(&container, spec)
    }

    /// The same in a container that is known.
    pub(super) fn exec_create_in(&self, container: &Container, spec: ExecSpec) -> Result<ExecId, ExecError> {
        if spec.args.is_empty() {
            return Err(ExecError::NoCommand);
        }
        check_running(container)?;
        let id = ExecId::random();
        let action = format!("exec_create: {}", spec.args.join(" "));
        {
            let mut live = container.live();
            exec::forget_old(&mut live.execs);
            live.execs.insert(id, Exec { spec, state: ExecState::Created, made: jiff::Timestamp::now() });
        }
        self.tell_container(&container.record(), &action, &[("execID", id.to_string())]);
        Ok(id)
    }

    /// Starts a prepared process, with the streams its specification names; `detach` leaves them all.
    ///
    /// # Errors
    /// If it was started before, or cannot be: then its exit code says why.
    pub async fn exec_start(self: &Arc<Self>, id: &str, detach: bool) -> Result<Option<Attached>, ExecError> {
        let (container, id, exec) = self.find_exec(id)?;
        match exec.state {
            ExecState::Created => {}
            ExecState::Running { .. } => return Err(ExecError::AlreadyRunning { id: id.to_string() }),
            ExecState::Exited { .. } => return Err(ExecError::AlreadyRan { id: id.to_string() }),
        }
        self.exec_start_in(&container, (id, exec.spec), detach).await
    }

    /// The same in a container that is known.
    pub(super) async fn exec_start_in(
        self: &Arc<Self>,
        container: &Arc<Container>,
        (id, spec): (ExecId, ExecSpec),
        detach: bool,
    ) -> Result<Option<Attached>, ExecError> {
        check_running(container)?;
        let (engine, container) = (Arc::clone(self), Arc::clone(container));
        self.whole(async move {
            let started = engine.run_exec(&container, id, &spec, detach).await;
            if let Err(ExecError::Process(error)) = &started {
                set_state(&container, id, ExecState::Exited { pid: 0, code: exit_code(error) });
            }
            started
        })
        .await
    }

    async fn run_exec(
        self: &Arc<Self>,
        container: &Arc<Container>,
        id: ExecId,
        spec: &ExecSpec,
        detach: bool,
    ) -> Result<Option<Attached>, ExecError> {
        let record = container.record();
        let not_running = || ExecError::NotRunning { id: container.id.to_string() };
        let client = container.client().ok_or_else(not_running)?;
        let (images, container_id) = (Arc::clone(&self.images), container.id);
        let root =
            blocking(move || rootfs::mount(&images, &container_id)).await.map_err(|_| not_running())?;
        let name = if spec.user.is_empty() { &record.spec.command.user } else { &spec.user };
        let user = self.user(&record, root, name.clone()).await?;
        let mut wanted = process::exec_spec(&record, spec, user);
        wanted.stdin &= !detach;
        let text = id.to_string();
        let Ends { output, input, attached } = attach::ends(wanted.stdin, spec.tty);
        let streams = Streams { stdin: wanted.stdin, stdout: spec.stdout, stderr: spec.stderr };
        client.exec_create(&text, wanted).await.map_err(process_error)?;
        let process = ProcessId::Exec(text.clone());
        let joined =
            if detach { None } else { Some(client.attach(process, streams).await.map_err(process_error)?) };
        let pid = match client.exec_start(&text).await {
            Ok(pid) => pid,
            Err(error) => {
                let _gone_anyway = client.exec_remove(&text).await;
                return Err(process_error(error));
            }
        };
        set_state(container, id, ExecState::Running { pid });
        let action = format!("exec_start: {}", spec.args.join(" "));
        self.tell_container(&record, &action, &[("execID", text)]);
        let streams = joined.map(|joined| (joined, output, input));
        self.watch_exec(container, (id, pid), client, streams);
        Ok(Some(attached).filter(|_| !detach))
    }

    /// Passes on a process's output, and takes note of its end, and tells of it, before the output ends:
    /// who has read to the end finds the exit code.
    fn watch_exec(
        self: &Arc<Self>,
        container: &Arc<Container>,
        (id, pid): (ExecId, u32),
        client: Client,
        streams: Option<Joined>,
    ) {
        let (engine, container) = (Arc::clone(self), Arc::clone(container));
        self.tasks.spawn(async move {
            let text = id.to_string();
            let mut open = None;
            let watched = async {
                if let Some((joined, output, input)) = streams {
                    attach::exchange(joined, open.insert(output), input).await;
                }
                client.wait(ProcessId::Exec(text.clone())).await
            };
            let ended = tokio::select! {
                ended = watched => ended,
                () = engine.closing.cancelled() => return,
            };
            let code = ended.map_or(137, |exit| exit.code);
            set_state(&container, id, ExecState::Exited { pid, code });
            let facts = [("execID", text.clone()), ("exitCode", code.to_string())];
            engine.tell_container(&container.record(), "exec_die", &facts);
            drop(open);
            let _gone_with_its_container = client.exec_remove(&text).await;
        });
    }

    /// All about a further process.
    ///
    /// # Errors
    /// If there is none of this id.
    pub fn exec_inspect(&self, id: &str) -> Result<ExecInspect, ExecError> {
        let (container, id, Exec { spec, state, made: _ }) = self.find_exec(id)?;
        Ok(ExecInspect { id, container: container.id, spec, state })
    }

    /// Tells a further process's terminal its size.
    ///
    /// # Errors
    /// If there is none of this id, or it has no terminal.
    pub async fn exec_resize(&self, id: &str, columns: u16, rows: u16) -> Result<(), ExecError> {
        let (container, id, _) = self.find_exec(id)?;
        let not_running = || ExecError::NotRunning { id: container.id.to_string() };
        let client = container.client().ok_or_else(not_running)?;
        let size = process::TerminalSize { rows, columns };
        client.resize(ProcessId::Exec(id.to_string()), size).await.map_err(process_error)
    }

    fn find_exec(&self, text: &str) -> Result<(Arc<Container>, ExecId, Exec), ExecError> {
        let no_such = || ExecError::NoSuchExec { id: text.to_owned() };
        let id: ExecId = text.parse().map_err(|_| no_such())?;
        let holder = self.registry.all().into_iter().find_map(|container| {
            let exec = container.live().execs.get(&id).cloned()?;
            Some((container, id, exec))
        });
        holder.ok_or_else(no_such)
    }
}

/// The streams of a process that somebody has joined: the shim's ends and the client's.
type Joined = (runtime::client::Attached, mpsc::Sender<Output>, Option<mpsc::Receiver<bytes::Bytes>>);

fn process_error(error: runtime::client::ClientError) -> ExecError {
    ExecError::Process(error.into())
}

/// What Docker shows for a process that was not started: the runtime's code, or that of a shell.
const fn exit_code(error: &ProcessError) -> i32 {
    match error {
        ProcessError::Failed { exit_code, .. } => *exit_code,
        ProcessError::NoSuchProcess
        | ProcessError::Io { .. }
        | ProcessError::Invalid { .. }
        | ProcessError::Conflict { .. }
        | ProcessError::Gone => 126,
    }
}

fn set_state(container: &Container, id: ExecId, state: ExecState) {
    if let Some(exec) = container.live().execs.get_mut(&id) {
        exec.state = state;
    }
}

fn check_running(container: &Container) -> Result<(), ExecError> {
    let id = container.id.to_string();
    match container.record().state {
        State::Running(_) => Ok(()),
        State::Paused(_) => Err(ExecError::Paused { id }),
        State::Restarting(_) => Err(ExecError::Restarting { id }),
        State::Created { .. } | State::Exited(_) | State::Removing(_) | State::Dead(_) => {
            Err(ExecError::NotRunning { id })
        }
    }
}
