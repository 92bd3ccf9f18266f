//! What clients ask, and what they are answered.

use std::io;
use std::time::Duration;

use runtime::protocol::{
    Answer, Envelope, ExecSpec, Failure, FailureKind, Phase, ProcessId, Request, Streams, VERSION,
};
use runtime::spec::TerminalSize;

use super::Server;
use crate::cleanup::{PATIENCE, remove_state};
use crate::connection::Mode;
use crate::failed;
use crate::process::{Process, Stage, Stdio};

/// How long processes may take to stand still.
const FREEZE: Duration = Duration::from_secs(5);

impl Server {
    pub(super) fn answer(&mut self, number: u64, envelope: Envelope) {
        let answer = if envelope.version == VERSION {
            self.fulfil(number, envelope.request).unwrap_or_else(|failure| Some(Answer::Failed(failure)))
        } else {
            let message = format!("this shim speaks version {VERSION}, not {}", envelope.version);
            Some(Answer::Failed(Failure { kind: FailureKind::NotUnderstood, message }))
        };
        if let (Some(answer), Some(connection)) = (answer, self.connections.get_mut(&number)) {
            connection.answer(&answer);
        }
    }

    /// `None`: answered later, or by itself.
    fn fulfil(&mut self, number: u64, request: Request) -> Result<Option<Answer>, Failure> {
        let answer = match request {
            Request::State => Answer::State(self.state()),
            Request::Start => self.start()?,
            Request::Kill { process, signal, all } => self.kill(&process, signal, all)?,
            Request::Wait { process } => return self.wait_for(number, process),
            Request::ExecCreate { id, exec } => self.exec_create(id, exec)?,
            Request::ExecStart { id } => self.exec_start(id)?,
            Request::ExecRemove { id } => self.exec_remove(id)?,
            Request::Resize { process, size } => self.resize(&process, size)?,
            Request::Attach { process, streams } => return self.attach(number, process, streams),
            Request::CloseStdin { process } => {
                self.process(&process)?.stdio.close_input();
                Answer::Done
            }
            Request::Pause => self.pause()?,
            Request::Resume => self.resume()?,
            Request::Update { resources } => {
                self.container.update(&resources)?;
                Answer::Done
            }
            Request::Pids => {
                Answer::Pids(self.container.group.pids().map_err(failed("cannot list processes"))?)
            }
            Request::Stats => {
                let stats =
                    crate::stats::stats(&self.container.group).map_err(failed("cannot read statistics"))?;
                Answer::Stats(Box::new(stats))
            }
            Request::ReopenLogs => {
                let reopened = self.log.as_mut().map_or(Ok(()), crate::log::Log::reopen);
                reopened.map_err(failed("cannot open the log"))?;
                Answer::Done
            }
            Request::Delete => self.delete()?,
        };
        Ok(Some(answer))
    }

    fn process(&mut self, id: &ProcessId) -> Result<&mut Process, Failure> {
        self.processes.get_mut(id).ok_or_else(|| no_process(id))
    }

    fn start(&mut self) -> Result<Answer, Failure> {
        if self.phase != Phase::Created {
            return Err(wrong_phase("the container was started already"));
        }
        self.container.start()?;
        self.phase = Phase::Running;
        Ok(Answer::Started { pid: self.container.pid })
    }

    fn kill(&mut self, process: &ProcessId, signal: i32, all: bool) -> Result<Answer, Failure> {
        let wrong = |error: io::Error| failed(&format!("cannot send signal {signal}"))(error);
        if all {
            self.container.group.signal(signal).map_err(wrong)?;
            return Ok(Answer::Done);
        }
        let pid = self.process(process)?.pid().ok_or_else(|| no_process(process))?;
        // Not reaped yet, so the number is still this process's.
        linux::process::send(pid, signal).map_err(wrong)?;
        if signal == 9 && self.phase == Phase::Paused && *process == ProcessId::Init {
            return self.resume(); // a frozen process dies only when it thaws
        }
        Ok(Answer::Done)
    }

