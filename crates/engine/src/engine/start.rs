//! Starting a container: root file system, networks, files, process, record; all of it or nothing.

use std::{path::PathBuf, sync::Arc};

use jiff::Timestamp;
use runtime::{bundle, client, spec::Namespace};

use super::{Done, Engine, blocking, health};
use crate::{
    LogDriver, LogSpec, MountSpec, NetworkMode, Running, StartFailure, State,
    cnm::SandboxId,
    container::Container,
    error::{NetworkError, ProcessError, StartError},
    log_options, network,
    process::{self, Client, ProcessId},
    record::Record,
    rootfs,
};

impl Engine {
    /// Starts a container, unless it runs.
    ///
    /// # Errors
    /// If any part of it cannot be had. Nothing is left then; `inspect` tells why.
    pub async fn start(self: &Arc<Self>, term: &str) -> Result<Done, StartError> {
        let container = self.registry.find(term)?;
        let engine = Arc::clone(self);
        self.whole(async move {
            let _turn = container.turn().await?;
            let mut record = Record::clone(&container.record());
            (record.restart_count, record.stopped) = (0, false);
            if let (State::Created { .. } | State::Exited(_), Err(error)) =
                (&record.state, engine.check_links(&record))
            {
                engine.take_back(&container, record, &error).await;
                return Err(error);
            }
            engine.start_held(&container, record).await
        })
        .await
    }

    /// Starts a container whose turn the caller holds, as `record` says.
    pub(super) async fn start_held(
        self: &Arc<Self>,
        container: &Arc<Container>,
        mut record: Record,
    ) -> Result<Done, StartError> {
        match &record.state {
            State::Running(_) => return Ok(Done::Already),
            State::Paused(_) => return Err(StartError::Paused),
            State::Removing(_) | State::Dead(_) => return Err(StartError::MarkedForRemoval),
            State::Created { .. } | State::Exited(_) | State::Restarting(_) => {}
        }
        let before = record.state.clone();
        match self.bring_up(container, &mut record).await {
            Ok(client) => {
                self.tell_joined(&record);
                self.tell_container(&record, "start", &[]);
                // A stop that came too late for the last run does not mean this one.
                container.live().stopping = false;
                container.publish(record);
                self.watch_exit(container, client);
                self.watch_health(container);
                self.follow_files(container);
                Ok(Done::Now)
            }
            Err(error) => {
                record.state = before;
                self.take_back(container, record, &error).await;
                Err(error)
            }
        }
    }

    /// Every step of a start, in an order in which each finds what it needs.
    async fn bring_up(&self, container: &Container, record: &mut Record) -> Result<Client, StartError> {
        let id = record.id;
        let (root, network) = tokio::join!(self.mount_root(id), self.enter_network(container, record));
        let (root, network) = (root?, network?);
        let place = self.place(record, root, network).await?;
        let wanted = process::runtime_spec(record, place)?;
        let bundle = self.bundle(&record.id);
        self.write_bundle(record, &bundle, &wanted)?;
        let (client, created) =
            client::create(&self.config.shim, &bundle).await.map_err(ProcessError::from)?;
        if record.spec.mounts.iter().any(MountSpec::needs_stage) {
            self.clear_stage(&id).await;
        }
        let waiting = {
            let mut live = container.live();
            live.client = Some(client.clone());
            std::mem::take(&mut live.waiting)
        };
        for attached in waiting {
            self.attach_waiting(&client, attached).await?;
        }
        let finished = record.state.finished();
        record.health = health::at_start(record);
        record.state = State::Running(Running { pid: created.pid, started: Timestamp::now(), finished });
        record.has_started = true;
        // An engine that dies in between finds a shim that has not started, and knows that nobody was answered.
        let (started, kept) = tokio::join!(client.start(), self.store.put(record));
        started.map_err(ProcessError::from)?;
        kept?;
        Ok(client)
    }

    /// Leaves nothing of a start that failed, but says why.
    async fn take_back(self: &Arc<Self>, container: &Arc<Container>, mut record: Record, error: &StartError) {
        self.release(container, &mut record).await;
        let text = crate::chain(error);
        let code = error.exit_code();
        record.state = match record.state {
            State::Restarting(mut exited) | State::Exited(mut exited) => {
                (exited.code, exited.error) = (code, text);
                State::Exited(exited)
            }
            State::Created { .. }
            | State::Running(_)
            | State::Paused(_)
            | State::Removing(_)
            | State::Dead(_) => State::Created { failure: Some(StartFailure { code, error: text }) },
        };
        if let Err(error) = self.store.put(&record).await {
            tracing::error!(container = %record.id, error = crate::chain(&error), "cannot keep the record");
        }
        let auto_remove = record.spec.auto_remove;
        container.publish_exit(record, code);
        if auto_remove {
            self.remove_soon(container);
        }
    }

    async fn mount_root(&self, id: crate::ContainerId) -> Result<PathBuf, StartError> {
        let images = Arc::clone(&self.images);
        Ok(blocking(move || rootfs::mount(&images, &id)).await?)
    }

