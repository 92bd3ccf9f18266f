//! What the engine is told when it starts: flags with dockerd's names, and a file with the same names.
//!
//! A setting stands in one place: the flag, the file, or nowhere; in two places it is an error, as in dockerd. A
//! setting that is absent never overrides a default, and a name that is not known is an error.

mod address;
mod file;
mod flags;
mod registry;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use engine::cnm::driver::bridge::{OptionError, Options, PublishDefault};
use engine::image::RegistrySettings;
use thiserror::Error;

pub(crate) use address::{AddressPool, DnsHost, Host, Subnet};
pub(crate) use file::File;
pub(crate) use flags::Flags;

/// The configuration file that is read when none is named, if it exists.
pub(crate) const DEFAULT_FILE: &str = "/etc/tombolo/daemon.json";

/// All settings, each with its final value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) data_root: PathBuf,
    pub(crate) exec_root: PathBuf,
    pub(crate) pidfile: PathBuf,
    pub(crate) hosts: Vec<Host>,
    pub(crate) group: Option<String>,
    pub(crate) log: LogSettings,
    pub(crate) network: NetworkSettings,
    pub(crate) containers: ContainerSettings,
    pub(crate) registries: RegistrySettings,
    pub(crate) labels: Vec<String>,
}

/// How the engine itself logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogSettings {
    pub(crate) level: Level,
    pub(crate) format: Format,
}

/// The least important lines that are logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
    Fatal,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}

/// The default network, and the defaults of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetworkSettings {
    /// The bridge of the default network.
    pub(crate) bridge_name: String,
    /// Its address and subnet.
    pub(crate) bip: Option<Subnet>,
    /// The part of its subnet that containers get addresses from.
    pub(crate) fixed_cidr: Option<Subnet>,
    /// The same for IPv6.
    pub(crate) bip6: Option<Subnet>,
    pub(crate) fixed_cidr_v6: Option<Subnet>,
    /// Where its containers' default routes lead, if not to the bridge.
    pub(crate) default_gateway: Option<Ipv4Addr>,
    pub(crate) default_gateway_v6: Option<Ipv6Addr>,
    /// Options of new bridge networks that do not say otherwise.
    pub(crate) options: BTreeMap<String, String>,
    /// Where no pool is chosen.
    pub(crate) avoid: Vec<Subnet>,
    /// Whether addresses of its containers are hidden from elsewhere.
    pub(crate) ip_masq: bool,
    /// Where ports are published that name no address.
    pub(crate) ip: Option<IpAddr>,
    /// Who reaches these, where no network says otherwise.
    pub(crate) publish: PublishDefault,
    pub(crate) ipv6: bool,
    /// Whether its containers reach one another.
    pub(crate) icc: bool,
    pub(crate) mtu: Option<u32>,
    pub(crate) pools: Vec<AddressPool>,
    /// Where the host asks for names of networks.
    pub(crate) dns_hosts: Vec<DnsHost>,
}

/// The defaults of containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ContainerSettings {
    pub(crate) dns: Vec<IpAddr>,
    pub(crate) dns_search: Vec<String>,
    pub(crate) dns_opts: Vec<String>,
    /// Whether those of the default network have a resolver that follows the host's servers.
    pub(crate) dns_follow_host: bool,
    /// Whether they find `name.network` on networks that they are not on.
    pub(crate) dns_across_networks: bool,
    pub(crate) log_driver: String,
    pub(crate) log_opts: BTreeMap<String, String>,
    pub(crate) init: bool,
    pub(crate) init_path: Option<PathBuf>,
    pub(crate) cgroup_parent: String,
}

