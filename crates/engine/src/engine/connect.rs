//! Connecting containers to networks and disconnecting them, whatever their state.
//!
//! A container that does not run only learns what to do at its next start. One
//! that runs, frozen or not, is plugged in one change of the network service while
//! its record is kept. If one of the two fails, the other is taken back.

use std::sync::Arc;

use super::{Engine, undone::CANNOT_BIND};
use crate::{
    EndpointSpec, NetworkMode, State,
    cnm::{Driver, Model, Namespace, Network, SandboxId, controller::Request, plan::Plan},
    container::Container,
    error::{ConnectError, DisconnectError, NetworkError, StoreError},
    files, network,
    record::{ConnectionRecord, Record},
};

impl Engine {
    /// Connects a container to a network.
    ///
    /// # Errors
    /// If the container, the network or the settings forbid it; nothing has changed then.
    pub async fn connect(
        self: &Arc<Self>,
        term: &str,
        network: &str,
        settings: EndpointSpec,
    ) -> Result<(), ConnectError> {
        let container = self.registry.find(term)?;
        let (engine, network) = (Arc::clone(self), network.to_owned());
        self.whole(async move { engine.connect_whole(&container, &network, settings).await }).await
    }

    /// What connecting a container would change in the kernel: nothing while it does not run.
    ///
    /// # Errors
    /// As for connecting it.
    pub async fn connect_plan(
        &self,
        term: &str,
        network: &str,
        settings: EndpointSpec,
    ) -> Result<Plan, ConnectError> {
        let record = Record::clone(&self.registry.find(term)?.record());
        if let NetworkMode::Container(_) | NetworkMode::Path(_) = record.spec.network.mode {
            return Err(ConnectError::Shared);
        }
        let model = self.network.model();
        let network = network::find(&model, network)?;
        check_mix(&record, network, &model)?;
        let checked = network::settings(&record, &settings, network)?;
        if record.state.alive().is_none() {
            return Ok(Plan::default());
        }
        if record.connections.contains_key(&network.name) {
            let (name, network) = (record.name.clone(), network.name.clone());
            return Err(ConnectError::Already { name, network });
        }
        let id = network::new_endpoint();
        let mut requests = vec![network::endpoint_with(&record, checked, network, id)];
        let existing = record.sandbox.filter(|id| model.sandbox(id).is_some());
        let sandbox = existing.unwrap_or_else(|| {
            let (sandbox, request) = network::new_own_sandbox(&record, &self.dns_defaults());
            requests.insert(0, request);
            sandbox
        });
        requests.push(Request::Join { endpoint: id, sandbox });
        Ok(self.preview_network(requests).await?)
    }

    /// What disconnecting a container would change in the kernel.
    ///
    /// # Errors
    /// As for disconnecting it.
    pub async fn disconnect_plan(&self, term: &str, network: &str) -> Result<Plan, DisconnectError> {
        let record = self.registry.find(term)?.record();
        let model = self.network.model();
        let found = network::find(&model, network)?;
        let (id, name) = (record.id.to_string(), found.name.clone());
        let Some(connection) = record.connections.get(&name) else {
            return Err(DisconnectError::NotConnected { id, network: name });
        };
        let plan = self.preview_network(unplug(connection, &model)).await;
        plan.map_err(|source| DisconnectError::Leave { id, network: name, source })
    }

    async fn connect_whole(
        &self,
        container: &Container,
        term: &str,
        settings: EndpointSpec,
    ) -> Result<(), ConnectError> {
        let _turn = container.turn().await?;
        let mut record = Record::clone(&container.record());
        if matches!(record.state, State::Dead(_) | State::Removing(_)) {
            return Err(ConnectError::MarkedForRemoval { id: record.id.to_string() });
        }
        if let NetworkMode::Container(_) | NetworkMode::Path(_) = record.spec.network.mode {
            return Err(ConnectError::Shared);
        }
        let model = self.network.model();
        let network = network::find(&model, term)?;
        check_mix(&record, network, &model)?;
        let alive = record.state.alive().is_some();
        if record.connections.contains_key(&network.name) && alive {
            let (name, network) = (record.name.clone(), network.name.clone());
            return Err(ConnectError::Already { name, network });
        }
        let checked = network::settings(&record, &settings, network)?;
        // Another wish for a network keeps its place.
        let order = record.connections.get(&network.name).map(|old| old.order);
        let order = order.unwrap_or_else(|| record.next_order());
        let mut connection =
            ConnectionRecord { spec: settings, network: Some(network.id), endpoint: None, order };
        if alive {
            let id = network::new_endpoint();
            let create = network::endpoint_with(&record, checked, network, id);
            connection.endpoint = Some(id);
            record.connections.insert(network.name.clone(), connection);
            return self.plug(container, record, &network.name, (id, create)).await;
        }
        // A new wish for the same network: the endpoint that kept the old one's addresses goes.
        let old = record.connections.get(&network.name).and_then(|old| old.endpoint);
        let old = old.filter(|id| model.endpoint(id).is_some()).map(Request::DeleteEndpoint);
        let reserved = network::reserve_one(&record, &mut connection, checked, network);
        let requests = old.into_iter().chain(reserved).collect();
        let back = connection.endpoint.map(Request::DeleteEndpoint);
        record.connections.insert(network.name.clone(), connection);
        self.change_and_keep(requests, container, &record, || back.into_iter().collect()).await?;
        self.tell_network(&record, &network.name, "connect");
        Ok(())
    }

