//! Beginning: the records are read, what still runs is found again, the rest is put in order.
//!
//! Containers that run notice nothing. What an earlier engine had begun and not
//! answered is taken back: it did not happen.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
};

use image::Images;
use net::NetworkService;
use runtime::{bundle, protocol::Phase};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Engine, blocking, exit};
use crate::{
    Config, Events, NetworkMode, State,
    cnm::controller::Request,
    container::Container,
    error::OpenError,
    process::{Client, ClientError, Exit},
    record::Record,
    registry::Registry,
    rootfs,
    store::Store,
    volume::Volumes,
};

impl Engine {
    /// Reads the records and finds the shims of what still runs.
    ///
    /// # Errors
    /// If the records cannot be read.
    pub async fn open(
        config: Config,
        network: NetworkService,
        images: Arc<Images>,
    ) -> Result<Arc<Self>, OpenError> {
        for path in [config.data_root.join("containers"), config.exec_root.join("containers")] {
            let failed = |source| OpenError::Directory { path: super::shown(&path), source };
            fs::create_dir_all(&path).map_err(failed)?;
        }
        let path = config.data_root.join("engine.redb");
        let (store, kept) = blocking(move || Store::open(&path)).await?;
        let id = identity(&config.data_root)?;
        let engine = Arc::new(Self {
            id,
            plugins: net::plugin::Plugins::default(),
            volumes: Volumes::new(config.data_root.join("volumes"), kept.volumes),
            config,
            store,
            registry: Registry::default(),
            events: Events::default(),
            network,
            images,
            filters: runtime::seccomp::Cache::default(),
            host: host(),
            pruning: tokio::sync::Mutex::default(),
            builds: super::build::Builds::default(),
            tasks: TaskTracker::new(),
            opened: CancellationToken::new(),
            closing: CancellationToken::new(),
        });
        for mut record in kept.containers {
            // Older engines kept what the request said.
            crate::process::settle(Arc::make_mut(&mut record.spec), engine.host.cgroup_v2);
            engine.registry.insert(Arc::new(Container::new(record)));
        }
        engine.put_volumes_in_order();
        engine.ask_for_mountpoints();
        engine.tell_overlaps();
        engine.recover_all().await;
        engine.remove_strays().await;
        engine.opened.cancel();
        Ok(engine)
    }

    /// Says who has which volumes, and removes what was not finished.
    fn put_volumes_in_order(&self) {
        self.clear_stages();
        for container in self.registry.all() {
            let record = container.record();
            let is_up = record.state.alive().is_some() || matches!(record.state, State::Restarting(_));
            for volume in record.volumes.values().filter_map(|used| self.volumes.by_id(&used.id)) {
                let mut now = volume.now();
                now.users.insert(record.id);
                now.mounts.extend(Some(record.id).filter(|_| is_up));
            }
        }
        if let Err(error) = self.volumes.remove_strays() {
            tracing::error!(%error, "what is left of volumes is not removed");
        }
        self.unmount_unused();
    }

    /// Finds all containers as they are by now, side by side.
    async fn recover_all(self: &Arc<Self>) {
        // Said before anybody gives up a sandbox: who lives in another's keeps it.
        for container in self.registry.all() {
            let record = container.record();
            if record.state.alive().is_some() && matches!(record.spec.network.mode, NetworkMode::Container(_))
            {
                container.live().joined = record.sandbox;
            }
        }
        let recover = |container: Arc<Container>| {
            let engine = Arc::clone(self);
            self.tasks.spawn(async move {
                engine.recover(&container).await;
                if container.record().spec.build_step {
                    // Its build has ended with the engine that began it.
                    engine.remove_soon(&container);
                }
            })
        };
        let all: Vec<_> = self.registry.all().into_iter().map(recover).collect();
        for recovered in all {
            if let Err(panic) = recovered.await {
                std::panic::resume_unwind(panic.into_panic());
            }
        }
    }

