//! Networks that others are made with, and networks whose addresses nobody gives.

use cnm::{
    Driver, Family, IpamDriver,
    controller::{Kind, Request},
    record::NetworkRecord,
    spec::{ConfigError, EndpointForm, NetworkForm, NetworkSpec},
};

use crate::{
    steps::{create, refused},
    world::{World, network},
};

const MTU: &str = "com.docker.network.driver.mtu";
const SERIAL: &str = "com.docker.network.ipam.serial";

fn form(change: impl FnOnce(&mut NetworkForm)) -> NetworkForm {
    let mut form = NetworkForm { name: "web".to_owned(), ..NetworkForm::default() };
    change(&mut form);
    form
}

/// A world with the configuration `base`.
fn world() -> World {
    let mut world = World::new();
    let base = network("base", &["10.1.0.0/24"], |form| {
        form.config_only = true;
        form.options.insert(MTU.to_owned(), "1400".to_owned());
        form.labels.insert("tier".to_owned(), "front".to_owned());
        form.ipam_options.insert(SERIAL.to_owned(), "true".to_owned());
    });
    world.one(create(base)).expect("a configuration");
    world
}

#[test]
fn a_network_is_made_with_a_configuration() {
    let mut world = world();
    let filled = form(|form| form.config_from = "base".to_owned()).fill_in(&world.model).expect("filled in");
    let spec = NetworkSpec::parse(filled).expect("a spec");
    world.one(create(spec)).expect("a network");
    let made = world.model.network_by_name("web").expect("a network").clone();
    assert_eq!(made.ipam.v4[0].pool.to_string(), "10.1.0.0/24");
    assert!(made.ipam.is_serial());
    assert_eq!(made.bridge().map(|config| config.mtu), Some(1400));
    assert_eq!(made.labels["tier"], "front");
    assert_eq!(made.config_from.as_deref(), Some("base"));

    let base = world.id("base");
    refused(
        world.one(Request::DeleteNetwork(base)),
        Kind::Forbidden,
        "configuration network \"base\" is in use",
    );
    refused(
        world.one(create(network("web2", &["10.1.0.0/25"], |_| {}))),
        Kind::Forbidden,
        "invalid pool request: Pool overlaps with other one on this address space",
    );
    world.one(Request::DeleteNetwork(made.id)).expect("deleted");
    world.one(create(network("web2", &["10.1.0.0/24"], |_| {}))).expect("a configuration takes no pool");
    world.one(Request::DeleteNetwork(base)).expect("deleted");
}

#[test]
fn a_configuration_that_has_gone_makes_nothing() {
    let mut world = world();
    let filled = form(|form| form.config_from = "base".to_owned()).fill_in(&world.model).expect("filled in");
    let spec = NetworkSpec::parse(filled).expect("a spec");
    let base = world.id("base");
    world.one(Request::DeleteNetwork(base)).expect("deleted");
    refused(world.one(create(spec)), Kind::NotFound, "configuration network \"base\" does not exist");
}

#[test]
fn nobody_is_on_a_configuration() {
    let mut world = world();
    let base = world.id("base");
    let refused = world.endpoint("a", base, EndpointForm::default());
    assert_eq!(refused, Err("cannot create endpoint on configuration-only network".to_owned()));
}

#[track_caller]
fn check_config(change: impl FnOnce(&mut NetworkForm), expected: ConfigError) {
    let text = "configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.";
    assert_eq!(ConfigError::OperatorField.to_string(), text);
    let error = NetworkSpec::parse(form(change)).expect_err("refused");
    assert_eq!((error.to_string(), error.kind()), (expected.to_string(), Kind::Forbidden));
}

#[track_caller]
fn check_filling(change: impl FnOnce(&mut NetworkForm), expected: ConfigError) {
    let filled = form(|form| {
        form.config_from = "base".to_owned();
        change(form);
    });
    assert_eq!(filled.fill_in(&world().model), Err(expected));
}

#[test]
fn a_configuration_says_nothing_for_operators() {
    check_config(|form| (form.config_only, form.internal) = (true, true), ConfigError::OperatorField);
    check_config(|form| (form.config_only, form.attachable) = (true, true), ConfigError::OperatorField);
    check_config(
        |form| (form.config_only, form.scope) = (true, "local".to_owned()),
        ConfigError::OperatorField,
    );
}

