//! Life cycles of the model, and what refused requests say.

#[path = "support/world.rs"]
mod world;

use cnm::{
    Family, Namespace,
    controller::{Created, Kind, Refused, Request},
    driver::bridge::OptionError,
    names::{self, Answer, Question},
    spec::{
        EndpointForm, InvalidNetworkError, NetworkForm, NetworkSpec, PoolForm, SandboxSpec, SandboxUpdate,
    },
};
use world::{World, mappings, network, sandbox};

fn create(spec: NetworkSpec) -> Request {
    Request::CreateNetwork(spec)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Refused>, kind: Kind, text: &str) {
    let error = result.expect_err("refused");
    assert_eq!((error.to_string().as_str(), error.kind()), (text, kind));
}

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
    check_form(
        |form| form.pools = vec![pool("10.0.0.0/24", "", "", &[]), pool("10.0.1.0/24", "", "", &[])],
        Kind::Forbidden,
        "bridge driver doesn't support multiple subnets",
    );
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
    check_pool(pool("", "", "10.0.0.1", &[]), "every ip-range or gateway must have a corresponding subnet");
}

#[test]
fn networks_do_not_clash() {
    let mut world = World::new();
    world.network("web", &["10.1.0.0/16"]);
    refused(
        world.one(create(network("web", &[], |_| {}))),
        Kind::Conflict,
        "network with name web already exists",
    );
    refused(
        world.one(create(network("other", &["10.1.3.0/24"], |_| {}))),
        Kind::Forbidden,
        "invalid pool request: Pool overlaps with other one on this address space",
    );
    refused(
        world.one(create(network("other", &["10.0.0.0/8"], |_| {}))),
        Kind::Forbidden,
        "invalid pool request: Pool overlaps with other one on this address space",
    );
    let same_link = network("other", &[], |form| {
        form.options.insert("com.docker.network.bridge.name".to_owned(), "p0".to_owned());
    });
    let error = world.one(create(same_link)).expect_err("refused");
    assert_eq!(error.kind(), Kind::Forbidden);
    assert!(error.to_string().ends_with("networks have same bridge name"), "{error}");
}

#[test]
fn networks_are_found_as_docker_finds_them() {
    let mut world = World::new();
    let web = world.network("web", &[]);
    let find = |world: &World, term: &str| match world.model.find_network(term) {
        Ok(network) => network.name.clone(),
        Err(error) => error.to_string(),
    };
    assert_eq!(find(&world, "web"), "web");
    assert_eq!(find(&world, &web.to_string()), "web");
    assert_eq!(find(&world, &web.short()), "web");
    assert_eq!(find(&world, &web.short()[..3]), "web");
    assert_eq!(find(&world, "we"), "network we not found");
    assert_eq!(find(&world, ""), "network  not found");
    let named_like_an_id = web.short();
    world.network(&named_like_an_id, &[]);
    assert_eq!(find(&world, &named_like_an_id), named_like_an_id);
    let twin = |last: u8| {
        let mut bytes = [0xee; 32];
        bytes[4] = last;
        network(&format!("twin{last}"), &[], |_| {}).with_id(cnm::NetworkId::new(bytes))
    };
    world.all(&[create(twin(1)), create(twin(2))]).expect("twins");
    assert_eq!(find(&world, "eee"), "network eee is ambiguous (2 matches found based on ID prefix)");
}

#[test]
fn networks_go_when_nobody_is_on_them() {
    let mut world = World::new();
    let web = world.network("web", &[]);
    let sandbox = world.sandbox("a");
    let endpoint = world.joined("a", "web", sandbox);
    let text = format!("network web has active endpoints (name:\"a\" id:\"{}\")", endpoint.short());
    refused(world.one(Request::DeleteNetwork(web)), Kind::Forbidden, &text);
    world.one(Request::Leave(endpoint)).expect("leaves");
    world.one(Request::DeleteNetwork(web)).expect("deleted with its detached endpoint");
    assert_eq!(world.model.endpoint(&endpoint), None);
    let text = format!("network {web} not found");
    refused(world.one(Request::DeleteNetwork(web)), Kind::NotFound, &text);
    for name in ["bridge", "host", "none"] {
        let text = format!("{name} is a pre-defined network and cannot be removed");
        refused(world.one(Request::DeleteNetwork(world.id(name))), Kind::Forbidden, &text);
    }
}

