//! Replies that are kept as long as they are true, within a bound. Pure: the time is an argument.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cnm::files::Upstream;
use tokio::time::Instant;

use super::shared::{Reply, Subject};

/// How much room the replies for one sandbox may take, in bytes.
const ROOM: usize = 256 * 1024;
/// The longest reply that is kept.
const LONGEST: usize = 8 * 1024;
/// What an entry takes besides its texts.
const ENTRY: usize = 256;

/// Who is asked what. Other servers may say something else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) subject: Subject,
    pub(super) servers: Arc<[Upstream]>,
}

/// What was asked lately; what was not used for the longest goes first.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: BTreeMap<Arc<Key>, Entry>,
    uses: BTreeMap<u64, Arc<Key>>,
    clock: u64,
    taken: usize,
}

#[derive(Debug)]
struct Entry {
    reply: Arc<Reply>,
    since: Instant,
    used: u64,
}

impl Cache {
    /// A reply that is still true, and its age.
    pub(super) fn get(&mut self, key: &Key, now: Instant) -> Option<(Arc<Reply>, Duration)> {
        let entry = self.entries.get_mut(key)?;
        let age = now.saturating_duration_since(entry.since);
        if age >= entry.reply.life() {
            self.remove(key);
            return None;
        }
        let key = self.uses.remove(&entry.used).expect("an entry has one use");
        self.clock += 1;
        entry.used = self.clock;
        self.uses.insert(self.clock, key);
        Some((Arc::clone(&entry.reply), age))
    }

    /// Keeps a reply that came now, if it may be kept.
    pub(super) fn put(&mut self, key: &Key, reply: Arc<Reply>, now: Instant) {
        self.remove(key);
        if reply.life().is_zero() || reply.len() > LONGEST {
            return;
        }
        self.taken += cost(key, &reply);
        while self.taken > ROOM {
            let Some(oldest) = self.uses.first_key_value().map(|(_, key)| Arc::clone(key)) else { break };
            self.remove(&oldest);
        }
        let key = Arc::new(key.clone());
        self.clock += 1;
        self.uses.insert(self.clock, Arc::clone(&key));
        self.entries.insert(key, Entry { reply, since: now, used: self.clock });
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.uses.remove(&entry.used);
            self.taken -= cost(key, &entry.reply);
        }
    }
}

fn cost(key: &Key, reply: &Reply) -> usize {
    ENTRY + key.subject.len() + reply.len()
}

#[cfg(test)]
mod tests;
