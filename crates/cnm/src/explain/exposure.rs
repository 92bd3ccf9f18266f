//! What is reachable from where: for every container, its own ports and those that it publishes.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
};

use ipnet::{Ipv4Net, Ipv6Net};

use crate::{
    Attachment, Delta, DnsSettings, Driver, Endpoint, EndpointId, EndpointSettings, Family, Ipam, Model,
    Namespace, Network, NetworkId, Proto, Sandbox, SandboxId, Subnet,
    access::{Access, Lists, Source},
    driver::bridge::Config,
    ipam,
    reach::{Place, Target, label, reach},
};

/// A way to a container: an address and some ports of it, and who gets there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    pub sandbox: SandboxId,
    pub name: String,
    pub network: NetworkId,
    /// Absent for all ports of the container's own address.
    pub published: Option<PublishedPorts>,
    /// The container's own address.
    pub address: IpAddr,
    /// Who gets to the container by this way.
    pub from: Audience,
    /// Where those must come from who come from elsewhere; absent if it does not matter.
    pub sources: Option<Vec<Source>>,
}

/// Ports of the host, or those that a routed network opens, and where they lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedPorts {
    pub proto: Proto,
    /// The unspecified address stands for all addresses of the host; the container's own where
    /// its network routes.
    pub address: IpAddr,
    pub ports: RangeInclusive<u16>,
    pub container: RangeInclusive<u16>,
}

/// Who gets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audience {
    /// Neighbours on the host's wires, and all that these let through.
    pub wire: bool,
    pub host: bool,
    /// Containers of other networks.
    pub others: bool,
    /// Containers of the same network.
    pub same: bool,
}

impl Exposure {
    /// What a person should think about, as a sentence without a full stop.
    pub fn warning(&self) -> Option<String> {
        let everywhere = self.published.as_ref().filter(|published| published.address.is_unspecified());
        match (everywhere, &self.published) {
            (Some(published), _) if self.from.wire => Some(format!(
                "everybody who reaches the host reaches {} here: publish on one address ({}:{}:…) to narrow it",
                self.name,
                if published.address.is_ipv4() { "127.0.0.1" } else { "[::1]" },
                published.ports.start(),
            )),
            (_, None) if self.from.wire => {
                Some(format!("everybody with a route to the host reaches every port of {}", self.name))
            }
            _ => None,
        }
    }
}

/// Who reaches what, for each container on a bridge network. `addresses` are the host's on its wires.
///
/// Every entry is what [`reach`] says of a neighbour that is thought up for the question.
pub fn exposures(model: &Model, addresses: &BTreeSet<IpAddr>) -> Vec<Exposure> {
    let mut all = Vec::new();
    for sandbox in model.sandboxes().filter(|sandbox| sandbox.namespace != Namespace::Host) {
        for endpoint in model.endpoints_of_sandbox(&sandbox.id) {
            let network = model.network_of(endpoint);
            if network.bridge().is_none() {
                continue;
            }
            let thought = Thought::up(model, network);
            for address in endpoint.addresses() {
                all.push(Exposure {
                    sandbox: sandbox.id,
                    name: label(model, &sandbox.id),
                    network: network.id,
                    published: None,
                    address,
                    // A port that nobody would publish.
                    from: thought.audience(Target::Address(address), Proto::Tcp, 0, &sandbox.id),
                    sources: None,
                });
            }
        }
        all.extend(published(model, sandbox, addresses));
    }
    all
}

fn published(model: &Model, sandbox: &Sandbox, addresses: &BTreeSet<IpAddr>) -> Vec<Exposure> {
    let mut all = Vec::new();
    for binding in &sandbox.ports {
        let family = Family::of(&binding.host_address);
        let other = if family == Family::V4 { Family::V6 } else { Family::V4 };
        let gateway = |family| model.gateway_endpoint(&sandbox.id, family);
        let Some(endpoint) = gateway(family).or_else(|| gateway(other)) else { continue };
        let Some(own) = endpoint.address(family).or_else(|| endpoint.address(other)) else { continue };
        let network = model.network_of(endpoint);
        let (address, ports) = if binding.is_of_host() {
            (binding.host_address, binding.host.clone())
        } else {
            (own.addr(), binding.container.clone())
        };
        let target = match address {
            address if !address.is_unspecified() && addresses.contains(&address) => Target::Host(address),
            address if !address.is_unspecified() => Target::Address(address),
            _ => addresses
                .iter()
                .find(|it| Family::of(it) == family)
                .map_or_else(|| Target::Host(unused(family)), |address| Target::Host(*address)),
        };
        let from = Thought::up(model, network).audience(target, binding.proto, *ports.start(), &sandbox.id);
        let container = binding.container.clone();
        let lists = Lists::of(sandbox, endpoint, network);
        let sources = lists.sources(family, binding.proto, *container.start());
        let sources = sources.map(|sources| sources.into_iter().cloned().collect());
        all.push(Exposure {
            sandbox: sandbox.id,
            name: label(model, &sandbox.id),
            network: network.id,
            published: Some(PublishedPorts { proto: binding.proto, address, ports, container }),
            address: own.addr(),
            from,
            sources,
        });
    }
    all
}

