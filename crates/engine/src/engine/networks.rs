//! Networks as the engine's callers see them: with the containers on them.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::broadcast::error::RecvError;

use super::Engine;
use crate::{
    ContainerId,
    cnm::{
        Endpoint, Network, NetworkId,
        controller::{Created, Request},
        ipam::{PoolStatus, pool_status},
        plan::Plan,
        spec::{InvalidNetworkError, NetworkForm, NetworkSpec},
    },
    error::{CreateNetworkError, NetworkError, PruneNetworksError, RemoveNetworkError},
    network,
};

/// A network and who is on it.
#[derive(Clone, Debug)]
pub struct NetworkInspect {
    pub network: Arc<Network>,
    pub endpoints: Vec<NetworkMember>,
    /// How full its pools are.
    pub pools: Vec<PoolStatus>,
}

/// An endpoint that has joined, and whose it is.
#[derive(Clone, Debug)]
pub struct NetworkMember {
    /// Absent for an endpoint that is no container's.
    pub container: Option<ContainerId>,
    /// The container's name.
    pub name: String,
    pub endpoint: Arc<Endpoint>,
}

impl Engine {
    /// Makes a network and tells its id.
    ///
    /// # Errors
    /// If the form makes no sense, or is at odds with the networks there are.
    pub async fn network_create(
        self: &Arc<Self>,
        form: NetworkForm,
    ) -> Result<NetworkId, CreateNetworkError> {
        let spec = self.network_spec(form)?;
        let engine = Arc::clone(self);
        self.whole(async move {
            let outcome = engine.network.change(vec![Request::CreateNetwork(spec)]).await;
            let outcome = outcome.map_err(NetworkError::from)?;
            let id = outcome.created.iter().find_map(|created| match created {
                Created::Network(id) => Some(*id),
                Created::Sandbox(_) | Created::Endpoint(_) => None,
            });
            let id = id.expect("a network that was created has an id");
            if let Some(network) = outcome.model.network(&id) {
                engine.tell_of_network(network, "create");
            }
            Ok(id)
        })
        .await
    }

    /// What a user wants, with the engine's own options where the network takes its own from nobody else.
    fn network_spec(&self, mut form: NetworkForm) -> Result<NetworkSpec, CreateNetworkError> {
        let is_plain = form.config_from.is_empty() && !form.config_only;
        if is_plain && ["", "bridge"].contains(&form.driver.as_str()) {
            for (label, value) in &self.config.network_options {
                form.options.entry(label.clone()).or_insert_with(|| value.clone());
            }
        }
        let form = form.fill_in(&self.network.model()).map_err(InvalidNetworkError::from)?;
        Ok(NetworkSpec::parse(form)?)
    }

    /// What making such a network would change in the kernel.
    ///
    /// # Errors
    /// As for making it.
    pub async fn network_create_plan(&self, form: NetworkForm) -> Result<Plan, CreateNetworkError> {
        let spec = self.network_spec(form)?;
        Ok(self.preview_network(vec![Request::CreateNetwork(spec)]).await?)
    }

    /// What removing a network would change in the kernel.
    ///
    /// # Errors
    /// As for removing it.
    pub async fn network_remove_plan(&self, term: &str) -> Result<Plan, RemoveNetworkError> {
        let id = network::find(&self.network.model(), term)?.id;
        Ok(self.preview_network(vec![Request::DeleteNetwork(id)]).await?)
    }

    /// All networks, by id.
    pub fn network_list(&self) -> Vec<Arc<Network>> {
        self.network.model().networks().cloned().collect()
    }

