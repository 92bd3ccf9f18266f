//! Starting with the engine what its policy starts: after those it needs, and again if it fails.
//!
//! At a machine's start much is not there yet that soon will be: a port that a service of the
//! host holds for a moment, a mount, a network. Who asks for a start by hand is told at once.

use std::{sync::Arc, time::Duration};

use super::Engine;
use crate::{Exited, NetworkMode, State, container::Container, error::StartError, record::Record};

/// How often a start is tried: over some 25 seconds.
const ATTEMPTS: u32 = 8;
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// How long those are waited for that a container needs.
const PATIENCE: Duration = Duration::from_secs(60);

impl Engine {
    /// Starts a container that is shown as restarting, in a task of the engine's.
    pub(super) fn start_with_engine(self: &Arc<Self>, container: &Arc<Container>) {
        let (engine, container) = (Arc::clone(self), Arc::clone(container));
        self.tasks.spawn(async move {
            // What is made before strays are removed would be taken for one.
            tokio::select! {
                () = engine.opened.cancelled() => {}
                () = engine.closing.cancelled() => return,
            }
            for attempt in 0..ATTEMPTS {
                tokio::select! {
                    () = engine.wait_for_needed(&container) => {}
                    () = engine.closing.cancelled() => return,
                }
                let Err((exited, error)) = engine.try_start(&container).await else { return };
                let error = crate::chain(&error);
                tracing::warn!(container = %container.id, error, attempt, "cannot start with the engine");
                if attempt + 1 == ATTEMPTS || !engine.stays_restarting(&container, exited, attempt).await {
                    return;
                }
            }
        });
    }

    /// One attempt, unless somebody has decided otherwise. If it fails, how the container ended before.
    async fn try_start(self: &Arc<Self>, container: &Arc<Container>) -> Result<(), (Exited, StartError)> {
        let Ok(_turn) = container.turn().await else { return Ok(()) };
        let mut record = Record::clone(&container.record());
        let State::Restarting(exited) = record.state.clone() else { return Ok(()) };
        record.restart_count += 1;
        self.start_held(container, record).await.map(drop).map_err(|error| (exited, error))
    }

    /// Shows a container as restarting until its next attempt; whether it is so still by then.
    async fn stays_restarting(&self, container: &Arc<Container>, exited: Exited, attempt: u32) -> bool {
        {
            let Ok(_turn) = container.turn().await else { return false };
            if !matches!(container.record().state, State::Exited(_)) {
                return false;
            }
            container.show(State::Restarting(exited));
        }
        let mut moments = container.watch();
        let is_over = |moment: &crate::container::Moment| {
            moment.removed || !matches!(moment.record.state, State::Restarting(_))
        };
        tokio::select! {
            () = tokio::time::sleep(FIRST_WAIT.saturating_mul(1 << attempt)) => true,
            _ = moments.wait_for(is_over) => false,
            () = self.closing.cancelled() => false,
        }
    }

    /// Waits until those are started, or have failed, whose stack or whose line of /etc/hosts a container needs.
    async fn wait_for_needed(&self, container: &Container) {
        let record = container.record();
        let joined = match &record.spec.network.mode {
            NetworkMode::Container(other) => self.registry.find(other).ok(),
            NetworkMode::Bridge
            | NetworkMode::Network(_)
            | NetworkMode::Host
            | NetworkMode::None
            | NetworkMode::Path(_) => None,
        };
        let needed = joined.into_iter().chain(self.link_targets(&record));
        for other in needed.filter(|other| other.id != container.id) {
            let mut moments = other.watch();
            let is_settled = |moment: &crate::container::Moment| {
                moment.removed || !matches!(moment.record.state, State::Restarting(_))
            };
            // Who is not there after that is not waited for by whoever comes next, either.
            drop(tokio::time::timeout(PATIENCE, moments.wait_for(is_settled)).await);
        }
    }
}