/// A model with a neighbour on a network and one on a network of its own.
struct Thought {
    model: Model,
    neighbour: Option<SandboxId>,
    stranger: SandboxId,
}

impl Thought {
    fn up(model: &Model, network: &Network) -> Self {
        let (neighbour, stranger) = (SandboxId::new([0xfe; 32]), SandboxId::new([0xfd; 32]));
        let mut delta = Delta::default();
        let away = strangers();
        delta.put_sandbox(thought_up(stranger));
        let addresses = Family::BOTH
            .map(|family| away.ipam.subnets(family).first().map(|subnet| unused_of(&subnet.pool)));
        delta.put_endpoint(endpoint(&away, stranger, addresses));
        delta.put_network(away);
        let free = Family::BOTH.map(|family| free_address(model, network, family));
        let is_free = free.iter().any(Option::is_some);
        if is_free {
            delta.put_sandbox(thought_up(neighbour));
            delta.put_endpoint(endpoint(network, neighbour, free));
        }
        Self { model: model.apply(&delta), neighbour: is_free.then_some(neighbour), stranger }
    }

    fn audience(&self, to: Target, proto: Proto, port: u16, sandbox: &SandboxId) -> Audience {
        let reaches = |from| reach(&self.model, from, to, proto, port).arrives_at(Place::Sandbox(*sandbox));
        Audience {
            wire: reaches(Place::Outside),
            host: reaches(Place::Host),
            others: reaches(Place::Sandbox(self.stranger)),
            same: self.neighbour.is_some_and(|neighbour| reaches(Place::Sandbox(neighbour))),
        }
    }
}

fn thought_up(id: SandboxId) -> Sandbox {
    let dns = DnsSettings::default();
    Sandbox {
        id,
        owner: String::new(),
        namespace: Namespace::Own,
        dns,
        ports: Vec::new(),
        exposed: Vec::new(),
        ready: true,
        access: Access::default(),
    }
}

/// A network of addresses that are nobody's, and local as those of containers are: RFC 6598 and RFC 4193.
fn strangers() -> Network {
    let subnet =
        |pool: ipnet::IpNet| Subnet { gateway: pool.hosts().nth(1), pool, range: None, auxiliary: [].into() };
    let v4 = Ipv4Net::new_assert(Ipv4Addr::new(100, 127, 255, 0), 24).into();
    let v6 = Ipv6Net::new_assert(Ipv6Addr::new(0xfdff, 0xffff, 0xffff, 0xffff, 0, 0, 0, 0), 64).into();
    Network {
        id: NetworkId::new([0xfd; 32]),
        name: "another network".to_owned(),
        driver: Driver::Bridge(Config::new("thought-up")),
        ipam: Ipam { v4: vec![subnet(v4)], v6: vec![subnet(v6)], ..Ipam::default() },
        internal: false,
        attachable: false,
        options: [].into(),
        labels: [].into(),
        config_from: None,
        created: 0,
    }
}

fn unused_of(pool: &ipnet::IpNet) -> ipnet::IpNet {
    let address = ipam::address(Family::of(&pool.addr()), ipam::number(pool.network()) + 9);
    ipnet::IpNet::new_assert(address, pool.prefix_len())
}

/// An address of the host that is thought up where it has none.
fn unused(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(192, 0, 2, 254).into(),
        Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0xfffe, 0, 0, 0, 0, 1).into(),
    }
}

