//! What operations take and give.

use crate::{
    ContainerId, Limits, RestartPolicy, Signal,
    cnm::{PortMapping, spec::PortRemoval},
};

/// A container that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    pub id: ContainerId,
    /// What was asked for and will not be had.
    pub warnings: Vec<String>,
}

/// Whether there was anything to do; the edge answers 304 if not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    Now,
    Already,
}

/// How to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StopOptions {
    /// The container's own if absent.
    pub signal: Option<Signal>,
    /// Seconds until it is killed; negative waits for ever; the container's own if absent.
    pub timeout: Option<i64>,
}

/// What else goes with a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoveOptions {
    /// Kill it if it runs.
    pub force: bool,
    /// Its anonymous volumes.
    pub volumes: bool,
}

/// What to wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitCondition {
    /// It does not run; true at once if it does not.
    #[default]
    NotRunning,
    /// The next end of the first process.
    NextExit,
    /// It has been removed.
    Removed,
}

/// How a wait ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitExit {
    pub code: i32,
    /// Why the container could not be waited for to the end.
    pub error: Option<String>,
}

/// What to change of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// What is absent or empty stays.
    pub limits: Limits,
    pub restart: Option<RestartPolicy>,
    /// Ports to publish besides those that are.
    pub publish: Vec<PortMapping>,
    /// Ports to publish no longer; they go before others come.
    pub withdraw: Vec<PortRemoval>,
    /// Who reaches what is published from now on: the new value of the label `tombolo.publish.allow`.
    pub allow: Option<String>,
}
