//! Changing a network while containers are on it.

use std::sync::Arc;

use super::Engine;
use crate::{
    cnm::{
        Network, NetworkId,
        controller::Request,
        plan::Plan,
        spec::{NetworkUpdate, NetworkUpdateForm},
    },
    container::Container,
    error::UpdateNetworkError,
    network,
};

impl Engine {
    /// Changes a network. Containers that are on it get and lose addresses; their files follow.
    ///
    /// # Errors
    /// If there is no such network, or it cannot become what is asked for; nothing has changed then.
    pub async fn network_update(
        self: &Arc<Self>,
        term: &str,
        form: NetworkUpdateForm,
    ) -> Result<(), UpdateNetworkError> {
        let update = NetworkUpdate::parse(form)?;
        let (engine, term) = (Arc::clone(self), term.to_owned());
        self.whole(async move {
            let (id, requests) = engine.update_requests(&term, update)?;
            engine.change_network(requests).await?;
            for container in engine.members(&id) {
                engine.refresh_files(&container.record());
                engine.refresh_linked(&container.id);
            }
            if let Some(network) = engine.network.model().network(&id) {
                engine.tell_of_network(network, "update");
            }
            Ok(())
        })
        .await
    }

    /// What changing a network would change in the kernel.
    ///
    /// # Errors
    /// As for changing it.
    pub async fn network_update_plan(
        &self,
        term: &str,
        form: NetworkUpdateForm,
    ) -> Result<Plan, UpdateNetworkError> {
        let (_, requests) = self.update_requests(term, NetworkUpdate::parse(form)?)?;
        Ok(self.preview_network(requests).await?)
    }

    /// The change itself; then who is on the network publishes by what it is now.
    fn update_requests(
        &self,
        term: &str,
        update: NetworkUpdate,
    ) -> Result<(NetworkId, Vec<Request>), UpdateNetworkError> {
        let model = self.network.model();
        let id = network::find(&model, term)?.id;
        let members = self.members(&id);
        let again = members.iter().filter_map(|member| network::publish_again(&member.record(), &model));
        let requests = std::iter::once(Request::UpdateNetwork(id, update)).chain(again).collect();
        Ok((id, requests))
    }

    /// The containers that run on a network.
    fn members(&self, network: &NetworkId) -> Vec<Arc<Container>> {
        let model = self.network.model();
        let joined = model.endpoints_of_network(network).filter(|endpoint| endpoint.sandbox().is_some());
        joined.filter_map(|endpoint| self.registry.get(&endpoint.owner.parse().ok()?)).collect()
    }

    /// Tells what happened to a network.
    pub(super) fn tell_of_network(&self, network: &Network, action: &str) {
        let attributes = [
            ("name".to_owned(), network.name.clone()),
            ("type".to_owned(), network.driver.name().to_owned()),
        ];
        self.tell("network", action, &network.id.to_string(), attributes.into());
    }
}
