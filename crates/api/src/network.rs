//! Networks and endpoints.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{StringMap, omit};

/// The settings of a container's endpoints when it is created.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkingConfig {
    /// The settings by network.
    pub endpoints_config: Option<BTreeMap<String, Option<EndpointSettings>>>,
}

/// An endpoint: what was asked for, and what it became.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EndpointSettings {
    /// The addresses that were asked for.
    #[serde(rename = "IPAMConfig")]
    pub ipam_config: Option<EndpointIpamConfig>,
    /// `container:alias`.
    pub links: Option<Vec<String>>,
    /// Further names on this network.
    pub aliases: Option<Vec<String>>,
    /// The MAC address.
    pub mac_address: String,
    /// The driver's options.
    pub driver_opts: Option<StringMap>,
    /// The network with the highest one has the default route; since API 1.48.
    pub gw_priority: i64,
    /// The id of the network.
    #[serde(rename = "NetworkID")]
    pub network_id: String,
    /// The id of the endpoint.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// The IPv4 gateway.
    pub gateway: String,
    /// The IPv4 address.
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    /// The length of its prefix.
    #[serde(rename = "IPPrefixLen")]
    pub ip_prefix_len: u8,
    /// The IPv6 gateway.
    #[serde(rename = "IPv6Gateway")]
    pub ipv6_gateway: String,
    /// The IPv6 address.
    #[serde(rename = "GlobalIPv6Address")]
    pub global_ipv6_address: String,
    /// The length of its prefix.
    #[serde(rename = "GlobalIPv6PrefixLen")]
    pub global_ipv6_prefix_len: u8,
    /// All names that the embedded name server knows it by; since API 1.44.
    #[serde(rename = "DNSNames")]
    pub dns_names: Option<Vec<String>>,
}

/// Addresses that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointIpamConfig {
    /// The IPv4 address.
    #[serde(rename = "IPv4Address", skip_serializing_if = "String::is_empty")]
    pub ipv4_address: String,
    /// The IPv6 address.
    #[serde(rename = "IPv6Address", skip_serializing_if = "String::is_empty")]
    pub ipv6_address: String,
    /// Link-local addresses.
    #[serde(rename = "LinkLocalIPs", skip_serializing_if = "omit::no_items")]
    pub link_local_ips: Option<Vec<String>>,
}

/// How the addresses of a network are managed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ipam {
    /// The driver; empty or `default` for the built-in one.
    pub driver: String,
    /// The driver's options.
    pub options: Option<StringMap>,
    /// The subnets.
    pub config: Option<Vec<IpamConfig>>,
}

/// One subnet of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IpamConfig {
    /// Address and prefix length.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subnet: String,
    /// The part from which free addresses are taken.
    #[serde(rename = "IPRange", skip_serializing_if = "String::is_empty")]
    pub ip_range: String,
    /// The gateway.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub gateway: String,
    /// Addresses that are never given out, by name.
    #[serde(rename = "AuxiliaryAddresses", skip_serializing_if = "omit::no_entries")]
    pub auxiliary_addresses: Option<StringMap>,
}

/// The name of the network whose configuration is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ConfigReference {
    /// The name.
    pub network: String,
}

/// The body of `POST /networks/create`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkCreateRequest {
    /// The driver; empty for `bridge`.
    pub driver: String,
    /// `local`, `global` or `swarm`; empty for the driver's.
    pub scope: String,
    /// Whether it has IPv4; since API 1.48.
    #[serde(rename = "EnableIPv4", skip_serializing_if = "Option::is_none")]
    pub enable_ipv4: Option<bool>,
    /// Whether it has IPv6.
    #[serde(rename = "EnableIPv6", skip_serializing_if = "Option::is_none")]
    pub enable_ipv6: Option<bool>,
    /// Its addresses.
    #[serde(rename = "IPAM")]
    pub ipam: Option<Ipam>,
    /// Whether nothing leads out of it.
    pub internal: bool,
    /// Whether containers may join a global network.
    pub attachable: bool,
    /// Whether it is the ingress network.
    pub ingress: bool,
    /// Whether it is only a configuration for others.
    pub config_only: bool,
    /// The network whose configuration is used.
    pub config_from: Option<ConfigReference>,
    /// The driver's options.
    pub options: Option<StringMap>,
    /// Labels.
    pub labels: Option<StringMap>,
    /// The name.
    pub name: String,
}

