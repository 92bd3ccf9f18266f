//! The life of the engine's process: from its settings to its last answer.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use engine::Engine;
use engine::image::{Images, Registry, backing};
use engine::net::NetworkService;
use tokio::net::UnixListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::app::App;
use crate::facts::Facts;
use crate::http;
use crate::http::hijack::Hijacks;
use crate::log::LogLevel;
use crate::pidfile::Pidfile;
use crate::settings::{Flags, Settings};
use crate::socket::{self, Socket};
use crate::systemd::{self, Inherit};
use crate::{convert, route};

/// How long attached clients may take to read their last bytes.
const FAREWELL: Duration = Duration::from_secs(2);

/// Serves until a signal ends it.
pub(crate) async fn run(
    flags: Flags,
    settings: Settings,
    log: LogLevel,
    inherit: Inherit,
) -> anyhow::Result<()> {
    // Before anything else: a signal that comes early must not end us half-way.
    let mut signals = Signals::catch()?;
    let pidfile = Pidfile::take(&settings.pidfile)?;
    let engine = open(&settings).await?;
    let sockets = socket::open(&settings.hosts, settings.group.as_deref(), inherit)?;
    let app = App {
        registry: Arc::new(Registry::new(Arc::clone(engine.images()), convert::config::registry(&settings))),
        engine,
        facts: Arc::new(Facts::gather()),
        hijacks: Hijacks::default(),
        settings: Arc::new(settings),
    };
    let mut servers = serve(&app, &sockets)?;
    systemd::ready();
    info!(hosts = ?app.settings.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(), "serving");
    signals.wait(&flags, &log).await;
    systemd::stopping();
    stop(&app, &mut servers).await;
    sockets
        .iter()
        .filter_map(|socket| socket.path.as_ref())
        .for_each(|path| drop(std::fs::remove_file(path)));
    pidfile.remove();
    Ok(())
}

/// Opens the parts of the engine, from the lowest.
async fn open(settings: &Settings) -> anyhow::Result<Arc<Engine>> {
    let network = convert::config::network(settings)?;
    let network = NetworkService::start(network).await.context("cannot start the network service")?;
    let root = settings.data_root.join("image");
    let images = tokio::task::spawn_blocking(move || open_images(&root)).await.context("cannot wait")?;
    let images = Arc::new(images?);
    Engine::open(convert::config::engine(settings), network, images).await.context("cannot open the engine")
}

/// Opens the image store, on a file system of its own where the data root's cannot hold it.
fn open_images(root: &Path) -> anyhow::Result<Images> {
    if backing::prepare(root).context("cannot prepare the image store")? {
        warn!(root = %root.display(), "the data root is on overlayfs: images lie in a file system of their own there");
    }
    Images::open(root).context("cannot open the image store")
}

fn serve(app: &App, sockets: &[Socket]) -> anyhow::Result<JoinSet<()>> {
    let routes = route::routes(app.clone());
    let mut servers = JoinSet::new();
    for socket in sockets {
        let listener = UnixListener::from_std(socket.listener.try_clone()?)?;
        servers.spawn(http::serve(listener, routes.clone(), app.stop()));
    }
    Ok(servers)
}

/// Ends what is open; containers go on.
async fn stop(app: &App, servers: &mut JoinSet<()>) {
    info!("stopping; containers go on");
    app.hijacks.stop.cancel();
    while servers.join_next().await.is_some() {}
    app.hijacks.tasks.close();
    if tokio::time::timeout(FAREWELL, app.hijacks.tasks.wait()).await.is_err() {
        warn!("some attached clients did not end in time");
    }
    app.engine.close().await;
    info!("stopped");
}

/// The signals that mean something.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn catch() -> anyhow::Result<Self> {
        let catch = |kind| signal(kind).context("cannot catch signals");
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            hang_up: catch(SignalKind::hangup())?,
        })
    }

    /// Waits for the end, and reads the settings again when told to.
    async fn wait(&mut self, flags: &Flags, log: &LogLevel) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                _ = self.hang_up.recv() => reload(flags, log),
            }
        }
    }
}

/// Takes over what can change while the engine runs: the level of its log.
fn reload(flags: &Flags, log: &LogLevel) {
    systemd::reloading();
    match Settings::read(flags.clone()) {
        Ok(settings) => {
            log.set(settings.log.level);
            info!("read the settings again; all but the log level need a restart");
        }
        Err(refused) => error!(error = engine::chain(&refused), "kept the settings"),
    }
    systemd::ready();
}
