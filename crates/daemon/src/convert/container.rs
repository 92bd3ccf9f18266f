//! From a request to a container's specification.

use std::net::IpAddr;

use api::container::{ContainerConfig, ContainerCreateRequest};
use api::host_config::{HostConfig, LogConfig};
use api::network::NetworkingConfig;
use api::version::Version;
use engine::cnm::spec::extra_host;
use engine::{
    Command, ContainerSpec, DnsSpec, Limits, LogSpec, NetworkMode, NetworkSettings, Root, Security, Signal,
};
use serde_json::{Map, Value};

use super::exec::console_size;
use super::limits::{self, Parts};
use super::{health, mount, namespace, network, port};
use crate::http::answer::Refusal;

/// Under these names the request's own text is kept with the container.
pub(crate) const CONFIG: &str = "Config";
pub(crate) const HOST_CONFIG: &str = "HostConfig";

const MAC_DEPRECATED: &str = "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.";

/// A specification, and what was asked for and will not be had.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) spec: ContainerSpec,
    pub(crate) warnings: Vec<String>,
}

/// What is known of a request besides its body.
#[derive(Clone, Debug)]
pub(crate) struct Circumstances<'a> {
    /// The name asked for.
    pub(crate) name: &'a str,
    pub(crate) version: Version,
    /// What `host-gateway` means: the default network's own addresses.
    pub(crate) gateways: Vec<IpAddr>,
}

/// What is said about networks, in three places of a request.
struct NetworkWish {
    mode: NetworkMode,
    networking: NetworkingConfig,
    mac: String,
    version: Version,
}

/// Reads a request to create a container.
pub(crate) fn wanted(request: ContainerCreateRequest, asked: &Circumstances<'_>) -> Result<Wanted, Refusal> {
    let ContainerCreateRequest { config, host_config, networking_config } = request;
    let host = host_config.unwrap_or_default();
    let extra = extra(&config, &host);
    let wish = NetworkWish {
        mode: mode(&host.network_mode)?,
        networking: networking_config.unwrap_or_default(),
        mac: config.mac_address.clone(),
        version: asked.version,
    };
    let mut warnings = Vec::new();
    let endpoints = endpoints(wish, &mut warnings)?;
    let health = health::wanted(config.healthcheck.clone(), asked.version)?;
    let mut spec = process(config, &host)?;
    spec.health = health;
    spec.network.endpoints = endpoints;
    if asked.version < Version::v1(44) {
        mount::as_before_1_44(&mut spec.mounts);
    }
    // One slash in front of a name means nothing; what is no name then is refused.
    let rest = asked.name.strip_prefix('/').filter(|rest| !rest.is_empty() && !rest.starts_with('/'));
    spec.name = Some(rest.unwrap_or(asked.name).to_owned()).filter(|name| !name.is_empty());
    spec.extra = extra;
    network_part(&host, &asked.gateways, &mut spec.network)?;
    host_part(host, &mut spec, &mut warnings)?;
    Ok(Wanted { spec, warnings })
}

