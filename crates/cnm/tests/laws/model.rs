//! Random models: a few networks, sandboxes and endpoints, in many constellations.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use cnm::{
    Attachment, Delta, DnsSettings, Driver, Endpoint, EndpointId, EndpointSettings, Ipam, Mac, Model,
    Namespace, Network, NetworkId, PortBinding, Proto, Sandbox, SandboxId, Subnet,
    access::{Access, Allow},
    driver::bridge::{Config, Egress, GatewayMode},
};
use proptest::prelude::*;

const NETWORKS: u8 = 3;
const SANDBOXES: u8 = 3;

/// What a random model is made of. Entities have the same ids in every model,
/// so that two models share some and differ in others.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    networks: Vec<Option<NetworkPlot>>,
    sandboxes: Vec<Option<SandboxPlot>>,
    /// By network and sandbox.
    endpoints: Vec<Option<EndpointPlot>>,
}

#[derive(Clone, Debug)]
struct NetworkPlot {
    /// One of two pools, so that networks change theirs.
    pool: u8,
    families: (bool, bool),
    internal: bool,
    inter_container: bool,
    masquerade: bool,
    mtu: u32,
    modes: (GatewayMode, GatewayMode),
    /// A trusted link, a named source, somebody else's gateway.
    special: (bool, bool, bool),
    egress: Egress,
    listed: bool,
}

#[derive(Clone, Debug)]
struct SandboxPlot {
    namespace: u8,
    /// Kind and number of each published port.
    ports: Vec<(u8, u8)>,
    /// Lines of an allow-list.
    allow: Vec<&'static str>,
}

#[derive(Clone, Debug)]
struct EndpointPlot {
    joined: bool,
    address: u8,
    priority: i32,
    link_local: bool,
}

/// A random model.
pub(crate) fn plot() -> impl Strategy<Value = Plot> {
    let flags = (any::<bool>(), prop::bool::weighted(0.2), any::<bool>(), any::<bool>());
    let mode = || prop::sample::select(vec![GatewayMode::Nat, GatewayMode::Unprotected, GatewayMode::Routed]);
    let special = (prop::bool::weighted(0.3), prop::bool::weighted(0.3), prop::bool::weighted(0.2));
    let link = (prop::sample::select(vec![1280, 1500, 9000]), (mode(), mode()), special);
    let egress = prop::sample::select(vec![Egress::Any, Egress::Internet, Egress::None]);
    let network = (0..2u8, 0..3u8, flags, link, (egress, prop::bool::weighted(0.3)));
    let network = network.prop_map(|(pool, families, flags, (mtu, modes, special), (egress, listed))| {
        let families = [(true, false), (false, true), (true, true)][usize::from(families)];
        let (_, internal, inter_container, masquerade) = flags;
        let modes = if internal { (GatewayMode::Isolated, modes.1) } else { modes };
        NetworkPlot {
            pool,
            families,
            internal,
            inter_container,
            masquerade,
            mtu,
            modes,
            special,
            egress,
            listed,
        }
    });
    let ports = prop::collection::vec((0..7u8, 0..8u8), 0..4);
    let lines = vec!["10.0.0.0/8", "10.1.0.0/16", "80=wg0", "8000=2001:db8::/62", "198.51.100.0/25"];
    let allow = prop::collection::vec(prop::sample::select(lines), 0..3);
    let sandbox = (0..6u8, ports, allow);
    let sandbox = sandbox.prop_map(|(namespace, ports, allow)| SandboxPlot { namespace, ports, allow });
    let endpoint = (prop::bool::weighted(0.8), 2..5u8, -1..2i32, prop::bool::weighted(0.2));
    let endpoint = endpoint.prop_map(|(joined, address, priority, link_local)| EndpointPlot {
        joined,
        address,
        priority,
        link_local,
    });
    let many = |count: u8| usize::from(count)..=usize::from(count);
    (
        prop::collection::vec(prop::option::weighted(0.8, network), many(NETWORKS)),
        prop::collection::vec(prop::option::weighted(0.8, sandbox), many(SANDBOXES)),
        prop::collection::vec(prop::option::weighted(0.6, endpoint), many(NETWORKS * SANDBOXES)),
    )
        .prop_map(|(networks, sandboxes, endpoints)| Plot { networks, sandboxes, endpoints })
}

