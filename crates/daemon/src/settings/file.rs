//! The configuration file: dockerd's names, JSON.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use engine::cnm::driver::bridge::PublishDefault;
use serde::Deserialize;

use super::{AddressPool, DnsHost, Flags, Format, Host, Level, SettingsError, Subnet};

/// The file, and later the file and the flags together. What is absent has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub(crate) struct File {
    pub(super) data_root: Option<PathBuf>,
    pub(super) exec_root: Option<PathBuf>,
    pub(super) hosts: Option<Vec<Host>>,
    pub(super) pidfile: Option<PathBuf>,
    pub(super) group: Option<String>,
    pub(super) debug: Option<bool>,
    pub(super) log_level: Option<Level>,
    pub(super) log_format: Option<Format>,
    pub(super) bridge_name: Option<String>,
    pub(super) bip: Option<Subnet>,
    pub(super) fixed_cidr: Option<Subnet>,
    pub(super) bip6: Option<Subnet>,
    pub(super) fixed_cidr_v6: Option<Subnet>,
    pub(super) default_gateway: Option<Ipv4Addr>,
    pub(super) default_gateway_v6: Option<Ipv6Addr>,
    pub(super) default_network_opts: Option<BTreeMap<String, BTreeMap<String, String>>>,
    pub(super) avoid_subnets: Option<Vec<Subnet>>,
    pub(super) ip_forward: Option<bool>,
    pub(super) ip_forward_no_drop: Option<bool>,
    pub(super) iptables: Option<bool>,
    pub(super) ip6tables: Option<bool>,
    pub(super) firewall_backend: Option<String>,
    pub(super) ip_masq: Option<bool>,
    pub(super) ip: Option<IpAddr>,
    pub(super) publish_default: Option<PublishDefault>,
    pub(super) default_address_pools: Option<Vec<AddressPool>>,
    pub(super) ipv6: Option<bool>,
    pub(super) icc: Option<bool>,
    pub(super) mtu: Option<u32>,
    pub(super) userland_proxy: Option<bool>,
    pub(super) dns: Option<Vec<IpAddr>>,
    pub(super) dns_opts: Option<Vec<String>>,
    pub(super) dns_search: Option<Vec<String>>,
    pub(super) dns_follow_host: Option<bool>,
    pub(super) dns_across_networks: Option<bool>,
    pub(super) dns_hosts: Option<Vec<DnsHost>>,
    pub(super) log_driver: Option<String>,
    pub(super) log_opts: Option<BTreeMap<String, String>>,
    pub(super) init: Option<bool>,
    pub(super) init_path: Option<PathBuf>,
    pub(super) cgroup_parent: Option<String>,
    pub(super) labels: Option<Vec<String>>,
    pub(super) shutdown_timeout: Option<u64>,
    pub(super) live_restore: Option<bool>,
    pub(super) registry_mirrors: Option<Vec<String>>,
    pub(super) insecure_registries: Option<Vec<String>>,
    pub(super) max_concurrent_downloads: Option<u32>,
    pub(super) max_concurrent_uploads: Option<u32>,
    pub(super) max_download_attempts: Option<u32>,
}

