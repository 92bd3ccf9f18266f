//! A small world: who reaches whom in it.

use std::sync::Arc;

use super::*;
use crate::{
    Attachment, Delta, DnsSettings, Driver, Endpoint, EndpointId, EndpointSettings, Ipam, Namespace, Network,
    PortBinding, Ports, Sandbox, Subnet,
    access::{Access, LinkName, allow_list},
    driver::bridge::Options,
};
use Proto::{Tcp, Udp};

/// A network of this world: name, options, pools with their gateways.
struct Net(
    u8,
    &'static str,
    bool,
    &'static [(&'static str, &'static str)],
    &'static [(&'static str, &'static str)],
);

const ICC: &str = "com.docker.network.bridge.enable_icc";

const MODE: &str = "com.docker.network.bridge.gateway_mode_ipv4";

const NETS: &[Net] = &[
    Net(1, "front", false, &[], &[("10.1.0.0/24", "10.1.0.1"), ("fd01::/64", "fd01::1")]),
    Net(2, "back", false, &[], &[("10.2.0.0/24", "10.2.0.1")]),
    Net(3, "inner", true, &[], &[("10.3.0.0/24", "10.3.0.1"), ("fd03::/64", "fd03::1")]),
    Net(5, "open", false, &[(MODE, "nat-unprotected")], &[("10.5.0.0/24", "10.5.0.1")]),
    Net(6, "routed", false, &[(MODE, "routed")], &[("10.6.0.0/24", "10.6.0.1")]),
    Net(7, "isolated", true, &[(MODE, "isolated")], &[("10.7.0.0/24", "10.7.0.1")]),
    Net(
        8,
        "dmz",
        false,
        &[("tombolo.egress", "internet")],
        &[("10.8.0.0/24", "10.8.0.1"), ("fd08::/64", "fd08::1")],
    ),
    Net(9, "shut", false, &[("tombolo.egress", "none")], &[("10.9.0.0/24", "10.9.0.1")]),
    Net(4, "apart", false, &[(ICC, "false")], &[("10.4.0.0/24", "10.4.0.1")]),
];

/// Who is where: sandbox, its networks with the last number of its addresses there.
type Member = (u8, &'static str, &'static [(u8, u8)]);

const SANDBOXES: &[Member] = &[
    (1, "web", &[(1, 2)]),
    (2, "client", &[(1, 3)]),
    (3, "data", &[(2, 2), (3, 2)]),
    (4, "job", &[(3, 3)]),
    (5, "left", &[(4, 2)]),
    (6, "right", &[(4, 3)]),
    (7, "both", &[(1, 7), (2, 7)]),
    (8, "none", &[]),
    (9, "all", &[(5, 2)]),
    (10, "some", &[(6, 2)]),
    (11, "alone", &[(7, 2)]),
    (12, "alone2", &[(7, 3)]),
    (13, "shy", &[(4, 11), (5, 11)]),
    (14, "proxy", &[(8, 2)]),
    (15, "sink", &[(9, 2)]),
    (16, "sink2", &[(9, 3)]),
    (17, "listed", &[(1, 17)]),
];

/// What narrows the ports of the last one, and those that it publishes by default.
const LIST: &str = "10.8.0.0/24,70=wg0,70=203.0.113.0/25,73=0.0.0.0/0";

const PORTS: &[(u8, Proto, &str, u16, u16, u16)] = &[
    (1, Tcp, "0.0.0.0", 8080, 8080, 80),
    (1, Tcp, "::", 8080, 8080, 80),
    (1, Tcp, "127.0.0.1", 9090, 9090, 90),
    (1, Udp, "::", 53, 53, 53),
    (3, Tcp, "::", 5432, 5432, 5432),
    (3, Udp, "::", 5433, 5433, 5433),
    (5, Tcp, "198.51.100.1", 7000, 7009, 7),
    (4, Tcp, "0.0.0.0", 6000, 6000, 60),
    (9, Tcp, "0.0.0.0", 6100, 6100, 61),
    (10, Tcp, "0.0.0.0", 6200, 6200, 62),
    (14, Tcp, "0.0.0.0", 6300, 6300, 63),
    (15, Tcp, "0.0.0.0", 6400, 6400, 64),
    (17, Tcp, "0.0.0.0", 7700, 7700, 70),
    (17, Udp, "0.0.0.0", 7700, 7700, 70),
    (17, Tcp, "::", 7700, 7700, 70),
    (17, Tcp, "0.0.0.0", 7703, 7703, 73),
    (1, Tcp, "0.0.0.0", 7800, 7800, 78),
    (5, Tcp, "::", 7900, 7900, 79),
];

