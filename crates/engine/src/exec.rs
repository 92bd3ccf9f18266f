//! Further processes in a running container.

use crate::{ContainerId, ExecId};

/// A process to be run beside the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecSpec {
    pub args: Vec<String>,
    /// Added to the container's environment.
    pub env: Vec<String>,
    /// The container's if empty.
    pub workdir: String,
    /// The container's if empty.
    pub user: String,
    pub tty: bool,
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    pub privileged: bool,
    /// Columns and rows.
    pub console_size: Option<(u16, u16)>,
    /// Shown, not acted upon: the daemon watches for them.
    pub detach_keys: String,
}

/// All about one further process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecInspect {
    pub id: ExecId,
    pub container: ContainerId,
    pub spec: ExecSpec,
    pub state: ExecState,
}

/// Where in its life a further process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecState {
    Created,
    Running { pid: u32 },
    Exited { pid: u32, code: i32 },
}

/// A further process as the engine holds it.
#[derive(Clone, Debug)]
pub(crate) struct Exec {
    pub(crate) spec: ExecSpec,
    pub(crate) state: ExecState,
    pub(crate) made: jiff::Timestamp,
}

/// So many processes that have ended are remembered per container, for whoever asks how they ended.
const REMEMBERED: usize = 64;

/// Forgets the oldest of those that have ended, where there are too many.
pub(crate) fn forget_old(execs: &mut std::collections::BTreeMap<ExecId, Exec>) {
    let mut ended: Vec<_> =
        execs.iter().filter(|(_, exec)| matches!(exec.state, ExecState::Exited { .. })).collect();
    ended.sort_by_key(|(_, exec)| exec.made);
    let surplus = ended.len().saturating_sub(REMEMBERED);
    let old: Vec<ExecId> = ended.into_iter().take(surplus).map(|(id, _)| *id).collect();
    old.iter().for_each(|id| drop(execs.remove(id)));
}

impl Exec {
    /// The container has ended, and all of its processes with it.
    pub(crate) fn killed(&mut self) {
        if let ExecState::Running { pid } = self.state {
            self.state = ExecState::Exited { pid, code: 137 };
        }
    }
}