#[test]
fn endpoints_keep_what_they_have() {
    let mut world = World::new();
    world.network("web", &["10.1.0.0/24", "fd00:1::/64"]);
    let (a, b) = (world.sandbox("a"), world.sandbox("b"));
    let endpoint = world.joined("a", "web", a);
    let before = world.get(endpoint).clone();
    assert_eq!(before.v4, "10.1.0.2/24".parse().ok());
    assert_eq!(before.v6, "fd00:1::2/64".parse().ok());
    assert_eq!(before.interface(), Some("eth0"));
    world.one(Request::DeleteSandbox(a)).expect("deleted");
    let other = world.joined("b", "web", b);
    assert_eq!(world.get(other).v4, "10.1.0.3/24".parse().ok());
    let a = world.sandbox("a");
    world.one(Request::Join { endpoint, sandbox: a }).expect("joins again");
    let after = world.get(endpoint);
    assert_eq!((after.v4, after.v6, after.mac), (before.v4, before.v6, before.mac));
    refused(
        world.one(Request::Join { endpoint, sandbox: b }),
        Kind::Forbidden,
        "another container is attached to the same network endpoint",
    );
    let text = format!("endpoint with name a id {endpoint} has active containers");
    refused(world.one(Request::DeleteEndpoint(endpoint)), Kind::Forbidden, &text);
}

#[track_caller]
fn check_endpoint(network: &str, change: impl FnOnce(&mut EndpointForm), expected: Result<&str, &str>) {
    let mut world = World::new();
    world.network("web", &["10.1.0.0/29"]);
    world.endpoint("first", world.id("web"), EndpointForm::default()).expect("an endpoint");
    let mut form = EndpointForm::default();
    change(&mut form);
    let got = world.endpoint("second", world.id(network), form);
    let got = got.map(|id| world.get(id).v4.map(|net| net.to_string()).unwrap_or_default());
    assert_eq!(got, expected.map(ToOwned::to_owned).map_err(ToOwned::to_owned));
}

#[test]
fn endpoints_get_what_they_ask_for_or_nothing() {
    check_endpoint("web", |_| {}, Ok("10.1.0.3/29"));
    check_endpoint("web", |form| form.v4 = "10.1.0.5".to_owned(), Ok("10.1.0.5/29"));
    check_endpoint("web", |form| form.v4 = "10.1.0.2".to_owned(), Err("Address already in use"));
    check_endpoint("web", |form| form.v4 = "10.1.0.1".to_owned(), Err("Address already in use"));
    check_endpoint("web", |form| form.v4 = "10.1.0.7".to_owned(), Err("Address already in use"));
    let invalid = |text: &str| format!("invalid endpoint settings:\n{text}");
    let outside = invalid("no configured subnet contains IP address 10.2.0.5");
    check_endpoint("web", |form| form.v4 = "10.2.0.5".to_owned(), Err(&outside));
    let default = invalid("user-specified IP address is supported on user-defined networks only");
    check_endpoint("bridge", |form| form.v4 = "172.17.0.9".to_owned(), Err(&default));
    let aliases = invalid("network-scoped aliases are only supported for user-defined networks");
    check_endpoint("bridge", |form| form.aliases = vec!["a".to_owned()], Err(&aliases));
    let several =
        invalid("* invalid IPv4 address: x\n* invalid IPv6 address: y\n* invalid link-local IP address: z");
    let change = |form: &mut EndpointForm| {
        form.v4 = "x".to_owned();
        form.v6 = "y".to_owned();
        form.link_local = vec!["z".to_owned()];
    };
    check_endpoint("web", change, Err(&several));
    check_endpoint("none", |_| {}, Ok(""));
}

#[test]
fn a_full_network_says_so() {
    let mut world = World::new();
    let web = world.network("web", &["10.1.0.0/30"]);
    world.endpoint("a", web, EndpointForm::default()).expect("the only one");
    let text = format!("no available IPv4 addresses on this network's address pools: web ({web})");
    assert_eq!(world.endpoint("b", web, EndpointForm::default()), Err(text));
    assert_eq!(
        world.endpoint("a", web, EndpointForm::default()),
        Err("endpoint with name a already exists in network web".to_owned())
    );
}

