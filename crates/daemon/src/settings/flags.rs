//! The flags of `tombolo daemon`, with dockerd's names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use clap::{ArgAction, Parser};
use engine::cnm::driver::bridge::PublishDefault;

use super::{AddressPool, DnsHost, Format, Host, Level, Subnet};

/// The engine: containers, networks and images behind Docker's API on a unix socket.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "tombolo daemon", bin_name = "tombolo daemon", version, max_term_width = 110)]
pub(crate) struct Flags {
    /// Configuration file [default: /etc/tombolo/daemon.json if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config_file: Option<PathBuf>,
    /// Directory of what outlives a restart of the machine [default: /var/lib/tombolo]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_root: Option<PathBuf>,
    /// Directory of what does not [default: /run/tombolo]
    #[arg(long, value_name = "DIR")]
    pub(crate) exec_root: Option<PathBuf>,
    /// Sockets to listen on: unix:///path or fd:// [default: unix:///run/tombolo/tombolo.sock]
    #[arg(short = 'H', long = "host", value_name = "ADDRESS")]
    pub(crate) hosts: Vec<Host>,
    /// File that holds the engine's process id [default: /run/tombolo/tombolo.pid]
    #[arg(short = 'p', long, value_name = "FILE")]
    pub(crate) pidfile: Option<PathBuf>,
    /// Group that may use the socket [default: tombolo if it exists]
    #[arg(short = 'G', long)]
    pub(crate) group: Option<String>,
    /// Log everything
    #[arg(short = 'D', long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(crate) debug: Option<bool>,
    /// The least important lines to log [default: info]
    #[arg(short = 'l', long)]
    pub(crate) log_level: Option<Level>,
    /// How a line of the log looks [default: text]
    #[arg(long)]
    pub(crate) log_format: Option<Format>,
    /// Bridge of the default network [default: p0]
    #[arg(long, value_name = "NAME")]
    pub(crate) bridge_name: Option<String>,
    /// IPv4 address and subnet of that bridge
    #[arg(long, value_name = "CIDR")]
    pub(crate) bip: Option<Subnet>,
    /// Part of its IPv4 subnet that containers get addresses from; all of it if there is no --bip
    #[arg(long, value_name = "CIDR")]
    pub(crate) fixed_cidr: Option<Subnet>,
    /// IPv6 address and subnet of that bridge
    #[arg(long, value_name = "CIDR")]
    pub(crate) bip6: Option<Subnet>,
    /// Part of its IPv6 subnet that containers get addresses from; all of it if there is no --bip6
    #[arg(long, value_name = "CIDR")]
    pub(crate) fixed_cidr_v6: Option<Subnet>,
    /// Where its containers' IPv4 default route leads [default: the bridge]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) default_gateway: Option<Ipv4Addr>,
    /// Where its containers' IPv6 default route leads [default: the bridge]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) default_gateway_v6: Option<Ipv6Addr>,
    /// Options of new networks that do not say otherwise: bridge=label=value
    #[arg(long = "default-network-opt", value_name = "OPTION")]
    pub(crate) default_network_opts: Vec<String>,
    /// Subnets that networks are not cut from, besides those of the host's routes and addresses
    #[arg(long = "avoid-subnet", value_name = "CIDR")]
    pub(crate) avoid_subnets: Vec<Subnet>,
    /// Accepted for compatibility: forwarding is switched on for networks that need it
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(crate) ip_forward: Option<bool>,
    /// Accepted for compatibility: policies of chains are never changed
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(crate) ip_forward_no_drop: Option<bool>,
    /// Accepted for compatibility: the firewall is a table of nftables
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(crate) iptables: Option<bool>,
    /// The same for IPv6
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(crate) ip6tables: Option<bool>,
    /// Accepted for compatibility: nftables
    #[arg(long, value_name = "NAME")]
    pub(crate) firewall_backend: Option<String>,
    /// Hide the addresses of containers of the default network from elsewhere [default: true]
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(crate) ip_masq: Option<bool>,
    /// Address of the host for published ports that name none [default: all of them]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ip: Option<IpAddr>,
    /// Who reaches published ports that name no address: all, lan or localhost [default: all]
    #[arg(long, value_name = "WHO", value_parser = publish_default)]
    pub(crate) publish_default: Option<PublishDefault>,
    /// Subnets that networks are cut from: base=10.10.0.0/16,size=24
    #[arg(long = "default-address-pool", value_name = "POOL")]
    pub(crate) default_address_pools: Vec<AddressPool>,
    /// Give the default network IPv6
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(crate) ipv6: Option<bool>,
    /// Let containers of the default network reach one another [default: true]
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(crate) icc: Option<bool>,
    /// MTU of the default network [default: 1500]
    #[arg(long)]
    pub(crate) mtu: Option<u32>,
    /// Accepted for compatibility: published ports need no process here
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(crate) userland_proxy: Option<bool>,
    /// Name servers of containers
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) dns: Vec<IpAddr>,
    /// Resolver options of containers
    #[arg(long = "dns-opt", value_name = "OPTION")]
    pub(crate) dns_opts: Vec<String>,
    /// Search domains of containers
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) dns_search: Vec<String>,
    /// Give containers of the default network, too, a resolver that follows the host's servers [default: true]
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(crate) dns_follow_host: Option<bool>,
    /// Let containers find NAME.NETWORK on networks that they are not on
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(crate) dns_across_networks: Option<bool>,
    /// Addresses where the host asks for NAME.NETWORK; the port is 53 if none is named
    #[arg(long = "dns-host", value_name = "ADDRESS")]
    pub(crate) dns_hosts: Vec<DnsHost>,
    /// Log driver of containers [default: json-file]
    #[arg(long, value_name = "DRIVER")]
    pub(crate) log_driver: Option<String>,
    /// Log options of containers: name=value
    #[arg(long = "log-opt", value_name = "OPTION")]
    pub(crate) log_opts: Vec<String>,
    /// Run a small init in every container
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(crate) init: Option<bool>,
    /// Program of that init
    #[arg(long, value_name = "FILE")]
    pub(crate) init_path: Option<PathBuf>,
    /// Cgroup above all containers
    #[arg(long, value_name = "CGROUP")]
    pub(crate) cgroup_parent: Option<String>,
    /// Labels of the engine: name=value
    #[arg(long = "label", value_name = "LABEL")]
    pub(crate) labels: Vec<String>,
    /// Accepted for compatibility: containers outlive the engine
    #[arg(long, value_name = "SECONDS")]
    pub(crate) shutdown_timeout: Option<u64>,
    /// Accepted for compatibility: containers always survive the engine
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(crate) live_restore: Option<bool>,
    /// Servers that are asked first for images of docker.io: https://name
    #[arg(long = "registry-mirror", value_name = "ADDRESS")]
    pub(crate) registry_mirrors: Vec<String>,
    /// Registries that may lack TLS or known certificates: name:port, or a subnet
    #[arg(long = "insecure-registry", value_name = "REGISTRY")]
    pub(crate) insecure_registries: Vec<String>,
    /// Layers that are pulled at the same time [default: 3]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_concurrent_downloads: Option<u32>,
    /// Layers that are pushed at the same time [default: 5]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_concurrent_uploads: Option<u32>,
    /// How often a layer is asked for that does not come [default: 5]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_download_attempts: Option<u32>,
    /// Say whether the settings are sound, and end
    #[arg(long, action = ArgAction::SetTrue)]
    pub(crate) validate: bool,
}

fn publish_default(word: &str) -> Result<PublishDefault, &'static str> {
    PublishDefault::named(word).ok_or("all, lan and localhost are known")
}
