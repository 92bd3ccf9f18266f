//! Networks as users write them: names, options, pools, gateways.

use cnm::{
    controller::Kind,
    driver::bridge::OptionError,
    ipam::pool_status,
    spec::{EndpointForm, InvalidNetworkError, NetworkForm, NetworkSpec, PoolForm},
};

use crate::{
    steps::{create, refused},
    world::{World, network},
};

/// What `docker network create` says to a form.
#[track_caller]
fn check_form(change: impl FnOnce(&mut NetworkForm), kind: Kind, text: &str) {
    let mut form = NetworkForm { name: "web".to_owned(), ..NetworkForm::default() };
    change(&mut form);
    let error = NetworkSpec::parse(form).expect_err("refused");
    assert_eq!((error.to_string().as_str(), error.kind()), (text, kind));
}

fn pool(subnet: &str, range: &str, gateway: &str, auxiliary: &[(&str, &str)]) -> PoolForm {
    let auxiliary = auxiliary.iter().map(|(name, address)| ((*name).to_owned(), (*address).to_owned()));
    PoolForm {
        subnet: subnet.into(),
        range: range.into(),
        gateway: gateway.into(),
        auxiliary: auxiliary.collect(),
    }
}

#[test]
fn a_networks_form_is_checked() {
    check_form(|form| form.name.clear(), Kind::Invalid, "invalid name: name is empty");
    check_form(
        |form| form.name = "host".to_owned(),
        Kind::Forbidden,
        "operation is not permitted on predefined host network ",
    );
    check_form(
        |form| form.driver = "host".to_owned(),
        Kind::Forbidden,
        "only one instance of \"host\" network is allowed",
    );
    check_form(
        |form| form.driver = "weave".to_owned(),
        Kind::NotFound,
        "could not find plugin weave in v1 plugin registry: plugin not found",
    );
    check_form(|form| form.v4 = Some(false), Kind::Invalid, "IPv4 or IPv6 must be enabled");
    let unknown = OptionError::Unknown { option: "com.docker.network.bridge.color".to_owned() };
    let mut form = NetworkForm { name: "web".to_owned(), ..NetworkForm::default() };
    form.options.insert("com.docker.network.bridge.color".to_owned(), String::new());
    assert_eq!(NetworkSpec::parse(form), Err(InvalidNetworkError::Option(unknown)));
}

#[track_caller]
fn check_pool(form: PoolForm, problems: &str) {
    let text = format!("invalid network config:\n{problems}");
    check_form(|network| network.pools = vec![form], Kind::Invalid, &text);
}

#[test]
fn all_problems_of_a_pool_are_told() {
    check_pool(pool("10.0.0.0", "", "", &[]), "invalid subnet 10.0.0.0: invalid CIDR block notation");
    check_pool(pool("10.0.0.1/24", "", "", &[]), "invalid subnet 10.0.0.1/24: it should be 10.0.0.0/24");
    check_pool(
        pool("10.0.0.0/24", "10.0.0.0/16", "", &[]),
        "invalid ip-range 10.0.0.0/16: CIDR block is bigger than its parent subnet 10.0.0.0/24",
    );
    check_pool(
        pool("10.0.0.0/24", "10.0.0.3/28", "", &[]),
        "invalid ip-range 10.0.0.3/28: it should be 10.0.0.0/28",
    );
    check_pool(
        pool("10.0.0.0/24", "10.0.1.0/28", "fe80::1", &[("a", "10.0.1.1"), ("b", "x")]),
        "* invalid ip-range 10.0.1.0/28: parent subnet 10.0.0.0/24 doesn't contain ip-range\n\
         * invalid gateway fe80::1: parent subnet is an IPv4 block\n\
         * invalid auxiliary address a 10.0.1.1: parent subnet 10.0.0.0/24 doesn't contain this address\n\
         * invalid auxiliary address b x: invalid address",
    );
    check_pool(
        pool("127.1.0.0/16", "", "", &[]),
        "invalid subnet 127.1.0.0/16: it overlaps 127.0.0.0/8, which is reserved for loopback",
    );
    check_pool(
        pool("0.0.0.0/0", "", "", &[]),
        "invalid subnet 0.0.0.0/0: it overlaps 0.0.0.0/8, which is reserved for this host",
    );
    check_pool(pool("", "", "10.0.0.1", &[]), "every ip-range or gateway must have a corresponding subnet");
}

