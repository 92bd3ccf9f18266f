//! From the daemon's settings to what the engine's parts are told.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use anyhow::Context;
use engine::Config;
use engine::cnm::controller::{DefaultPool, Defaults};
use engine::net::{self, DefaultNetwork};

use crate::settings::{AddressPool, ContainerSettings, NetworkSettings, Settings, Subnet};

/// What the containers' part is told.
pub(crate) fn engine(settings: &Settings) -> Config {
    let ContainerSettings {
        dns,
        dns_search,
        dns_opts,
        dns_follow_host,
        dns_across_networks,
        log_driver,
        log_opts,
        init,
        init_path,
        cgroup_parent,
    } = settings.containers.clone();
    let shim = PathBuf::from("/proc/self/exe");
    let mut config = Config::new(settings.data_root.clone(), settings.exec_root.clone(), shim);
    config.init = init_path.or_else(installed_init);
    config.init_by_default = init;
    config.log_driver = log_driver;
    config.log_options = log_opts;
    config.dns_servers = dns;
    config.dns_search = dns_search;
    config.dns_options = dns_opts;
    config.dns_follow_host = dns_follow_host;
    config.dns_across_networks = dns_across_networks;
    config.network_options = settings.network.options.clone();
    if !cgroup_parent.is_empty() {
        config.cgroup_parent = cgroup_parent;
    }
    config
}

/// Where certificates of registries are looked for, ours first.
const CERTIFICATES: [&str; 2] = ["/etc/tombolo/certs.d", "/etc/docker/certs.d"];

/// How registries are reached.
pub(crate) fn registry(settings: &Settings) -> engine::image::RegistrySettings {
    engine::image::RegistrySettings {
        certificates: CERTIFICATES.map(PathBuf::from).to_vec(),
        ..settings.registries.clone()
    }
}

/// The init program that is installed, by Docker's name or Debian's. It must be static: a container has
/// libraries of its own, or none.
fn installed_init() -> Option<PathBuf> {
    const NAMES: [&str; 2] = ["docker-init", "tini-static"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name)));
    places.find(|place| place.is_file())
}

/// What the network's part is told.
pub(crate) fn network(settings: &Settings) -> anyhow::Result<net::Config> {
    let NetworkSettings { bridge_name, bip, fixed_cidr, ip_masq, ip, ipv6, icc, mtu, pools, .. } =
        settings.network.clone();
    let NetworkSettings {
        bip6, fixed_cidr_v6, default_gateway, default_gateway_v6, avoid, dns_hosts, ..
    } = settings.network.clone();
    let subnet = |subnet: Option<Subnet>| {
        let text = subnet.map(|subnet| subnet.to_string());
        text.map(|text| text.parse().with_context(|| format!("invalid subnet {text}"))).transpose()
    };
    Ok(net::Config {
        state: settings.data_root.join("network"),
        run: settings.exec_root.clone(),
        defaults: defaults(&pools, &avoid)?,
        publish: settings.network.publish,
        default_network: DefaultNetwork {
            link: Some(bridge_name),
            address: subnet(bip)?,
            range: subnet(fixed_cidr)?,
            address6: subnet(bip6)?,
            range6: subnet(fixed_cidr_v6)?,
            gateway: default_gateway,
            gateway6: default_gateway_v6,
            mtu,
            inter_container: Some(icc),
            masquerade: Some(ip_masq),
            host_binding: ip,
            v6: ipv6,
        },
        dns_hosts: dns_hosts.into_iter().map(|host| host.0).collect(),
    })
}

/// The pools of the settings; the built-in ones of a family for which there are none, and for neither `None`.
fn defaults(pools: &[AddressPool], avoid: &[Subnet]) -> anyhow::Result<Option<Defaults>> {
    if pools.is_empty() && avoid.is_empty() {
        return Ok(None);
    }
    let mut defaults = Defaults::new(global_id());
    for is_v4 in [true, false] {
        if pools.iter().any(|pool| pool.base.address.is_ipv4() == is_v4) {
            defaults.pools.retain(|pool| pool.base.addr().is_ipv4() != is_v4);
        }
    }
    for AddressPool { base, size } in pools {
        let base = base.to_string();
        let base = base.parse().with_context(|| format!("invalid address pool {base}"))?;
        defaults.pools.push(DefaultPool { base, length: *size });
    }
    for subnet in avoid {
        let text = subnet.to_string();
        defaults.avoid.insert(text.parse().with_context(|| format!("invalid subnet {text}"))?);
    }
    Ok(Some(defaults))
}

/// The 40 bits that make this machine's unique local prefix its own (RFC 4193), from its id.
fn global_id() -> [u8; 5] {
    let mut hasher = DefaultHasher::new();
    std::fs::read_to_string("/etc/machine-id").unwrap_or_default().hash(&mut hasher);
    let [a, b, c, d, e, _, _, _] = hasher.finish().to_be_bytes();
    [a, b, c, d, e]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_replace_those_of_their_family() {
        assert_eq!(defaults(&[], &[]).expect("none"), None);
        let pool = "base=10.0.0.0/8,size=24".parse().expect("a pool");
        let pools = defaults(&[pool], &[]).expect("pools").expect("some").pools;
        let v4: Vec<String> = pools
            .iter()
            .filter(|pool| pool.base.addr().is_ipv4())
            .map(|pool| pool.base.to_string())
            .collect();
        assert_eq!(v4, ["10.0.0.0/8"]);
        assert!(pools.iter().any(|pool| pool.base.addr().is_ipv6()), "the built-in one for IPv6 stays");
    }
}
