//! The rule set of every combination of options, compared with files that are
//! reviewed like code: `UPDATE_GOLDEN=1 cargo test -p cnm --test golden` rewrites them.

#![expect(clippy::disallowed_methods, reason = "golden files are read and written")]

use std::{collections::BTreeMap, fmt::Write as _, fs, net::IpAddr, path::Path, sync::Arc};

use cnm::{
    Attachment, Delta, DnsSettings, Driver, Endpoint, EndpointId, EndpointSettings, Ipam, Mac, Model,
    Namespace, Network, NetworkId, PortBinding, Ports, Proto, Sandbox, SandboxId, Subnet,
    access::{Access, allow_list},
    driver::bridge::{Config, Egress, GatewayMode},
    nft::{Ruleset, Set, skeleton},
    plan::plan,
    state::{Key, State, kernel_state},
};

/// What one case is about.
struct Case {
    name: &'static str,
    about: &'static str,
    internal: bool,
    inter_container: bool,
    masquerade: bool,
    v6: bool,
    modes: [GatewayMode; 2],
    trusted: bool,
    /// Traffic leaves with an address that was named.
    source: bool,
    inhibit: bool,
    ports: Vec<PortBinding>,
    /// The sandbox's allow-list, and whether its port 80 is for local networks.
    allow: &'static str,
    lan: bool,
    egress: Egress,
    /// The sandbox is also on a second, ordinary network.
    second: bool,
}

const PLAIN: Case = Case {
    name: "bridge",
    about: "a bridge network, nothing published",
    internal: false,
    inter_container: true,
    masquerade: true,
    v6: false,
    modes: [GatewayMode::Nat; 2],
    trusted: false,
    source: false,
    inhibit: false,
    ports: Vec::new(),
    allow: "",
    lan: false,
    egress: Egress::Any,
    second: false,
};

fn cases() -> Vec<Case> {
    let all: IpAddr = [0, 0, 0, 0].into();
    let loopback: IpAddr = [127, 0, 0, 1].into();
    let host: IpAddr = [192, 0, 2, 1].into();
    let any6: IpAddr = "::".parse().expect("an address");
    let host6: IpAddr = "2001:db8::1".parse().expect("an address");
    let tcp = |address, host, container| binding(Proto::Tcp, address, host, container);
    let publish = |name, about, ports| Case { name, about, ports, ..PLAIN };
    vec![
        PLAIN,
        Case { name: "dual-stack", about: "IPv4 and IPv6", v6: true, ..PLAIN },
        Case { name: "no-icc", about: "inter-container communication off", inter_container: false, ..PLAIN },
        Case { name: "source", about: "`host_ipv4`, `host_ipv6`", source: true, v6: true, ..PLAIN },
        Case { name: "inhibit-ipv4", about: "`inhibit_ipv4`", inhibit: true, ..PLAIN },
        Case { name: "no-masquerade", about: "without masquerading", masquerade: false, ..PLAIN },
        Case {
            name: "internal",
            about: "an internal network: ports lead nowhere",
            internal: true,
            ports: vec![tcp(all, 8080..=8080, 80)],
            v6: true,
            ..PLAIN
        },
        Case {
            name: "internal-no-icc",
            about: "internal, inter-container communication off",
            internal: true,
            inter_container: false,
            ..PLAIN
        },
        publish("publish", "`-p 8080:80`", vec![tcp(all, 8080..=8080, 80)]),
        publish("publish-udp", "`-p 53:53/udp`", vec![binding(Proto::Udp, all, 53..=53, 53)]),
        publish("publish-loopback", "`-p 127.0.0.1:8080:80`", vec![tcp(loopback, 8080..=8080, 80)]),
        publish("publish-address", "`-p 192.0.2.1:8080:80`", vec![tcp(host, 8080..=8080, 80)]),
        publish("publish-range", "`-p 8000-8999:8000-8999`: one element", vec![tcp(all, 8000..=8999, 8000)]),
        publish("publish-shifted", "`-p 8000-8002:80-82`", vec![tcp(all, 8000..=8002, 80)]),
        Case {
            v6: true,
            ..publish(
                "publish-dual-stack",
                "`-p 8080:80` on both families",
                vec![
                    tcp(all, 8080..=8080, 80),
                    tcp(any6, 8080..=8080, 80),
                    tcp(host6, 9090..=9090, 90),
                    binding(Proto::Sctp, any6, 7000..=7009, 7000),
                ],
            )
        },
        Case {
            second: true,
            ..publish(
                "publish-two-networks",
                "a sandbox on two networks: clients on either are hidden",
                vec![tcp(all, 8080..=8080, 80)],
            )
        },
        Case {
            inter_container: false,
            ..publish(
                "publish-no-icc",
                "published, inter-container communication off",
                vec![tcp(all, 8080..=8080, 80)],
            )
        },
    ]
}