/// Why the settings are refused.
#[derive(Debug, Error)]
pub(crate) enum SettingsError {
    #[error("unable to configure the daemon with file {path}")]
    Read {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("unable to configure the daemon with file {path}")]
    Parse {
        path: String,
        #[source]
        source: serde_json::Error,
    },
    /// Docker's text.
    #[error(
        "unable to configure the daemon with file {path}: the following directives are specified both as a flag and in the configuration file: {}",
        .names.join(", ")
    )]
    Conflict { path: String, names: Vec<String> },
    #[error("live restore is how this engine works and cannot be switched off")]
    LiveRestore,
    #[error("invalid MTU {mtu}: between 68 and 65535")]
    Mtu { mtu: u32 },
    #[error("publish-default localhost and ip {address} contradict each other")]
    Publish { address: IpAddr },
    #[error(transparent)]
    Log(#[from] engine::LogError),
    #[error("invalid bridge name {name:?}: 1 to 15 letters, digits, dots, hyphens and underscores")]
    BridgeName { name: String },
    #[error("invalid default network option {text:?}: bridge=label=value")]
    NetworkOption { text: String },
    #[error("default network options are for the driver bridge, not for {driver:?}")]
    NetworkDriver { driver: String },
    #[error(transparent)]
    BridgeOption(#[from] OptionError),
    #[error("{name} {address} is no {family} address")]
    Family { name: &'static str, address: Subnet, family: &'static str },
    #[error("{name}=false is not possible: {why}")]
    Fixed { name: &'static str, why: &'static str },
    #[error("unknown firewall backend {name:?}: nftables")]
    Backend { name: String },
    #[error("invalid log option {text:?}: name=value")]
    LogOption { text: String },
    #[error(transparent)]
    Registry(#[from] registry::RegistrySettingsError),
    #[error("{name} must be an absolute path: {path}")]
    Relative { name: &'static str, path: String },
}

impl Settings {
    /// Reads the file that the flags name, or the default one, and joins both.
    pub(crate) fn read(flags: Flags) -> Result<Self, SettingsError> {
        let (path, is_required) = match &flags.config_file {
            Some(path) => (path.clone(), true),
            None => (PathBuf::from(DEFAULT_FILE), false),
        };
        let file = File::read(&path, is_required)?;
        Self::join(flags, file, &path)
    }

    fn join(flags: Flags, file: File, path: &Path) -> Result<Self, SettingsError> {
        let names = file.conflicts(&flags);
        if !names.is_empty() {
            return Err(SettingsError::Conflict { path: path.display().to_string(), names });
        }
        let given = file.or(flags)?;
        let settings = Self::of(given)?;
        settings.check()?;
        Ok(settings)
    }

    /// Every setting that is not given has its default.
    fn of(given: File) -> Result<Self, SettingsError> {
        check_fixed(&given)?;
        if given.live_restore == Some(false) {
            return Err(SettingsError::LiveRestore);
        }
        let or = |path: Option<PathBuf>, default: &str| path.unwrap_or_else(|| default.into());
        let level =
            if given.debug == Some(true) { Level::Debug } else { given.log_level.unwrap_or_default() };
        Ok(Self {
            data_root: or(given.data_root, "/var/lib/tombolo"),
            exec_root: or(given.exec_root, "/run/tombolo"),
            pidfile: or(given.pidfile, "/run/tombolo/tombolo.pid"),
            hosts: given.hosts.unwrap_or_else(|| vec![Host::default()]),
            group: given.group,
            log: LogSettings { level, format: given.log_format.unwrap_or_default() },
            network: NetworkSettings {
                bridge_name: given.bridge_name.unwrap_or_else(|| "p0".to_owned()),
                bip: given.bip,
                fixed_cidr: given.fixed_cidr,
                bip6: given.bip6,
                fixed_cidr_v6: given.fixed_cidr_v6,
                default_gateway: given.default_gateway,
                default_gateway_v6: given.default_gateway_v6,
                options: bridge_options(given.default_network_opts.unwrap_or_default())?,
                avoid: given.avoid_subnets.unwrap_or_default(),
                ip_masq: given.ip_masq.unwrap_or(true),
                ip: given.ip,
                publish: given.publish_default.unwrap_or_default(),
                ipv6: given.ipv6.unwrap_or(false),
                icc: given.icc.unwrap_or(true),
                mtu: given.mtu.filter(|mtu| *mtu != 0),
                pools: given.default_address_pools.unwrap_or_default(),
                dns_hosts: given.dns_hosts.unwrap_or_default(),
            },
            containers: ContainerSettings {
                dns: given.dns.unwrap_or_default(),
                dns_search: given.dns_search.unwrap_or_default(),
                dns_opts: given.dns_opts.unwrap_or_default(),
                dns_follow_host: given.dns_follow_host.unwrap_or(true),
                dns_across_networks: given.dns_across_networks.unwrap_or(false),
                log_driver: given.log_driver.unwrap_or_else(|| "json-file".to_owned()),
                log_opts: given.log_opts.unwrap_or_default(),
                init: given.init.unwrap_or(false),
                init_path: given.init_path,
                cgroup_parent: given.cgroup_parent.unwrap_or_default(),
            },
            registries: registry::settings(
                given.registry_mirrors.unwrap_or_default(),
                given.insecure_registries.unwrap_or_default(),
                registry::Limits {
                    downloads: given.max_concurrent_downloads,
                    uploads: given.max_concurrent_uploads,
                    attempts: given.max_download_attempts,
                },
            )?,
            labels: given.labels.unwrap_or_default(),
        })
    }

    fn check(&self) -> Result<(), SettingsError> {
        self.network.check_families()?;
        for (name, path) in
            [("data-root", &self.data_root), ("exec-root", &self.exec_root), ("pidfile", &self.pidfile)]
        {
            if !path.is_absolute() {
                return Err(SettingsError::Relative { name, path: path.display().to_string() });
            }
        }
        if let Some(mtu) = self.network.mtu.filter(|mtu| !(68..=65_535).contains(mtu)) {
            return Err(SettingsError::Mtu { mtu });
        }
        if let (PublishDefault::Localhost, Some(address)) = (self.network.publish, self.network.ip) {
            return Err(SettingsError::Publish { address });
        }
        engine::check_log(&self.containers.log_driver, &self.containers.log_opts)?;
        let name = &self.network.bridge_name;
        let is_sound = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > 15 || !name.chars().all(is_sound) || name == "." || name == ".." {
            return Err(SettingsError::BridgeName { name: name.clone() });
        }
        Ok(())
    }
}

impl NetworkSettings {
    fn check_families(&self) -> Result<(), SettingsError> {
        let Self { bip, fixed_cidr, bip6, fixed_cidr_v6, .. } = *self;
        for (name, address, v4) in [
            ("bip", bip, true),
            ("fixed-cidr", fixed_cidr, true),
            ("bip6", bip6, false),
            ("fixed-cidr-v6", fixed_cidr_v6, false),
        ] {
            let Some(address) = address.filter(|subnet| subnet.address.is_ipv4() != v4) else { continue };
            return Err(SettingsError::Family { name, address, family: if v4 { "IPv4" } else { "IPv6" } });
        }
        Ok(())
    }
}

/// What dockerd lets one switch, and this engine does not.
fn check_fixed(given: &File) -> Result<(), SettingsError> {
    const TABLE: &str = "the table inet tombolo is how networks are confined";
    for (name, value, why) in [
        (
            "ip-forward",
            given.ip_forward,
            "networks that are not internal need it, and nothing else switches it on",
        ),
        ("iptables", given.iptables, TABLE),
        ("ip6tables", given.ip6tables, TABLE),
    ] {
        if value == Some(false) {
            return Err(SettingsError::Fixed { name, why });
        }
    }
    match &given.firewall_backend {
        Some(name) if !name.is_empty() && name != "nftables" => {
            Err(SettingsError::Backend { name: name.clone() })
        }
        _ => Ok(()),
    }
}

/// The options for the one driver that has any, checked.
fn bridge_options(
    mut all: BTreeMap<String, BTreeMap<String, String>>,
) -> Result<BTreeMap<String, String>, SettingsError> {
    let options = all.remove("bridge").unwrap_or_default();
    if let Some(driver) = all.into_keys().next() {
        return Err(SettingsError::NetworkDriver { driver });
    }
    Options::parse(&options, false)?;
    Ok(options)
}

#[cfg(test)]
mod tests;
