//! What a sandbox asked lately, and what it asks just now: nothing is asked twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cnm::files::Upstream;
use tokio::sync::watch;
use tokio::time::Instant;

use super::cache::{Cache, Key};
use super::message::Transport;
use super::shared::Reply;

/// The memory of one sandbox.
///
/// Not shared with others: what one has asked cannot be seen by how fast another is
/// answered, and nobody pushes out or poisons what another knows.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    cache: Cache,
    under_way: BTreeMap<(Key, Transport), watch::Receiver<Option<Outcome>>>,
}

/// What became of a question.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// For all who asked it.
    Reply(Arc<Reply>),
    /// Nobody said anything.
    Silence,
    /// Only for who was first; others ask by themselves.
    Unfit,
}

/// What to do with a question.
#[derive(Debug)]
pub(super) enum Next<'a> {
    /// It was asked before: the reply, and its age.
    Known(Arc<Reply>, Duration),
    /// It is being asked.
    Wait(Wait),
    /// Ask it, and tell others.
    Lead(Lead<'a>),
}

/// Waits for who asks.
#[derive(Debug)]
pub(super) struct Wait(watch::Receiver<Option<Outcome>>);

/// Asks, while others wait. Dropped before it told anything, those ask by themselves.
#[derive(Debug)]
pub(super) struct Lead<'a> {
    memory: &'a Memory,
    key: (Key, Transport),
    tell: watch::Sender<Option<Outcome>>,
}

impl Memory {
    /// A reply that is known already, and its age.
    pub(super) fn known(&self, key: &Key, now: Instant) -> Option<(Arc<Reply>, Duration)> {
        self.inner().cache.get(key, now)
    }

    /// Decides who asks. What one is told by UDP may be too short for TCP: those wait apart.
    pub(super) fn begin(&self, key: Key, transport: Transport, now: Instant) -> Next<'_> {
        let mut inner = self.inner();
        if let Some((reply, age)) = inner.cache.get(&key, now) {
            return Next::Known(reply, age);
        }
        let key = (key, transport);
        if let Some(told) = inner.under_way.get(&key) {
            return Next::Wait(Wait(told.clone()));
        }
        let (tell, told) = watch::channel(None);
        inner.under_way.insert(key.clone(), told);
        Next::Lead(Lead { memory: self, key, tell })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // What is behind it is whole after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wait {
    pub(super) async fn outcome(mut self) -> Outcome {
        match self.0.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Outcome::Unfit),
            Err(_) => Outcome::Unfit,
        }
    }
}

impl Lead<'_> {
    /// Tells those who wait, and keeps what may be kept, as said by those who were asked in the end.
    pub(super) fn tell(self, outcome: Outcome, asked: Arc<[Upstream]>, now: Instant) {
        if let Outcome::Reply(reply) = &outcome {
            let key = Key { subject: self.key.0.subject.clone(), servers: asked };
            self.memory.inner().cache.put(&key, Arc::clone(reply), now);
        }
        self.tell.send_replace(Some(outcome));
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.memory.inner().under_way.remove(&self.key);
    }
}

#[cfg(test)]
mod tests;
