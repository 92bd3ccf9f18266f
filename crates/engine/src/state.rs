//! The life of a container.
//!
//! ```text
//!            start                    pause
//! created ──────────► running ◄───────────────► paused
//!    ▲  │                │ exit      unpause       │ exit
//!    │  │ failed start   ▼                         │
//!    └──┘             exited ◄─────────────────────┘
//!                      │  ▲
//!        restart policy│  │ stopped, or the policy gave up
//!                      ▼  │
//!                   restarting ──► running
//!
//! any but running and paused ──► removing ──► (gone), or dead if that failed
//! ```

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::record;

/// Where in its life a container is, with what is true only there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Never started, or every start so far failed.
    Created {
        failure: Option<StartFailure>,
    },
    Running(Running),
    Paused(Running),
    /// Ended, and waiting to be started again.
    Restarting(Exited),
    Exited(Exited),
    /// On its way out.
    Removing(Option<Exited>),
    /// It could not be removed; only removing it again helps.
    Dead(Option<Exited>),
}

/// What is true of a container that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The first process, as the host numbers it.
    pub pid: u32,
    #[serde(with = "record::time")]
    pub started: Timestamp,
    /// When it had ended before it was started again. Engines before this field left it out.
    #[serde(default, with = "record::maybe_time", skip_serializing_if = "Option::is_none")]
    pub finished: Option<Timestamp>,
}

/// What is known of a container that ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exited {
    /// The status, or 128 and the signal.
    pub code: i32,
    pub oom_killed: bool,
    /// Why it ended, where it was not the program's doing.
    pub error: String,
    #[serde(with = "record::time")]
    pub started: Timestamp,
    #[serde(with = "record::time")]
    pub finished: Timestamp,
}

/// Why a start failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartFailure {
    /// 127 for a missing program, 126 for one that cannot be run, 128 for the rest.
    pub code: i32,
    pub error: String,
}

impl Default for State {
    fn default() -> Self {
        Self::Created { failure: None }
    }
}

impl State {
    /// Docker's word for it.
    pub const fn status(&self) -> &'static str {
        match self {
            Self::Created { .. } => "created",
            Self::Running(_) => "running",
            Self::Paused(_) => "paused",
            Self::Restarting(_) => "restarting",
            Self::Exited(_) => "exited",
            Self::Removing(_) => "removing",
            Self::Dead(_) => "dead",
        }
    }

    /// What is true while there are processes, frozen or not.
    pub const fn alive(&self) -> Option<&Running> {
        match self {
            Self::Running(running) | Self::Paused(running) => Some(running),
            Self::Created { .. }
            | Self::Restarting(_)
            | Self::Exited(_)
            | Self::Removing(_)
            | Self::Dead(_) => None,
        }
    }

    /// How it last ended, if it does not run.
    pub const fn exited(&self) -> Option<&Exited> {
        match self {
            Self::Restarting(exited) | Self::Exited(exited) => Some(exited),
            Self::Removing(exited) | Self::Dead(exited) => exited.as_ref(),
            Self::Created { .. } | Self::Running(_) | Self::Paused(_) => None,
        }
    }

    /// Whether a start may be tried.
    pub const fn can_start(&self) -> bool {
        matches!(self, Self::Created { .. } | Self::Exited(_) | Self::Restarting(_))
    }

    /// When it was last started, if ever.
    pub fn started(&self) -> Option<Timestamp> {
        self.alive().map(|running| running.started).or_else(|| self.exited().map(|exited| exited.started))
    }

    /// When it last ended, if ever; a start does not change that.
    pub fn finished(&self) -> Option<Timestamp> {
        match self.alive() {
            Some(running) => running.finished,
            None => self.exited().map(|exited| exited.finished),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<State> {
        let running = Running { pid: 7, started: Timestamp::UNIX_EPOCH, finished: None };
        let again = Running { finished: Some(Timestamp::UNIX_EPOCH), ..running.clone() };
        let exited = Exited {
            code: 3,
            oom_killed: false,
            error: String::new(),
            started: Timestamp::UNIX_EPOCH,
            finished: Timestamp::UNIX_EPOCH,
        };
        vec![
            State::default(),
            State::Running(running.clone()),
            State::Running(again),
            State::Paused(running),
            State::Restarting(exited.clone()),
            State::Exited(exited.clone()),
            State::Removing(Some(exited)),
            State::Dead(None),
        ]
    }

    #[test]
    fn a_state_survives_being_stored() {
        for state in all() {
            let text = serde_json::to_string(&state).expect("a state is JSON");
            assert_eq!(serde_json::from_str::<State>(&text).expect(&text), state);
        }
    }

    #[test]
    fn states_of_older_engines_are_read() {
        let text = r#"{"running":{"pid":7,"started":"1970-01-01T00:00:00Z"}}"#;
        let state: State = serde_json::from_str(text).expect("a state");
        assert_eq!((state.started(), state.finished()), (Some(Timestamp::UNIX_EPOCH), None));
    }

    #[test]
    fn nothing_alive_can_be_started() {
        for state in all() {
            assert!(!(state.can_start() && state.alive().is_some()), "{state:?}");
            assert!(!(state.exited().is_some() && state.alive().is_some()), "{state:?}");
        }
    }
}
