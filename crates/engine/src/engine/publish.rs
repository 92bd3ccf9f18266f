//! Ports that come and go while a container runs.

use super::Engine;
use crate::{
    cnm::{
        Model, PortMapping,
        spec::{NotPublishedError, PortRemoval, are_published},
    },
    network,
    record::Record,
};

/// What a container publishes after some ports went and others came.
pub(super) fn after(
    record: &Record,
    model: &Model,
    publish: &[PortMapping],
    withdraw: &[PortRemoval],
) -> Result<Vec<PortMapping>, NotPublishedError> {
    let sandbox = record.sandbox.filter(|id| network::is_own(record, id, model));
    let bindings = sandbox.and_then(|id| model.sandbox(&id)).map_or(&[][..], |sandbox| &sandbox.ports);
    let mut mappings = record.spec.network.publish.clone();
    for removal in withdraw {
        mappings = removal.remove(&mappings, bindings)?;
    }
    for mapping in publish {
        if !mappings.contains(mapping) {
            mappings.push(mapping.clone());
        }
    }
    Ok(mappings)
}

impl Engine {
    /// Publishes what a container did before a change that failed.
    pub(super) async fn publish_back(&self, record: &Record) {
        let requests = network::publish_again(record, &self.network.model());
        if let Err(error) = self.change_network(requests.into_iter().collect()).await {
            tracing::error!(container = %record.id, error = crate::chain(&error), "ports are not put back");
        }
    }

    /// Publishes what the record of a running container says: ports and record are kept one
    /// after the other, and an engine may have ended in between.
    pub(super) async fn publish_unanswered(&self, record: &Record) {
        let model = self.network.model();
        let sandbox = record.sandbox.filter(|id| network::is_own(record, id, &model));
        let Some(sandbox) = sandbox.and_then(|id| model.sandbox(&id)) else { return };
        if !are_published(&network::published(record), &sandbox.ports) {
            self.publish_back(record).await;
        }
    }
}
