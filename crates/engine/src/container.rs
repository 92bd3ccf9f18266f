//! One container: who may change it, and what everyone may see of it.
//!
//! Whoever changes a container takes its turn first; whoever looks reads the
//! last [`Moment`] and never waits.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{mpsc, watch};

use crate::{
    ContainerId, ExecId, Output, State,
    cnm::SandboxId,
    error::FindError,
    exec::Exec,
    process::{Client, Streams},
    record::Record,
};

/// A container as the engine holds it.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) id: ContainerId,
    /// Held by whoever changes the container, for as long as that takes.
    turn: tokio::sync::Mutex<()>,
    now: watch::Sender<Moment>,
    live: Mutex<Live>,
}

/// What is true of a container at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub(crate) record: Arc<Record>,
    /// How often its first process has ended since the engine knows it.
    pub(crate) exits: u64,
    pub(crate) last_exit: i32,
    pub(crate) removed: bool,
}

/// What the engine holds of a container and need not store.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// The shim, while there is one.
    pub(crate) client: Option<Client>,
    /// Who attached before there was a process to attach to.
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) execs: BTreeMap<ExecId, Exec>,
    /// Somebody is stopping it: its end is on purpose.
    pub(crate) stopping: bool,
    /// Its end is the middle of a restart: it keeps its sandbox.
    pub(crate) restarting: bool,
    /// The sandbox of another container that it is about to live in, or does.
    pub(crate) joined: Option<SandboxId>,
    /// It is about to give up its sandbox, unless somebody has joined it.
    pub(crate) leaving: bool,
}

/// Somebody who attached before the start.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) streams: Streams,
    pub(crate) output: mpsc::Sender<Output>,
    pub(crate) input: Option<mpsc::Receiver<bytes::Bytes>>,
}

impl Container {
    /// A container as its record says.
    pub(crate) fn new(record: Record) -> Self {
        let id = record.id;
        let last_exit = record.state.exited().map(|exited| exited.code).unwrap_or_default();
        let moment = Moment { record: Arc::new(record), exits: 0, last_exit, removed: false };
        Self {
            id,
            turn: tokio::sync::Mutex::default(),
            now: watch::Sender::new(moment),
            live: Mutex::default(),
        }
    }

    /// Waits for the right to change the container. One that was removed meanwhile cannot be changed.
    pub(crate) async fn turn(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, FindError> {
        let turn = self.turn.lock().await;
        if self.now.borrow().removed {
            Err(FindError::NotFound { term: self.id.to_string() })
        } else {
            Ok(turn)
        }
    }

    /// What was last published.
    pub(crate) fn record(&self) -> Arc<Record> {
        Arc::clone(&self.now.borrow().record)
    }

    /// What was last published, and all that will be.
    pub(crate) fn watch(&self) -> watch::Receiver<Moment> {
        self.now.subscribe()
    }

    /// Publishes a record that was stored.
    pub(crate) fn publish(&self, record: Record) {
        self.now.send_modify(|moment| moment.record = Arc::new(record));
    }

    /// Publishes a record of a container whose first process has ended.
    pub(crate) fn publish_exit(&self, record: Record, code: i32) {
        self.now.send_modify(|moment| {
            moment.record = Arc::new(record);
            moment.exits += 1;
            moment.last_exit = code;
        });
    }

    /// Says that the container is no more.
    pub(crate) fn publish_removed(&self) {
        self.now.send_modify(|moment| moment.removed = true);
    }

    /// What need not be stored. Held for moments only.
    pub(crate) fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shim of a container that runs, frozen or not.
    pub(crate) fn client(&self) -> Option<Client> {
        self.record().state.alive()?;
        self.live().client.clone()
    }

    /// Changes only the state of the published record; what is stored stays.
    pub(crate) fn show(&self, state: State) {
        let mut record = Record::clone(&self.record());
        record.state = state;
        self.publish(record);
    }
}