/// Every gateway mode, with what is published the way the mode has it.
fn modes() -> Vec<Case> {
    let all: IpAddr = [0, 0, 0, 0].into();
    let any6: IpAddr = "::".parse().expect("an address");
    let open = |host_address| PortBinding {
        proto: Proto::Tcp,
        host_address,
        host: PortBinding::OPEN,
        container: 80..=81,
    };
    let mode = |name, about, mode, ports| Case { name, about, modes: [mode; 2], v6: true, ports, ..PLAIN };
    let published =
        || vec![binding(Proto::Tcp, all, 8080..=8080, 80), binding(Proto::Tcp, any6, 8080..=8080, 80)];
    vec![
        mode("unprotected", "gateway mode `nat-unprotected`", GatewayMode::Unprotected, published()),
        mode("routed", "gateway mode `routed`", GatewayMode::Routed, vec![open(all), open(any6)]),
        Case {
            second: true,
            ..mode("routed-two-networks", "routed, on two networks", GatewayMode::Routed, vec![open(all)])
        },
        Case {
            inter_container: false,
            ..mode("routed-no-icc", "routed, icc off", GatewayMode::Routed, vec![open(all)])
        },
        Case {
            modes: [GatewayMode::Nat, GatewayMode::Routed],
            ..mode(
                "nat-routed",
                "IPv4 translated, IPv6 routed",
                GatewayMode::Nat,
                vec![binding(Proto::Tcp, all, 8080..=8080, 80), open(any6)],
            )
        },
        Case { trusted: true, ..mode("trusted", "a trusted interface `wg0`", GatewayMode::Nat, published()) },
        Case {
            internal: true,
            ..mode("isolated", "gateway mode `isolated`, internal", GatewayMode::Isolated, Vec::new())
        },
    ]
}

/// Who may reach whom: lists of sources, the default, and presets.
fn policies() -> Vec<Case> {
    let all: IpAddr = [0, 0, 0, 0].into();
    let any6: IpAddr = "::".parse().expect("an address");
    let published = || {
        let port = |proto, address, port| binding(proto, address, port..=port, port);
        vec![port(Proto::Tcp, all, 80), port(Proto::Tcp, any6, 80), port(Proto::Udp, all, 53)]
    };
    let case = |name, about| Case { name, about, ports: published(), v6: true, ..PLAIN };
    vec![
        Case {
            allow: "10.0.0.0/8,53/udp=wg0,80=198.51.100.0/26,80=2001:db8::/32",
            ..case("publish-allow", "`tombolo.publish.allow` of a container")
        },
        Case {
            lan: true,
            ..case("publish-lan", "`tombolo.publish.default=lan`, port 80 without an address")
        },
        Case { egress: Egress::Internet, ..case("egress-internet", "`tombolo.egress=internet`") },
        Case { egress: Egress::None, ..case("egress-none", "`tombolo.egress=none`") },
        Case {
            egress: Egress::None,
            inter_container: false,
            ..case("egress-none-isolated", "`tombolo.egress=none`, `tombolo.peers=isolated`")
        },
    ]
}

fn binding(
    proto: Proto,
    host_address: IpAddr,
    host: std::ops::RangeInclusive<u16>,
    container: u16,
) -> PortBinding {
    let last = container + (host.end() - host.start());
    PortBinding { proto, host_address, host, container: container..=last }
}