const fn id(n: u8) -> SandboxId {
    SandboxId::new([n; 32])
}

fn network(Net(n, name, internal, options, pools): &Net) -> Network {
    let options: std::collections::BTreeMap<_, _> =
        options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let subnet = |(pool, gateway): &(&str, &str)| Subnet {
        pool: pool.parse().expect("a pool"),
        range: None,
        gateway: (*name != "isolated").then(|| gateway.parse().expect("a gateway")),
        auxiliary: [].into(),
    };
    let (v4, v6) = pools.iter().map(subnet).partition(|subnet: &Subnet| subnet.pool.addr().is_ipv4());
    let id = NetworkId::new([*n; 32]);
    Network {
        id,
        name: (*name).to_owned(),
        driver: Driver::Bridge(Options::parse(&options, false).expect("options").config(&id)),
        ipam: Ipam { v4, v6, ..Ipam::default() },
        internal: *internal,
        attachable: false,
        options,
        labels: [].into(),
        config_from: None,
        created: 0,
    }
}

fn model() -> Model {
    let mut delta = Delta::default();
    NETS.iter().for_each(|net| delta.put_network(network(net)));
    for (n, name, networks) in SANDBOXES {
        let ports = PORTS.iter().filter(|port| port.0 == *n).map(|(_, proto, host, first, last, inner)| {
            PortBinding {
                proto: *proto,
                host_address: host.parse().expect("an address"),
                host: *first..=*last,
                container: *inner..=*inner + (last - first),
            }
        });
        delta.put_sandbox(Sandbox {
            id: id(*n),
            owner: (*name).to_owned(),
            namespace: Namespace::Own,
            dns: DnsSettings::default(),
            ports: ports.collect(),
            exposed: Vec::new(),
            ready: true,
            access: Access {
                allow: if *name == "listed" { allow_list(LIST).expect("a list") } else { Vec::new() },
                local: [78, 79].map(|port| Ports { proto: Tcp, range: port..=port }).into(),
            },
        });
        for (order, (net, last)) in (0..).zip(*networks) {
            let pools = NETS.iter().find(|of| of.0 == *net).expect("a network").4;
            delta.put_endpoint(Endpoint {
                id: EndpointId::new(std::array::from_fn(|place| if place == 0 { *n } else { *net })),
                name: (*name).to_owned(),
                network: NetworkId::new([*net; 32]),
                owner: (*name).to_owned(),
                mac: None,
                v4: Some(format!("10.{net}.0.{last}/24").parse().expect("an address")),
                v6: (pools.len() > 1).then(|| format!("fd0{net}::{last:x}/64").parse().expect("an address")),
                settings: EndpointSettings::default(),
                attachment: Attachment::Joined { sandbox: id(*n), interface: format!("eth{order}"), order },
            });
        }
    }
    Model::default().apply(&delta)
}

fn place(name: &str) -> Place {
    match name {
        "host" => Place::Host,
        "outside" => Place::Outside,
        // `203.0.113.9@wg0`: a neighbour by its address and link.
        name if name.contains('@') => {
            let (address, link) = name.split_once('@').expect("both");
            let address = address.parse().expect("an address");
            Place::Neighbour(Neighbour { address, link: LinkName::new(link) })
        }
        name => SANDBOXES
            .iter()
            .find(|(_, of, _)| *of == name)
            .map(|(n, ..)| Place::Sandbox(id(*n)))
            .expect("a place"),
    }
}

/// `expected` is `place address:port seen`, `leaves`, `leaves hidden`, or the reason.
#[track_caller]
fn check(from: &str, proto: Proto, to: &str, port: u16, expected: &str) {
    let model = Arc::new(model());
    let address: IpAddr = to.parse().expect("an address");
    let wire = ["198.51.100.1", "2001:db8::1"].contains(&to);
    let target = if wire { Target::Host(address) } else { Target::Address(address) };
    let walk = walk(&model, place(from), target, proto, port);
    let got = match &walk.verdict {
        Verdict::Arrives(arrival) => format!(
            "{} {} {:?}",
            arrival.at.label(&model).trim_start_matches("the "),
            std::net::SocketAddr::new(arrival.address, arrival.port),
            arrival.seen
        ),
        Verdict::Leaves(departure) => (if departure.hidden { "leaves hidden" } else { "leaves" }).to_owned(),
        Verdict::Fails(obstacle) => obstacle.reason().to_owned(),
    };
    assert_eq!(got, expected, "{from} to {to} {port}/{proto}: {:?}", walk.steps);
}

