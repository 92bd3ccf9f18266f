//! The networks that every engine has: `bridge`, `host`, `none`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cnm::{
    Model,
    controller::Request,
    spec::{InvalidNetworkError, NetworkForm, NetworkSpec, PoolForm},
};
use ipnet::IpNet;

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
    pub address: Option<IpNet>,
    /// Where addresses are taken from (`--fixed-cidr`).
    pub range: Option<IpNet>,
    /// In bytes (`--mtu`).
    pub mtu: Option<u32>,
    /// Whether containers may talk to one another (`--icc`).
    pub inter_container: Option<bool>,
    /// Whether their addresses are hidden from elsewhere (`--ip-masq`).
    pub masquerade: Option<bool>,
    /// Where ports are published that name no address (`--ip`).
    pub host_binding: Option<IpAddr>,
    /// Whether it has IPv6 (`--ipv6`).
    pub v6: bool,
    /// Its own IPv6 address with the prefix length (`--bip6`).
    pub address6: Option<IpNet>,
    /// Where IPv6 addresses are taken from (`--fixed-cidr-v6`).
    pub range6: Option<IpNet>,
    /// Where default routes lead, if not to the bridge (`--default-gateway`, `--default-gateway-v6`).
    pub gateway: Option<Ipv4Addr>,
    pub gateway6: Option<Ipv6Addr>,
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

/// What gives the default network these settings.
pub(crate) fn renewal(default: &DefaultNetwork) -> Result<Request, InvalidNetworkError> {
    Ok(Request::RenewNetwork(NetworkSpec::predefined_bridge(form(default))?))
}

/// What the default network keeps against its settings, a sentence for each.
pub(crate) fn kept(model: &Model, default: &DefaultNetwork) -> Vec<String> {
    let Some(network) = model.network_by_name("bridge") else { return Vec::new() };
    let wanted = form(default).pools;
    let differs = |pool: &&PoolForm| {
        !network.ipam.all().any(|subnet| {
            let same = |text: &str, is: Option<String>| text.is_empty() || is.as_deref() == Some(text);
            pool.subnet == subnet.pool.to_string()
                && same(&pool.range, subnet.range.map(|range| range.to_string()))
                && same(&pool.gateway, subnet.gateway.map(|gateway| gateway.to_string()))
        })
    };
    let names: Vec<_> = model.endpoints_of_network(&network.id).map(|it| it.name.clone()).collect();
    let has: Vec<_> = network.ipam.all().map(|subnet| subnet.pool.to_string()).collect();
    let sentence = |pool: &PoolForm| {
        let (has, names) = (has.join(" and "), names.join(", "));
        format!(
            "the default network keeps {has} and does not become {}: addresses of {names} are in use",
            pool.subnet
        )
    };
    wanted.iter().filter(differs).filter(|_| !names.is_empty()).map(sentence).collect()
}

fn form(default: &DefaultNetwork) -> NetworkForm {
    let DefaultNetwork { link, mtu, inter_container, masquerade, host_binding, v6, .. } = default;
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
    let DefaultNetwork { address, range, gateway, address6, range6, gateway6, .. } = default;
    let v4 = pool(*address, *range, ("DefaultGatewayIPv4", gateway.map(IpAddr::V4)));
    let six = pool(*address6, *range6, ("DefaultGatewayIPv6", gateway6.map(IpAddr::V6))).filter(|_| *v6);
    let pools = v4.into_iter().chain(six).collect();
    NetworkForm { options, pools, v6: Some(*v6), ..NetworkForm::default() }
}

/// The pool of one family; a range alone is all of it. None if nothing is said.
fn pool(
    address: Option<IpNet>,
    range: Option<IpNet>,
    (name, gateway): (&str, Option<IpAddr>),
) -> Option<PoolForm> {
    let subnet = address.or(range).map(|net| net.trunc().to_string());
    if subnet.is_none() && gateway.is_none() {
        return None;
    }
    Some(PoolForm {
        subnet: subnet.unwrap_or_default(),
        range: range.map(|range| range.to_string()).unwrap_or_default(),
        gateway: address.map(|address| address.addr().to_string()).unwrap_or_default(),
        auxiliary: gateway.map(|gateway| (name.to_owned(), gateway.to_string())).into_iter().collect(),
    })
}
