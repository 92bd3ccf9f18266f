//! Ends of processes.

use std::time::Instant;

use runtime::bundle;
use runtime::protocol::{Exit, Phase, ProcessId};
use rustix::process::{Pid, WaitOptions, WaitStatus, wait};

use super::Server;
use crate::process::Stage;
use crate::stats::now;

impl Server {
    /// Takes note of everything that has ended, ours or adopted.
    pub(super) fn reap(&mut self) {
        // One signal may stand for many ends, so its content does not matter.
        let taken = self.signals.take().map(drop);
        self.complain("cannot read signals", taken);
        self.reap_children();
    }

    pub(super) fn reap_children(&mut self) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            self.ended(pid, status);
        }
    }

    fn ended(&mut self, pid: Pid, status: WaitStatus) {
        let pid = pid.as_raw_nonzero().get().unsigned_abs();
        let found = self.processes.iter_mut().find(|(_, process)| process.pid() == Some(pid));
        let Some((id, process)) = found else { return };
        let exit = exit(status, self.container.group.oom_kills().unwrap_or(0) > 0);
        process.stage = Stage::Ended(exit.clone());
        process.ended_at = Some(Instant::now());
        if *id == ProcessId::Init {
            self.container_ended(exit);
        }
    }

    /// First the record, then everything else: nobody is told what could be lost.
    fn container_ended(&mut self, exit: Exit) {
        let recorded = bundle::write_exit(&self.directory, &exit);
        self.complain("cannot record the end", recorded);
        self.phase = Phase::Exited(exit);
        // With a process name space of its own the kernel has killed the rest already.
        let killed = self.container.group.signal(9);
        self.complain("cannot kill what the container left", killed);
    }
}

/// A status as a shell shows it.
fn exit(status: WaitStatus, oom: bool) -> Exit {
    let signal = status.terminating_signal();
    let code = match (status.exit_status(), signal) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 255,
    };
    Exit { code, signal, oom_killed: oom && code != 0, at_unix_nanos: now() }
}