#[test]
fn neighbours_reach_each_other_at_every_port() {
    check("client", Tcp, "10.1.0.2", 1, "web 10.1.0.2:1 Own");
    check("client", Udp, "fd01::2", 9, "web [fd01::2]:9 Own");
    check("client", Tcp, "10.1.0.9", 80, "nobody");
    check("job", Tcp, "10.3.0.2", 5432, "data 10.3.0.2:5432 Own");
    check("both", Tcp, "10.2.0.2", 5432, "data 10.2.0.2:5432 Own");
    check("left", Tcp, "10.4.0.3", 80, "apart");
    check("left", Tcp, "10.4.0.1", 80, "host 10.4.0.1:80 Own");
    check("client", Tcp, "10.1.0.3", 80, "client 10.1.0.3:80 Own");
    check("client", Tcp, "127.0.0.1", 80, "client 127.0.0.1:80 Own");
    check("none", Tcp, "::1", 80, "none [::1]:80 Own");
    check("client", Tcp, "fe80::1", 80, "needs-link");
}

#[test]
fn a_listed_port_is_for_who_is_listed() {
    let at = |from: &str, expected: &str| check(from, Tcp, "198.51.100.1", 7700, expected);
    let arrives = "listed 10.1.0.17:70 Own";
    at("outside", "not-allowed");
    at("203.0.113.5@eth0", arrives);
    at("203.0.113.200@eth0", "not-allowed");
    at("203.0.113.200@wg0", arrives);
    at("proxy", arrives);
    at("data", "not-allowed");
    at("host", arrives);
    // Neighbours reach it anyway.
    at("client", "listed 10.1.0.17:70 Neighbour");
    check("203.0.113.5@eth0", Udp, "198.51.100.1", 7700, "not-allowed");
    check("proxy", Udp, "198.51.100.1", 7700, "listed 10.1.0.17:70 Own");
    check("outside", Tcp, "198.51.100.1", 7703, "listed 10.1.0.17:73 Own");
    // No IPv6 address is listed.
    check("outside", Tcp, "2001:db8::1", 7700, "not-allowed");
    check("2001:db8::9@wg0", Tcp, "2001:db8::1", 7700, "listed [fd01::11]:70 Own");
}

#[test]
fn what_is_local_by_default_is_for_local_clients() {
    check("outside", Tcp, "198.51.100.1", 7800, "not-allowed");
    check("203.0.113.5@eth0", Tcp, "198.51.100.1", 7800, "not-allowed");
    check("192.168.7.7@eth0", Tcp, "198.51.100.1", 7800, "web 10.1.0.2:78 Own");
    check("data", Tcp, "198.51.100.1", 7800, "web 10.1.0.2:78 Own");
    check("host", Tcp, "127.0.0.1", 7800, "web 10.1.0.2:78 Bridge");
    // The engine carries it, and asks the same.
    check("2001:db8::5@eth0", Tcp, "2001:db8::1", 7900, "not-allowed");
    check("fd77::5@eth0", Tcp, "2001:db8::1", 7900, "left 10.4.0.2:79 Bridge");
    check("host", Tcp, "2001:db8::1", 7900, "left 10.4.0.2:79 Bridge");
}

#[test]
fn egress_is_what_the_network_says() {
    check("proxy", Tcp, "203.0.113.9", 443, "leaves hidden");
    check("proxy", Tcp, "192.168.1.1", 443, "egress");
    check("proxy", Tcp, "fd77::1", 443, "egress");
    check("proxy", Tcp, "2001:db8:1::1", 443, "leaves hidden");
    check("proxy", Tcp, "10.8.0.1", 22, "egress");
    check("proxy", Tcp, "198.51.100.1", 22, "egress");
    check("proxy", Tcp, "198.51.100.1", 8080, "web 10.1.0.2:80 Own");
    check("proxy", Tcp, "10.6.0.2", 62, "egress");
    check("proxy", Tcp, "10.1.0.2", 80, "egress");
    // Carried by the engine: it would be the host that it connects to.
    check("proxy", Tcp, "2001:db8::1", 7900, "egress");
    check("sink", Tcp, "203.0.113.9", 443, "egress");
    check("sink", Tcp, "198.51.100.1", 8080, "egress");
    check("sink", Tcp, "10.9.0.1", 22, "egress");
    check("sink", Tcp, "10.9.0.3", 80, "sink2 10.9.0.3:80 Own");
    check("outside", Tcp, "198.51.100.1", 6400, "sink 10.9.0.2:64 Own");
    check("host", Tcp, "10.9.0.2", 22, "sink 10.9.0.2:22 Own");
    check("client", Tcp, "198.51.100.1", 6300, "proxy 10.8.0.2:63 Own");
}