    async fn recover(self: &Arc<Self>, container: &Arc<Container>) {
        let Ok(turn) = container.turn().await else { return };
        let record = Record::clone(&container.record());
        if record.state.alive().is_none() && rootfs::find(&self.images, &container.id).is_none() {
            // Its removal had begun: the root file system goes first, the record last.
            drop(turn);
            return self.remove_soon(container);
        }
        match record.state.clone() {
            State::Running(_) | State::Paused(_) => self.find_again(container, record).await,
            State::Restarting(_) => {
                self.take_back_unanswered(container).await;
                self.start_with_engine(container);
            }
            State::Exited(exited) => {
                self.take_back_unanswered(container).await;
                if exit::starts_with_engine(record.spec.restart, record.stopped, exited.code) {
                    container.show(State::Restarting(exited));
                    self.start_with_engine(container);
                }
            }
            State::Created { .. } | State::Removing(_) | State::Dead(_) => {
                self.take_back_unanswered(container).await;
            }
        }
    }

    /// Finds the shim of a container that ran, or how it ended without us.
    async fn find_again(self: &Arc<Self>, container: &Arc<Container>, mut record: Record) {
        let bundle = self.bundle(&container.id);
        let ended = match Client::connect(&bundle).await {
            Ok((client, found)) => {
                container.live().client = Some(client.clone());
                match found.phase {
                    Phase::Running | Phase::Paused => {
                        self.forget_unanswered(container, &mut record).await;
                        self.publish_unanswered(&record).await;
                        show_phase(container, &record, &found.phase);
                        self.tell_names(&record).await;
                        self.watch_health(container);
                        self.follow_files(container);
                        return self.watch_exit(container, client);
                    }
                    Phase::Exited(exit) => exit,
                    // It was not started: that answer was never given.
                    Phase::Created => gone(),
                }
            }
            Err(error) => {
                self.clear_after_shim(container, &bundle).await;
                bundle::exit(&bundle).ok().flatten().unwrap_or_else(|| exit::lost(&error))
            }
        };
        if let Some(running) = record.state.alive().cloned() {
            self.forget_unanswered(container, &mut record).await;
            self.note_exit(container, record, exit::exited(&ended, running.started)).await;
        }
    }

    /// Forgets connections that were made or cut without an answer: record and model
    /// are kept at the same time, and one of them was not.
    async fn forget_unanswered(&self, container: &Container, record: &mut Record) {
        let model = self.network.model();
        let before = record.connections.len();
        let is_joined = |id| model.endpoint(&id).is_some_and(|endpoint| endpoint.sandbox().is_some());
        record.connections.retain(|_, connection| connection.endpoint.is_some_and(is_joined));
        if record.connections.len() < before
            && let Err(error) = self.keep(container, record.clone()).await
        {
            tracing::error!(container = %container.id, error = crate::chain(&error), "cannot keep the record");
        }
    }

    /// Ends what an unfinished start has left.
    async fn take_back_unanswered(&self, container: &Container) {
        let bundle = self.bundle(&container.id);
        if bundle.exists() {
            match Client::connect(&bundle).await {
                Ok((client, _)) => container.live().client = Some(client),
                Err(_) => self.clear_after_shim(container, &bundle).await,
            }
            self.release_process(container).await;
        }
        let (images, id) = (Arc::clone(&self.images), container.id);
        if let Err(error) = blocking(move || rootfs::unmount(&images, &id)).await {
            tracing::warn!(container = %container.id, error = crate::chain(&error), "the root stays mounted");
        }
    }

    /// Removes what belongs to no container: sandboxes, endpoints, root file systems, directories.
    async fn remove_strays(self: &Arc<Self>) {
        let requests = self.stray_requests();
        if let Err(error) = self.change_network(requests).await {
            tracing::error!(error = crate::chain(&error), "networks keep what belongs to no container");
        }
        let known: BTreeSet<String> =
            self.registry.all().iter().map(|container| container.id.to_string()).collect();
        let (images, kept) = (Arc::clone(&self.images), known.clone());
        let removed = blocking(move || {
            let all = images.snapshots().list()?;
            all.iter().filter(|id| !kept.contains(*id)).try_for_each(|id| images.snapshots().remove(id))
        });
        if let Err(error) = removed.await {
            tracing::error!(error = crate::chain(&error), "root file systems of no container are left");
        }
        for root in [&self.config.data_root, &self.config.exec_root] {
            remove_unknown(&root.join("containers"), &known);
        }
    }