impl Plot {
    /// This plot with one entity of another one in place of its own.
    pub(crate) fn with_one_of(&self, other: &Self, which: usize) -> Self {
        let mut plot = self.clone();
        let (networks, sandboxes) = (usize::from(NETWORKS), usize::from(SANDBOXES));
        match which % (networks + sandboxes + networks * sandboxes) {
            n if n < networks => plot.networks[n].clone_from(&other.networks[n]),
            n if n < networks + sandboxes => {
                plot.sandboxes[n - networks].clone_from(&other.sandboxes[n - networks]);
            }
            n => {
                let n = n - networks - sandboxes;
                plot.endpoints[n].clone_from(&other.endpoints[n]);
            }
        }
        plot
    }

    /// The model.
    pub(crate) fn model(&self) -> Model {
        let mut delta = Delta::default();
        for (n, plot) in (0..).zip(&self.networks) {
            let network = plot.as_ref().map(|plot| Arc::new(network(n, plot)));
            delta.networks.extend(network.map(|network| (network.id, Some(network))));
        }
        for (s, plot) in (0..).zip(&self.sandboxes) {
            let sandbox = plot.as_ref().map(|plot| Arc::new(sandbox(s, plot)));
            delta.sandboxes.extend(sandbox.map(|sandbox| (sandbox.id, Some(sandbox))));
        }
        for ((n, s), plot) in
            (0..NETWORKS).flat_map(|n| (0..SANDBOXES).map(move |s| (n, s))).zip(&self.endpoints)
        {
            let Some((plot, network)) = plot.as_ref().zip(self.networks[usize::from(n)].as_ref()) else {
                continue;
            };
            let namespace = self.sandboxes[usize::from(s)].as_ref().map(|sandbox| sandbox.namespace);
            let joined = plot.joined && namespace.is_some_and(|namespace| namespace != 5);
            let endpoint = Arc::new(endpoint((n, s), &EndpointPlot { joined, ..plot.clone() }, network));
            delta.endpoints.insert(endpoint.id, Some(endpoint));
        }
        Model::default().apply(&delta)
    }
}

/// The change from one model to another.
pub(crate) fn delta(from: &Model, to: &Model) -> Delta {
    let mut delta = Delta::default();
    delta.networks.extend(from.networks().map(|it| (it.id, None)));
    delta.networks.extend(to.networks().map(|it| (it.id, Some(Arc::clone(it)))));
    delta.sandboxes.extend(from.sandboxes().map(|it| (it.id, None)));
    delta.sandboxes.extend(to.sandboxes().map(|it| (it.id, Some(Arc::clone(it)))));
    delta.endpoints.extend(from.endpoints().map(|it| (it.id, None)));
    delta.endpoints.extend(to.endpoints().map(|it| (it.id, Some(Arc::clone(it)))));
    delta.networks.retain(|id, it| from.network(id) != it.as_ref());
    delta.sandboxes.retain(|id, it| from.sandbox(id) != it.as_ref());
    delta.endpoints.retain(|id, it| from.endpoint(id) != it.as_ref());
    delta
}

fn id(kind: u8, a: u8, b: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..3].copy_from_slice(&[kind, a, b]);
    bytes
}

/// The name of the bridge of a network.
pub(crate) fn link(n: u8) -> String {
    format!("br-{n}")
}

fn network(n: u8, plot: &NetworkPlot) -> Network {
    let subnet = |pool: String, gateway: String| Subnet {
        pool: pool.parse().expect("a network"),
        range: None,
        gateway: gateway.parse().ok(),
        auxiliary: BTreeMap::new(),
    };
    let pool = n * 2 + plot.pool;
    let v4 = plot.families.0.then(|| subnet(format!("10.{pool}.0.0/24"), format!("10.{pool}.0.1")));
    let v6 = plot.families.1.then(|| subnet(format!("fd00:{pool}::/64"), format!("fd00:{pool}::1")));
    let config = Config {
        mtu: plot.mtu,
        inter_container: plot.inter_container,
        masquerade: plot.masquerade,
        gateway_v4: plot.modes.0,
        gateway_v6: plot.modes.1,
        trusted: plot.special.0.then(|| "wg0".to_owned()).into_iter().collect(),
        source_v4: plot.special.1.then_some([192, 0, 2, 9].into()),
        inhibit_v4: plot.special.2,
        egress: plot.egress,
        allow: plot.listed.then(|| allow("172.16.0.0/14")).into_iter().collect(),
        ..Config::new(link(n))
    };
    Network {
        id: NetworkId::new(id(1, n, 0)),
        name: format!("net{n}"),
        driver: Driver::Bridge(config),
        ipam: Ipam { v4: v4.into_iter().collect(), v6: v6.into_iter().collect(), ..Ipam::default() },
        internal: plot.internal,
        attachable: false,
        options: BTreeMap::new(),
        labels: BTreeMap::new(),
        config_from: None,
        created: 0,
    }
}