#[test]
fn networks_are_apart() {
    check("client", Tcp, "10.2.0.2", 5432, "not-published");
    check("client", Tcp, "10.2.0.99", 5432, "not-published");
    check("client", Tcp, "10.3.0.2", 5432, "internal");
    check("client", Tcp, "fd03::2", 5432, "internal");
    check("job", Tcp, "10.1.0.2", 80, "no-gateway");
    check("job", Tcp, "198.51.100.1", 8080, "no-gateway");
    check("job", Tcp, "fd01::2", 80, "no-gateway");
    check("left", Tcp, "fd01::2", 80, "no-address");
    check("none", Tcp, "10.1.0.2", 80, "no-address");
    check("outside", Tcp, "10.1.0.2", 80, "not-published");
    check("outside", Udp, "fd01::2", 80, "not-published");
    check("outside", Tcp, "10.3.0.2", 80, "internal");
}

#[test]
fn the_host_reaches_all_and_what_is_elsewhere_is_left_to_it() {
    check("host", Tcp, "10.1.0.2", 1, "web 10.1.0.2:1 Own");
    check("host", Tcp, "10.3.0.3", 1, "job 10.3.0.3:1 Own");
    check("host", Tcp, "10.4.0.3", 1, "right 10.4.0.3:1 Own");
    check("host", Tcp, "10.4.0.9", 1, "nobody");
    check("host", Tcp, "192.0.2.7", 1, "leaves");
    check("client", Tcp, "192.0.2.7", 1, "leaves hidden");
    check("client", Tcp, "2001:db8::7", 1, "leaves hidden");
    check("job", Tcp, "192.0.2.7", 1, "no-gateway");
    check("outside", Tcp, "192.0.2.7", 1, "leaves");
    check("client", Tcp, "10.1.0.1", 22, "host 10.1.0.1:22 Own");
    check("client", Tcp, "10.2.0.1", 22, "host 10.2.0.1:22 Own");
    check("job", Tcp, "10.3.0.1", 22, "host 10.3.0.1:22 Own");
}

#[test]
fn an_answer_takes_the_shortest_way_even_where_that_leads_nowhere() {
    check("data", Tcp, "10.5.0.11", 80, "shy 10.5.0.11:80 Own");
    // Its neighbour on a network whose endpoints may not talk would be answered there.
    check("left", Tcp, "10.5.0.11", 80, "answers-apart");
}

#[test]
fn echo_requests_need_no_port_and_pass_into_routed_networks() {
    let pings = |from: &str, to: &str| {
        let to = Target::Address(to.parse().expect("an address"));
        matches!(ping(&model(), place(from), to), Verdict::Arrives(_))
    };
    assert!(pings("client", "10.1.0.2") && pings("host", "10.4.0.2") && pings("outside", "10.6.0.2"));
    assert!(!pings("outside", "10.1.0.2") && !pings("left", "10.4.0.3") && !pings("job", "10.1.0.2"));
}

#[test]
fn published_ports_are_reached_from_everywhere() {
    check("outside", Tcp, "198.51.100.1", 8080, "web 10.1.0.2:80 Own");
    check("outside", Tcp, "2001:db8::1", 8080, "web [fd01::2]:80 Own");
    check("outside", Tcp, "10.2.0.1", 8080, "web 10.1.0.2:80 Own");
    check("outside", Udp, "198.51.100.1", 8080, "host 198.51.100.1:8080 Own");
    check("outside", Udp, "2001:db8::1", 53, "web [fd01::2]:53 Own");
    check("host", Tcp, "198.51.100.1", 8080, "web 10.1.0.2:80 Own");
    check("host", Tcp, "127.0.0.1", 8080, "web 10.1.0.2:80 Bridge");
    check("host", Tcp, "127.0.0.9", 8080, "web 10.1.0.2:80 Bridge");
    check("host", Tcp, "::1", 8080, "web [fd01::2]:80 Bridge");
    check("data", Tcp, "198.51.100.1", 8080, "web 10.1.0.2:80 Own");
    check("left", Tcp, "10.4.0.1", 8080, "web 10.1.0.2:80 Own");
    check("client", Tcp, "198.51.100.1", 8080, "web 10.1.0.2:80 Neighbour");
    check("client", Tcp, "10.1.0.1", 8080, "web 10.1.0.2:80 Neighbour");
    check("web", Tcp, "198.51.100.1", 8080, "web 10.1.0.2:80 Bridge");
    check("right", Tcp, "198.51.100.1", 7003, "left 10.4.0.2:10 Neighbour");
    check("outside", Tcp, "10.4.0.1", 7003, "host 10.4.0.1:7003 Own");
}