fn network(n: u8, case: &Case) -> Network {
    let subnet = |pool: String, gateway: String| Subnet {
        pool: pool.parse().expect("a network"),
        range: None,
        gateway: gateway.parse().ok(),
        auxiliary: BTreeMap::new(),
    };
    let v4 = subnet(format!("172.{}.0.0/24", 17 + n), format!("172.{}.0.1", 17 + n));
    let v6 = case.v6.then(|| subnet(format!("fd00:{}::/64", 17 + n), format!("fd00:{}::1", 17 + n)));
    let config = Config {
        inter_container: case.inter_container,
        masquerade: case.masquerade,
        gateway_v4: case.modes[0],
        gateway_v6: case.modes[1],
        trusted: case.trusted.then(|| "wg0".to_owned()).into_iter().collect(),
        inhibit_v4: case.inhibit,
        source_v4: case.source.then_some([192, 0, 2, 9].into()),
        egress: case.egress,
        source_v6: case.source.then(|| "2001:db8::9".parse().expect("an address")),
        ..Config::new(["p0", "br-web"][usize::from(n)])
    };
    Network {
        id: NetworkId::new([0x10 + n; 32]),
        name: ["bridge", "web"][usize::from(n)].into(),
        driver: Driver::Bridge(config),
        ipam: Ipam { v4: vec![v4], v6: v6.into_iter().collect(), ..Ipam::default() },
        internal: case.internal,
        attachable: false,
        options: BTreeMap::new(),
        labels: BTreeMap::new(),
        config_from: None,
        created: 0,
    }
}

fn endpoint(n: u8, case: &Case) -> Endpoint {
    let v6 = case.v6.then(|| format!("fd00:{}::2/64", 17 + n).parse().expect("an address"));
    Endpoint {
        id: EndpointId::new([0x30 + n; 32]),
        name: "server".into(),
        network: NetworkId::new([0x10 + n; 32]),
        owner: "server".into(),
        mac: Some(Mac::local([2, 0, 0, 0, n, 2])),
        v4: format!("172.{}.0.2/24", 17 + n).parse().ok(),
        v6,
        settings: EndpointSettings::default(),
        attachment: Attachment::Joined {
            sandbox: SandboxId::new([0x20; 32]),
            interface: format!("eth{n}"),
            order: u32::from(n),
        },
    }
}

fn model(case: &Case) -> Model {
    let sandbox = Sandbox {
        id: SandboxId::new([0x20; 32]),
        owner: "server".into(),
        namespace: Namespace::Own,
        dns: DnsSettings::default(),
        ports: case.ports.clone(),
        exposed: Vec::new(),
        ready: true,
        access: Access {
            allow: allow_list(case.allow).expect("a list"),
            local: case.lan.then_some(Ports { proto: Proto::Tcp, range: 80..=80 }).into_iter().collect(),
        },
    };
    let mut delta = Delta::default();
    delta.sandboxes.insert(sandbox.id, Some(Arc::new(sandbox)));
    for n in 0..=u8::from(case.second) {
        let (network, endpoint) = (network(n, case), endpoint(n, case));
        delta.networks.insert(network.id, Some(Arc::new(network)));
        delta.endpoints.insert(endpoint.id, Some(Arc::new(endpoint)));
    }
    Model::default().apply(&delta)
}

#[track_caller]
fn check(path: &Path, text: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, text).expect("the file is written");
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert!(text == expected, "{} differs; UPDATE_GOLDEN=1 rewrites it:\n{text}", path.display());
}

#[test]
fn the_skeleton_is_as_reviewed() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    check(&golden.join("skeleton.nft"), &skeleton().to_string());
}

#[test]
fn the_elements_of_every_case_are_as_reviewed() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut page = "# Which elements exist in which case\n\nGenerated by `crates/cnm/tests/golden.rs`. The \
                    network's bridge is `p0`, the server's address `172.17.0.2`.\nWithout \
                    `local4` and `local6`, which are the same in all cases.\n"
        .to_owned();
    for case in cases().into_iter().chain(modes()).chain(policies()) {
        let mut state = kernel_state(&model(&case));
        // They are the same wherever there is a table.
        state.retain(|key, _| !matches!(key, Key::Guard(Set::Local(_), _)));
        let elements = Ruleset::Elements(&state).to_string();
        check(&golden.join(format!("{}.nft", case.name)), &elements);
        write!(page, "\n## {}: {}\n\n```\n{elements}```\n", case.name, case.about).expect("a string");
    }
    check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/nftables/cases.md"), &page);
}

#[test]
fn a_plan_is_what_one_would_type() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let case = cases().pop().expect("a case");
    let case = Case { v6: true, second: true, ..case };
    let state = kernel_state(&model(&case));
    check(&golden.join("create.sh"), &plan(&State::new(), &state).to_string());
    check(&golden.join("delete.sh"), &plan(&state, &State::new()).to_string());
}