fn sandbox(s: u8, plot: &SandboxPlot) -> Sandbox {
    let namespace = match plot.namespace {
        0..=3 => Namespace::Own,
        4 => Namespace::Path("/proc/1/ns/net".into()),
        _ => Namespace::Host,
    };
    // Each port gets a hundred numbers of its own.
    let ports = (0u16..).zip(&plot.ports).map(|(position, (kind, number))| {
        let first = 1000 * (u16::from(s) + 1) + 100 * position + u16::from(*number);
        binding(*kind, first)
    });
    Sandbox {
        id: SandboxId::new(id(2, s, 0)),
        owner: format!("owner{s}"),
        namespace,
        dns: DnsSettings::default(),
        ports: ports.collect(),
        exposed: Vec::new(),
        ready: true,
        access: Access { allow: plot.allow.iter().map(|line| allow(line)).collect(), local: Vec::new() },
    }
}

fn allow(line: &str) -> Allow {
    line.parse().expect("a line")
}

fn binding(kind: u8, first: u16) -> PortBinding {
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    let (proto, host_address, length, container) = match kind {
        0 => (Proto::Tcp, address("0.0.0.0"), 0, 80),
        1 => (Proto::Udp, address("::"), 0, first),
        2 => (Proto::Tcp, address("0.0.0.0"), 50, first),
        3 => (Proto::Tcp, address("::"), 3, 8000),
        4 => (Proto::Sctp, address("127.0.0.1"), 2, first),
        5 => {
            let container = 80..=82;
            let host = PortBinding::OPEN;
            return PortBinding { proto: Proto::Tcp, host_address: address("0.0.0.0"), host, container };
        }
        _ => (Proto::Udp, address("0.0.0.0"), 50, first),
    };
    PortBinding {
        proto,
        host_address,
        host: first..=first + length,
        container: container..=container + length,
    }
}

fn sysctls() -> (String, String) {
    let option = "com.docker.network.endpoint.sysctls".to_owned();
    (option, "net.ipv4.conf.IFNAME.log_martians=1".to_owned())
}

fn endpoint((n, s): (u8, u8), plot: &EndpointPlot, network: &NetworkPlot) -> Endpoint {
    // No two sandboxes share an address.
    let (pool, number) = (n * 2 + network.pool, plot.address + 10 * s);
    let v4 = network.families.0.then(|| format!("10.{pool}.0.{number}/24").parse().expect("an address"));
    let v6 = network.families.1.then(|| format!("fd00:{pool}::{number}/64").parse().expect("an address"));
    let link_local = plot.link_local.then(|| IpAddr::from([169, 254, n, s]));
    let settings = EndpointSettings {
        link_local: link_local.into_iter().collect(),
        gateway_priority: plot.priority,
        no_v6: v6.is_none(),
        driver_options: plot.link_local.then(sysctls).into_iter().collect(),
        ..EndpointSettings::default()
    };
    let attachment = Attachment::Joined {
        sandbox: SandboxId::new(id(2, s, 0)),
        interface: format!("eth{n}"),
        order: u32::from(n),
    };
    Endpoint {
        id: EndpointId::new(id(3, n, s)),
        name: format!("end{s}"),
        network: NetworkId::new(id(1, n, 0)),
        owner: format!("owner{s}"),
        mac: Some(Mac::local([2, n, s, 0, 0, 1])),
        v4,
        v6,
        settings,
        attachment: if plot.joined { attachment } else { Attachment::Detached },
    }
}
