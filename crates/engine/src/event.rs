//! What happened, for whoever listens, and the last of it for whoever comes later.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Mutex,
};

use jiff::Timestamp;
use tokio::sync::broadcast;

/// So many events are kept for `since`, as Docker keeps 256 and clients outrun that.
const HISTORY: usize = 4096;
/// A listener this many events behind loses the oldest.
const BEHIND: usize = 1024;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub time: Timestamp,
    /// `container`, `image`, `network`, `volume`, `daemon`.
    pub kind: &'static str,
    /// `create`, `start`, `die`, `exec_create: sh`, …
    pub action: String,
    /// The id of what it happened to.
    pub actor: String,
    pub attributes: BTreeMap<String, String>,
}

/// Where events are told and heard.
#[derive(Debug)]
pub struct Events {
    history: Mutex<VecDeque<Event>>,
    live: broadcast::Sender<Event>,
}

/// Events from now on, or from earlier, one after the other.
#[derive(Debug)]
pub struct Subscription {
    past: VecDeque<Event>,
    live: broadcast::Receiver<Event>,
}

impl Default for Events {
    fn default() -> Self {
        Self { history: Mutex::default(), live: broadcast::channel(BEHIND).0 }
    }
}

impl Events {
    /// Tells everyone, and remembers.
    pub fn tell(&self, event: Event) {
        let mut history = self.history.lock().expect("nobody panics while holding the history");
        if history.len() == HISTORY {
            history.pop_front();
        }
        history.push_back(event.clone());
        // Sent under the lock, so that a subscription neither misses an event nor gets it twice.
        let _heard_by_nobody = self.live.send(event);
    }

    /// Listens from now on, after what was since `since`, if given.
    pub fn subscribe(&self, since: Option<Timestamp>) -> Subscription {
        let history = self.history.lock().expect("nobody panics while holding the history");
        let past = |since: Timestamp| history.iter().filter(|event| event.time >= since).cloned().collect();
        Subscription { past: since.map(past).unwrap_or_default(), live: self.live.subscribe() }
    }
}

impl Subscription {
    /// The next event; `None` when the engine ends.
    ///
    /// Cancel safe. A listener that is too slow skips what it missed.
    pub async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.past.pop_front() {
            return Some(event);
        }
        loop {
            match self.live.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// The next event that is already there: for `until` in the past.
    pub fn next_past(&mut self) -> Option<Event> {
        self.past.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(second: i64) -> Event {
        Event {
            time: Timestamp::from_second(second).expect("a time"),
            kind: "container",
            action: "start".to_owned(),
            actor: second.to_string(),
            attributes: BTreeMap::new(),
        }
    }

    #[tokio::test]
    async fn a_listener_gets_the_past_and_the_present_once() {
        let events = Events::default();
        (1..=3).for_each(|second| events.tell(event(second)));
        let mut subscription = events.subscribe(Some(Timestamp::from_second(2).expect("a time")));
        events.tell(event(4));
        for second in 2..=4 {
            assert_eq!(subscription.next().await, Some(event(second)));
        }
    }

    #[test]
    fn history_is_bounded() {
        let events = Events::default();
        (0..HISTORY + 10).for_each(|second| events.tell(event(second.try_into().expect("small"))));
        let subscription = events.subscribe(Some(Timestamp::UNIX_EPOCH));
        assert_eq!(subscription.past.len(), HISTORY);
        assert_eq!(subscription.past[0], event(10));
    }
}
