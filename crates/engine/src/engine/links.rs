//! `--link` on the default network: lines of /etc/hosts that follow the container they mean.
//!
//! Elsewhere a link is an alias that the resolver knows. Here it means one container, whatever
//! its name becomes: what the user wrote as `name:alias` is kept as `id:alias`.

use std::sync::Arc;

use super::Engine;
use crate::{
    ContainerId, ContainerSpec, NetworkMode,
    cnm::{controller::Request, spec::link},
    container::Container,
    error::{FindError, RemoveLinkError, StartError},
    network,
    record::Record,
    spec::SpecError,
};

impl Engine {
    /// Finds the containers that a new one's links mean.
    pub(super) fn resolve_links(&self, spec: &mut ContainerSpec) -> Result<(), SpecError> {
        let is_default = spec.network.mode == NetworkMode::Bridge;
        for text in &mut spec.network.links {
            let (name, alias) = link(text)?;
            if is_default {
                *text = format!("{}:{alias}", self.link_target(name)?);
            }
        }
        for text in spec.network.endpoints.values().flat_map(|endpoint| &endpoint.links) {
            link(text)?;
        }
        Ok(())
    }

    /// The container of a name, or the one whose stack it shares.
    fn link_target(&self, name: &str) -> Result<ContainerId, SpecError> {
        let mut found = self.registry.find(name);
        loop {
            let record = found.map_err(|_| SpecError::LinkTarget { name: name.to_owned() })?.record();
            match &record.spec.network.mode {
                NetworkMode::Host => return Err(SpecError::Links { mode: "host type networking" }),
                NetworkMode::Container(other) => found = self.registry.find(other),
                NetworkMode::Bridge | NetworkMode::Network(_) | NetworkMode::None | NetworkMode::Path(_) => {
                    return Ok(record.id);
                }
            }
        }
    }

    /// The links of a container on the default network, by id and alias.
    fn links(record: &Record) -> impl Iterator<Item = (ContainerId, &str)> {
        let links =
            record.spec.network.links.iter().filter(|_| record.spec.network.mode == NetworkMode::Bridge);
        links.filter_map(|text| link(text).ok()).filter_map(|(id, alias)| Some((id.parse().ok()?, alias)))
    }

    /// The containers that a container on the default network links to.
    pub(super) fn link_targets(&self, record: &Record) -> Vec<Arc<Container>> {
        Self::links(record).filter_map(|(id, _)| self.registry.get(&id)).collect()
    }

    /// Refuses to start a container before those it links to.
    pub(super) fn check_links(&self, record: &Record) -> Result<(), StartError> {
        for (id, alias) in Self::links(record) {
            let target = self.registry.get(&id).map(|target| target.record());
            let is_there = target.as_ref().is_some_and(|target| target.state.alive().is_some());
            let target = target.map_or_else(|| id.short(), |target| target.name.clone());
            if !is_there {
                let (name, alias) = (record.name.clone(), alias.to_owned());
                return Err(StartError::LinkNotRunning { target, name, alias });
            }
        }
        Ok(())
    }

    /// The links of a container as Docker shows them; those that became names of a resolver are not among them.
    pub(super) fn shown_links(&self, record: &Record) -> Vec<String> {
        let shown = |(id, alias): (ContainerId, &str)| {
            let target = self.registry.get(&id)?.record().name.clone();
            Some(format!("/{target}:/{}/{alias}", record.name))
        };
        Self::links(record).filter_map(shown).collect()
    }

    /// Removes a link from the container that has it, `web/store`; both containers stay.
    ///
    /// # Errors
    /// If no container has such a link.
    pub async fn remove_link(self: &Arc<Self>, term: &str) -> Result<(), RemoveLinkError> {
        let term = term.trim_start_matches('/').to_owned();
        let Some((parent, alias)) = term.rsplit_once('/') else {
            self.registry.find(&term)?;
            return Err(RemoveLinkError::Default);
        };
        let not_found = || FindError::NotFound { term: term.clone() };
        let container = self.registry.find(parent).map_err(|_| not_found())?;
        let (engine, alias) = (Arc::clone(self), alias.to_owned());
        let removed = self.whole(async move { engine.remove_link_whole(&container, &alias).await }).await?;
        if removed { Ok(()) } else { Err(not_found().into()) }
    }

    /// Whether there was such a link.
    async fn remove_link_whole(&self, container: &Container, alias: &str) -> Result<bool, RemoveLinkError> {
        let _turn = container.turn().await?;
        let before = container.record();
        if !Self::links(&before).any(|(_, other)| other == alias) {
            return Ok(false);
        }
        let mut record = Record::clone(&before);
        let is_other = |text: &String| link(text).is_ok_and(|(_, other)| other != alias);
        Arc::make_mut(&mut record.spec).network.links.retain(is_other);
        self.change_network(self.relinks(&record)).await?;
        if let Err(error) = self.keep(container, record).await {
            if let Err(error) = self.change_network(self.relinks(&before)).await {
                tracing::error!(container = %container.id, error = crate::chain(&error), "an endpoint lost a link");
            }
            return Err(error.into());
        }
        self.refresh_files(&container.record());
        Ok(true)
    }

    /// What gives a container's endpoints the links of its record.
    fn relinks(&self, record: &Record) -> Vec<Request> {
        let model = self.network.model();
        let known = record.connections.values().filter_map(|connection| {
            let endpoint = model.endpoint(&connection.endpoint?)?;
            let links = network::links(record, &connection.spec, model.network_of(endpoint));
            Some(Request::RelinkEndpoint { endpoint: endpoint.id, links })
        });
        known.collect()
    }

    /// Writes the files of those who link to a container that came, went or has another name.
    pub(super) fn refresh_linked(&self, id: &ContainerId) {
        let model = self.network.model();
        for endpoint in model.endpoints_linked_to(&id.to_string()) {
            let owner = endpoint.owner.parse().ok().and_then(|owner| self.registry.get(&owner));
            if let Some(owner) = owner {
                self.refresh_files(&owner.record());
            }
        }
    }
}
