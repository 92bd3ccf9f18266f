//! Networks and endpoints.

use std::collections::BTreeMap;
use std::net::IpAddr;

use api::network::{
    ConfigReference, EndpointIpamConfig, EndpointResource, EndpointSettings, Ipam, IpamConfig, IpamStatus,
    Network as ApiNetwork, NetworkCreateRequest, NetworkStatus, NetworkUpdateRequest, SubnetStatus,
};
use api::version::Version;
use engine::cnm::ipam::PoolStatus;
use engine::cnm::spec::{NetworkForm, NetworkUpdateForm, PoolForm};
use engine::cnm::{Endpoint, Family, IpamDriver, Network, Subnet};
use engine::{Connection, EndpointSpec, LiveConnection};
use jiff::Timestamp;

use super::mount::some;
use crate::http::answer::Refusal;

/// What is asked of an endpoint. Its addresses are checked by the network.
pub(crate) fn endpoint(settings: EndpointSettings, version: Version) -> EndpointSpec {
    let EndpointSettings {
        ipam_config,
        links,
        aliases,
        mac_address,
        driver_opts,
        gw_priority,
        // What follows says what an endpoint became; clients send it empty or as they last saw it.
        network_id: _,
        endpoint_id: _,
        gateway: _,
        ip_address: _,
        ip_prefix_len: _,
        ipv6_gateway: _,
        global_ipv6_address: _,
        global_ipv6_prefix_len: _,
        dns_names: _,
    } = settings;
    let EndpointIpamConfig { ipv4_address, ipv6_address, link_local_ips } = ipam_config.unwrap_or_default();
    let priority = i32::try_from(gw_priority).unwrap_or(if gw_priority < 0 { i32::MIN } else { i32::MAX });
    EndpointSpec {
        v4: ipv4_address,
        v6: ipv6_address,
        link_local: link_local_ips.unwrap_or_default(),
        mac: mac_address,
        aliases: aliases.unwrap_or_default(),
        links: links.unwrap_or_default(),
        driver_options: driver_opts.unwrap_or_default(),
        gateway_priority: if version < Version::v1(48) { 0 } else { priority },
    }
}

/// What `inspect` shows of a connection.
pub(crate) fn connection(connection: &Connection) -> EndpointSettings {
    let Connection { spec, dns_names, network, live } = connection;
    let EndpointSpec { v4, v6, link_local, mac, aliases, links, driver_options, gateway_priority } = spec;
    let list = |list: &Vec<String>| Some(list.clone()).filter(|list| !list.is_empty());
    let ipam = EndpointIpamConfig {
        ipv4_address: v4.clone(),
        ipv6_address: v6.clone(),
        link_local_ips: list(link_local),
    };
    let mut shown = EndpointSettings {
        ipam_config: Some(ipam).filter(|ipam| *ipam != EndpointIpamConfig::default()),
        links: list(links),
        aliases: list(aliases),
        mac_address: mac.clone(),
        driver_opts: some(driver_options.clone()),
        gw_priority: i64::from(*gateway_priority),
        network_id: network.map(|id| id.to_string()).unwrap_or_default(),
        dns_names: list(dns_names),
        ..EndpointSettings::default()
    };
    if let Some(live) = live {
        show_live(live, &mut shown);
    }
    shown
}

fn show_live(live: &LiveConnection, shown: &mut EndpointSettings) {
    let LiveConnection { endpoint, mac, v4, v6, gateway_v4, gateway_v6 } = live;
    let text = |gateway: &Option<IpAddr>| gateway.map(|address| address.to_string()).unwrap_or_default();
    shown.endpoint_id = endpoint.to_string();
    shown.mac_address = mac.map(|mac| mac.to_string()).unwrap_or_default();
    shown.gateway = text(gateway_v4);
    shown.ipv6_gateway = text(gateway_v6);
    if let Some((address, prefix)) = v4 {
        shown.ip_address = address.to_string();
        shown.ip_prefix_len = *prefix;
    }
    if let Some((address, prefix)) = v6 {
        shown.global_ipv6_address = address.to_string();
        shown.global_ipv6_prefix_len = *prefix;
    }
}

/// Reads a network to create.
pub(crate) fn form(request: NetworkCreateRequest, version: Version) -> Result<NetworkForm, Refusal> {
    let NetworkCreateRequest {
        name,
        driver,
        scope,
        enable_ipv4,
        enable_ipv6,
        ipam,
        internal,
        attachable,
        ingress,
        config_only,
        config_from,
        options,
        labels,
    } = request;
    if ingress || scope == "swarm" {
        let text = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.";
        return Err(Refusal::new(hyper::StatusCode::FORBIDDEN, text));
    }
    let Ipam { driver: ipam_driver, options: ipam_options, config } = ipam.unwrap_or_default();
    Ok(NetworkForm {
        name,
        driver,
        v4: enable_ipv4.filter(|_| version >= Version::v1(48)),
        v6: enable_ipv6,
        ipam_driver,
        ipam_options: ipam_options.unwrap_or_default(),
        pools: config.unwrap_or_default().into_iter().map(pool).collect(),
        internal,
        attachable,
        scope,
        config_only,
        config_from: config_from.unwrap_or_default().network,
        options: options.unwrap_or_default(),
        labels: labels.unwrap_or_default(),
    })
}