    /// Puts the container into its sandbox: that of another, or its own with all its networks.
    async fn enter_network(
        &self,
        container: &Container,
        record: &mut Record,
    ) -> Result<Namespace, StartError> {
        let sandbox = match &record.spec.network.mode {
            NetworkMode::Container(other) => {
                let sandbox = self.join_other(container, other)?;
                record.sandbox = sandbox;
                sandbox
            }
            NetworkMode::Bridge
            | NetworkMode::Network(_)
            | NetworkMode::Host
            | NetworkMode::None
            | NetworkMode::Path(_) => {
                let mut joined = record.clone();
                let model = self.network.model();
                let requests =
                    network::join(&mut joined, &model, &self.dns_defaults()).map_err(StartError::Network)?;
                let (policy, publish) = (record.spec.restart, &record.spec.network.publish);
                let checked = self.check_addresses(policy, publish).await;
                checked.map_err(|error| not_entered(error, &joined))?;
                self.change_network(requests).await.map_err(|error| not_entered(error, &joined))?;
                *record = joined;
                record.sandbox
            }
        };
        Ok(sandbox.map_or(Namespace::Private, |id| self.namespace(&id)))
    }

    /// The sandbox of the container that this one joins.
    fn join_other(&self, container: &Container, other: &str) -> Result<Option<SandboxId>, StartError> {
        let target = self.registry.find(other).map_err(StartError::Joined)?;
        if target.id == container.id {
            return Err(StartError::JoinSelf);
        }
        let record = target.record();
        // Said before looking, as the other says that it leaves before it looks who has
        // joined: one of us sees the other.
        container.live().joined = record.sandbox;
        let status = record.state.status();
        match &record.state {
            State::Running(_) | State::Paused(_) if !target.live().leaving => Ok(record.sandbox),
            State::Restarting(_) => Err(StartError::JoinedRestarting { id: target.id.to_string() }),
            State::Running(_)
            | State::Paused(_)
            | State::Created { .. }
            | State::Exited(_)
            | State::Removing(_)
            | State::Dead(_) => Err(StartError::JoinedNotRunning { name: other.to_owned(), status }),
        }
    }

    /// How the runtime enters a sandbox.
    pub(super) fn namespace(&self, sandbox: &SandboxId) -> Namespace {
        use crate::cnm::Namespace as Model;
        match self.network.model().sandbox(sandbox).map(|sandbox| sandbox.namespace.clone()) {
            Some(Model::Host) => Namespace::Host,
            Some(Model::Path(path)) => Namespace::Path(path.into()),
            Some(Model::Own) | None => Namespace::Path(self.network.namespace(sandbox)),
        }
    }

    fn write_bundle(
        &self,
        record: &Record,
        bundle: &std::path::Path,
        wanted: &runtime::spec::ContainerSpec,
    ) -> Result<(), StartError> {
        let invalid =
            |error: runtime::spec::SpecError| ProcessError::Invalid { message: crate::chain(&error) };
        let document = runtime::spec::oci_spec(wanted, &self.host).map_err(invalid)?;
        let section = document.linux().as_ref().and_then(|linux| linux.seccomp().as_ref());
        let compile = |section| self.filters.get(section);
        let filter = section
            .map(compile)
            .transpose()
            .map_err(|error| ProcessError::Invalid { message: crate::chain(&error) })?;
        let filter = filter.map(|program| program.to_bytes());
        let failed = |source| StartError::Files { what: "bundle", source };
        std::fs::create_dir_all(bundle).map_err(failed)?;
        bundle::clear(bundle).map_err(failed)?;
        bundle::write(bundle, &document, &self.shim_config(record)?, filter.as_deref()).map_err(failed)
    }

    /// What the shim is told beyond the OCI document.
    fn shim_config(&self, record: &Record) -> Result<bundle::Config, StartError> {
        let LogSpec { driver, options } = &record.spec.log;
        let (id, image) = (record.id.to_string(), record.spec.root.name());
        let subject = log_options::Subject {
            id: &id,
            name: &record.name,
            image: &image,
            image_id: record.image.as_deref().unwrap_or_default(),
            labels: &record.spec.labels,
            env: &record.spec.command.env,
        };
        let invalid = |error: log_options::LogError| ProcessError::Invalid { message: error.to_string() };
        let path = self.log_path(record).unwrap_or_default();
        if let Some(directory) = path.parent() {
            // That of `json-file` is there.
            std::fs::create_dir_all(directory).map_err(|source| StartError::Files { what: "log", source })?;
        }
        let driver = LogDriver::parse(driver).map_err(invalid)?;
        let log = log_options::config(driver, options, path, &subject).map_err(invalid)?;
        Ok(bundle::Config {
            open_stdin: record.spec.command.open_stdin,
            stdin_once: record.spec.command.stdin_once,
            log,
            ..bundle::Config::default()
        })
    }

    /// Waits for the end of the first process, in a task that ends with the engine.
    pub(super) fn watch_exit(self: &Arc<Self>, container: &Arc<Container>, client: Client) {
        let (engine, container) = (Arc::clone(self), Arc::clone(container));
        self.tasks.spawn(async move {
            let ended = tokio::select! {
                ended = client.wait(ProcessId::Init) => ended,
                () = engine.closing.cancelled() => return,
            };
            engine.ended(&container, &client, ended).await;
        });
    }

    /// Tells which networks a container has joined.
    fn tell_joined(&self, record: &Record) {
        for name in record.connections.keys() {
            self.tell_network(record, name, "connect");
        }
        self.refresh_linked(&record.id);
    }
}

/// Why a container was not put into its sandbox.
fn not_entered(error: NetworkError, record: &Record) -> StartError {
    match (&record.spec.network.mode, error) {
        (NetworkMode::Path(path), source @ NetworkError::Namespace { .. }) => {
            StartError::NoNamespace { path: super::shown(path), source }
        }
        (_, error) => StartError::Network(error.of_endpoint(record)),
    }
}
