//! One process's stdio and its end.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use runtime::protocol::stream::{STDERR, STDOUT};
use runtime::protocol::{ExecSpec, Exit};
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};

/// Input that waits for the process to read; above this, clients wait.
const INPUT_BOUND: usize = 64 << 10;

/// The first process, or a further one.
pub(crate) struct Process {
    pub(crate) stage: Stage,
    pub(crate) stdio: Stdio,
    /// When the process ended, by the monotonic clock: output is awaited only so long.
    pub(crate) ended_at: Option<Instant>,
    /// All output was passed on, clients and waiters were told.
    pub(crate) settled: bool,
    /// The size a terminal gets when it comes.
    pub(crate) size: Option<(u16, u16)>,
}

/// Where in its life a process is.
pub(crate) enum Stage {
    /// Asked for, not started.
    Prepared(ExecSpec),
    Running(u32),
    Ended(Exit),
}

impl Process {
    pub(crate) fn new(stage: Stage, stdio: Stdio) -> Self {
        Self { stage, stdio, ended_at: None, settled: false, size: None }
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        match self.stage {
            Stage::Running(pid) => Some(pid),
            Stage::Prepared(_) | Stage::Ended(_) => None,
        }
    }

    pub(crate) fn exit(&self) -> Option<&Exit> {
        match &self.stage {
            Stage::Ended(exit) => Some(exit),
            Stage::Prepared(_) | Stage::Running(_) => None,
        }
    }
}

/// Our ends of three pipes.
pub(crate) struct Ends {
    /// `None`: the process reads from `/dev/null`.
    stdin: Option<OwnedFd>,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

impl Ends {
    /// Our ends, and the process's: standard input, output, error.
    pub(crate) fn new(stdin: bool) -> io::Result<(Self, [OwnedFd; 3])> {
        let (theirs_in, ours_in) = if stdin {
            let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
            (reader, Some(nonblocking(writer)?))
        } else {
            (rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?, None)
        };
        let (stdout, theirs_out) = pipe_with(PipeFlags::CLOEXEC)?;
        let (stderr, theirs_err) = pipe_with(PipeFlags::CLOEXEC)?;
        let ours = Self { stdin: ours_in, stdout: nonblocking(stdout)?, stderr: nonblocking(stderr)? };
        Ok((ours, [theirs_in, theirs_out, theirs_err]))
    }
}

fn nonblocking(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    rustix::fs::fcntl_setfl(&descriptor, OFlags::NONBLOCK)?;
    Ok(descriptor)
}

/// Our side of a process's stdio.
#[derive(Default)]
pub(crate) struct Stdio {
    terminal: Option<File>,
    stdin: Option<File>,
    /// Open outputs by stream number; a terminal has one.
    outputs: Vec<(u8, File)>,
    input: VecDeque<u8>,
    closing: bool,
}

/// What reading an output gave.
pub(crate) enum Read1 {
    Data(usize),
    Nothing,
    Closed,
}

impl Stdio {
    pub(crate) fn pipes(Ends { stdin, stdout, stderr }: Ends) -> Self {
        let outputs = vec![(STDOUT, stdout.into()), (STDERR, stderr.into())];
        Self { stdin: stdin.map(File::from), outputs, ..Self::default() }
    }

    pub(crate) fn terminal(terminal: File) -> io::Result<Self> {
        rustix::fs::fcntl_setfl(&terminal, OFlags::RDWR | OFlags::NONBLOCK)?;
        let (reader, writer) = (terminal.try_clone()?, terminal.try_clone()?);
        let outputs = vec![(STDOUT, reader)];
        Ok(Self { terminal: Some(terminal), stdin: Some(writer), outputs, ..Self::default() })
    }

    /// Takes over the input that came before the process was started.
    pub(crate) fn with_input_of(mut self, earlier: Self) -> Self {
        self.input = earlier.input;
        self.closing = earlier.closing;
        self
    }

    /// No terminal, no effect.
    pub(crate) fn resize(&self, rows: u16, columns: u16) -> io::Result<()> {
        self.terminal.as_ref().map_or(Ok(()), |terminal| linux::pty::resize(terminal, rows, columns))
    }

    pub(crate) fn outputs(&self) -> impl Iterator<Item = (u8, BorrowedFd<'_>)> {
        self.outputs.iter().map(|(stream, file)| (*stream, file.as_fd()))
    }

    /// Reads what an output has; forgets the output at its end.
    pub(crate) fn read(&mut self, stream: u8, buffer: &mut [u8]) -> Read1 {
        let Some((_, file)) = self.outputs.iter_mut().find(|(number, _)| *number == stream) else {
            return Read1::Nothing;
        };
        match file.read(buffer) {
            Ok(length) if length > 0 => Read1::Data(length),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Read1::Nothing
            }
            // A terminal nobody has open any more reads as EIO.
            Ok(_) | Err(_) => {
                self.close_output(stream);
                Read1::Closed
            }
        }
    }

    fn close_output(&mut self, stream: u8) {
        self.outputs.retain(|(number, _)| *number != stream);
    }

    pub(crate) fn close_outputs(&mut self) {
        self.outputs.clear();
    }

    /// Whether clients must wait before they give more.
    pub(crate) fn input_full(&self) -> bool {
        self.input.len() >= INPUT_BOUND
    }

    /// What to wait for before [`Self::flush`], if anything.
    pub(crate) fn pending_input(&self) -> Option<BorrowedFd<'_>> {
        self.stdin.as_ref().filter(|_| !self.input.is_empty()).map(|stdin| stdin.as_fd())
    }

    /// Queues input; what comes after the end, or for `/dev/null`, is lost.
    pub(crate) fn give(&mut self, data: &[u8], started: bool) {
        if !self.closing && (self.stdin.is_some() || !started) {
            self.input.extend(data);
            self.flush();
        }
    }

    /// Ends the input once all that was given is read. A terminal stays open.
    pub(crate) fn close_input(&mut self) {
        if self.terminal.is_none() {
            self.closing = true;
            self.flush();
        }
    }

    /// Writes what the process takes now.
    pub(crate) fn flush(&mut self) {
        let Some(stdin) = &mut self.stdin else { return };
        while !self.input.is_empty() {
            match stdin.write(self.input.as_slices().0) {
                Ok(written) => drop(self.input.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The process has closed its end: nobody will read the rest.
                Err(_) => {
                    self.input.clear();
                    self.closing = self.terminal.is_none();
                }
            }
        }
        if self.closing {
            self.stdin = None;
        }
    }
}