#[test]
fn modes_do_not_mix() {
    let mut world = World::new();
    world.network("web", &[]);
    let own = world.sandbox("own");
    let on_host =
        SandboxSpec { namespace: Namespace::Host, publish: mappings(&[("80", "", "80")]), ..sandbox("h") };
    let created = world.one(Request::CreateSandbox(on_host)).expect("a sandbox");
    let [Created::Sandbox(on_host)] = created[..] else { panic!("not a sandbox") };
    assert_eq!(world.bindings(on_host), Vec::<String>::new());
    let mut join = |network: &str, name: &str, sandbox| {
        let endpoint = world.endpoint(name, world.id(network), EndpointForm::default()).expect("an endpoint");
        world.one(Request::Join { endpoint, sandbox }).map_err(|error| (error.kind(), error.to_string()))
    };
    let shared = "container sharing network namespace with another container or host cannot be connected to any other network";
    let host = "cannot connect container to host network - container must be created in host network mode";
    let private =
        "container cannot be connected to multiple networks with one of the networks in private (none) mode";
    let error = |text: &str| Err((Kind::Invalid, text.to_owned()));
    assert_eq!(join("web", "1", on_host), error(shared));
    assert_eq!(join("host", "2", own), error(host));
    assert_eq!(join("host", "3", on_host), Ok(vec![]));
    assert_eq!(join("none", "4", own), Ok(vec![]));
    assert_eq!(join("web", "5", own), error(private));
}

#[test]
fn interfaces_get_the_lowest_free_name() {
    let mut world = World::new();
    for name in ["n0", "n1", "n2"] {
        world.network(name, &[]);
    }
    let sandbox = world.sandbox("a");
    let first = world.joined("a", "n0", sandbox);
    let second = world.joined("a", "n1", sandbox);
    world.one(Request::Leave(first)).expect("leaves");
    assert_eq!(world.get(second).interface(), Some("eth1"));
    let third = world.joined("a", "n2", sandbox);
    assert_eq!(world.get(third).interface(), Some("eth0"));
    let order: Vec<_> = world.model.endpoints_of_sandbox(&sandbox).map(|endpoint| endpoint.id).collect();
    assert_eq!(order, [second, third]);
    let form = EndpointForm {
        driver_options: [("com.docker.network.endpoint.ifname".to_owned(), "eth1".to_owned())].into(),
        ..EndpointForm::default()
    };
    let endpoint = world.endpoint("b", world.id("n0"), form).expect("an endpoint");
    refused(
        world.one(Request::Join { endpoint, sandbox }),
        Kind::Conflict,
        "interface name eth1 is already in use by endpoint a",
    );
}