#[test]
fn loopback_is_for_the_host_alone_and_internal_networks_publish_nothing() {
    check("host", Tcp, "127.0.0.1", 9090, "web 10.1.0.2:90 Bridge");
    check("host", Tcp, "127.0.0.2", 9090, "host 127.0.0.2:9090 Own");
    check("host", Tcp, "198.51.100.1", 9090, "host 198.51.100.1:9090 Own");
    check("outside", Tcp, "198.51.100.1", 9090, "host 198.51.100.1:9090 Own");
    check("outside", Tcp, "127.0.0.1", 9090, "outside 127.0.0.1:9090 Own");
    check("client", Tcp, "198.51.100.1", 9090, "host 198.51.100.1:9090 Own");
    check("host", Tcp, "198.51.100.1", 6000, "host 198.51.100.1:6000 Own");
    // By the gateway of its internal network a sandbox reaches the host, and nobody else.
    check("job", Tcp, "10.3.0.1", 8080, "internal");
}

#[test]
fn the_engine_carries_what_the_kernel_cannot_translate() {
    check("outside", Tcp, "2001:db8::1", 5432, "data 10.2.0.2:5432 Bridge");
    check("host", Tcp, "::1", 5432, "data 10.2.0.2:5432 Bridge");
    check("client", Tcp, "2001:db8::1", 5432, "data 10.2.0.2:5432 Bridge");
    check("outside", Udp, "2001:db8::1", 5433, "not-carried");
    check("job", Tcp, "fd03::1", 5432, "internal");
    check("host", Udp, "::1", 53, "not-carried");
    check("outside", Tcp, "198.51.100.1", 5432, "host 198.51.100.1:5432 Own");
}

#[test]
fn gateway_modes_open_and_close_a_network() {
    check("outside", Tcp, "10.5.0.2", 1, "all 10.5.0.2:1 Own");
    check("client", Udp, "10.5.0.2", 1, "all 10.5.0.2:1 Own");
    check("outside", Tcp, "10.5.0.9", 1, "nobody");
    check("outside", Tcp, "198.51.100.1", 6100, "all 10.5.0.2:61 Own");
    check("all", Tcp, "192.0.2.7", 1, "leaves hidden");
    check("outside", Tcp, "10.6.0.2", 62, "some 10.6.0.2:62 Own");
    check("client", Tcp, "10.6.0.2", 62, "some 10.6.0.2:62 Own");
    check("outside", Udp, "10.6.0.2", 62, "not-published");
    check("outside", Tcp, "10.6.0.2", 63, "not-published");
    check("host", Tcp, "10.6.0.2", 63, "some 10.6.0.2:63 Own");
    check("outside", Tcp, "198.51.100.1", 6200, "host 198.51.100.1:6200 Own");
    check("some", Tcp, "192.0.2.7", 1, "leaves");
    check("alone", Tcp, "10.7.0.3", 1, "alone2 10.7.0.3:1 Own");
    check("alone", Tcp, "10.7.0.1", 1, "nobody");
    check("alone", Tcp, "10.1.0.1", 1, "no-gateway");
    check("host", Tcp, "10.7.0.2", 1, "leaves");
}

#[test]
fn every_obstacle_is_said_with_its_facts() {
    let model = model();
    let verdict = reach(&model, place("left"), Target::Address([10, 4, 0, 3].into()), Tcp, 80);
    let Verdict::Fails(obstacle) = verdict else { panic!("{verdict:?}") };
    assert_eq!(
        obstacle.sentence(&model),
        "containers on network apart may not talk to one another (enable_icc=false)"
    );
    assert!(obstacle.advice(&model).contains("publish the port"), "{}", obstacle.advice(&model));
    let walk = walk(&model, place("outside"), Target::Host([198, 51, 100, 1].into()), Tcp, 8080);
    let steps: Vec<_> = walk.steps.iter().map(|step| step.sentence(&model)).collect();
    assert_eq!(steps, ["the address is the host's", "the port is published: it leads to web at 10.1.0.2:80"]);
    assert_eq!(
        walk.verdict.sentence(&model),
        "packets arrive at web, 10.1.0.2:80 by a published port and network front"
    );
}
