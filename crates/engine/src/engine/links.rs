//! `--link` on the default network: lines of /etc/hosts that follow the container they mean.
//!
//! Elsewhere a link is an alias that the resolver knows. Here it means one container, whatever
//! its name becomes: what the user wrote as `name:alias` is kept as `id:alias`.

use super::Engine;
use crate::{
    ContainerId, ContainerSpec, NetworkMode, cnm::spec::link, error::StartError, record::Record,
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
