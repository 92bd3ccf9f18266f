//! Keeps a resolver in every sandbox that needs one, and in no other; carried ports, too.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use cnm::{Delta, Model, Namespace, SandboxId, announce::Announce, names};
use tokio::sync::watch;

use crate::{
    announce::{self, Announcing},
    chain,
    dns::DnsServers,
    host::Host,
    splices::Splices,
};

/// Where the host says whom it asks.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// What the engine itself does for sandboxes: their resolvers, and ports that it carries.
#[derive(Debug)]
pub(crate) struct Resolvers {
    servers: DnsServers,
    splices: Splices,
    host: Host,
    model: watch::Receiver<Arc<Model>>,
}

impl Resolvers {
    pub(crate) fn new(host: Host, model: watch::Receiver<Arc<Model>>) -> Self {
        let splices = Splices::new(host.clone(), model.clone());
        Self { servers: DnsServers::new(model.clone(), RESOLV_CONF), splices, host, model }
    }

    /// Starts what is needed by the sandboxes of the model.
    pub(crate) async fn settle_all(&self) {
        let sandboxes = self.model.borrow().sandboxes().map(|sandbox| sandbox.id).collect();
        self.settle(sandboxes).await;
    }

    /// Starts, keeps or ends what is done for each, as the published model has it.
    pub(crate) async fn settle(&self, sandboxes: BTreeSet<SandboxId>) {
        self.splices.settle(&sandboxes).await;
        for sandbox in sandboxes {
            if let Err(error) = self.settle_one(sandbox).await {
                tracing::error!(%sandbox, error = chain(&error), "a sandbox cannot look names up");
            }
        }
    }

    /// Lets go of the ports that are carried, so that the next service finds them free.
    pub(crate) async fn carry_no_more(&self) {
        self.splices.end().await;
    }

    /// Tells neighbours where addresses are, once; the rest is for later.
    pub(crate) async fn announce(&self, due: Vec<Announce>) -> Vec<Announcing> {
        if due.is_empty() {
            return Vec::new();
        }
        let host = self.host.clone();
        let begun = tokio::task::spawn_blocking(move || announce::begin(&host, &due)).await;
        begun.unwrap_or_default()
    }

    /// Whether anything is done for any of these, or has to be.
    pub(crate) fn concern(&self, sandboxes: &BTreeSet<SandboxId>) -> bool {
        if self.splices.concern(sandboxes) {
            return true;
        }
        let model = self.model.borrow();
        sandboxes.iter().any(|id| self.servers.holds(id) || names::needs_resolver(&model, id))
    }

    async fn settle_one(&self, id: SandboxId) -> Result<(), crate::dns::DnsError> {
        let model = Arc::clone(&self.model.borrow());
        let Some(sandbox) = model.sandbox(&id) else {
            self.servers.stop(&id).await;
            return Ok(());
        };
        if !names::needs_resolver(&model, &id) {
            return self.servers.withdraw(&id).await;
        }
        match &sandbox.namespace {
            Namespace::Own => self.servers.serve(id, &self.host.namespace(&id)).await,
            Namespace::Path(path) => self.servers.serve(id, Path::new(path)).await,
            // The host looks names up by itself.
            Namespace::Host => Ok(()),
        }
    }
}

/// The sandboxes whose networks a change and its inverse name.
pub(crate) fn touched(delta: &Delta, inverse: &Delta) -> BTreeSet<SandboxId> {
    let endpoints = delta.endpoints.values().chain(inverse.endpoints.values()).flatten();
    let joined = endpoints.filter_map(|endpoint| endpoint.sandbox().copied());
    joined.chain(delta.sandboxes.keys().copied()).collect()
}
