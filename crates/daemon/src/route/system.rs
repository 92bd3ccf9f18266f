//! Ping, version, info, disk usage.

use api::system::{
    AddressPool, Commit, Component, DiskUsage, FirewallBackend, IndexConfig, Plugins, ProductName,
    RegistryConfig, Runtime, Swarm, SystemInfo, SystemVersion,
};
use api::version::Version;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use engine::Counts;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, PRAGMA};
use jiff::Timestamp;

use crate::app::App;
use crate::convert::{build, summary};
use crate::facts;
use crate::http::answer::{Answer, ok};
use crate::http::version::Speaks;
use crate::settings::Level;
use engine::image::{Insecure, RegistrySettings};

/// The name of the one OCI runtime.
pub(crate) const RUNTIME: &str = "tombolo";
const PRODUCT: &str = "Tombolo";
const VERSION: &str = env!("CARGO_PKG_VERSION");
const REGISTRY: &str = "docker.io";

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/_ping", get(ping))
        .route("/version", get(version))
        .route("/info", get(info))
        .route("/system/df", get(disk_usage))
}

/// `Builder-Version: 1`: there is no BuildKit here.
async fn ping() -> Response {
    let headers = [
        (CACHE_CONTROL, "no-cache, no-store, must-revalidate"),
        (PRAGMA, "no-cache"),
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (HeaderName::from_static("builder-version"), "1"),
        (HeaderName::from_static("swarm"), "inactive"),
    ];
    (headers, "OK").into_response()
}

async fn version(State(app): State<App>) -> Answer {
    let details = [
        ("ApiVersion", Version::MAX.to_string()),
        ("Arch", facts::go_arch().to_owned()),
        ("KernelVersion", app.facts.kernel.clone()),
        ("MinAPIVersion", Version::MIN.to_string()),
        ("Os", "linux".to_owned()),
    ];
    let details = details.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let engine = Component { name: "Engine".to_owned(), version: VERSION.to_owned(), details: Some(details) };
    Ok(ok(&SystemVersion {
        platform: ProductName { name: PRODUCT.to_owned() },
        components: Some(vec![engine]),
        version: VERSION.to_owned(),
        api_version: Version::MAX.to_string(),
        min_api_version: Version::MIN.to_string(),
        git_commit: String::new(),
        go_version: String::new(),
        os: "linux".to_owned(),
        arch: facts::go_arch().to_owned(),
        kernel_version: app.facts.kernel.clone(),
        experimental: false,
        build_time: String::new(),
    }))
}

async fn info(State(app): State<App>) -> Answer {
    let Counts { containers, running, paused, stopped } = app.engine.counts();
    let images = super::images::count(&app).await?;
    let (facts, settings) = (&app.facts, &app.settings);
    let (descriptors, threads) = facts::descriptors_and_threads();
    let text = str::to_owned;
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let pools = settings.network.pools.iter();
    let pools = pools.map(|pool| AddressPool { base: pool.base.to_string(), size: pool.size });
    Ok(ok(&SystemInfo {
        id: app.engine.id().to_owned(),
        containers: number(containers),
        containers_running: number(running),
        containers_paused: number(paused),
        containers_stopped: number(stopped),
        images: number(images),
        driver: text("overlay2"),
        driver_status: vec![["Backing".to_owned(), "overlayfs".to_owned()]],
        plugins: plugins(app.engine.volume_drivers()),
        memory_limit: true,
        swap_limit: true,
        cpu_cfs_period: true,
        cpu_cfs_quota: true,
        cpu_shares: true,
        cpu_set: true,
        pids_limit: true,
        oom_kill_disable: facts.cgroup_version == "1",
        ipv4_forwarding: facts::forwards_v4(),
        debug: settings.log.level == Level::Debug,
        n_fd: descriptors,
        n_goroutines: threads,
        system_time: Timestamp::now().to_string(),
        logging_driver: settings.containers.log_driver.clone(),
        cgroup_driver: text("cgroupfs"),
        cgroup_version: text(facts.cgroup_version),
        kernel_version: facts.kernel.clone(),
        operating_system: facts.system.clone(),
        os_version: facts.system_version.clone(),
        os_type: text("linux"),
        architecture: text(std::env::consts::ARCH),
        index_server_address: text("https://index.docker.io/v1/"),
        registry_config: Some(registries(&settings.registries)),
        ncpu: facts.cpus,
        mem_total: facts.memory,
        docker_root_dir: settings.data_root.display().to_string(),
        name: facts.host.clone(),
        labels: settings.labels.clone(),
        server_version: text(VERSION),
        runtimes: [(text(RUNTIME), Runtime { path: text(RUNTIME), ..Runtime::default() })].into(),
        default_runtime: text(RUNTIME),
        swarm: Swarm { local_node_state: text("inactive"), ..Swarm::default() },
        live_restore_enabled: true,
        init_binary: text("tombolo"),
        containerd_commit: Commit::default(),
        security_options: vec![text("name=seccomp,profile=builtin")],
        default_address_pools: Some(pools.collect()),
        firewall_backend: Some(FirewallBackend { driver: text("nftables"), info: None }),
        ..SystemInfo::default()
    }))
}

fn plugins(volume_drivers: Vec<String>) -> Plugins {
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Plugins {
        volume: [engine::LOCAL.to_owned()].into_iter().chain(volume_drivers).collect(),
        network: list(&["bridge", "host", "ipvlan", "macvlan", "null"]),
        authorization: None,
        log: list(&["json-file", "local", "none", "syslog"]),
    }
}

fn registries(settings: &RegistrySettings) -> RegistryConfig {
    let mirrors = settings.mirrors.clone();
    let index =
        IndexConfig { name: REGISTRY.to_owned(), mirrors: mirrors.clone(), secure: true, official: true };
    let mut config = RegistryConfig {
        insecure_registry_cidrs: Some(vec!["::1/128".to_owned(), "127.0.0.0/8".to_owned()]),
        index_configs: [(REGISTRY.to_owned(), index)].into(),
        mirrors: Some(mirrors).filter(|mirrors| !mirrors.is_empty()),
    };
    for insecure in &settings.insecure {
        let name = insecure.to_string();
        match insecure {
            Insecure::Net(_) => config.insecure_registry_cidrs.get_or_insert_default().push(name),
            Insecure::Name(_) => {
                let index = IndexConfig { name: name.clone(), ..IndexConfig::default() };
                config.index_configs.insert(name, index);
            }
        }
    }
    config
}

/// What takes up space. Of a container that is what it has written, and its log.
async fn disk_usage(State(app): State<App>, Speaks(version): Speaks) -> Answer {
    let now = Timestamp::now();
    let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let steps = app.engine.build_cache().await?;
    let (images, layers_size) =
        super::images::usage(&app, steps.iter().map(|step| step.image).collect()).await?;
    let mut containers = Vec::new();
    for container in app.engine.list() {
        let sizes = app.engine.container_sizes(&container.id).await;
        let mut line = summary::summary(&container, now, version);
        line.size_rw = Some(signed(sizes.written + sizes.kept));
        line.size_root_fs = Some(signed(sizes.root));
        containers.push(line);
    }
    Ok(ok(&DiskUsage {
        layers_size: signed(layers_size),
        images,
        containers,
        volumes: super::volumes::usage(&app).await,
        build_cache: steps.into_iter().map(build::cached).collect(),
    }))
}
