//! The networks that every engine has: `bridge`, `host`, `none`.

use std::collections::BTreeMap;

use cnm::{
    Model,
    controller::Request,
    spec::{InvalidNetworkError, NetworkForm, NetworkSpec, PoolForm},
};

/// The default network's link where nothing else is said.
pub const DEFAULT_LINK: &str = "p0";
const LINK: &str = "com.docker.network.bridge.name";
const MTU: &str = "com.docker.network.driver.mtu";
const INTER_CONTAINER: &str = "com.docker.network.bridge.enable_icc";
const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
const HOST_BINDING: &str = "com.docker.network.bridge.host_binding_ipv4";

/// How the engine wants its default network; what is absent is as the driver has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefaultNetwork {
    /// The bridge's name (`--bridge-name`).
    pub link: Option<String>,
    /// Its own address with the prefix length (`--bip`).
    pub address: Option<ipnet::IpNet>,
    /// Where addresses are taken from (`--fixed-cidr`).
    pub range: Option<ipnet::IpNet>,
    /// In bytes (`--mtu`).
    pub mtu: Option<u32>,
    /// Whether containers may talk to one another (`--icc`).
    pub inter_container: Option<bool>,
    /// Whether their addresses are hidden from elsewhere (`--ip-masq`).
    pub masquerade: Option<bool>,
    /// Where ports are published that name no address (`--ip`).
    pub host_binding: Option<std::net::IpAddr>,
    /// Whether it has IPv6 (`--ipv6`).
    pub v6: bool,
}

/// What is missing of the three.
pub(crate) fn missing(model: &Model, default: &DefaultNetwork) -> Result<Vec<Request>, InvalidNetworkError> {
    let absent = |name: &str| model.network_by_name(name).is_none();
    let mut requests = Vec::new();
    if absent("none") {
        requests.push(Request::CreateNetwork(NetworkSpec::predefined_none()));
    }
    if absent("host") {
        requests.push(Request::CreateNetwork(NetworkSpec::predefined_host()));
    }
    if absent("bridge") {
        requests.push(Request::CreateNetwork(NetworkSpec::predefined_bridge(form(default))?));
    }
    Ok(requests)
}

fn form(default: &DefaultNetwork) -> NetworkForm {
    let DefaultNetwork { link, address, range, mtu, inter_container, masquerade, host_binding, v6 } = default;
    let link = link.clone().unwrap_or_else(|| DEFAULT_LINK.to_owned());
    let given = [
        (LINK, Some(link)),
        (MTU, mtu.map(|mtu| mtu.to_string())),
        (INTER_CONTAINER, inter_container.map(|on| on.to_string())),
        (MASQUERADE, masquerade.map(|on| on.to_string())),
        (HOST_BINDING, host_binding.map(|address| address.to_string())),
    ];
    let options: BTreeMap<String, String> =
        given.into_iter().filter_map(|(label, value)| Some((label.to_owned(), value?))).collect();
    let pool = address.map(|address| PoolForm {
        subnet: address.trunc().to_string(),
        range: range.map(|range| range.to_string()).unwrap_or_default(),
        gateway: address.addr().to_string(),
        auxiliary: BTreeMap::new(),
    });
    NetworkForm { options, pools: pool.into_iter().collect(), v6: Some(*v6), ..NetworkForm::default() }
}
