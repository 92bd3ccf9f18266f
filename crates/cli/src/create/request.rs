//! From what was typed to what is sent.

use std::io::IsTerminal;

use api::container::{ContainerConfig, ContainerCreateRequest, HealthConfig, PUBLISH_ALLOW};
use api::host_config::{HostConfig, LogConfig};
use api::network::NetworkingConfig;

use super::CreateFlags;
use super::flags::{LifeFlags, NetworkFlags, ProcessFlags, StorageFlags};
use crate::syntax::{Malformed, device, duration, file, mount, network, pairs, port, restart};
use crate::terminal;

/// The container that was meant.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) platform: String,
    pub(crate) id_file: Option<String>,
    /// `always`, `missing` or `never`.
    pub(crate) pull: String,
    pub(crate) is_quiet: bool,
    pub(crate) request: ContainerCreateRequest,
}

/// What the flags mean. `is_detached` is whether nobody attaches by default.
pub(crate) fn wanted(flags: CreateFlags, is_detached: bool) -> Result<Wanted, Malformed> {
    let (image, command) = root(&flags)?;
    let mut config = process(&flags.process, is_detached)?;
    config.image = image;
    config.cmd = some(command);
    let mut host = HostConfig::default();
    flags.limits.write(&mut host)?;
    flags.rights.write(&mut host)?;
    life(&flags.life, &mut config, &mut host)?;
    storage(&flags.storage, &mut config, &mut host)?;
    let networking = networks(&flags.network, &mut config, &mut host)?;
    host.init = flags.process.init.then_some(true);
    host.group_add = some(flags.process.group_add.clone());
    host.annotations = pairs::optional_map(&flags.process.annotation);
    if flags.process.tty && std::io::stdout().is_terminal() {
        host.console_size = terminal::size().map_or([0, 0], |(columns, rows)| [rows.into(), columns.into()]);
    }
    if let Some(path) = &flags.cidfile {
        host.container_id_file.clone_from(path);
    }
    let request =
        ContainerCreateRequest { config, host_config: Some(host), networking_config: Some(networking) };
    Ok(Wanted {
        name: flags.name,
        platform: flags.platform,
        id_file: flags.cidfile,
        pull: flags.pull,
        is_quiet: flags.quiet,
        request,
    })
}

/// The image, or the directory that stands for it, and the command.
fn root(flags: &CreateFlags) -> Result<(String, Vec<String>), Malformed> {
    let Some(directory) = &flags.storage.rootfs else {
        let (image, command) = flags.words.split_first().ok_or_else(|| {
            Malformed::new(
                "an image is needed: tombolo run IMAGE [COMMAND] [ARG...]. See the images with: tombolo images",
            )
        })?;
        return Ok((image.clone(), command.to_vec()));
    };
    let (path, suffix) = match directory.strip_suffix(":O") {
        Some(path) => (path, ":O"),
        None => (directory.as_str(), ""),
    };
    let path = if path.starts_with('/') { path.to_owned() } else { file::absolute(&format!("./{path}"))? };
    Ok((format!("{}{path}{suffix}", api::container::ROOTFS), flags.words.clone()))
}

/// A list, unless it is empty.
pub(super) fn some<T>(items: Vec<T>) -> Option<Vec<T>> {
    Some(items).filter(|items| !items.is_empty())
}

fn process(flags: &ProcessFlags, is_detached: bool) -> Result<ContainerConfig, Malformed> {
    let attaches = |stream: &str| flags.attach.iter().any(|name| name.eq_ignore_ascii_case(stream));
    // Without -a everything is attached, input only if it is kept open.
    let is_default = flags.attach.is_empty() && !is_detached;
    let attach_stdin = attaches("stdin") || (is_default && flags.interactive);
    Ok(ContainerConfig {
        user: flags.user.clone(),
        attach_stdin,
        attach_stdout: attaches("stdout") || is_default,
        attach_stderr: attaches("stderr") || is_default,
        tty: flags.tty,
        open_stdin: flags.interactive,
        // Whoever attached first closes the input for all.
        stdin_once: flags.interactive && attach_stdin,
        env: Some(pairs::environment(&flags.env, &flags.env_file)?),
        working_dir: flags.workdir.clone(),
        // An empty entry point clears that of the image.
        entrypoint: flags.entrypoint.clone().map(|program| vec![program]),
        labels: Some(pairs::labels(&flags.label, &flags.label_file)?),
        ..ContainerConfig::default()
    })
}