/// A free address of a network, from the end of its pool.
fn free_address(model: &Model, network: &Network, family: Family) -> Option<ipnet::IpNet> {
    let subnet = network.ipam.subnets(family).first()?;
    let taken = model.addresses_taken(&network.id, family);
    let (first, last) = ipam::range(&subnet.pool).into_inner();
    let free = (first..=last).rev().take(1 << 16).find(|number| !taken.contains(*number))?;
    Some(ipnet::IpNet::new_assert(ipam::address(family, free), subnet.pool.prefix_len()))
}

fn endpoint(network: &Network, sandbox: SandboxId, addresses: [Option<ipnet::IpNet>; 2]) -> Endpoint {
    let [v4, v6] = addresses;
    Endpoint {
        id: EndpointId::new(*sandbox.bytes()),
        name: "\u{0}thought up".to_owned(),
        network: network.id,
        owner: String::new(),
        mac: None,
        v4: v4.and_then(|net| match net {
            ipnet::IpNet::V4(net) => Some(net),
            ipnet::IpNet::V6(_) => None,
        }),
        v6: v6.and_then(|net| match net {
            ipnet::IpNet::V6(net) => Some(net),
            ipnet::IpNet::V4(_) => None,
        }),
        settings: EndpointSettings::default(),
        attachment: Attachment::Joined { sandbox, interface: "eth0".to_owned(), order: 0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PortBinding;

    /// One container on one network with one published port: who gets there by its own address, and by the port.
    #[track_caller]
    fn check(change: impl FnOnce(&mut Network, &mut Sandbox), expected: [&str; 2]) {
        let id = NetworkId::new([1; 32]);
        let pool: ipnet::IpNet = "10.9.0.0/24".parse().expect("a pool");
        let subnet = Subnet { gateway: pool.hosts().next(), pool, range: None, auxiliary: [].into() };
        let ipam = Ipam { v4: vec![subnet], ..Ipam::default() };
        let mut network = Network {
            id,
            name: "site".to_owned(),
            driver: Driver::Bridge(Config::new("br0")),
            ipam,
            ..strangers()
        };
        let mut sandbox = thought_up(SandboxId::new([2; 32]));
        sandbox.ports = vec![PortBinding {
            proto: Proto::Tcp,
            host_address: Ipv4Addr::UNSPECIFIED.into(),
            host: 8080..=8080,
            container: 80..=80,
        }];
        change(&mut network, &mut sandbox);
        let mut delta = Delta::default();
        let own = Endpoint {
            name: "web".to_owned(),
            ..endpoint(&network, sandbox.id, [Some("10.9.0.2/24".parse().expect("an address")), None])
        };
        delta.put_network(network);
        delta.put_endpoint(own);
        delta.put_sandbox(sandbox);
        let model = Model::default().apply(&delta);
        let addresses = [IpAddr::from([198, 51, 100, 1])].into();
        let shown = exposures(&model, &addresses).into_iter().map(|it| {
            let Audience { wire, host, others, same } = it.from;
            let words = [(wire, "wire"), (host, "host"), (others, "others"), (same, "same")];
            let who: Vec<_> = words.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
            format!("{}{}", who.join(" "), if it.warning().is_some() { " !" } else { "" })
        });
        assert_eq!(shown.collect::<Vec<_>>(), expected);
    }

    fn config(network: &mut Network) -> &mut Config {
        let Driver::Bridge(config) = &mut network.driver else { panic!("a bridge") };
        config
    }

    #[test]
    fn who_gets_where() {
        use crate::driver::bridge::GatewayMode;
        check(|_, _| {}, ["host same", "wire host others same !"]);
        check(|_, sandbox| sandbox.ports[0].host_address = Ipv4Addr::LOCALHOST.into(), ["host same", "host"]);
        let wire = [198, 51, 100, 1];
        check(
            |_, sandbox| sandbox.ports[0].host_address = wire.into(),
            ["host same", "wire host others same"],
        );
        check(|network, _| config(network).inter_container = false, ["host", "wire host others same !"]);
        check(
            |network, _| config(network).gateway_v4 = GatewayMode::Unprotected,
            ["wire host others same !", "wire host others same !"],
        );
        let routed = |network: &mut Network, sandbox: &mut Sandbox| {
            config(network).gateway_v4 = GatewayMode::Routed;
            sandbox.ports[0].host = PortBinding::OPEN;
        };
        check(routed, ["host same", "wire host others same"]);
    }
}