    fn stray_requests(&self) -> Vec<Request> {
        let model = self.network.model();
        let owner = |text: &str| text.parse().ok().and_then(|id| self.registry.get(&id));
        let is_used = |sandbox: &crate::cnm::Sandbox| {
            let all = self.registry.all();
            let lives = |container: &Arc<Container>| {
                let record = container.record();
                let active = record.state.alive().is_some() || matches!(record.state, State::Restarting(_));
                active && record.sandbox == Some(sandbox.id)
            };
            all.iter().any(lives)
        };
        let sandboxes = model.sandboxes().filter(|sandbox| !is_used(sandbox));
        let unused: BTreeSet<_> = sandboxes.map(|sandbox| sandbox.id).collect();
        let is_known = |endpoint: &crate::cnm::Endpoint| {
            let connections = owner(&endpoint.owner).map(|owner| owner.record().connections.clone());
            connections.iter().flatten().any(|(_, connection)| connection.endpoint == Some(endpoint.id))
        };
        let strays = model.endpoints().filter(|endpoint| !is_known(endpoint)).flat_map(|endpoint| {
            let joined = endpoint.sandbox().filter(|sandbox| !unused.contains(sandbox));
            let leave = joined.map(|_| Request::Leave(endpoint.id));
            leave.into_iter().chain([Request::DeleteEndpoint(endpoint.id)])
        });
        unused.iter().copied().map(Request::DeleteSandbox).chain(strays).collect()
    }

    /// What this engine is called, for ever.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Shows frozen or running as the shim sees it: the record may be older by one step.
fn show_phase(container: &Container, record: &Record, phase: &Phase) {
    match (record.state.clone(), phase) {
        (State::Running(running), Phase::Paused) => container.show(State::Paused(running)),
        (State::Paused(running), Phase::Running) => container.show(State::Running(running)),
        _ => {}
    }
}

/// Removes directories that no container knows.
fn remove_unknown(directory: &Path, known: &BTreeSet<String>) {
    let unknown = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in unknown.filter(|entry| !known.contains(&*entry.file_name().to_string_lossy())) {
        if let Err(error) = fs::remove_dir_all(entry.path()) {
            tracing::warn!(path = %entry.path().display(), %error, "a directory of no container is left");
        }
    }
}

/// The end of a container that never began.
fn gone() -> Exit {
    let never = std::io::Error::from(std::io::ErrorKind::NotFound);
    exit::lost(&ClientError::Gone { bundle: std::path::PathBuf::new(), source: never })
}

/// Reads what this engine is called, or gives it a name.
fn identity(data_root: &Path) -> Result<String, OpenError> {
    let path = data_root.join("engine-id");
    match fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Ok(_) | Err(_) => {}
    }
    let hex = crate::ContainerId::random().to_string();
    let id = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32]].join("-");
    let failed = |source| OpenError::Directory { path: super::shown(&path), source };
    fs::write(&path, &id).map_err(failed)?;
    Ok(id)
}

/// What of the machine a container's document depends on.
fn host() -> runtime::spec::Host {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    runtime::spec::Host {
        hard_limits: hard_limits(&limits),
        cgroup_v2: Path::new("/sys/fs/cgroup/cgroup.controllers").exists(),
    }
}

/// The hard limits of /proc/pid/limits, by Docker's names; unlimited ones are left out.
fn hard_limits(text: &str) -> BTreeMap<String, u64> {
    const NAMES: [(&str, &str); 15] = [
        ("Max cpu time", "cpu"),
        ("Max file size", "fsize"),
        ("Max data size", "data"),
        ("Max stack size", "stack"),
        ("Max core file size", "core"),
        ("Max resident set", "rss"),
        ("Max processes", "nproc"),
        ("Max open files", "nofile"),
        ("Max locked memory", "memlock"),
        ("Max address space", "as"),
        ("Max file locks", "locks"),
        ("Max pending signals", "sigpending"),
        ("Max msgqueue size", "msgqueue"),
        ("Max nice priority", "nice"),
        ("Max realtime priority", "rtprio"),
    ];
    let limit = |(title, name): &(&str, &str)| {
        let rest = text.lines().find_map(|line| line.strip_prefix(title))?;
        let hard = rest.split_whitespace().nth(1)?.parse().ok()?;
        Some(((*name).to_owned(), hard))
    };
    NAMES.iter().filter_map(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_hard_limits() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max cpu time              unlimited            unlimited            seconds   \n\
                    Max open files            1024                 20000                files     \n";
        assert_eq!(hard_limits(text), BTreeMap::from([("nofile".to_owned(), 20000)]));
    }
}