    fn wait_for(&mut self, number: u64, id: ProcessId) -> Result<Option<Answer>, Failure> {
        let process = self.process(&id)?;
        if let Some(exit) = process.exit().filter(|_| process.settled) {
            return Ok(Some(Answer::Exit(exit.clone())));
        }
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.mode = Mode::Waiting(id);
        }
        Ok(None)
    }

    fn exec_create(&mut self, id: String, exec: ExecSpec) -> Result<Answer, Failure> {
        if !matches!(self.phase, Phase::Running | Phase::Paused) {
            return Err(wrong_phase("the container is not running"));
        }
        let size = exec.terminal_size.map(|size| (size.rows, size.columns));
        let mut process = Process::new(Stage::Prepared(exec), Stdio::default());
        process.size = size;
        match self.processes.entry(ProcessId::Exec(id)) {
            std::collections::btree_map::Entry::Occupied(_) => {
                Err(wrong_phase("there is such an exec already"))
            }
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(process);
                Ok(Answer::Done)
            }
        }
    }

    fn exec_start(&mut self, id: String) -> Result<Answer, Failure> {
        if self.phase != Phase::Running {
            // Joining a frozen group would freeze us, too.
            return Err(wrong_phase("the container is not running, or paused"));
        }
        let id = ProcessId::Exec(id);
        let process = self.process(&id)?;
        let Stage::Prepared(exec) = &process.stage else {
            return Err(wrong_phase("the exec was started already"));
        };
        let mut exec = exec.clone();
        exec.terminal_size = process.size.map(|(rows, columns)| TerminalSize { rows, columns });
        let (pid, stdio) = self.container.exec(&exec)?;
        let process = self.process(&id)?;
        process.stdio = stdio.with_input_of(std::mem::take(&mut process.stdio));
        process.stage = Stage::Running(pid);
        process.stdio.flush();
        Ok(Answer::Started { pid })
    }

    fn exec_remove(&mut self, id: String) -> Result<Answer, Failure> {
        let id = ProcessId::Exec(id);
        let process = self.processes.remove(&id).ok_or_else(|| no_process(&id))?;
        if let Some(pid) = process.pid() {
            linux::process::send(pid, 9).map_err(failed("cannot kill the exec"))?;
        }
        for connection in self.connections.values_mut() {
            if connection.watches(&id) {
                connection.end();
            } else if connection.awaits(&id) {
                connection.mode = Mode::Requests;
                connection.answer(&Answer::Failed(no_process(&id)));
            }
        }
        Ok(Answer::Done)
    }

    fn resize(&mut self, id: &ProcessId, size: TerminalSize) -> Result<Answer, Failure> {
        let process = self.process(id)?;
        process.size = Some((size.rows, size.columns));
        process.stdio.resize(size.rows, size.columns).map_err(failed("cannot resize the terminal"))?;
        Ok(Answer::Done)
    }

    fn attach(&mut self, number: u64, id: ProcessId, streams: Streams) -> Result<Option<Answer>, Failure> {
        let settled = self.process(&id)?.settled;
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.answer(&Answer::Done);
            connection.mode = Mode::Attached(id, streams);
            if settled {
                connection.end();
            }
        }
        Ok(None)
    }

    fn pause(&mut self) -> Result<Answer, Failure> {
        if self.phase != Phase::Running {
            return Err(wrong_phase("the container is not running, or paused already"));
        }
        self.container.group.freeze(FREEZE).map_err(failed("cannot freeze the container"))?;
        self.phase = Phase::Paused;
        Ok(Answer::Done)
    }

    fn resume(&mut self) -> Result<Answer, Failure> {
        if self.phase != Phase::Paused {
            return Err(wrong_phase("the container is not paused"));
        }
        self.container.group.thaw().map_err(failed("cannot thaw the container"))?;
        self.phase = Phase::Running;
        Ok(Answer::Done)
    }

    /// Kills what is left, waits for it, removes what the runtime made.
    fn delete(&mut self) -> Result<Answer, Failure> {
        let group = self.container.group.clone();
        if group.exists() {
            group.kill(PATIENCE, || self.reap_children()).map_err(failed("cannot kill the container"))?;
            group.remove(PATIENCE).map_err(failed("cannot remove the control group"))?;
        }
        self.reap_children();
        remove_state(self.container.directory());
        self.drain();
        self.deleted = true;
        Ok(Answer::Done)
    }
}

fn no_process(id: &ProcessId) -> Failure {
    let message = match id {
        ProcessId::Init => "the container's process has ended".to_owned(),
        ProcessId::Exec(id) => format!("there is no process {id}"),
    };
    Failure { kind: FailureKind::NoSuchProcess, message }
}

fn wrong_phase(message: &str) -> Failure {
    Failure { kind: FailureKind::WrongPhase, message: message.to_owned() }
}
