//! Looking at containers. Nothing here waits for anybody.

use std::{collections::BTreeMap, path::PathBuf};

use super::Engine;
use crate::{
    Connection, ExecState, GraphDriver, Inspect, LiveConnection, MountKind, MountOrigin, MountPoint,
    MountSpec, NetworkState,
    cnm::{Endpoint, Family, Model, PortBinding, Sandbox},
    container::Container,
    error::FindError,
    network, process,
    record::{ConnectionRecord, Record},
    rootfs,
};

impl Engine {
    /// All about one container.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub fn inspect(&self, term: &str) -> Result<Inspect, FindError> {
        let container = self.registry.find(term)?;
        Ok(self.look(&container, &self.network.model()))
    }

    /// All about all containers, the newest first.
    pub fn list(&self) -> Vec<Inspect> {
        let model = self.network.model();
        let mut all: Vec<_> =
            self.registry.all().iter().map(|container| self.look(container, &model)).collect();
        all.sort_by_key(|inspect| std::cmp::Reverse(inspect.created));
        all
    }

    fn look(&self, container: &Container, model: &Model) -> Inspect {
        let record = container.record();
        let mut words = process::arguments(&record.spec).into_iter();
        // Those that have ended are still found by their ids, but no longer belong to the container.
        let live = container.live();
        let left = live.execs.iter().filter(|(_, exec)| !matches!(exec.state, ExecState::Exited { .. }));
        let execs = left.map(|(id, _)| *id).collect();
        drop(live);
        Inspect {
            id: record.id,
            name: record.name.clone(),
            created: record.created,
            spec: std::sync::Arc::clone(&record.spec),
            image_id: record.image.clone(),
            path: words.next().unwrap_or_default(),
            args: words.collect(),
            state: record.state.clone(),
            health: record.health.clone(),
            restart_count: record.restart_count,
            files: self.shown_files(&record),
            hostname: self.hostname(&record),
            links: self.shown_links(&record),
            execs,
            mounts: self.mount_points(&record),
            network: self.network_state(&record, model),
        }
    }

    /// What a container's root file system is put together of.
    pub fn graph_driver(&self, id: &crate::ContainerId) -> GraphDriver {
        let Some(found) = rootfs::find(&self.images, id) else { return GraphDriver::default() };
        let (name, data) = found.graph_driver();
        GraphDriver { name: name.to_owned(), data }
    }

    fn shown_files(&self, record: &Record) -> crate::ManagedFiles {
        let files = self.files_of(record);
        if record.has_started {
            return files;
        }
        crate::ManagedFiles { log: files.log, ..crate::ManagedFiles::default() }
    }

    fn mount_points(&self, record: &Record) -> Vec<MountPoint> {
        record.spec.mounts.iter().map(|mount| self.mount_point(record, mount)).collect()
    }

    fn mount_point(&self, record: &Record, mount: &MountSpec) -> MountPoint {
        let mut point = MountPoint {
            kind: "tmpfs",
            name: None,
            source: PathBuf::new(),
            destination: mount.target.clone(),
            driver: None,
            mode: mode_text(&mount.origin),
            writable: !mount.read_only,
            propagation: String::new(),
        };
        match &mount.kind {
            MountKind::Tmpfs { .. } => {}
            MountKind::Bind { source, options } => {
                point.kind = "bind";
                point.source.clone_from(source);
                point.propagation = options.propagation.name().to_owned();
            }
            MountKind::Volume { .. } => {
                point.kind = "volume";
                let used = record.volumes.get(&mount.target);
                if let Some(volume) = used.and_then(|used| self.volumes.by_id(&used.id)) {
                    let record = volume.record();
                    point.source = self.volumes.mountpoint(&volume);
                    point.name = Some(record.name.clone());
                    point.driver = Some(record.driver.clone());
                }
            }
        }
        point
    }

    fn network_state(&self, record: &Record, model: &Model) -> NetworkState {
        let alive = record.state.alive().is_some();
        let sandbox = record.sandbox.filter(|_| alive).and_then(|id| model.sandbox(&id));
        let own = sandbox.filter(|sandbox| network::is_own(record, &sandbox.id, model));
        let key = |id: &crate::cnm::SandboxId| match self.namespace(id) {
            process::Namespace::Path(path) => path,
            process::Namespace::Host | process::Namespace::Private => PathBuf::from("/proc/1/ns/net"),
        };
        let connections = record.connections.iter();
        let networks: BTreeMap<_, _> =
            connections.map(|(name, kept)| (name.clone(), connection(record, kept, alive, model))).collect();
        let has_ports = record.spec.network.mode.is_private();
        NetworkState {
            sandbox: sandbox.map(|sandbox| sandbox.id),
            sandbox_key: sandbox.map(|sandbox| key(&sandbox.id)),
            bindings: own.map(|sandbox| published(sandbox, model)).unwrap_or_default(),
            exposed: record.spec.network.exposed.iter().filter(|_| has_ports).cloned().collect(),
            networks,
        }
    }
}

/// The ports of a sandbox that lead somewhere: none without a way out.
fn published(sandbox: &Sandbox, model: &Model) -> Vec<PortBinding> {
    let is_open = Family::BOTH.iter().any(|family| model.gateway_endpoint(&sandbox.id, *family).is_some());
    sandbox.ports.iter().filter(|_| is_open).cloned().collect()
}

/// One connection: as asked for, and, while the container runs, as it is.
fn connection(record: &Record, kept: &ConnectionRecord, alive: bool, model: &Model) -> Connection {
    let known = kept.network.and_then(|id| model.network(&id));
    let resolves = known.is_some_and(|network| !network.is_predefined());
    let endpoint = kept.endpoint.filter(|_| alive).and_then(|id| model.endpoint(&id));
    let named = endpoint.map(|endpoint| endpoint.settings.dns_names.clone());
    let wanted = || if resolves { distinct(network::dns_names(record, &kept.spec)) } else { Vec::new() };
    Connection {
        spec: kept.spec.clone(),
        dns_names: named.unwrap_or_else(wanted),
        network: kept.network,
        live: endpoint.filter(|endpoint| endpoint.sandbox().is_some()).map(|endpoint| live(endpoint, model)),
    }
}

fn live(endpoint: &Endpoint, model: &Model) -> LiveConnection {
    LiveConnection {
        endpoint: endpoint.id,
        mac: endpoint.mac,
        v4: endpoint.v4.map(|net| (net.addr(), net.prefix_len())),
        v6: endpoint.v6.map(|net| (net.addr(), net.prefix_len())),
        gateway_v4: model.gateway(endpoint, Family::V4),
        gateway_v6: model.gateway(endpoint, Family::V6),
    }
}

/// Each name once, in order.
fn distinct(names: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    names.into_iter().filter(|name| seen.insert(name.clone())).collect()
}

/// The options given with `-v`, behind the second colon.
fn mode_text(origin: &MountOrigin) -> String {
    match origin {
        MountOrigin::Bind(text) => text.splitn(3, ':').nth(2).unwrap_or_default().to_owned(),
        MountOrigin::Mount | MountOrigin::Tmpfs(_) | MountOrigin::Volume | MountOrigin::From => String::new(),
    }
}
