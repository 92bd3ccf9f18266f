//! The engine: every operation, each in a file of its own below.
//!
//! An operation that was begun is ended, whether or not the one who asked still
//! waits: it runs in a task of the engine's own ([`Engine::whole`]).

mod absent;
mod archive;
mod attach;
mod boot;
mod build;
mod commit;
mod connect;
mod counts;
mod create;
mod exec;
mod exit;
mod explain;
mod follow;
mod health;
mod images;
mod inspect;
mod limits;
mod links;
mod logs;
mod mounts;
mod network_update;
mod networks;
mod open;
mod options;
mod pause;
mod publish;
mod release;
mod remove;
mod rename;
mod start;
mod stop;
mod surroundings;
mod top;
mod undone;
mod usage;
mod volume_copies;
mod volume_plugins;
mod volumes;
mod wait;
mod why;

use std::{
    collections::BTreeMap,
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
};

use image::Images;
use jiff::Timestamp;
use net::NetworkService;
use runtime::seccomp;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use archive::CopyIn;
pub use commit::Commit;
pub use explain::{ExplainError, NetworkCheck, NetworkExposure};
pub use networks::{NetworkInspect, NetworkMember};
pub use options::{Created, Done, RemoveOptions, StopOptions, Update, WaitCondition, WaitExit};
pub use usage::ContainerSizes;
pub use volume_copies::{VolumeCopy, VolumeTask};
pub use volumes::{VolumeInspect, VolumeSpec};
pub use why::{Why, WhyFailure, WhyQuestion, WhyStep};

use crate::{
    Config, ContainerId, Event, Events, LogDriver, Subscription,
    cnm::{controller::Request, plan::Plan},
    container::Container,
    error::{NetworkError, StoreError},
    network::DnsDefaults,
    record::Record,
    registry::Registry,
    store::Store,
    volume::Volumes,
};

/// The containers of one machine.
#[derive(Debug)]
pub struct Engine {
    id: String,
    config: Config,
    store: Store,
    registry: Registry,
    events: Events,
    network: NetworkService,
    images: Arc<Images>,
    volumes: Volumes,
    plugins: net::plugin::Plugins,
    filters: seccomp::Cache,
    host: runtime::spec::Host,
    /// Held by who prunes: one at a time.
    pruning: tokio::sync::Mutex<()>,
    /// What builds under way need.
    builds: build::Builds,
    tasks: TaskTracker,
    /// Cancelled when everything is in order and requests may come.
    opened: CancellationToken,
    closing: CancellationToken,
}

impl Engine {
    /// Where networks are made and known.
    pub const fn network(&self) -> &NetworkService {
        &self.network
    }

    /// Where images are kept. Its functions block.
    pub const fn images(&self) -> &Arc<Images> {
        &self.images
    }

    /// What it was told when it began.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// What happens from now on, after what has happened since `since`.
    pub fn events(&self, since: Option<Timestamp>) -> Subscription {
        self.events.subscribe(since)
    }

    /// Tells everyone what happened to something that is not a container.
    pub fn tell(&self, kind: &'static str, action: &str, actor: &str, attributes: BTreeMap<String, String>) {
        let time = Timestamp::now();
        self.events.tell(Event {
            time,
            kind,
            action: action.to_owned(),
            actor: actor.to_owned(),
            attributes,
        });
    }

    /// Ends attachments and log readers, waits for what is under way, and lets go of
    /// the networks. Containers go on.
    pub async fn close(&self) {
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.network.close().await;
    }

    /// Runs an operation to its end in a task of the engine's own.
    async fn whole<T: Send + 'static>(
        self: &Arc<Self>,
        operation: impl Future<Output = T> + Send + 'static,
    ) -> T {
        match self.tasks.spawn(operation).await {
            Ok(value) => value,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => unreachable!("nobody aborts an operation"),
            },
        }
    }

    /// Keeps a record, then shows it.
    async fn keep(&self, container: &Container, record: Record) -> Result<(), StoreError> {
        self.store.put(&record).await?;
        container.publish(record);
        Ok(())
    }

    /// Makes requests to the network service true, together or not at all.
    async fn change_network(&self, requests: Vec<Request>) -> Result<(), NetworkError> {
        if !requests.is_empty() {
            self.network.change(requests).await?;
        }
        Ok(())
    }

    /// What requests to the network service would change in the kernel.
    async fn preview_network(&self, requests: Vec<Request>) -> Result<Plan, NetworkError> {
        Ok(self.network.preview(&requests).await?)
    }

    /// Tells everyone what happened to a container.
    fn tell_container(&self, record: &Record, action: &str, more: &[(&str, String)]) {
        let mut attributes = record.spec.labels.clone();
        attributes.insert("image".to_owned(), record.spec.root.name());
        attributes.insert("name".to_owned(), record.name.clone());
        attributes.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        self.tell("container", action, &record.id.to_string(), attributes);
    }

    fn dns_defaults(&self) -> DnsDefaults {
        DnsDefaults {
            servers: self.config.dns_servers.clone(),
            search: self.config.dns_search.clone(),
            options: self.config.dns_options.clone(),
            follow_host: self.config.dns_follow_host,
            across_networks: self.config.dns_across_networks,
            host_name: surroundings::host_name(),
        }
    }

    /// What of a container outlives the machine's restart: its log and files.
    fn directory(&self, id: &ContainerId) -> PathBuf {
        self.config.data_root.join("containers").join(id.to_string())
    }

    /// What of a container does not: the shim's bundle.
    fn bundle(&self, id: &ContainerId) -> PathBuf {
        self.config.exec_root.join("containers").join(id.to_string())
    }

    /// Where a container's output is kept, if it is kept where it can be read.
    fn log_path(&self, record: &Record) -> Option<PathBuf> {
        let directory = self.directory(&record.id);
        match LogDriver::parse(&record.spec.log.driver).ok()? {
            LogDriver::JsonFile => Some(directory.join(format!("{}-json.log", record.id))),
            LogDriver::Local => Some(directory.join("local-logs").join("container.log")),
            LogDriver::Syslog | LogDriver::None => None,
        }
    }
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Text of a path for errors.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
