//! The resolver of sandboxes: one server for each, behind 127.0.0.11:53.
//!
//! A server's sockets are opened inside its sandbox, on ports that are free
//! there, and the namespace redirects port 53 of 127.0.0.11 to them: a process
//! in the sandbox may itself serve port 53. What to answer is decided by
//! [`cnm::names`] out of the published model; names that are not ours are asked
//! of the host's servers from the host, or of the sandbox's own from inside it.
//!
//! ```text
//! process → 127.0.0.11:53 → (redirect) → 127.0.0.11:PORT → server ─ names::View
//!                                                                 └ forward → upstream
//! ```

mod cache;
mod forward;
mod host;
mod memory;
mod message;
mod resolv_conf;
mod server;
mod shared;
mod sockets;
mod upstreams;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cnm::{Model, SandboxId};
use linux::netns::{Netns, NetnsError};
use linux::nfnl::CommitError;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub(crate) use host::HostServer;

use resolv_conf::ResolvConf;
use server::Server;
use sockets::{Redirection, Sockets};
use upstreams::Upstreams;

/// Why a sandbox has no resolver.
#[derive(Debug, Error)]
pub enum DnsError {
    /// Its namespace cannot be opened or entered.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// No socket on 127.0.0.11.
    #[error("cannot {action} a socket of the resolver")]
    Socket {
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The namespace does not take the redirection.
    #[error("cannot redirect port 53 to the resolver")]
    Redirect(#[source] CommitError),
    /// No netlink socket in the namespace.
    #[error("cannot ask the namespace for its rules")]
    Netlink(#[source] linux::netlink::Error),
}

/// The resolvers of all sandboxes of an engine.
///
/// A server keeps its sandbox's namespace alive: [`DnsServers::stop`] it when
/// the sandbox is deleted. All of them end with this value.
#[derive(Debug)]
pub struct DnsServers {
    model: watch::Receiver<Arc<Model>>,
    host: ResolvConf,
    sandboxes: Mutex<BTreeMap<SandboxId, Service>>,
}

/// How a sandbox is served.
#[derive(Debug)]
enum Service {
    Starting,
    Running(Running),
    /// Not now; it was before, and may be again.
    Withdrawn(Redirection),
}

/// A server at work.
#[derive(Debug)]
struct Running {
    redirection: Redirection,
    /// Ends its tasks when it is dropped.
    tasks: JoinSet<()>,
}

impl DnsServers {
    /// No servers yet. `resolv_conf` is the host's; it is followed. Needs a runtime.
    pub fn new(model: watch::Receiver<Arc<Model>>, resolv_conf: impl Into<PathBuf>) -> Self {
        let host = ResolvConf::new(resolv_conf.into());
        Self { model, host, sandboxes: Mutex::default() }
    }

    /// Serves a sandbox of the model, whose namespace is at `netns` and has its
    /// loopback link up. When this returns, names can be asked for. A sandbox
    /// that is served already stays as it is.
    ///
    /// Everything else comes from the model as it is at every question: who is
    /// there, and which servers the sandbox asks for other names.
    pub async fn serve(&self, sandbox: SandboxId, netns: &Path) -> Result<(), DnsError> {
        let Some(old) = self.begin(sandbox) else { return Ok(()) };
        let started = self.start(sandbox, netns, old).await;
        let mut sandboxes = self.sandboxes();
        match started {
            // If it is not there any more, it was stopped meanwhile.
            Ok(server) => drop(sandboxes.get_mut(&sandbox).map(|place| *place = Service::Running(server))),
            Err(error) => {
                sandboxes.remove(&sandbox);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Notes that a sandbox is to be served, unless it is; returns what served it before.
    fn begin(&self, sandbox: SandboxId) -> Option<Option<Redirection>> {
        let mut sandboxes = self.sandboxes();
        match sandboxes.insert(sandbox, Service::Starting) {
            None => Some(None),
            Some(Service::Withdrawn(redirection)) => Some(Some(redirection)),
            Some(service @ (Service::Starting | Service::Running(_))) => {
                sandboxes.insert(sandbox, service);
                None
            }
        }
    }

    /// Whether something is kept for a sandbox, which [`DnsServers::stop`] lets go.
    pub fn holds(&self, sandbox: &SandboxId) -> bool {
        self.sandboxes().contains_key(sandbox)
    }

    /// Ends the server of a sandbox that ends, too, and lets go of its namespace.
    pub async fn stop(&self, sandbox: &SandboxId) {
        let stopped = self.sandboxes().remove(sandbox);
        if let Some(Service::Running(mut server)) = stopped {
            server.tasks.shutdown().await;
        }
    }

    /// Ends the server of a sandbox that goes on without one, and takes the
    /// redirection away.
    pub async fn withdraw(&self, sandbox: &SandboxId) -> Result<(), DnsError> {
        let Some(service) = self.sandboxes().remove(sandbox) else { return Ok(()) };
        let redirection = match service {
            Service::Starting => return Ok(()),
            Service::Withdrawn(redirection) => redirection,
            Service::Running(Running { mut redirection, mut tasks }) => {
                tasks.shutdown().await;
                blocking(move || redirection.withdraw().map(|()| redirection)).await?
            }
        };
        self.sandboxes().insert(*sandbox, Service::Withdrawn(redirection));
        Ok(())
    }

    async fn start(
        &self,
        sandbox: SandboxId,
        netns: &Path,
        old: Option<Redirection>,
    ) -> Result<Running, DnsError> {
        self.host.look().await;
        let path = netns.to_owned();
        let (inside, (sockets, redirection)) = blocking(move || {
            let inside = Netns::open(&path)?;
            let opened = Sockets::open(&inside, old)?;
            Ok::<_, DnsError>((inside, opened))
        })
        .await?;
        let upstreams = Upstreams::new(sandbox, self.model.clone(), self.host.text());
        let server = Server::new(sandbox, self.model.clone(), upstreams, inside);
        let mut tasks = JoinSet::new();
        server
            .spawn(sockets, &mut tasks)
            .map_err(|source| DnsError::Socket { action: "register", source })?;
        Ok(Running { redirection, tasks })
    }

    fn sandboxes(&self) -> MutexGuard<'_, BTreeMap<SandboxId, Service>> {
        // What is behind it is whole after every statement.
        self.sandboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs on a thread that may wait.
async fn blocking<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(f).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Reads arbitrary bytes as a query and as an answer to it, with every reader of this module.
#[doc(hidden)]
pub fn read_anything(bytes: &[u8]) {
    let addresses = [cnm::Family::V6.unspecified(); 100];
    let answer = cnm::names::Answer::Addresses(&addresses);
    if let message::Asked::Question(query) = message::read(bytes) {
        query.reply(&answer, message::Transport::Udp, bytes.len());
    }
    message::answers(bytes, message::id(bytes), bytes);
    message::is_failure(bytes);
    shared::read_anything(bytes);
}
