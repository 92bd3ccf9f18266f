//! What happens when a container's first process has ended.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{Engine, health};
use crate::{
    Exited, RemoveOptions, RestartPolicy, State,
    container::Container,
    error::RemoveError,
    process::{Client, ClientError, Exit},
    record::Record,
};

/// Docker's back-off: from a tenth of a second, doubled each time, to a minute.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Who ran this long starts over with the shortest wait.
const LONG_RUN: Duration = Duration::from_secs(10);

impl Engine {
    /// Takes note of an end: gives back, stores, tells, and starts again if that was asked for.
    pub(super) async fn ended(
        self: &Arc<Self>,
        container: &Arc<Container>,
        client: &Client,
        ended: Result<Exit, ClientError>,
    ) {
        let Ok(_turn) = container.turn().await else { return };
        let record = Record::clone(&container.record());
        let same = container.live().client.as_ref() == Some(client);
        if let (Some(running), true) = (record.state.alive().cloned(), same) {
            let exit = ended.unwrap_or_else(|error| lost(&error));
            let exited = exited(&exit, running.started);
            self.note_exit(container, record, exited).await;
        }
    }

    /// The same for an end that is known by now, of a container whose turn the caller holds.
    pub(super) async fn note_exit(
        self: &Arc<Self>,
        container: &Arc<Container>,
        mut record: Record,
        exited: Exited,
    ) {
        let (stopping, keeps_network) = {
            let mut live = container.live();
            live.execs.values_mut().for_each(crate::exec::Exec::killed);
            (std::mem::take(&mut live.stopping), std::mem::take(&mut live.restarting))
        };
        record.stopped |= stopping;
        health::at_end(&mut record.health);
        let again = !stopping && record.spec.restart.restarts(exited.code, record.restart_count);
        let ran = exited.finished.duration_since(exited.started).unsigned_abs();
        let code = exited.code;
        record.state = if again { State::Restarting(exited.clone()) } else { State::Exited(exited.clone()) };
        // Kept before anything is given back: the shim's own record of the end goes with its bundle.
        if let Err(error) = self.store.put(&record).await {
            tracing::error!(container = %record.id, error = crate::chain(&error), "cannot keep the record");
        }
        if again || keeps_network {
            self.release_process(container).await;
        } else {
            self.release(container, &mut record).await;
        }
        if exited.oom_killed {
            self.tell_container(&record, "oom", &[]);
        }
        let facts = [("exitCode", code.to_string()), ("execDuration", ran.as_secs().to_string())];
        self.tell_container(&record, "die", &facts);
        let (auto_remove, restarts) = (record.spec.auto_remove, record.restart_count);
        container.publish_exit(record, code);
        if again && !self.opened.is_cancelled() {
            self.start_with_engine(container);
        } else if again {
            self.restart_later(container, wait_before(ran, restarts));
        } else if auto_remove && !keeps_network {
            self.remove_soon(container);
        }
    }

    /// Starts again after a while, unless somebody has decided otherwise by then.
    pub(super) fn restart_later(self: &Arc<Self>, container: &Arc<Container>, wait: Duration) {
        let (engine, container) = (Arc::clone(self), Arc::clone(container));
        self.tasks.spawn(async move {
            let mut moments = container.watch();
            let is_over = |moment: &crate::container::Moment| {
                moment.removed || !matches!(moment.record.state, State::Restarting(_))
            };
            let its_time = async {
                tokio::time::sleep(wait).await;
                // What is made before strays are removed would be taken for one.
                engine.opened.cancelled().await;
            };
            tokio::select! {
                () = its_time => {}
                _ = moments.wait_for(is_over) => return,
                () = engine.closing.cancelled() => return,
            }
            let Ok(_turn) = container.turn().await else { return };
            let mut record = Record::clone(&container.record());
            if matches!(record.state, State::Restarting(_)) {
                record.restart_count += 1;
                if let Err(error) = engine.start_held(&container, record).await {
                    tracing::warn!(container = %container.id, error = crate::chain(&error), "cannot restart");
                }
            }
        });
    }

    /// Removes a container that was to be removed at its end.
    pub(super) fn remove_soon(self: &Arc<Self>, container: &Arc<Container>) {
        let (engine, id) = (Arc::clone(self), container.id.to_string());
        self.tasks.spawn(async move {
            let options = RemoveOptions { force: true, volumes: true };
            match engine.remove_whole(&id, options).await {
                // Somebody else was quicker.
                Ok(()) | Err(RemoveError::Find(_)) => {}
                Err(error) => {
                    tracing::warn!(container = id, error = crate::chain(&error), "cannot remove at its end");
                }
            }
        });
    }
}

/// How long to wait before the next start.
fn wait_before(ran: Duration, restarts: u32) -> Duration {
    if ran >= LONG_RUN {
        return FIRST_WAIT;
    }
    FIRST_WAIT.saturating_mul(2_u32.saturating_pow(restarts)).min(LONGEST_WAIT)
}

/// An end as the shim saw it.
pub(super) fn exited(exit: &Exit, started: Timestamp) -> Exited {
    let finished =
        Timestamp::from_nanosecond(i128::from(exit.at_unix_nanos)).unwrap_or_else(|_| Timestamp::now());
    Exited { code: exit.code, oom_killed: exit.oom_killed, error: String::new(), started, finished }
}

/// The end of a container whose shim has gone without a word: it was killed, and its processes with it.
pub(super) fn lost(error: &ClientError) -> Exit {
    tracing::warn!(error = crate::chain(error), "a shim has gone");
    let now = i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
    Exit { code: 137, signal: Some(9), oom_killed: false, at_unix_nanos: now }
}

/// Whether a policy starts a container again when the engine begins.
pub(super) const fn starts_with_engine(policy: RestartPolicy, stopped: bool, code: i32) -> bool {
    match policy {
        RestartPolicy::No => false,
        RestartPolicy::Always => true,
        RestartPolicy::UnlessStopped => !stopped,
        RestartPolicy::OnFailure { .. } => !stopped && code != 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute() {
        let short = Duration::from_secs(1);
        assert_eq!(wait_before(short, 0), Duration::from_millis(100));
        assert_eq!(wait_before(short, 3), Duration::from_millis(800));
        assert_eq!(wait_before(short, 40), Duration::from_secs(60));
        assert_eq!(wait_before(Duration::from_secs(11), 40), Duration::from_millis(100));
    }
}
