//! Announcements: the first before the change is answered that makes them due, the others in its wake.

use std::{io, time::Duration};

use cnm::announce::Announce;
use linux::announce::Announcer;

use crate::host::Host;

/// An announcement that was made once.
#[derive(Debug)]
pub(crate) struct Announcing {
    announcer: Announcer,
    left: u8,
    interval: Duration,
}

/// Makes the first announcement of each. A neighbour that is not told finds out by himself, later.
pub(crate) fn begin(host: &Host, due: &[Announce]) -> Vec<Announcing> {
    let first = |due: &Announce| match host.announcer(due) {
        Ok(announcer) => {
            sent(due, announcer.send());
            let interval = Duration::from_millis(u64::from(due.how.interval));
            Some(Announcing { announcer, left: due.how.count.saturating_sub(1), interval })
        }
        Err(error) => {
            tracing::warn!(sandbox = %due.sandbox, error = crate::chain(&error), "neighbours are not told");
            None
        }
    };
    due.iter().filter_map(first).collect()
}

impl Announcing {
    /// Makes the others.
    pub(crate) async fn go_on(self) {
        for _ in 0..self.left {
            tokio::time::sleep(self.interval).await;
            // Who has left meanwhile has nothing to tell.
            if self.announcer.send().is_err() {
                return;
            }
        }
    }
}

fn sent(due: &Announce, outcome: io::Result<()>) {
    if let Err(error) = outcome {
        tracing::warn!(sandbox = %due.sandbox, %error, "neighbours are not told");
    }
}