fn extra(config: &ContainerConfig, host: &HostConfig) -> Map<String, Value> {
    let text = |value: serde_json::Result<Value>| value.unwrap_or(Value::Null);
    [(CONFIG, text(serde_json::to_value(config))), (HOST_CONFIG, text(serde_json::to_value(host)))]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

fn mode(text: &str) -> Result<NetworkMode, Refusal> {
    text.parse().map_err(|error: engine::spec::ParseNetworkModeError| Refusal::invalid(error.to_string()))
}

/// `Config`: what runs.
fn process(config: ContainerConfig, host: &HostConfig) -> Result<ContainerSpec, Refusal> {
    let mounts = mount::mounts(host, config.volumes.as_ref())?;
    let ContainerConfig {
        hostname,
        domainname,
        user,
        attach_stdin,
        attach_stdout,
        attach_stderr,
        exposed_ports,
        tty,
        open_stdin,
        stdin_once,
        env,
        cmd,
        image,
        working_dir,
        entrypoint,
        network_disabled,
        labels,
        stop_signal,
        stop_timeout,
        volumes: _,
        mac_address: _,
        // Read by `health`.
        healthcheck: _,
        shell,
        // Kept and shown again: the engine has no builder, and is not Windows.
        on_build: _,
        args_escaped: _,
    } = config;
    let stop_signal = Some(stop_signal).filter(|text| !text.is_empty());
    Ok(ContainerSpec {
        root: root(image),
        command: Command {
            entrypoint,
            args: cmd,
            env: env.unwrap_or_default(),
            workdir: working_dir,
            user,
            shell: shell.unwrap_or_default(),
            tty,
            open_stdin,
            stdin_once,
            attach: [attach_stdin, attach_stdout, attach_stderr],
        },
        hostname: Some(hostname).filter(|name| !name.is_empty()),
        domainname,
        labels: labels.unwrap_or_default(),
        network: NetworkSettings {
            exposed: port::exposed(exposed_ports)?,
            disabled: network_disabled,
            ..NetworkSettings::default()
        },
        mounts,
        stop_signal: stop_signal.map(|text| text.parse::<Signal>()).transpose()?,
        stop_timeout,
        ..ContainerSpec::default()
    })
}

/// An image, or a directory of the host: see [`api::container::ROOTFS`].
fn root(image: String) -> Root {
    let Some(directory) = image.strip_prefix(api::container::ROOTFS) else { return Root::Image(image) };
    let (path, overlay) = match directory.strip_suffix(":O") {
        Some(path) => (path, true),
        None => (directory, false),
    };
    Root::Directory { path: path.into(), overlay }
}

/// `HostConfig`: how it runs on this host.
fn host_part(host: HostConfig, spec: &mut ContainerSpec, warnings: &mut Vec<String>) -> Result<(), Refusal> {
    spec.namespaces = namespace::namespaces(&host)?;
    spec.security = security(&host);
    let HostConfig {
        log_config,
        restart_policy,
        auto_remove,
        console_size: size,
        annotations,
        oom_score_adj,
        storage_opt,
        shm_size,
        sysctls,
        runtime,
        resources,
        init,
        // Read by `mount`, and `volumes_from` by the route.
        volume_driver: _,
        binds: _,
        mounts: _,
        tmpfs: _,
        volumes_from: _,
        // Read by `namespace`.
        pid_mode: _,
        ipc_mode: _,
        uts_mode: _,
        userns_mode: _,
        cgroupns_mode: _,
        // Read by `network_part`.
        network_mode: _,
        port_bindings: _,
        publish_all_ports: _,
        dns: _,
        dns_options: _,
        dns_search: _,
        links: _,
        extra_hosts: _,
        // Read by `security`.
        cap_add: _,
        cap_drop: _,
        group_add: _,
        privileged: _,
        readonly_rootfs: _,
        security_opt: _,
        masked_paths: _,
        readonly_paths: _,
        // The client's own file, Windows, and what Docker ignores, too.
        container_id_file: _,
        isolation: _,
        cgroup: _,
    } = host;
    refuse_unknown(&runtime)?;
    spec.root_size = root_size(storage_opt.unwrap_or_default())?;
    let Parts { limits, devices, device_cgroup_rules, warnings: of_limits } = limits::parts(resources)?;
    warnings.extend(of_limits);
    spec.limits = Limits { oom_score_adj: limits::oom_score_adj(oom_score_adj)?, ..limits };
    (spec.security.devices, spec.security.device_cgroup_rules) = (devices, device_cgroup_rules);
    spec.restart = limits::restart(restart_policy)?.unwrap_or_default();
    spec.auto_remove = auto_remove;
    spec.console_size = console_size(size);
    spec.annotations = annotations.unwrap_or_default();
    spec.sysctls = sysctls.unwrap_or_default();
    spec.init = init;
    spec.log = log(log_config);
    spec.shm_size = self::shm_size(shm_size)?;
    Ok(())
}

fn shm_size(size: i64) -> Result<Option<u64>, Refusal> {
    let size = u64::try_from(size).map_err(|_| Refusal::invalid("SHM size can not be less than 0"))?;
    Ok(Some(size).filter(|size| *size != 0))
}

/// Rights; devices are with the limits.
fn security(host: &HostConfig) -> Security {
    let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    Security {
        privileged: host.privileged,
        cap_add: list(&host.cap_add),
        cap_drop: list(&host.cap_drop),
        options: list(&host.security_opt),
        read_only_root: host.readonly_rootfs,
        masked_paths: host.masked_paths.clone(),
        readonly_paths: host.readonly_paths.clone(),
        group_add: list(&host.group_add),
        devices: Vec::new(),
        device_cgroup_rules: Vec::new(),
    }
}

/// What `HostConfig` says about networks.
fn network_part(
    host: &HostConfig,
    gateways: &[IpAddr],
    network: &mut NetworkSettings,
) -> Result<(), Refusal> {
    let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    network.mode = mode(&host.network_mode)?;
    network.publish = port::publish(host.port_bindings.clone())?;
    network.publish_all = host.publish_all_ports;
    let address =
        |text: String| text.parse().map_err(|_| Refusal::invalid(format!("invalid DNS address: {text}")));
    network.dns = DnsSpec {
        servers: list(&host.dns).into_iter().map(address).collect::<Result<_, _>>()?,
        search: list(&host.dns_search),
        options: list(&host.dns_options),
    };
    network.links = list(&host.links);
    for text in host.extra_hosts.iter().flatten() {
        let lines = extra_host(text, gateways).map_err(|error| Refusal::invalid(error.to_string()))?;
        network.extra_hosts.extend(lines);
    }
    Ok(())
}

/// What would change how the container runs and cannot be had is refused, not ignored.
fn refuse_unknown(runtime: &str) -> Result<(), Refusal> {
    if !matches!(runtime, "" | crate::route::system::RUNTIME | "runc" | "io.containerd.runc.v2") {
        return Err(Refusal::invalid(format!("unknown or invalid runtime name: {runtime}")));
    }
    Ok(())
}

/// `--storage-opt size=10G`.
fn root_size(options: api::StringMap) -> Result<Option<u64>, Refusal> {
    let mut size = None;
    for (option, value) in options {
        if option != "size" {
            return Err(Refusal::invalid(format!(
                "unknown option: {option} (of --storage-opt): size is known"
            )));
        }
        let bytes = engine::parse_size(&value);
        size = Some(bytes.ok_or_else(|| Refusal::invalid(format!("invalid size: '{value}'")))?);
    }
    Ok(size)
}

fn log(LogConfig { r#type, config }: LogConfig) -> LogSpec {
    LogSpec { driver: r#type, options: config.unwrap_or_default() }
}

type Endpoints = std::collections::BTreeMap<String, engine::EndpointSpec>;

/// The settings of endpoints, with the MAC address of old clients where it belongs (moby `handleMACAddressBC`).
fn endpoints(wish: NetworkWish, warnings: &mut Vec<String>) -> Result<Endpoints, Refusal> {
    let NetworkWish { mode, networking, mac, version } = wish;
    let given = networking.endpoints_config.unwrap_or_default();
    if given.len() > 1 && version < Version::v1(44) {
        let names: Vec<&str> = given.keys().map(String::as_str).collect();
        let text =
            format!("Container cannot be created with multiple network endpoints: {}", names.join(", "));
        return Err(Refusal::invalid(text));
    }
    let mut endpoints: Endpoints = given
        .into_iter()
        .map(|(name, settings)| {
            let name = if name == "default" { "bridge".to_owned() } else { name };
            (name, network::endpoint(settings.unwrap_or_default(), version))
        })
        .collect();
    if mac.is_empty() {
        return Ok(endpoints);
    }
    if version >= Version::v1(52) {
        let text =
            "container-wide MAC address no longer supported; use endpoint-specific MAC address instead";
        return Err(Refusal::invalid(text));
    }
    let Some(name) = mode.network().filter(|_| mode.is_private()) else {
        return Err(Refusal::invalid("conflicting options: mac-address and the network mode"));
    };
    let endpoint = endpoints.entry(name.to_owned()).or_default();
    if !endpoint.mac.is_empty() && endpoint.mac != mac {
        let text = "the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty";
        return Err(Refusal::invalid(text));
    }
    endpoint.mac = mac;
    if version >= Version::v1(44) {
        warnings.push(MAC_DEPRECATED.to_owned());
    }
    Ok(endpoints)
}

#[cfg(test)]
mod tests;