#[test]
fn a_network_says_nothing_beside_its_configuration() {
    check_filling(|form| form.config_only = true, ConfigError::Nested);
    check_filling(|form| form.v6 = Some(true), ConfigError::OwnConfiguration);
    check_filling(|form| form.v4 = Some(false), ConfigError::OwnConfiguration);
    check_filling(|form| form.ipam_driver = "null".to_owned(), ConfigError::OwnConfiguration);
    check_filling(|form| form.pools = vec![Default::default()], ConfigError::OwnConfiguration);
    check_filling(|form| form.labels = [("a".into(), "b".into())].into(), ConfigError::OwnConfiguration);
    check_filling(|form| form.options = [(MTU.into(), "1".into())].into(), ConfigError::OwnOptions);
    let not_found = |name: &str| ConfigError::NotFound { name: name.to_owned() };
    check_filling(|form| form.config_from = "none".to_owned(), not_found("none"));
    check_filling(|form| form.config_from = "bridge".to_owned(), not_found("bridge"));
}

#[test]
fn nobody_gives_addresses_where_they_are_not_wanted() {
    let mut world = World::new();
    let null = |form: &mut NetworkForm| form.ipam_driver = "null".to_owned();
    world.one(create(network("wire", &[], null))).expect("a network");
    let wire = world.model.network_by_name("wire").expect("a network").clone();
    assert_eq!(wire.ipam.all().count(), 0);
    assert_eq!(Family::BOTH.map(|family| wire.has_family(family)), [true, false]);
    let endpoint = world.endpoint("a", wire.id, EndpointForm::default()).expect("an endpoint");
    let endpoint = world.get(endpoint);
    assert_eq!((endpoint.addresses().count(), endpoint.mac.is_some()), (0, true));
    let named = EndpointForm { v4: "10.0.0.2".to_owned(), ..EndpointForm::default() };
    let refused = world.endpoint("b", wire.id, named).expect_err("refused");
    assert_eq!(refused, "invalid endpoint settings:\nno configured subnet contains IP address 10.0.0.2");

    let check = |change: fn(&mut NetworkForm), text: &str| {
        let form = form(|form| {
            null(form);
            form.pools = vec![Default::default()];
            change(form);
        });
        let error = NetworkSpec::parse(form).expect_err("refused");
        assert_eq!((error.to_string().as_str(), error.kind()), (text, Kind::Invalid));
    };
    check(
        |form| form.pools[0].subnet = "10.0.0.0/8".to_owned(),
        "null ipam driver does not handle specific address pool requests",
    );
    check(
        |form| form.pools[0].range = "10.0.0.0/8".to_owned(),
        "null ipam driver does not handle specific address subpool requests",
    );
    check(
        |form| form.pools[0].gateway = "10.0.0.1".to_owned(),
        "null ipam driver does not handle specific gateway requests",
    );
    check(
        |form| form.ipam_options = [(SERIAL.into(), "true".into())].into(),
        "unknown IPAM option \"com.docker.network.ipam.serial\"",
    );
}

#[test]
fn serial_addresses_are_not_given_again_at_once() {
    let mut world = World::new();
    world
        .one(create(network("web", &["10.0.0.0/29"], |form| {
            form.ipam_options.insert(SERIAL.to_owned(), "true".to_owned());
        })))
        .expect("a network");
    let web = world.id("web");
    let next = |world: &mut World, name: &str| {
        let before = world.model.clone();
        let id = world.endpoint(name, web, EndpointForm::default()).expect("an endpoint");
        let mut delta = cnm::Delta::default();
        delta.endpoints.insert(id, world.model.endpoint(&id).cloned());
        world.host.advance(&before, &delta);
        let address = world.get(id).addresses().next().expect("an address").to_string();
        world.one(Request::DeleteEndpoint(id)).expect("deleted");
        address
    };
    let given: Vec<_> = (0..6).map(|number| next(&mut world, &format!("e{number}"))).collect();
    assert_eq!(given, ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.2"]);
    let text = "failed to parse IPAM option com.docker.network.ipam.serial value: \"maybe\" (not a boolean)";
    let bad = form(|form| form.ipam_options = [(SERIAL.into(), "maybe".into())].into());
    assert_eq!(NetworkSpec::parse(bad).expect_err("refused").to_string(), text);
}

#[test]
fn configurations_and_what_was_made_with_them_are_stored_as_they_are() {
    let mut world = world();
    let filled = form(|form| form.config_from = "base".to_owned()).fill_in(&world.model).expect("filled in");
    world.one(create(NetworkSpec::parse(filled).expect("a spec"))).expect("a network");
    world.one(create(network("wire", &[], |form| form.ipam_driver = "null".to_owned()))).expect("a network");
    for network in world.model.networks() {
        let text = serde_json::to_string(&NetworkRecord::from(&**network)).expect("JSON");
        let read: NetworkRecord = serde_json::from_str(&text).expect("a record");
        assert_eq!(cnm::Network::from(read), **network);
        let is_plain = network.config_from.is_none()
            && network.ipam.driver == IpamDriver::Default
            && !matches!(network.driver, Driver::Config(_));
        assert_eq!(is_plain, !text.contains("config") && !text.contains("ipam_driver"), "{text}");
    }
}