fn networks(
    flags: &NetworkFlags,
    config: &mut ContainerConfig,
    host: &mut HostConfig,
) -> Result<NetworkingConfig, Malformed> {
    let common = network::Common {
        aliases: &flags.network_alias,
        links: &flags.link,
        ip: &flags.ip,
        ip6: &flags.ip6,
        link_local: &flags.link_local_ip,
        mac: &flags.mac_address,
    };
    let network::Networks { mode, endpoints } = network::networks(&flags.network, &common)?;
    let port::Published { mut exposed, bindings } = port::publish(&flags.publish)?;
    exposed.extend(port::expose(&flags.expose)?.into_iter().map(|port| (port, api::Empty {})));
    config.exposed_ports = Some(exposed).filter(|ports| !ports.is_empty());
    config.hostname.clone_from(&flags.hostname);
    config.domainname.clone_from(&flags.domainname);
    host.network_mode = mode;
    host.port_bindings = Some(bindings).filter(|ports| !ports.is_empty());
    host.publish_all_ports = flags.publish_all;
    if !flags.publish_allow.is_empty() {
        let labels = config.labels.get_or_insert_default();
        let list = labels.entry(PUBLISH_ALLOW.to_owned()).or_default();
        let lines = std::iter::once(list.clone()).chain(flags.publish_allow.clone());
        *list = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(",");
    }
    host.links = some(flags.link.clone());
    host.dns = some(flags.dns.clone());
    host.dns_search = some(flags.dns_search.clone());
    host.dns_options = some(flags.dns_option.clone());
    host.extra_hosts = some(flags.add_host.iter().map(|text| extra_host(text)).collect::<Result<_, _>>()?);
    let endpoints = Some(endpoints).filter(|endpoints| !endpoints.is_empty());
    Ok(NetworkingConfig { endpoints_config: endpoints })
}

/// `host:ip` or `host=ip`, which is sent with a colon.
fn extra_host(text: &str) -> Result<String, Malformed> {
    let bad = || Malformed::new(format!("bad format for add-host: {text:?}"));
    let (name, address) = text.split_once('=').or_else(|| text.split_once(':')).ok_or_else(bad)?;
    if name.is_empty() || address.is_empty() {
        return Err(bad());
    }
    let plain = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    if plain != "host-gateway" && plain.parse::<std::net::IpAddr>().is_err() {
        return Err(Malformed::new(format!("invalid IP address in add-host: {address:?}")));
    }
    Ok(format!("{name}:{plain}"))
}

fn storage(
    flags: &StorageFlags,
    config: &mut ContainerConfig,
    host: &mut HostConfig,
) -> Result<(), Malformed> {
    let mount::Volumes { binds, anonymous } = mount::volumes(&flags.volume)?;
    config.volumes = Some(anonymous).filter(|volumes| !volumes.is_empty());
    host.binds = some(binds);
    host.mounts = some(flags.mount.iter().map(|text| mount::mount(text)).collect::<Result<_, _>>()?);
    host.tmpfs = Some(mount::tmpfs(&flags.tmpfs)).filter(|map| !map.is_empty());
    host.volumes_from = some(flags.volumes_from.clone());
    host.volume_driver.clone_from(&flags.volume_driver);
    host.readonly_rootfs = flags.read_only;
    host.storage_opt = pairs::optional_map(&flags.storage_opt);
    host.resources.devices =
        some(flags.device.iter().map(|text| device::parse(text)).collect::<Result<_, _>>()?);
    host.resources.device_cgroup_rules = some(flags.device_cgroup_rule.clone());
    Ok(())
}

fn life(flags: &LifeFlags, config: &mut ContainerConfig, host: &mut HostConfig) -> Result<(), Malformed> {
    host.restart_policy = restart::parse(&flags.restart)?;
    host.auto_remove = flags.rm;
    if flags.rm && !matches!(host.restart_policy.name.as_str(), "" | "no") {
        return Err(Malformed::new("conflicting options: cannot specify both --restart and --rm"));
    }
    let config_map = pairs::strict("log-opt", &flags.log_opt)?;
    host.log_config = LogConfig { r#type: flags.log_driver.clone(), config: Some(config_map) };
    config.stop_signal.clone_from(&flags.stop_signal);
    config.stop_timeout = flags.stop_timeout;
    config.healthcheck = health(flags)?;
    Ok(())
}

fn health(flags: &LifeFlags) -> Result<Option<HealthConfig>, Malformed> {
    let time = |text: &Option<String>| text.as_deref().map_or(Ok(0), duration::parse);
    let test = flags.health_cmd.as_ref().filter(|text| !text.is_empty());
    let health = HealthConfig {
        test: test.map(|command| vec!["CMD-SHELL".to_owned(), command.clone()]),
        interval: time(&flags.health_interval)?,
        timeout: time(&flags.health_timeout)?,
        start_period: time(&flags.health_start_period)?,
        start_interval: time(&flags.health_start_interval)?,
        retries: flags.health_retries.unwrap_or_default(),
    };
    let is_set = health != HealthConfig::default();
    if flags.no_healthcheck {
        if is_set {
            return Err(Malformed::new("--no-healthcheck conflicts with --health-* options"));
        }
        return Ok(Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }));
    }
    Ok(is_set.then_some(health))
}

#[cfg(test)]
mod tests;