    /// Plugs a container that runs: endpoint and join in one change, then the record.
    async fn plug(
        &self,
        container: &Container,
        mut record: Record,
        name: &str,
        (id, create): (crate::cnm::EndpointId, Request),
    ) -> Result<(), ConnectError> {
        let model = self.network.model();
        let mut requests = vec![create];
        let sandbox = match record.sandbox.filter(|id| model.sandbox(id).is_some()) {
            Some(sandbox) => sandbox,
            None => {
                let (sandbox, request) = network::new_own_sandbox(&record, &self.dns_defaults());
                requests.insert(0, request);
                record.sandbox = Some(sandbox);
                sandbox
            }
        };
        requests.push(Request::Join { endpoint: id, sandbox });
        requests.extend(network::publish_again(&record, &model));
        let back = || vec![Request::Leave(id), Request::DeleteEndpoint(id)];
        let made = self.change_and_keep(requests, container, &record, back).await;
        made.map_err(|error| error.of_endpoint(&record))?;
        self.refresh_files(&record);
        self.refresh_linked(&record.id);
        self.tell_network(&record, name, "connect");
        Ok(())
    }

    /// Disconnects a container from a network. `force` also cuts what is no longer a container's.
    ///
    /// # Errors
    /// If it is not connected, or on the host's stack; nothing has changed then.
    pub async fn disconnect(
        self: &Arc<Self>,
        term: &str,
        network: &str,
        force: bool,
    ) -> Result<(), DisconnectError> {
        let found = self.registry.find(term);
        let (engine, network, term) = (Arc::clone(self), network.to_owned(), term.to_owned());
        self.whole(async move {
            match found {
                Ok(container) => engine.disconnect_whole(&container, &network).await,
                Err(_) if force => engine.cut(&term, &network).await,
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    async fn disconnect_whole(&self, container: &Container, term: &str) -> Result<(), DisconnectError> {
        let _turn = container.turn().await?;
        let mut record = Record::clone(&container.record());
        let id = record.id.to_string();
        if matches!(record.state, State::Dead(_) | State::Removing(_)) {
            return Err(DisconnectError::MarkedForRemoval { id });
        }
        let model = self.network.model();
        let found = network::find(&model, term);
        let name = found.as_ref().map_or_else(|_| term.to_owned(), |network| network.name.clone());
        let alive = record.state.alive().is_some();
        if alive && name == "host" && record.spec.network.mode == NetworkMode::Host {
            return Err(DisconnectError::FromHost);
        }
        let before = record.clone();
        let Some(connection) = record.connections.remove(&name) else {
            // A network that is gone is still a wish that can be taken back; one that never was is not.
            found?;
            let network = name;
            return Err(if alive {
                DisconnectError::NotAttached { id, network }
            } else {
                DisconnectError::NotConnected { id, network }
            });
        };
        let mut requests = unplug(&connection, &model);
        requests.extend(network::publish_again(&before, &model));
        let back = || self.rejoin(&before, &name);
        match self.change_and_keep(requests, container, &record, back).await {
            Ok(()) => {}
            Err(NotKept::Store(error)) => return Err(error.into()),
            Err(NotKept::Network(source)) => {
                return Err(DisconnectError::Leave { id, network: name, source });
            }
        }
        if alive {
            self.refresh_files(&record);
            self.refresh_linked(&record.id);
        }
        self.tell_network(&before, &name, "disconnect");
        Ok(())
    }

    /// Joins again what could not be forgotten.
    fn rejoin(&self, before: &Record, name: &str) -> Vec<Request> {
        let model = self.network.model();
        let back = || {
            let connection = before.connections.get(name)?;
            let network = model.network(&connection.network?)?;
            let id = connection.endpoint?;
            let create = network::endpoint(before, &connection.spec, network, id).ok()?;
            let join = before.sandbox.map(|sandbox| Request::Join { endpoint: id, sandbox });
            Some([create].into_iter().chain(join).collect::<Vec<_>>())
        };
        back().unwrap_or_default()
    }

    /// Makes a change of the network and keeps a container's new record, at the same time: each
    /// waits for the disk. If one fails, the other is taken back: the network by `back`.
    /// Whatever of it an engine has done that dies meanwhile, the next one takes back.
    async fn change_and_keep(
        &self,
        requests: Vec<Request>,
        container: &Container,
        record: &Record,
        back: impl FnOnce() -> Vec<Request>,
    ) -> Result<(), NotKept> {
        match tokio::join!(self.change_network(requests), self.store.put(record)) {
            (Ok(()), Ok(())) => {
                container.publish(record.clone());
                Ok(())
            }
            (Ok(()), Err(error)) => {
                if let Err(error) = self.change_network(back()).await {
                    tracing::error!(container = %record.id, error = crate::chain(&error), "an endpoint is left");
                }
                Err(NotKept::Store(error))
            }
            (Err(refused), kept) => {
                if kept.is_ok()
                    && let Err(error) = self.store.put(&container.record()).await
                {
                    tracing::error!(container = %record.id, error = crate::chain(&error), "a record is not put back");
                }
                Err(NotKept::Network(refused))
            }
        }
    }

    /// Removes the endpoint of a container that is no more, by the container's name.
    async fn cut(&self, name: &str, network: &str) -> Result<(), DisconnectError> {
        let model = self.network.model();
        let network = network::find(&model, network)?;
        let Some(endpoint) = model.endpoint_by_name(&network.id, name) else {
            let (id, network) = (name.to_owned(), network.name.clone());
            return Err(DisconnectError::NotAttached { id, network });
        };
        let leave = endpoint.sandbox().map(|_| Request::Leave(endpoint.id));
        let requests = leave.into_iter().chain([Request::DeleteEndpoint(endpoint.id)]).collect();
        let left = self.change_network(requests).await;
        let (id, network) = (name.to_owned(), network.name.clone());
        left.map_err(|source| DisconnectError::Leave { id, network, source })
    }

    /// Writes hosts and resolv.conf anew. A container whose files cannot be written stays connected.
    pub(super) fn refresh_files(&self, record: &Record) {
        let Some(sandbox) = &record.sandbox else { return };
        if let Err(error) = files::write(&self.files_of(record), || self.network.model(), sandbox) {
            tracing::warn!(container = %record.id, %error, "hosts and resolv.conf are as before");
        }
    }

    /// Whether a sandbox is the host's stack.
    pub(super) fn is_host(&self, sandbox: &SandboxId) -> bool {
        self.network.model().sandbox(sandbox).is_some_and(|sandbox| sandbox.namespace == Namespace::Host)
    }
}

/// Which half of a change failed; the other is taken back.
#[derive(Debug)]
enum NotKept {
    Network(NetworkError),
    Store(StoreError),
}

impl NotKept {
    fn of_endpoint(self, record: &Record) -> ConnectError {
        match self {
            Self::Network(error) => error.of_endpoint(record).into(),
            Self::Store(error) => error.into(),
        }
    }
}

impl From<NotKept> for ConnectError {
    fn from(error: NotKept) -> Self {
        match error {
            NotKept::Network(error) => error.into(),
            NotKept::Store(error) => error.into(),
        }
    }
}

/// Which networks do not go together.
fn check_mix(record: &Record, network: &Network, model: &Model) -> Result<(), ConnectError> {
    if record.spec.network.mode == NetworkMode::Host {
        return Err(ConnectError::Shared);
    }
    if network.driver == Driver::Host {
        return Err(ConnectError::ToHost);
    }
    let is_none =
        |name: &String| model.network_by_name(name).is_some_and(|network| network.driver == Driver::Null);
    let others = || record.connections.keys().filter(|name| **name != network.name);
    if others().any(is_none) || (network.driver == Driver::Null && others().next().is_some()) {
        return Err(ConnectError::WithNone);
    }
    Ok(())
}

/// What takes an endpoint out of its sandbox and gives its addresses back.
fn unplug(connection: &ConnectionRecord, model: &Model) -> Vec<Request> {
    let Some(endpoint) = connection.endpoint.and_then(|id| model.endpoint(&id)) else { return Vec::new() };
    let leave = endpoint.sandbox().map(|_| Request::Leave(endpoint.id));
    leave.into_iter().chain([Request::DeleteEndpoint(endpoint.id)]).collect()
}

impl NetworkError {
    /// Says of which endpoint the host's ports could not be had, as Docker does.
    pub(super) fn of_endpoint(self, record: &Record) -> Self {
        match self {
            Self::Refused { ref message, kind }
                if message.contains("port is already allocated") || message.starts_with(CANNOT_BIND) =>
            {
                let endpoint = record.connections.values().find_map(|connection| connection.endpoint);
                let id = endpoint.map(|id| id.to_string()).unwrap_or_default();
                let message = format!(
                    "driver failed programming external connectivity on endpoint {} ({id}): {message}",
                    record.name
                );
                Self::Refused { message, kind }
            }
            Self::Find(_) | Self::Settings { .. } | Self::Namespace { .. } | Self::Refused { .. } => self,
        }
    }
}