#[test]
fn default_pools_avoid_what_is_taken() {
    let mut world = World::empty();
    world.host.taken = ["172.17.0.0/16", "0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "172.18.1.7/32"]
        .iter()
        .map(|net| net.parse().expect("a network"))
        .collect();
    world.defaults.avoid = std::iter::once("172.18.2.0/23".parse().expect("a network")).collect();
    let pool = |world: &World, name: &str| {
        let network = world.model.network_by_name(name).expect("a network");
        network.ipam.all().map(|subnet| subnet.pool.to_string()).collect::<Vec<_>>().join(" ")
    };
    for (name, subnets, expected) in [
        ("a", &[][..], "172.18.0.0/24"),
        ("b", &[], "172.18.4.0/24"),
        ("c", &["0.0.0.0/20"], "172.18.16.0/20"),
        ("d", &["0.0.0.0/25"], "172.18.1.128/25"),
        ("e", &["10.9.0.0/24", "::/80"], "10.9.0.0/24 fd01:203:405::/80"),
        ("f", &["172.18.5.0/24", "::/64"], "172.18.5.0/24 fd01:203:405:1::/64"),
        ("g", &[], "172.18.6.0/24"),
    ] {
        world.network(name, subnets);
        assert_eq!(pool(&world, name), expected, "{name}");
    }
    world.defaults.pools.truncate(1);
    refused(
        world.one(create(network("h", &[], |_| {}))),
        Kind::Invalid,
        "all predefined address pools have been fully subnetted",
    );
}

#[track_caller]
fn check_gateway(form: PoolForm, expected: &str) {
    let mut world = World::empty();
    let spec = network("web", &[], |network| {
        network.v6 = Some(form.subnet.contains(':'));
        network.v4 = Some(!form.subnet.contains(':'));
        network.pools = vec![form];
    });
    let got = match world.one(create(spec)) {
        Ok(_) => {
            let endpoint = world.endpoint("a", world.id("web"), EndpointForm::default());
            let address =
                endpoint.map(|id| world.get(id).addresses().next().expect("an address").to_string());
            let network = world.model.network_by_name("web").expect("a network");
            let gateway = network.ipam.all().next().and_then(|subnet| subnet.gateway).expect("a gateway");
            format!("{gateway} {}", address.unwrap_or_else(|error| error[..12].to_owned()))
        }
        Err(error) => error.to_string(),
    };
    assert_eq!(got, expected);
}

#[test]
fn gateways_are_first_unless_somebody_says_otherwise() {
    check_gateway(pool("10.0.0.0/24", "", "", &[]), "10.0.0.1 10.0.0.2");
    check_gateway(pool("10.0.0.0/24", "", "10.0.0.254", &[]), "10.0.0.254 10.0.0.1");
    check_gateway(pool("10.0.0.0/24", "", "", &[("a", "10.0.0.1")]), "10.0.0.2 10.0.0.3");
    check_gateway(pool("10.0.0.0/24", "10.0.0.64/28", "", &[]), "10.0.0.64 10.0.0.65");
    check_gateway(pool("10.0.0.0/31", "", "", &[]), "10.0.0.0 10.0.0.1");
    check_gateway(pool("10.0.0.0/32", "", "", &[]), "10.0.0.0 no available");
    check_gateway(
        pool("10.0.0.0/30", "", "", &[("a", "10.0.0.1"), ("b", "10.0.0.2")]),
        "no available addresses on this pool",
    );
    check_gateway(
        pool("10.0.0.0/24", "", "10.0.0.9", &[("a", "10.0.0.9")]),
        "failed to allocate secondary ip address (a:10.0.0.9): Address already in use",
    );
    check_gateway(
        pool("10.0.0.0/24", "", "10.0.0.255", &[]),
        "failed to allocate gateway (10.0.0.255): Address already in use",
    );
    check_gateway(pool("fd00::/64", "", "", &[]), "fd00::1 fd00::2");
    check_gateway(pool("fd00::/127", "", "", &[]), "fd00:: fd00::1");
    check_gateway(pool("fd00::/8", "", "", &[]), "fd00::1 fd00::2");
}

#[test]
fn pools_say_how_full_they_are() {
    let mut world = World::empty();
    let spec = network("web", &["10.0.0.0/24", "fd00::/64"], |form| {
        form.pools[0].range = "10.0.0.128/25".to_owned();
        form.pools[0].auxiliary.insert("printer".to_owned(), "10.0.0.9".to_owned());
    });
    world.one(create(spec)).expect("a network");
    world.endpoint("a", world.id("web"), EndpointForm::default()).expect("an endpoint");
    let status = pool_status(&world.model, world.model.network_by_name("web").expect("a network"));
    let counts: Vec<_> = status.iter().map(|pool| (pool.in_use, pool.available)).collect();
    assert_eq!(counts, [(5, 125), (3, u64::MAX - 2)]);
}
