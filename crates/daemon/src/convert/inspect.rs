//! What `inspect` shows of a container.

use api::container::ContainerConfig;
use api::host_config::{HostConfig, LogConfig};
use api::image::GraphDriver as ApiGraphDriver;
use api::inspect::{ContainerInspect, ContainerState, LegacyNetworkSettings, NetworkSettings};
use engine::{ContainerSpec, Exited, GraphDriver, Inspect, ManagedFiles, NetworkState, State};
use serde_json::Value;

use super::container::{CONFIG, HOST_CONFIG};
use super::{limits, mount, network, port, time};

/// Everything, in the newest shape; [`ContainerInspect::shaped`] makes others of it.
pub(crate) fn inspect(container: Inspect, graph: GraphDriver) -> ContainerInspect {
    let Inspect {
        id,
        name,
        created,
        spec,
        image_id,
        path,
        args,
        state,
        health,
        restart_count,
        files,
        hostname: inner_hostname,
        links,
        execs,
        mounts,
        network,
    } = container;
    let ManagedFiles { resolv_conf, hostname, hosts, log } = files;
    let GraphDriver { name: driver, data } = graph;
    let execs: Vec<String> = execs.iter().map(ToString::to_string).collect();
    ContainerInspect {
        id: id.to_string(),
        created: time::text(Some(created)),
        path,
        args,
        state: ContainerState { health: health.map(super::health::health), ..self::state(&state) },
        image: image_id.unwrap_or_default(),
        resolv_conf_path: resolv_conf.display().to_string(),
        hostname_path: hostname.display().to_string(),
        hosts_path: hosts.display().to_string(),
        log_path: log.map(|path| path.display().to_string()).unwrap_or_default(),
        name: format!("/{name}"),
        restart_count: i64::from(restart_count),
        driver: driver.clone(),
        platform: "linux".to_owned(),
        exec_ids: Some(execs).filter(|execs| !execs.is_empty()),
        host_config: host_config(&spec, links),
        graph_driver: Some(ApiGraphDriver { data: mount::some(data), name: driver }),
        mounts: mount::show(&mounts, &spec.mounts),
        config: config(&spec, inner_hostname),
        network_settings: network_settings(&network, state.alive().is_some()),
        ..ContainerInspect::default()
    }
}

/// The state by Docker's names.
pub(crate) fn state(state: &State) -> ContainerState {
    let alive = state.alive();
    let exited = state.exited();
    let failure = if let State::Created { failure } = state { failure.as_ref() } else { None };
    let of_exit = |exited: &Exited| (i64::from(exited.code), exited.error.clone());
    let (exit_code, error) = exited
        .map(of_exit)
        .or_else(|| failure.map(|failure| (i64::from(failure.code), failure.error.clone())))
        .unwrap_or_default();
    ContainerState {
        status: state.status().to_owned(),
        running: alive.is_some() || matches!(state, State::Restarting(_)),
        paused: matches!(state, State::Paused(_)),
        restarting: matches!(state, State::Restarting(_)),
        oom_killed: exited.is_some_and(|exited| exited.oom_killed),
        dead: matches!(state, State::Dead(_)),
        pid: alive.map_or(0, |running| i64::from(running.pid)),
        exit_code,
        error,
        started_at: time::text(state.started()),
        finished_at: time::text(state.finished()),
        health: None,
    }
}

/// What the request said, with what the image added.
pub(crate) fn config(spec: &ContainerSpec, hostname: String) -> ContainerConfig {
    let mut config: ContainerConfig = kept(spec, CONFIG);
    let command = &spec.command;
    config.hostname = hostname;
    config.domainname.clone_from(&spec.domainname);
    config.user.clone_from(&command.user);
    [config.attach_stdin, config.attach_stdout, config.attach_stderr] = command.attach;
    config.tty = command.tty;
    config.open_stdin = command.open_stdin;
    config.stdin_once = command.stdin_once;
    config.env = Some(command.env.clone());
    config.cmd.clone_from(&command.args);
    config.entrypoint.clone_from(&command.entrypoint);
    config.working_dir.clone_from(&command.workdir);
    config.labels = Some(spec.labels.clone());
    config.stop_signal = spec.stop_signal.map(|signal| signal.to_string()).unwrap_or_default();
    config.stop_timeout = spec.stop_timeout;
    config.healthcheck = super::health::config(spec.health.clone());
    config.volumes = mount::volumes(&spec.mounts);
    config.network_disabled = spec.network.disabled;
    let exposed = port::names(&spec.network.exposed).map(|name| (name, api::Empty {}));
    config.exposed_ports = Some(exposed.collect());
    config
}

/// What the request said, with what has been updated since.
fn host_config(spec: &ContainerSpec, links: Vec<String>) -> HostConfig {
    let mut host: HostConfig = kept(spec, HOST_CONFIG);
    if spec.network.mode == engine::NetworkMode::Bridge {
        host.links = Some(links).filter(|links| !links.is_empty());
    }
    limits::show(&spec.limits, &mut host.resources);
    host.oom_score_adj = spec.limits.oom_score_adj.map(i64::from).unwrap_or_default();
    host.restart_policy = limits::show_restart(spec.restart);
    host.network_mode = spec.network.mode.to_string();
    host.log_config = LogConfig { r#type: spec.log.driver.clone(), config: Some(spec.log.options.clone()) };
    if host.log_config.r#type.is_empty() {
        "json-file".clone_into(&mut host.log_config.r#type);
    }
    host.auto_remove = spec.auto_remove;
    host.ipc_mode = shown(spec.namespaces.ipc.text(), "private");
    host.cgroupns_mode = spec.namespaces.cgroup.text();
    host.shm_size = spec.shm_size.and_then(|size| i64::try_from(size).ok()).unwrap_or(64 << 20);
    host.masked_paths = spec.security.hidden();
    host.readonly_paths = spec.security.read_only();
    let said = host.port_bindings.get_or_insert_default();
    if !port::publish(Some(said.clone())).is_ok_and(|said| said == spec.network.publish) {
        *said = port::wished(&spec.network.publish);
    }
    if host.runtime.is_empty() {
        crate::route::system::RUNTIME.clone_into(&mut host.runtime);
    }
    host
}

fn shown(text: String, default: &str) -> String {
    if text.is_empty() { default.to_owned() } else { text }
}

/// A part of the request's own text; the zero value for containers that no request made.
fn kept<T: serde::de::DeserializeOwned + Default>(spec: &ContainerSpec, key: &str) -> T {
    api::json::from_value(spec.extra.get(key).unwrap_or(&Value::Null)).unwrap_or_default()
}

fn network_settings(state: &NetworkState, is_alive: bool) -> NetworkSettings {
    let NetworkState { sandbox, sandbox_key, bindings, exposed, networks } = state;
    let networks: std::collections::BTreeMap<_, _> =
        networks.iter().map(|(name, connection)| (name.clone(), network::connection(connection))).collect();
    let legacy = networks.get("bridge").map(LegacyNetworkSettings::from).unwrap_or_default();
    NetworkSettings {
        sandbox_id: sandbox.map(|id| id.to_string()).unwrap_or_default(),
        sandbox_key: sandbox_key.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
        ports: Some(if is_alive { port::map(bindings, exposed) } else { port::map(&[], &[]) }),
        legacy: Some(legacy),
        networks: Some(networks),
    }
}
