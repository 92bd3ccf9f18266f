//! Giving back what a container holds only while it runs. Every step goes on where one fails.

use std::sync::Arc;

use super::{Engine, blocking};
use crate::{cnm::SandboxId, container::Container, network, record::Record, rootfs};

impl Engine {
    /// Gives back shim, sandbox and root mount, whichever of them there are.
    ///
    /// Endpoints keep their addresses; a sandbox that somebody else lives in stays.
    pub(super) async fn release(&self, container: &Container, record: &mut Record) {
        self.release_process(container).await;
        self.release_network(container, record).await;
        let (images, id) = (Arc::clone(&self.images), record.id);
        if let Err(error) = blocking(move || rootfs::unmount(&images, &id)).await {
            tracing::warn!(container = %record.id, error = crate::chain(&error), "the root stays mounted");
        }
        self.clear_stage(&record.id).await;
        self.release_volumes(record).await;
    }

    /// Ends the shim and what is left of the container's processes.
    pub(super) async fn release_process(&self, container: &Container) {
        let client = {
            let mut live = container.live();
            live.waiting.clear();
            live.client.take()
        };
        let bundle = self.bundle(&container.id);
        if let Some(client) = client
            && let Err(error) = client.delete().await
        {
            // The shim has gone: another one of our program puts things in order.
            tracing::info!(container = %container.id, error = crate::chain(&error), "clearing after a shim");
            self.clear_after_shim(container, &bundle).await;
        }
        if let Err(error) = crate::volume::ignore_missing(std::fs::remove_dir_all(&bundle)) {
            tracing::warn!(container = %container.id, %error, "a bundle is left");
        }
    }

    /// Removes what a shim left that was killed.
    pub(super) async fn clear_after_shim(&self, container: &Container, bundle: &std::path::Path) {
        if let Err(error) = runtime::client::cleanup(&self.config.shim, bundle).await {
            tracing::warn!(container = %container.id, error = crate::chain(&error), "a shim's remains are left");
        }
    }

    /// Leaves the sandbox, and removes it if nobody else is in it.
    pub(super) async fn release_network(&self, container: &Container, record: &mut Record) {
        {
            let mut live = container.live();
            live.leaving = true;
            live.joined = None;
        }
        if let Some(sandbox) = record.sandbox {
            self.leave_sandbox(container, record, sandbox).await;
        }
        container.live().leaving = false;
    }

    async fn leave_sandbox(&self, container: &Container, record: &mut Record, sandbox: SandboxId) {
        let model = self.network.model();
        let own = network::is_own(record, &sandbox, &model);
        if self.is_inhabited(container, &sandbox) {
            // Its own stays its own: a restart finds it again.
            record.sandbox = record.sandbox.filter(|_| own);
            return;
        }
        record.sandbox = None;
        if model.sandbox(&sandbox).is_none() {
            return;
        }
        let leave = vec![crate::cnm::controller::Request::DeleteSandbox(sandbox)];
        if let Err(error) = self.change_network(leave).await {
            tracing::error!(container = %record.id, error = crate::chain(&error), "a sandbox is left");
        }
        if own {
            for name in record.connections.keys() {
                self.tell_network(record, name, "disconnect");
            }
            self.refresh_linked(&record.id);
        }
    }

    /// Whether another container lives in a sandbox, or is about to.
    pub(super) fn is_inhabited(&self, container: &Container, sandbox: &SandboxId) -> bool {
        let lives_there = |other: &Arc<Container>| {
            other.live().joined == Some(*sandbox)
                || (other.record().state.alive().is_some() && other.record().sandbox == Some(*sandbox))
        };
        self.registry.all().iter().any(|other| other.id != container.id && lives_there(other))
    }

    /// Tells what happened between a container and a network.
    pub(super) fn tell_network(&self, record: &Record, name: &str, action: &str) {
        let model = self.network.model();
        let Some(network) = record.connections.get(name).and_then(|found| model.network(&found.network?))
        else {
            return;
        };
        let attributes = [
            ("container".to_owned(), record.id.to_string()),
            ("name".to_owned(), network.name.clone()),
            ("type".to_owned(), network.driver.name().to_owned()),
        ];
        self.tell("network", action, &network.id.to_string(), attributes.into());
    }
}