/// The answer of `POST /networks/create`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkCreateResponse {
    /// The id.
    pub id: String,
    /// A sentence for the user.
    pub warning: String,
}

/// A network, in `GET /networks` and `GET /networks/{id}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Network {
    /// The name.
    pub name: String,
    /// The id.
    pub id: String,
    /// RFC 3339 with nanoseconds.
    pub created: String,
    /// `local`, `global` or `swarm`.
    pub scope: String,
    /// The driver.
    pub driver: String,
    /// Whether it has IPv4.
    #[serde(rename = "EnableIPv4")]
    pub enable_ipv4: bool,
    /// Whether it has IPv6.
    #[serde(rename = "EnableIPv6")]
    pub enable_ipv6: bool,
    /// Its addresses.
    #[serde(rename = "IPAM")]
    pub ipam: Ipam,
    /// Whether nothing leads out of it.
    pub internal: bool,
    /// Whether containers may join a global network.
    pub attachable: bool,
    /// Whether it is the ingress network.
    pub ingress: bool,
    /// The network whose configuration is used.
    pub config_from: ConfigReference,
    /// Whether it is only a configuration for others.
    pub config_only: bool,
    /// Endpoints by container; absent in lists since API 1.28.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub containers: Option<BTreeMap<String, EndpointResource>>,
    /// The driver's options.
    pub options: Option<StringMap>,
    /// Labels.
    pub labels: Option<StringMap>,
    /// Other machines of a global network.
    #[serde(skip_serializing_if = "omit::no_items")]
    pub peers: Option<Vec<Peer>>,
    /// How many addresses are used; since API 1.52.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<NetworkStatus>,
}

/// An endpoint in the answer of `GET /networks/{id}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EndpointResource {
    /// The name of the container.
    pub name: String,
    /// The id of the endpoint.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// The MAC address.
    pub mac_address: String,
    /// The IPv4 address with its prefix length.
    #[serde(rename = "IPv4Address")]
    pub ipv4_address: String,
    /// The IPv6 address with its prefix length.
    #[serde(rename = "IPv6Address")]
    pub ipv6_address: String,
}

/// Another machine of a global network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Its address.
    #[serde(rename = "IP")]
    pub ip: String,
}

/// What a network has in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkStatus {
    /// Addresses.
    #[serde(rename = "IPAM")]
    pub ipam: IpamStatus,
}

/// What an address manager has in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IpamStatus {
    /// By subnet.
    pub subnets: BTreeMap<String, SubnetStatus>,
}

/// How many addresses of a subnet are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubnetStatus {
    /// In use, with gateway, network and broadcast address.
    #[serde(rename = "IPsInUse")]
    pub ips_in_use: u64,
    /// Free ones of the range from which addresses are taken.
    #[serde(rename = "DynamicIPsAvailable")]
    pub dynamic_ips_available: u64,
}

/// The body of `POST /networks/{id}/connect`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkConnectRequest {
    /// The name or id of the container.
    pub container: String,
    /// The settings of the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_config: Option<EndpointSettings>,
}

/// The body of `POST /networks/{id}/disconnect`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkDisconnectRequest {
    /// The name or id of the container.
    pub container: String,
    /// Whether it is done even if the container is not there.
    pub force: bool,
}

/// The body of `POST /networks/{id}/update`, a path of our own. What is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct NetworkUpdateRequest {
    /// Whether it has IPv4.
    #[serde(rename = "EnableIPv4", skip_serializing_if = "Option::is_none")]
    pub enable_ipv4: Option<bool>,
    /// Whether it has IPv6.
    #[serde(rename = "EnableIPv6", skip_serializing_if = "Option::is_none")]
    pub enable_ipv6: Option<bool>,
    /// The subnets of families that are switched on.
    #[serde(rename = "IPAM", skip_serializing_if = "Option::is_none")]
    pub ipam: Option<Ipam>,
    /// Options of the driver; `null` takes one back.
    pub options: BTreeMap<String, Option<String>>,
    /// Labels; `null` removes one.
    pub labels: BTreeMap<String, Option<String>>,
}

/// The answer of `POST /networks/prune`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworksPruneResponse {
    /// The names of the removed networks; `null` when there were none.
    pub networks_deleted: Option<Vec<String>>,
}