    /// The network a user means, and who is on it.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub fn network_inspect(&self, term: &str) -> Result<NetworkInspect, crate::error::FindNetworkError> {
        let model = self.network.model();
        let id = network::find(&model, term)?.id;
        let network = Arc::clone(model.network(&id).expect("a network that was found is there"));
        let joined = model.endpoints_of_network(&id).filter(|endpoint| endpoint.sandbox().is_some());
        let member = |endpoint: &Arc<Endpoint>| NetworkMember {
            container: endpoint.owner.parse().ok(),
            name: endpoint.name.clone(),
            endpoint: Arc::clone(endpoint),
        };
        let endpoints = joined.map(member).collect();
        let pools = pool_status(&model, &network);
        Ok(NetworkInspect { network, endpoints, pools })
    }

    /// Removes a network that nobody is on. Containers that do not run may want it later, in vain.
    ///
    /// # Errors
    /// If it is predefined, or somebody is on it.
    pub async fn network_remove(self: &Arc<Self>, term: &str) -> Result<(), RemoveNetworkError> {
        let (engine, term) = (Arc::clone(self), term.to_owned());
        self.whole(async move {
            let model = engine.network.model();
            let id = network::find(&model, &term)?.id;
            engine.change_network(vec![Request::DeleteNetwork(id)]).await?;
            if let Some(network) = model.network(&id) {
                engine.tell_of_network(network, "destroy");
            }
            Ok(())
        })
        .await
    }

    /// Removes every network of the user's that nobody is on and that `wanted` picks. Their names.
    /// Configurations stay: nobody is ever on them.
    ///
    /// # Errors
    /// If somebody else is pruning.
    pub async fn network_prune(
        self: &Arc<Self>,
        wanted: impl Fn(&Network) -> bool + Send,
    ) -> Result<Vec<String>, PruneNetworksError> {
        let _alone = self.pruning.try_lock().map_err(|_| PruneNetworksError::Already)?;
        let model = self.network.model();
        let in_use = |network: &Network| {
            let joined = model.endpoints_of_network(&network.id).any(|endpoint| endpoint.sandbox().is_some());
            joined || self.is_wanted(network)
        };
        let mut removed = Vec::new();
        let is_kept = |network: &Network| network.is_predefined() || network.template().is_some();
        let unused = model.networks().filter(|network| !is_kept(network) && !in_use(network));
        for network in unused.filter(|network| wanted(network)) {
            // Somebody may have joined it since: then it stays.
            if self.network_remove(&network.id.to_string()).await.is_ok() {
                removed.push(network.name.clone());
            }
        }
        let attributes = BTreeMap::from([("reclaimed".to_owned(), "0".to_owned())]);
        self.tell("network", "prune", "", attributes);
        Ok(removed)
    }

    /// Whether a container, running or not, is connected to a network.
    fn is_wanted(&self, network: &Network) -> bool {
        let all = self.registry.all();
        all.iter().any(|container| {
            container.record().connections.values().any(|connection| connection.network == Some(network.id))
        })
    }

    /// Tells of routes and addresses that appear over a network's subnet, until the engine closes.
    pub(super) fn tell_overlaps(self: &Arc<Self>) {
        let (engine, mut overlaps) = (Arc::clone(self), self.network.overlaps());
        self.tasks.spawn(async move {
            loop {
                let overlap = tokio::select! {
                    overlap = overlaps.recv() => overlap,
                    () = engine.closing.cancelled() => return,
                };
                match overlap {
                    Ok(overlap) => engine.tell_overlap(&overlap),
                    // They are in the log.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }

    fn tell_overlap(&self, overlap: &net::Overlap) {
        let model = self.network.model();
        let Some(network) = model.network(&overlap.network) else { return };
        let mut attributes = BTreeMap::from([
            ("name".to_owned(), network.name.clone()),
            ("type".to_owned(), network.driver.name().to_owned()),
            ("subnet".to_owned(), overlap.subnet.to_string()),
            ("overlaps".to_owned(), overlap.found.to_string()),
        ]);
        attributes.extend(overlap.link.clone().map(|link| ("interface".to_owned(), link)));
        self.tell("network", "overlap", &network.id.to_string(), attributes);
    }
}
