//! The loop: clients, output, input and ends of processes, from one thread.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use linux::process::Signals;
use runtime::bundle;
use runtime::protocol::stream::{STDERR, STDOUT};
use runtime::protocol::{Answer, Phase, ProcessId, State};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::connection::{Connection, Input, Mode};
use crate::container::Container;
use crate::launch::note;
use crate::log::Log;
use crate::process::{Process, Read1, Stage, Stdio};

mod reap;
mod request;

/// Output a process leaves behind is awaited this long after its end, while
/// some other process still holds its pipe.
const DRAIN: Duration = Duration::from_millis(500);

/// A shim that serves.
pub(crate) struct Server {
    directory: PathBuf,
    listener: UnixListener,
    signals: Signals,
    container: Container,
    processes: BTreeMap<ProcessId, Process>,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    log: Option<Log>,
    phase: Phase,
    /// How long a full client may take nothing before it is cut.
    patience: Duration,
    deleted: bool,
}

/// What a descriptor in the poll set belongs to.
#[derive(Clone, Debug)]
enum Source {
    Listener,
    Signals,
    Connection(u64),
    Output(ProcessId, u8),
    Input(ProcessId),
    Log,
}

impl Server {
    pub(crate) fn new(
        directory: PathBuf,
        (listener, signals): (UnixListener, Signals),
        container: Container,
        stdio: Stdio,
    ) -> io::Result<Self> {
        let log = container.settings.log.clone().map(Log::open).transpose()?;
        let patience = Duration::from_millis(container.settings.patience_ms);
        let first = Process::new(Stage::Running(container.pid), stdio);
        Ok(Self {
            directory,
            listener,
            signals,
            container,
            processes: BTreeMap::from([(ProcessId::Init, first)]),
            connections: BTreeMap::new(),
            next_connection: 0,
            log,
            phase: Phase::Created,
            patience,
            deleted: false,
        })
    }

    pub(crate) fn state(&self) -> State {
        let execs = self.processes.keys().filter_map(|id| match id {
            ProcessId::Exec(id) => Some(id.clone()),
            ProcessId::Init => None,
        });
        State {
            shim_pid: std::process::id(),
            pid: self.container.pid,
            phase: self.phase.clone(),
            execs: execs.collect(),
        }
    }

    /// Serves until the container is deleted and the last answer sent.
    pub(crate) fn run(mut self) -> io::Result<()> {
        while !self.deleted || self.connections.values().any(Connection::unsent) {
            for (source, events) in self.wait()? {
                self.serve(source, events);
            }
            self.settle();
        }
        // Clients see the end of the connection when the socket is gone, too.
        drop(std::fs::remove_file(self.directory.join(bundle::SOCKET)));
        drop(std::fs::remove_file(self.directory.join(bundle::PID)));
        Ok(())
    }

