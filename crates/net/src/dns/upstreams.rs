//! The servers of a sandbox, as they are now.

use std::future::pending;
use std::sync::Arc;

use cnm::files::{Upstream, upstreams};
use cnm::{Model, SandboxId};
use tokio::sync::watch;

/// What says which servers a sandbox asks.
#[derive(Clone, Debug)]
pub(super) struct Upstreams {
    sandbox: SandboxId,
    model: watch::Receiver<Arc<Model>>,
    host: watch::Receiver<Arc<str>>,
}

impl Upstreams {
    pub(super) fn new(
        sandbox: SandboxId,
        model: watch::Receiver<Arc<Model>>,
        host: watch::Receiver<Arc<str>>,
    ) -> Self {
        Self { sandbox, model, host }
    }

    /// Whether they may be others than when this was asked last.
    pub(super) fn may_have_changed(&mut self) -> bool {
        let changed = [self.model.has_changed(), self.host.has_changed()];
        if changed.iter().any(|changed| *changed.as_ref().unwrap_or(&false)) {
            self.model.mark_unchanged();
            self.host.mark_unchanged();
            return true;
        }
        false
    }

    /// The servers, in their order; none for a sandbox that is gone.
    pub(super) fn now(&self) -> Arc<[Upstream]> {
        let model = self.model.borrow();
        let sandbox = model.sandbox(&self.sandbox);
        sandbox.map(|sandbox| upstreams(&sandbox.dns, &self.host.borrow()).into()).unwrap_or_default()
    }

    /// Waits until the host has others than these.
    pub(super) async fn other_than(&self, servers: &[Upstream]) -> Arc<[Upstream]> {
        let mut host = self.host.clone();
        loop {
            host.mark_unchanged();
            let now = self.now();
            if *now != *servers {
                return now;
            }
            if host.changed().await.is_err() {
                return pending().await;
            }
        }
    }
}