impl File {
    /// Reads a file; one that need not exist and does not is empty.
    pub(super) fn read(path: &Path, is_required: bool) -> Result<Self, SettingsError> {
        let name = || path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && !is_required => return Ok(Self::default()),
            Err(source) => return Err(SettingsError::Read { path: name(), source }),
        };
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(&text).map_err(|source| SettingsError::Parse { path: name(), source })
    }

    /// The settings that a flag and the file both give, as dockerd prints them.
    pub(super) fn conflicts(&self, flags: &Flags) -> Vec<String> {
        let mut names = Vec::new();
        macro_rules! one {
            ($($field:ident $name:literal)+) => {
                $(conflict(&mut names, $name, flags.$field.as_ref(), self.$field.as_ref());)+
            };
        }
        macro_rules! many {
            ($($field:ident $name:literal)+) => {
                $(conflict(&mut names, $name, given(&flags.$field), self.$field.as_ref());)+
            };
        }
        one! {
            data_root "data-root" exec_root "exec-root" pidfile "pidfile" group "group" debug "debug"
            log_level "log-level" log_format "log-format" bridge_name "bridge-name" bip "bip"
            fixed_cidr "fixed-cidr" bip6 "bip6" fixed_cidr_v6 "fixed-cidr-v6" default_gateway "default-gateway"
            default_gateway_v6 "default-gateway-v6" ip_forward "ip-forward" iptables "iptables"
            ip_forward_no_drop "ip-forward-no-drop" ip6tables "ip6tables" firewall_backend "firewall-backend"
            ip_masq "ip-masq" ip "ip" publish_default "publish-default" ipv6 "ipv6" icc "icc" mtu "mtu"
            userland_proxy "userland-proxy" dns_follow_host "dns-follow-host"
            dns_across_networks "dns-across-networks" log_driver "log-driver" init "init" init_path "init-path"
            cgroup_parent "cgroup-parent" shutdown_timeout "shutdown-timeout" live_restore "live-restore"
            max_concurrent_downloads "max-concurrent-downloads" max_concurrent_uploads "max-concurrent-uploads"
            max_download_attempts "max-download-attempts"
        }
        many! {
            hosts "hosts" default_address_pools "default-address-pools"
            default_network_opts "default-network-opts" avoid_subnets "avoid-subnets" dns "dns" dns_opts "dns-opts"
            dns_search "dns-search" dns_hosts "dns-hosts" log_opts "log-opts" labels "labels"
            registry_mirrors "registry-mirrors" insecure_registries "insecure-registries"
        }
        names
    }

    /// Adds the flags; none of them is given here, too.
    pub(super) fn or(self, flags: Flags) -> Result<Self, SettingsError> {
        let log_opts = given(&flags.log_opts).map(|options| log_options(options)).transpose()?;
        let network_opts = given(&flags.default_network_opts).map(|it| network_options(it)).transpose()?;
        let list = |labels: Vec<String>| Some(labels).filter(|labels| !labels.is_empty());
        Ok(Self {
            data_root: self.data_root.or(flags.data_root),
            exec_root: self.exec_root.or(flags.exec_root),
            hosts: self.hosts.or(given(&flags.hosts).cloned()),
            pidfile: self.pidfile.or(flags.pidfile),
            group: self.group.or(flags.group),
            debug: self.debug.or(flags.debug),
            log_level: self.log_level.or(flags.log_level),
            log_format: self.log_format.or(flags.log_format),
            bridge_name: self.bridge_name.or(flags.bridge_name),
            bip: self.bip.or(flags.bip),
            fixed_cidr: self.fixed_cidr.or(flags.fixed_cidr),
            bip6: self.bip6.or(flags.bip6),
            fixed_cidr_v6: self.fixed_cidr_v6.or(flags.fixed_cidr_v6),
            default_gateway: self.default_gateway.or(flags.default_gateway),
            default_gateway_v6: self.default_gateway_v6.or(flags.default_gateway_v6),
            default_network_opts: self.default_network_opts.or(network_opts),
            avoid_subnets: self.avoid_subnets.or(given(&flags.avoid_subnets).cloned()),
            ip_forward: self.ip_forward.or(flags.ip_forward),
            ip_forward_no_drop: self.ip_forward_no_drop.or(flags.ip_forward_no_drop),
            iptables: self.iptables.or(flags.iptables),
            ip6tables: self.ip6tables.or(flags.ip6tables),
            firewall_backend: self.firewall_backend.or(flags.firewall_backend),
            ip_masq: self.ip_masq.or(flags.ip_masq),
            ip: self.ip.or(flags.ip),
            publish_default: self.publish_default.or(flags.publish_default),
            default_address_pools: self
                .default_address_pools
                .or(given(&flags.default_address_pools).cloned()),
            ipv6: self.ipv6.or(flags.ipv6),
            icc: self.icc.or(flags.icc),
            mtu: self.mtu.or(flags.mtu),
            userland_proxy: self.userland_proxy.or(flags.userland_proxy),
            dns: self.dns.or(given(&flags.dns).cloned()),
            dns_opts: self.dns_opts.or(list(flags.dns_opts)),
            dns_search: self.dns_search.or(list(flags.dns_search)),
            dns_follow_host: self.dns_follow_host.or(flags.dns_follow_host),
            dns_across_networks: self.dns_across_networks.or(flags.dns_across_networks),
            dns_hosts: self.dns_hosts.or(given(&flags.dns_hosts).cloned()),
            log_driver: self.log_driver.or(flags.log_driver),
            log_opts: self.log_opts.or(log_opts),
            init: self.init.or(flags.init),
            init_path: self.init_path.or(flags.init_path),
            cgroup_parent: self.cgroup_parent.or(flags.cgroup_parent),
            labels: self.labels.or(list(flags.labels)),
            shutdown_timeout: self.shutdown_timeout.or(flags.shutdown_timeout),
            live_restore: self.live_restore.or(flags.live_restore),
            registry_mirrors: self.registry_mirrors.or(list(flags.registry_mirrors)),
            insecure_registries: self.insecure_registries.or(list(flags.insecure_registries)),
            max_concurrent_downloads: self.max_concurrent_downloads.or(flags.max_concurrent_downloads),
            max_concurrent_uploads: self.max_concurrent_uploads.or(flags.max_concurrent_uploads),
            max_download_attempts: self.max_download_attempts.or(flags.max_download_attempts),
        })
    }
}

/// A flag that may be repeated, when it is given at all.
fn given<T>(values: &Vec<T>) -> Option<&Vec<T>> {
    Some(values).filter(|values| !values.is_empty())
}

fn conflict<F: Debug, V: Debug>(names: &mut Vec<String>, name: &str, flag: Option<&F>, file: Option<&V>) {
    if let (Some(flag), Some(file)) = (flag, file) {
        names.push(format!("{name}: (from flag: {flag:?}, from file: {file:?})"));
    }
}

/// `bridge=label=value`, by driver.
fn network_options(texts: &[String]) -> Result<BTreeMap<String, BTreeMap<String, String>>, SettingsError> {
    let mut all: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for text in texts {
        let mut parts = text.splitn(3, '=').map(str::to_owned);
        let (Some(driver), Some(label), Some(value)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(SettingsError::NetworkOption { text: text.clone() });
        };
        all.entry(driver).or_default().insert(label, value);
    }
    Ok(all)
}

fn log_options(options: &[String]) -> Result<BTreeMap<String, String>, SettingsError> {
    let pair = |text: &String| {
        let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty())?;
        Some((name.to_owned(), value.to_owned()))
    };
    options
        .iter()
        .map(|text| pair(text).ok_or_else(|| SettingsError::LogOption { text: text.clone() }))
        .collect()
}