/// Reads what a network is to become.
pub(crate) fn update(request: NetworkUpdateRequest) -> NetworkUpdateForm {
    let NetworkUpdateRequest { enable_ipv4, enable_ipv6, ipam, options, labels } = request;
    let pools = ipam.and_then(|ipam| ipam.config).unwrap_or_default().into_iter().map(pool).collect();
    NetworkUpdateForm { v4: enable_ipv4, v6: enable_ipv6, pools, options, labels }
}

fn pool(config: IpamConfig) -> PoolForm {
    let IpamConfig { subnet, ip_range, gateway, auxiliary_addresses } = config;
    PoolForm { subnet, range: ip_range, gateway, auxiliary: auxiliary_addresses.unwrap_or_default() }
}

/// What is shown of a network, without its endpoints.
pub(crate) fn network(network: &Network) -> ApiNetwork {
    let Network { id, name, driver, ipam, internal, attachable, .. } = network;
    let Network { options, labels, config_from, created, .. } = network;
    let created = Timestamp::from_nanosecond(i128::from(*created)).ok();
    ApiNetwork {
        name: name.clone(),
        id: id.to_string(),
        created: super::time::text(created),
        scope: "local".to_owned(),
        driver: driver.name().to_owned(),
        enable_ipv4: network.has_family(Family::V4),
        enable_ipv6: network.has_family(Family::V6),
        ipam: Ipam {
            driver: ipam_driver(network).to_owned(),
            options: Some(ipam.options.clone()).filter(|options| !options.is_empty()),
            config: Some(pools(network)),
        },
        internal: *internal,
        attachable: *attachable,
        ingress: false,
        config_from: ConfigReference { network: config_from.clone().unwrap_or_default() },
        config_only: network.template().is_some(),
        containers: None,
        options: Some(options.clone()),
        labels: Some(labels.clone()),
        peers: None,
        status: None,
    }
}

fn ipam_driver(network: &Network) -> &str {
    match (network.template(), network.ipam.driver) {
        (Some(template), _) if !template.ipam_driver.is_empty() => &template.ipam_driver,
        (None, IpamDriver::Null { .. }) => "null",
        (Some(_), _) | (None, IpamDriver::Default) => "default",
    }
}

/// The pools of a network. One without addresses has all there are, in Docker's words.
fn pools(network: &Network) -> Vec<IpamConfig> {
    if let Some(template) = network.template() {
        return template.pools.iter().cloned().map(wanted).collect();
    }
    let everything =
        |family| IpamConfig { subnet: format!("{}/0", Family::unspecified(family)), ..IpamConfig::default() };
    match network.ipam.driver {
        IpamDriver::Default => network.ipam.all().map(subnet).collect(),
        IpamDriver::Null { .. } => {
            Family::BOTH.into_iter().filter(|it| network.has_family(*it)).map(everything).collect()
        }
    }
}

fn wanted(form: PoolForm) -> IpamConfig {
    let PoolForm { subnet, range, gateway, auxiliary } = form;
    IpamConfig { subnet, ip_range: range, gateway, auxiliary_addresses: some(auxiliary) }
}

/// How full the pools of a network are.
pub(crate) fn status(pools: &[PoolStatus]) -> NetworkStatus {
    let one = |PoolStatus { pool, in_use, available }: &PoolStatus| {
        let status = SubnetStatus { ips_in_use: *in_use, dynamic_ips_available: *available };
        (pool.to_string(), status)
    };
    NetworkStatus { ipam: IpamStatus { subnets: pools.iter().map(one).collect() } }
}

fn subnet(subnet: &Subnet) -> IpamConfig {
    let Subnet { pool, range, gateway, auxiliary } = subnet;
    let auxiliary: BTreeMap<_, _> =
        auxiliary.iter().map(|(name, ip)| (name.clone(), ip.to_string())).collect();
    IpamConfig {
        subnet: pool.to_string(),
        ip_range: range.map(|range| range.to_string()).unwrap_or_default(),
        gateway: gateway.map(|gateway| gateway.to_string()).unwrap_or_default(),
        auxiliary_addresses: some(auxiliary),
    }
}

/// What is shown of an endpoint within its network.
pub(crate) fn resource(name: &str, endpoint: &Endpoint) -> EndpointResource {
    EndpointResource {
        name: name.to_owned(),
        endpoint_id: endpoint.id.to_string(),
        mac_address: endpoint.mac.map(|mac| mac.to_string()).unwrap_or_default(),
        ipv4_address: endpoint.v4.map(|address| address.to_string()).unwrap_or_default(),
        ipv6_address: endpoint.v6.map(|address| address.to_string()).unwrap_or_default(),
    }
}