#[test]
fn the_gateway_is_the_best_ranked_endpoint() {
    let mut world = World::new();
    world.network("b", &["10.1.0.0/24"]);
    world.network("a", &["10.2.0.0/24"]);
    world.network("dual", &["10.3.0.0/24", "fd00:3::/64"]);
    world.one(create(network("inside", &["10.4.0.0/24"], |form| form.internal = true))).expect("internal");
    let sandbox = world.sandbox("s");
    let gateway = |world: &World, family| {
        let endpoint = world.model.gateway_endpoint(&sandbox, family)?;
        Some(world.model.network_of(endpoint).name.clone())
    };
    world.joined("s", "inside", sandbox);
    assert_eq!(gateway(&world, Family::V4), None);
    world.joined("s", "b", sandbox);
    assert_eq!(gateway(&world, Family::V4).as_deref(), Some("b"));
    world.joined("s", "a", sandbox);
    assert_eq!(gateway(&world, Family::V4).as_deref(), Some("a"));
    let dual = world.joined("s", "dual", sandbox);
    assert_eq!(gateway(&world, Family::V4).as_deref(), Some("dual"));
    assert_eq!(gateway(&world, Family::V6).as_deref(), Some("dual"));
    world.one(Request::Leave(dual)).expect("leaves");
    world.network("last", &["10.5.0.0/24"]);
    let form = EndpointForm { gateway_priority: 1, ..EndpointForm::default() };
    let endpoint = world.endpoint("s", world.id("last"), form).expect("an endpoint");
    world.one(Request::Join { endpoint, sandbox }).expect("joins");
    assert_eq!(gateway(&world, Family::V4).as_deref(), Some("last"));
    assert_eq!(gateway(&world, Family::V6), None);
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
fn ports_are_published_once() {
    let mut world = World::new();
    let (a, b) = (world.sandbox("a"), world.sandbox("b"));
    assert_eq!(
        world.publish(a, &[("80", "", "8080")]).expect("published"),
        ["tcp 0.0.0.0 8080-8080 -> 80", "tcp [::] 8080-8080 -> 80"]
    );
    let taken = Err("Bind for 0.0.0.0:8080 failed: port is already allocated".to_owned());
    assert_eq!(world.publish(b, &[("80", "", "8080")]), taken);
    assert_eq!(world.publish(b, &[("80", "", "8000-8090"), ("53/udp", "", "8080")]).expect("free").len(), 4);
    assert_eq!(
        world.publish(b, &[("8000-8090", "127.0.0.1", "8000-8090")]),
        Err("Bind for 127.0.0.1:8080 failed: port is already allocated".to_owned())
    );
    let both = [("80", "127.0.0.2", "9000"), ("80", "127.0.0.3", "9000")];
    assert_eq!(world.publish(b, &both).expect("published").len(), 2);
    assert_eq!(
        world.publish(a, &[("80", "0.0.0.0", "9000")]),
        Err("Bind for 0.0.0.0:9000 failed: port is already allocated".to_owned())
    );
    world.publish(b, &[]).expect("withdrawn");
    assert_eq!(world.publish(a, &[("80", "0.0.0.0", "9000")]).expect("free again").len(), 1);
}

#[test]
fn ephemeral_ports_go_round() {
    let mut world = World::new();
    world.host.ephemeral = 40_000..=40_009;
    world.host.v6 = false;
    world.host.busy.insert(cnm::Proto::Tcp, "127.0.0.1".parse().expect("an address"), 40_001);
    let (a, b, c) = (world.sandbox("a"), world.sandbox("b"), world.sandbox("c"));
    let one = [("80", "", ""), ("81", "", "")];
    assert_eq!(world.publish(a, &one).expect("published"), ["tcp 0.0.0.0 40002-40003 -> 80"]);
    world.host.last_ephemeral = Some(40_003);
    let first = world.publish(b, &[("1-5", "", "")]).expect("published");
    assert_eq!(first, ["tcp 0.0.0.0 40004-40008 -> 1"]);
    let divided = world.publish(c, &[("7-8", "", "")]).expect("published");
    assert_eq!(divided, ["tcp 0.0.0.0 40009-40009 -> 7", "tcp 0.0.0.0 40000-40000 -> 8"]);
    assert_eq!(
        world.publish(b, &[("1-5", "", ""), ("9", "", "")]),
        Err("all ports are allocated".to_owned())
    );
    assert_eq!(world.publish(b, &[("1-5", "", "")]).expect("kept"), first);
    assert_eq!(
        world.publish(b, &[("1", "127.0.0.1", "40001")]),
        Err("failed to bind host port 127.0.0.1:40001/tcp: address already in use".to_owned())
    );
}

#[test]
fn ports_go_where_the_gateway_says() {
    let mut world = World::new();
    let option = ("com.docker.network.bridge.host_binding_ipv4".to_owned(), "127.0.0.1".to_owned());
    world.one(create(network("local", &[], |form| form.options.extend([option])))).expect("a network");
    let sandbox = world.sandbox("a");
    world.joined("a", "local", sandbox);
    assert_eq!(
        world.publish(sandbox, &[("80", "", "80")]).expect("published"),
        ["tcp 127.0.0.1 80-80 -> 80"]
    );
}

#[test]
fn a_start_is_one_change_or_none() {
    let mut world = World::new();
    let web = world.network("web", &[]);
    let id = cnm::SandboxId::new([9; 32]);
    let endpoint = cnm::EndpointId::new([8; 32]);
    let spec = cnm::spec::EndpointSpec {
        id: Some(endpoint),
        name: "a".to_owned(),
        network: web,
        owner: "a".to_owned(),
        settings: cnm::EndpointSettings::default(),
    };
    let publish = |port: &str| SandboxUpdate {
        publish: Some(mappings(&[("80", "", port)])),
        ..SandboxUpdate::default()
    };
    let start = |port: &str| {
        [
            Request::CreateSandbox(SandboxSpec { id: Some(id), ..sandbox("a") }),
            Request::CreateEndpoint(spec.clone()),
            Request::Join { endpoint, sandbox: id },
            Request::UpdateSandbox(id, publish(port)),
        ]
    };
    let other = world.sandbox("other");
    world.publish(other, &[("80", "", "80")]).expect("published");
    let before = world.model.clone();
    refused(world.all(&start("80")), Kind::System, "Bind for 0.0.0.0:80 failed: port is already allocated");
    assert_eq!(world.model, before);
    let created = world.all(&start("81")).expect("starts");
    assert_eq!(created, [Created::Sandbox(id), Created::Endpoint(endpoint)]);
    world.all(&[Request::DeleteSandbox(id), Request::DeleteEndpoint(endpoint)]).expect("removed");
    assert_eq!(world.model, before);
}

#[track_caller]
fn check_name(world: &World, sandbox: cnm::SandboxId, question: &str, expected: &str) {
    let asked = match question.split_once(' ').expect("type and name") {
        ("A", name) => Question::Addresses(Family::V4, name.to_owned()),
        ("AAAA", name) => Question::Addresses(Family::V6, name.to_owned()),
        ("PTR", address) => Question::Names(address.parse().expect("an address")),
        (_, name) => Question::Other(name.to_owned()),
    };
    let got = match names::answer(&world.model, &sandbox, &asked) {
        Answer::Addresses(addresses) => {
            addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        }
        Answer::Names(names) => names.join(" "),
        Answer::Empty => "empty".to_owned(),
        Answer::NoSuchName => "no such name".to_owned(),
        Answer::AskUpstream => "upstream".to_owned(),
    };
    assert_eq!(got, expected, "{question}");
}

#[test]
fn names_are_answered() {
    let mut world = World::new();
    world.network("web", &["10.1.0.0/24"]);
    world.network("my.net", &["10.2.0.0/24", "fd00:2::/64"]);
    let (a, b, c) = (world.sandbox("a"), world.sandbox("b"), world.sandbox("c"));
    world.joined("a", "web", a);
    let form = EndpointForm {
        dns_names: names::dns_names(
            "server",
            &["Alias".to_owned(), "alias".to_owned()],
            "0123456789ab",
            "b-host",
        ),
        ..EndpointForm::default()
    };
    let server = world.endpoint("server", world.id("web"), form).expect("an endpoint");
    check_name(&world, a, "A server", "upstream");
    world.one(Request::Join { endpoint: server, sandbox: b }).expect("joins");
    world.joined("b", "my.net", b);
    world.joined("c", "my.net", c);
    for name in ["server", "SERVER.", "alias", "0123456789ab", "b-host", "server.web", "alias.WEB."] {
        check_name(&world, a, &format!("A {name}"), "10.1.0.3");
        check_name(&world, a, &format!("AAAA {name}"), "empty");
        check_name(&world, a, &format!("MX {name}"), "empty");
    }
    check_name(&world, a, "A server.my.net", "upstream");
    check_name(&world, b, "A c.my.net", "10.2.0.3");
    check_name(&world, b, "AAAA c", "fd00:2::3");
    check_name(&world, b, "PTR 10.1.0.2", "a.web");
    check_name(&world, b, "PTR fd00:2::3", "c.my.net");
    check_name(&world, c, "PTR 10.1.0.2", "upstream");
    check_name(&world, c, "A a", "upstream");
    check_name(&world, c, "A example.org", "upstream");
    check_name(&world, c, "TXT example.org", "upstream");
    assert!(names::needs_resolver(&world.model, &a));
}

#[test]
fn internal_networks_ask_nobody() {
    let mut world = World::new();
    world.one(create(network("inside", &[], |form| form.internal = true))).expect("a network");
    let (a, b) = (world.sandbox("a"), world.sandbox("b"));
    world.joined("a", "inside", a);
    world.joined("b", "inside", b);
    check_name(&world, a, "A b", "172.17.1.3");
    check_name(&world, a, "A example.org", "no such name");
    let dns = cnm::DnsSettings {
        servers: vec!["10.0.0.1".parse().expect("an address")],
        options: vec!["ndots:2".to_owned()],
        ..cnm::DnsSettings::default()
    };
    let update = SandboxUpdate { dns: Some(dns), ..SandboxUpdate::default() };
    world.one(Request::UpdateSandbox(a, update)).expect("changed");
    check_name(&world, a, "A example.org", "upstream");
    check_name(&world, a, "A example", "empty");
    world.joined("a", "bridge", b);
    check_name(&world, b, "A example.org", "upstream");
    let rename = |name: &str| Request::RenameEndpoint {
        endpoint: world.model.endpoints_of_sandbox(&a).next().expect("an endpoint").id,
        name: name.to_owned(),
        dns_names: vec![name.to_owned()],
    };
    let (taken, free) = (rename("b"), rename("z"));
    refused(world.one(taken), Kind::Forbidden, "endpoint with name b already exists in network inside");
    world.one(free).expect("renamed");
    check_name(&world, b, "A z", "172.17.1.2");
    check_name(&world, b, "A a", "upstream");
}