    /// Waits until something can be done.
    fn wait(&self) -> io::Result<Vec<(Source, PollFlags)>> {
        let mut sources = vec![Source::Listener, Source::Signals];
        let mut set =
            vec![PollFd::new(&self.listener, PollFlags::IN), PollFd::new(&self.signals, PollFlags::IN)];
        for (number, connection) in &self.connections {
            let mut events = PollFlags::empty();
            events.set(PollFlags::IN, self.listens_to(connection));
            events.set(PollFlags::OUT, connection.unsent());
            if !events.is_empty() {
                sources.push(Source::Connection(*number));
                set.push(PollFd::from_borrowed_fd(connection.descriptor(), events));
            }
        }
        for (id, process) in &self.processes {
            if !self.held_up(id) {
                for (stream, output) in process.stdio.outputs() {
                    sources.push(Source::Output(id.clone(), stream));
                    set.push(PollFd::from_borrowed_fd(output, PollFlags::IN));
                }
            }
            if let Some(input) = process.stdio.pending_input() {
                sources.push(Source::Input(id.clone()));
                set.push(PollFd::from_borrowed_fd(input, PollFlags::OUT));
            }
        }
        if let Some((receiver, events)) = self.log.as_ref().and_then(Log::pending) {
            sources.push(Source::Log);
            set.push(PollFd::from_borrowed_fd(receiver, events));
        }
        match poll(&mut set, self.timeout().as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = sources.into_iter().zip(set.iter().map(PollFd::revents));
        Ok(ready.filter(|(_, events)| !events.is_empty()).collect())
    }

    /// Whether a client's words are wanted now: not while its process cannot take input.
    fn listens_to(&self, connection: &Connection) -> bool {
        match &connection.mode {
            Mode::Requests | Mode::Waiting(_) => true,
            Mode::Attached(id, _) => {
                !self.processes.get(id).is_some_and(|process| process.stdio.input_full())
            }
        }
    }

    /// Whether a client of the process, or its log, must take something first.
    fn held_up(&self, process: &ProcessId) -> bool {
        let is_full = *process == ProcessId::Init && self.log.as_ref().is_some_and(Log::is_full);
        is_full
            || self.connections.values().any(|connection| connection.watches(process) && connection.full())
    }

    /// Until the first thing that happens by time alone.
    fn timeout(&self) -> Option<Timespec> {
        let stalls = self.connections.values().filter_map(|one| Some(one.stalled()? + self.patience));
        let drains = self.processes.values().filter(|process| !process.settled);
        let drains = drains.filter_map(|process| Some(process.ended_at? + DRAIN));
        let log = self.log.as_ref().and_then(Log::alarm);
        let first = stalls.chain(drains).chain(log).min()?;
        let left = first.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        Timespec::try_from(left).ok()
    }

    fn serve(&mut self, source: Source, events: PollFlags) {
        match source {
            Source::Listener => self.accept(),
            Source::Signals => self.reap(),
            Source::Connection(number) => self.converse(number, events),
            Source::Output(process, stream) => drop(self.pass_on(&process, stream)),
            // What could not be sent is tried again after every round.
            Source::Log => {}
            Source::Input(process) => {
                if let Some(process) = self.processes.get_mut(&process) {
                    process.stdio.flush();
                }
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((socket, _)) = self.listener.accept() {
            if let Ok(Some(connection)) = Connection::accept(socket) {
                self.connections.insert(self.next_connection, connection);
                self.next_connection += 1;
            }
        }
    }

    /// Reads and sends what one client has and wants.
    fn converse(&mut self, number: u64, events: PollFlags) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        if events.contains(PollFlags::OUT) {
            connection.flush();
        }
        if events.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            connection.receive();
        }
        while self.understand(number) {}
    }

    /// Does one thing the client said; `false` when nothing whole is left.
    fn understand(&mut self, number: u64) -> bool {
        let Some(connection) = self.connections.get_mut(&number) else { return false };
        match connection.mode.clone() {
            Mode::Waiting(_) => false,
            Mode::Requests => match connection.request() {
                Ok(Some(envelope)) => {
                    self.answer(number, envelope);
                    true
                }
                Ok(None) => false,
                Err(_) => {
                    connection.cut();
                    false
                }
            },
            Mode::Attached(id, streams) => {
                let Some(input) = connection.stdin() else { return false };
                if streams.stdin {
                    self.give(&id, &input);
                }
                true
            }
        }
    }

    fn give(&mut self, id: &ProcessId, input: &Input) {
        let once = self.container.settings.stdin_once || *id != ProcessId::Init;
        let Some(process) = self.processes.get_mut(id) else { return };
        let started = !matches!(process.stage, Stage::Prepared(_));
        match input {
            Input::Data(data) => process.stdio.give(data, started),
            Input::End if once => process.stdio.close_input(),
            Input::End => {}
        }
    }

    /// Reads one output and passes it to the log and to every client; `false`
    /// if there was nothing.
    fn pass_on(&mut self, id: &ProcessId, stream: u8) -> bool {
        let mut buffer = [0; 32 << 10];
        let Some(process) = self.processes.get_mut(id) else { return false };
        let Read1::Data(length) = process.stdio.read(stream, &mut buffer) else { return false };
        let data = &buffer[..length];
        if *id == ProcessId::Init {
            let written = self.log.as_mut().map_or(Ok(()), |log| log.take(stream, data));
            self.complain("cannot write the log", written);
        }
        for connection in self.connections.values_mut().filter(|connection| connection.watches(id)) {
            connection.output(stream, data);
        }
        true
    }

    /// Everything is dead: passes on what is left in the pipes and tells the ends.
    fn drain(&mut self) {
        for id in self.processes.keys().cloned().collect::<Vec<_>>() {
            while self.pass_on(&id, STDOUT) || self.pass_on(&id, STDERR) {}
            if self.processes.get(&id).is_some_and(|process| !process.settled) {
                self.finish(&id);
            }
        }
    }

    /// After every round: ends that are complete are told, clients that are
    /// over or too slow are dropped.
    fn settle(&mut self) {
        let now = Instant::now();
        let complete: Vec<ProcessId> = self
            .processes
            .iter()
            .filter(|(_, process)| !process.settled && process.exit().is_some())
            .filter(|(id, process)| {
                let late = process.ended_at.is_none_or(|at| now > at + DRAIN) && !self.held_up(id);
                process.stdio.outputs().next().is_none() || late
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in complete {
            self.finish(&id);
        }
        if let Some(log) = &mut self.log {
            log.flush();
        }
        for connection in self.connections.values_mut() {
            if connection.stalled().is_some_and(|since| now > since + self.patience) {
                connection.cut();
            }
        }
        self.connections.retain(|_, connection| !connection.finished());
    }

    /// Tells everyone that a process has ended and there is no more output.
    fn finish(&mut self, id: &ProcessId) {
        let Some(process) = self.processes.get_mut(id) else { return };
        process.settled = true;
        process.stdio.close_outputs();
        let Some(exit) = process.exit().cloned() else { return };
        if *id == ProcessId::Init {
            let written = self.log.as_mut().map_or(Ok(()), Log::finish);
            self.complain("cannot write the log", written);
        }
        for connection in self.connections.values_mut() {
            if connection.watches(id) {
                connection.end();
            } else if connection.awaits(id) {
                connection.mode = Mode::Requests;
                connection.answer(&Answer::Exit(exit.clone()));
            }
        }
    }

    fn complain(&self, what: &str, result: io::Result<()>) {
        if let Err(error) = result {
            note(self.directory(), &format!("{what}: {error}"));
        }
    }

    fn directory(&self) -> &Path {
        &self.directory
    }
}
