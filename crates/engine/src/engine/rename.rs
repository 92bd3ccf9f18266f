//! Giving a container another name, everywhere at once.

use std::sync::Arc;

use super::Engine;
use crate::{
    cnm::controller::Request, container::Container, error::RenameError, network, record::Record, spec,
};

impl Engine {
    /// Renames a container and its endpoints; resolvers answer to the new name at once.
    ///
    /// # Errors
    /// If the name is none, or taken.
    pub async fn rename(self: &Arc<Self>, term: &str, name: &str) -> Result<(), RenameError> {
        let name = name.strip_prefix('/').unwrap_or(name).to_owned();
        if term.is_empty() || name.is_empty() {
            return Err(RenameError::Empty);
        }
        let container = self.registry.find(term)?;
        spec::check_name(&name).map_err(RenameError::Spec)?;
        let engine = Arc::clone(self);
        self.whole(async move { engine.rename_whole(&container, name).await }).await
    }

    async fn rename_whole(&self, container: &Container, name: String) -> Result<(), RenameError> {
        let _turn = container.turn().await?;
        let before = container.record();
        if before.name == name {
            return Err(RenameError::Same);
        }
        let taken = |holder: crate::ContainerId| RenameError::NameTaken {
            name: name.clone(),
            holder: holder.to_string(),
        };
        self.registry.take_name(&name, container.id).map_err(taken)?;
        let mut record = Record::clone(&before);
        record.name.clone_from(&name);
        match self.rename_everywhere(container, &before, record).await {
            Ok(()) => {
                self.registry.release_name(&before.name);
                let old = format!("/{}", before.name);
                self.tell_container(&container.record(), "rename", &[("oldName", old)]);
                self.refresh_linked(&container.id);
                Ok(())
            }
            Err(error) => {
                self.registry.release_name(&name);
                Err(error)
            }
        }
    }

    /// The endpoints, then the record; if the record cannot be kept, the endpoints go back.
    async fn rename_everywhere(
        &self,
        container: &Container,
        before: &Record,
        record: Record,
    ) -> Result<(), RenameError> {
        self.change_network(self.renames(&record)).await?;
        if let Err(error) = self.keep(container, record).await {
            if let Err(error) = self.change_network(self.renames(before)).await {
                tracing::error!(container = %container.id, error = crate::chain(&error), "endpoints keep a name");
            }
            return Err(error.into());
        }
        Ok(())
    }

    fn renames(&self, record: &Record) -> Vec<Request> {
        let model = self.network.model();
        let known = record.connections.values().filter_map(|connection| {
            let endpoint = connection.endpoint.filter(|id| model.endpoint(id).is_some())?;
            let dns_names = network::dns_names(record, &connection.spec);
            Some(Request::RenameEndpoint { endpoint, name: record.name.clone(), dns_names })
        });
        known.collect()
    }
}
