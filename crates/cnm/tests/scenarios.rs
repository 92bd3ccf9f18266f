//! Life cycles of the model, and what refused requests say.

#[path = "scenarios/announcements.rs"]
mod announcements;
#[path = "scenarios/configs.rs"]
mod configs;
#[path = "scenarios/files.rs"]
mod files;
#[path = "scenarios/forms.rs"]
mod forms;
#[path = "scenarios/names.rs"]
mod names;
#[path = "scenarios/ports.rs"]
mod ports;
#[path = "scenarios/readme.rs"]
mod readme;
#[path = "scenarios/records.rs"]
mod records;
#[path = "scenarios/steps.rs"]
mod steps;
#[path = "scenarios/updates.rs"]
mod updates;
#[path = "support/world.rs"]
mod world;

use cnm::{
    Family, Namespace,
    controller::{Created, Kind, Request},
    spec::{EndpointForm, SandboxSpec, SandboxUpdate},
};
use steps::{create, refused};
use world::{World, mappings, network, sandbox};

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
    let (own, other) = (world.sandbox("own"), world.sandbox("other"));
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
    assert_eq!(join("web", "6", other), Ok(vec![]));
    assert_eq!(join("none", "7", other), error(private));
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
