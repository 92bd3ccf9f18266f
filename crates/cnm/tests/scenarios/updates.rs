//! Networks that change while endpoints are there.

use std::net::IpAddr;

use cnm::{
    controller::{Kind, Request},
    plan::plan,
    spec::{EndpointForm, NetworkUpdate, NetworkUpdateForm, PoolForm},
    state::kernel_state,
};

use crate::{
    steps::{create, refused},
    world::{World, network},
};

const MTU: &str = "com.docker.network.driver.mtu";

fn update(change: impl FnOnce(&mut NetworkUpdateForm)) -> NetworkUpdate {
    let mut form = NetworkUpdateForm::default();
    change(&mut form);
    NetworkUpdate::parse(form).expect("an update")
}

fn option(name: &str, value: &str) -> NetworkUpdate {
    update(|form| form.options = [(name.to_owned(), Some(value.to_owned()))].into())
}

/// A world with the network `web` and one endpoint of it in a sandbox.
fn world() -> World {
    let mut world = World::new();
    world.network("web", &["10.1.0.0/24"]);
    let sandbox = world.sandbox("a");
    world.joined("a", "web", sandbox);
    world
}

/// What the kernel is asked for an update of `web`.
fn operations(world: &mut World, update: NetworkUpdate) -> Vec<String> {
    let before = kernel_state(&world.model);
    let web = world.id("web");
    world.one(Request::UpdateNetwork(web, update)).expect("updated");
    plan(&before, &kernel_state(&world.model)).ops().map(ToString::to_string).collect()
}

#[test]
fn an_mtu_changes_both_links_and_nothing_else() {
    let mut world = world();
    let operations = operations(&mut world, option(MTU, "1400"));
    assert_eq!(operations.len(), 2, "{operations:?}");
    assert!(operations.iter().all(|operation| operation.contains("mtu 1400")), "{operations:?}");
    let web = world.model.network_by_name("web").expect("a network");
    assert_eq!(web.options[MTU], "1400");
}

#[test]
fn labels_change_nothing_in_the_kernel() {
    let mut world = world();
    let add = update(|form| form.labels = [("tier".to_owned(), Some("front".to_owned()))].into());
    assert_eq!(operations(&mut world, add), Vec::<String>::new());
    assert_eq!(world.model.network_by_name("web").expect("a network").labels["tier"], "front");
    let remove = update(|form| form.labels = [("tier".to_owned(), None)].into());
    assert_eq!(operations(&mut world, remove), Vec::<String>::new());
    assert!(world.model.network_by_name("web").expect("a network").labels.is_empty());
}

#[test]
fn a_family_comes_with_addresses_and_goes_with_them() {
    let mut world = world();
    let before = kernel_state(&world.model);
    let pool = PoolForm { subnet: "fd07::/64".to_owned(), ..PoolForm::default() };
    let on = update(|form| (form.v6, form.pools) = (Some(true), vec![pool]));
    let operations_on = operations(&mut world, on);
    for part in ["fd07::1/64", "fd07::2/64", "route add ::/0 via fd07::1"] {
        assert!(operations_on.iter().any(|operation| operation.contains(part)), "{part}: {operations_on:?}");
    }
    let joined = world.model.endpoints().next().expect("an endpoint").addresses().collect::<Vec<_>>();
    assert_eq!(joined, ["10.1.0.2", "fd07::2"].map(|text| text.parse::<IpAddr>().expect("an address")));
    operations(&mut world, update(|form| form.v6 = Some(true)));
    operations(&mut world, update(|form| form.v6 = Some(false)));
    assert_eq!(kernel_state(&world.model), before);
}

#[test]
fn a_stack_without_a_family_gets_no_address_of_it() {
    let mut world = World::new();
    world.network("web", &["10.1.0.0/24", "fd07::/64"]);
    let form = EndpointForm { no_v6: true, v6: "fd07::9".to_owned(), ..EndpointForm::default() };
    let endpoint = world.endpoint("a", world.id("web"), form).expect("an endpoint");
    assert_eq!(world.get(endpoint).addresses().count(), 1);
    let web = world.id("web");
    for on in [false, true] {
        world.one(Request::UpdateNetwork(web, update(|form| form.v6 = Some(on)))).expect("updated");
        assert_eq!(world.get(endpoint).addresses().count(), 1, "{on}");
    }
}

#[track_caller]
fn check_refused(update: NetworkUpdate, kind: Kind, text: &str) {
    let mut world = world();
    let form = EndpointForm { v4: "10.1.0.9".to_owned(), ..EndpointForm::default() };
    world.endpoint("fixed", world.id("web"), form).expect("an endpoint");
    let web = world.id("web");
    refused(world.one(Request::UpdateNetwork(web, update)), kind, text);
}

#[test]
fn what_cannot_change_is_refused_with_its_reason() {
    check_refused(
        option("com.docker.network.bridge.name", "lan0"),
        Kind::Forbidden,
        "option com.docker.network.bridge.name of network web cannot be changed: interfaces keep their names",
    );
    check_refused(
        option("com.docker.network.bridge.gateway_mode_ipv4", "routed"),
        Kind::Forbidden,
        "option com.docker.network.bridge.gateway_mode_ipv4 of network web cannot be changed: ports have been published by it",
    );
    check_refused(option("colour", "blue"), Kind::Invalid, "unknown option \"colour\" of the bridge driver");
    check_refused(update(|form| form.v4 = Some(false)), Kind::Invalid, "IPv4 or IPv6 must be enabled");
    check_refused(
        update(|form| (form.v4, form.v6) = (Some(false), Some(true))),
        Kind::Forbidden,
        "network web keeps IPv4: endpoint fixed has been given 10.1.0.9 by name",
    );
    let pool = PoolForm { subnet: "10.2.0.0/24".to_owned(), ..PoolForm::default() };
    check_refused(
        update(|form| (form.v4, form.pools) = (Some(true), vec![pool.clone()])),
        Kind::Forbidden,
        "the subnets of network web cannot be changed: it has IPv4 already",
    );
    let form = NetworkUpdateForm { pools: vec![pool], ..NetworkUpdateForm::default() };
    assert_eq!(
        NetworkUpdate::parse(form).expect_err("refused").to_string(),
        "subnet 10.2.0.0/24 is of a family that is not switched on: the subnets of a network stay"
    );
    let small = update(|form| {
        form.v6 = Some(true);
        form.options = [(MTU.to_owned(), Some("1000".to_owned()))].into();
    });
    check_refused(small, Kind::Invalid, "an MTU of 1000 is too small for IPv6, which needs 1280");
}

#[test]
fn networks_of_the_engine_and_configurations_stay() {
    let mut world = World::new();
    let base = network("base", &[], |form| form.config_only = true);
    world.one(create(base)).expect("a configuration");
    let wire = network("wire", &[], |form| form.ipam_driver = "null".to_owned());
    world.one(create(wire)).expect("a network");
    for (name, text) in [
        ("bridge", "network bridge is predefined: it is as the engine's own settings say"),
        ("none", "network none is predefined: it is as the engine's own settings say"),
        (
            "base",
            "configuration network \"base\" cannot be changed: networks that were made with it would not follow",
        ),
        ("wire", "the families of network wire cannot be changed: nobody gives addresses on it"),
    ] {
        let id = world.id(name);
        let request = Request::UpdateNetwork(id, update(|form| form.v6 = Some(true)));
        refused(world.one(request), Kind::Forbidden, text);
    }
}
