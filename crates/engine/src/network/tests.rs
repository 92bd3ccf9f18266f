//! The requests do what was asked when the model decides them.

use std::collections::BTreeMap;

use super::*;
use crate::{
    ContainerSpec, NetworkSettings,
    cnm::{
        Endpoint,
        controller::{Context, Defaults, Host, decide_all},
        spec::{NetworkForm, NetworkSpec, PoolForm},
    },
};

/// A model with the predefined networks and `front` (10.1.0.0/24).
fn model() -> Model {
    let pool = PoolForm { subnet: "10.1.0.0/24".to_owned(), ..PoolForm::default() };
    let front = NetworkForm { name: "front".to_owned(), pools: vec![pool], ..NetworkForm::default() };
    let specs = [
        NetworkSpec::predefined_bridge(NetworkForm::default()).expect("bridge"),
        NetworkSpec::predefined_host(),
        NetworkSpec::predefined_none(),
        NetworkSpec::parse(front).expect("front"),
    ];
    decide(&Model::default(), &specs.map(Request::CreateNetwork))
}

#[track_caller]
fn decide(model: &Model, requests: &[Request]) -> Model {
    let mut entropy = |bytes: &mut [u8]| getrandom::fill(bytes).expect("random bytes");
    let (host, defaults) = (Host::default(), Defaults::new([1; 5]));
    let mut context = Context { entropy: &mut entropy, now: 0, host: &host, defaults: &defaults };
    let (delta, _) = decide_all(model, requests, &mut context).expect("accepted");
    model.apply(&delta)
}

fn record(model: &Model, change: impl FnOnce(&mut NetworkSettings)) -> Record {
    let mut spec = ContainerSpec::default();
    change(&mut spec.network);
    let mut record = Record::new("web", spec);
    record.connections = connections(&record.spec.network, model);
    record
}

fn endpoints(model: &Model, record: &Record) -> Vec<Endpoint> {
    let sandbox = record.sandbox.expect("a sandbox");
    model.endpoints_of_sandbox(&sandbox).map(|endpoint| Endpoint::clone(endpoint)).collect()
}

#[test]
fn a_container_without_wishes_is_on_the_bridge() {
    let before = model();
    let mut record = record(&before, |_| {});
    let after = decide(&before, &join(&mut record, &before, &DnsDefaults::default()).expect("requests"));
    let endpoints = endpoints(&after, &record);
    assert_eq!(endpoints.len(), 1);
    assert_eq!((endpoints[0].name.as_str(), endpoints[0].owner.clone()), ("web", record.id.to_string()));
    assert_eq!(after.network_of(&endpoints[0]).name, "bridge");
}

#[test]
fn the_modes_network_comes_first() {
    let before = model();
    let mut record = record(&before, |network| {
        network.mode = NetworkMode::Network("front".to_owned());
        network.endpoints = BTreeMap::from([("bridge".to_owned(), EndpointSpec::default())]);
    });
    let after = decide(&before, &join(&mut record, &before, &DnsDefaults::default()).expect("requests"));
    let names: Vec<_> =
        endpoints(&after, &record).iter().map(|endpoint| after.network_of(endpoint).name.clone()).collect();
    assert_eq!(names, ["front", "bridge"]);
}

#[test]
fn later_connections_follow_in_the_order_they_were_made() {
    let before = model();
    let mut record = record(&before, |network| network.mode = NetworkMode::Network("front".to_owned()));
    for name in ["zeta", "alpha", "mid"] {
        let connection = ConnectionRecord { order: record.next_order(), ..ConnectionRecord::default() };
        record.connections.insert(name.to_owned(), connection);
    }
    let names: Vec<_> = in_order(&record).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["front", "zeta", "alpha", "mid"]);
}

#[test]
fn addresses_are_kept_over_a_stop() {
    let before = model();
    let mut record = record(&before, |_| {});
    let running = decide(&before, &join(&mut record, &before, &DnsDefaults::default()).expect("requests"));
    let address = endpoints(&running, &record)[0].v4;
    let sandbox = record.sandbox.take().expect("a sandbox");
    let stopped = decide(&running, &[Request::DeleteSandbox(sandbox)]);
    let again = decide(&stopped, &join(&mut record, &stopped, &DnsDefaults::default()).expect("requests"));
    assert_eq!(endpoints(&again, &record)[0].v4, address);
    let gone = decide(&again, &remove(&record, &again));
    assert_eq!(gone, before);
}

#[test]
fn a_static_address_is_reserved_before_the_first_start() {
    let before = model();
    let mut record = record(&before, |network| {
        network.mode = NetworkMode::Network("front".to_owned());
        let spec = EndpointSpec { v4: "10.1.0.9".to_owned(), ..EndpointSpec::default() };
        network.endpoints = BTreeMap::from([("front".to_owned(), spec)]);
    });
    let reserve = reserve(&mut record, &before).expect("requests");
    let reserved = decide(&before, &reserve);
    let front = reserved.network_by_name("front").expect("front");
    assert!(reserved.endpoint_by_address(&front.id, [10, 1, 0, 9].into()).is_some());
    let running =
        decide(&reserved, &join(&mut record, &reserved, &DnsDefaults::default()).expect("requests"));
    assert_eq!(endpoints(&running, &record)[0].v4.map(|net| net.to_string()).as_deref(), Some("10.1.0.9/24"));
}

#[test]
fn a_running_container_needs_no_requests() {
    let before = model();
    let mut record = record(&before, |network| network.publish.clear());
    let running = decide(&before, &join(&mut record, &before, &DnsDefaults::default()).expect("requests"));
    assert_eq!(join(&mut record, &running, &DnsDefaults::default()).expect("requests"), []);
}

#[test]
fn settings_are_refused_with_all_their_problems() {
    let before = model();
    let mut record = record(&before, |network| {
        let spec = EndpointSpec {
            v4: "10.1.0.9".to_owned(),
            aliases: vec!["db".to_owned()],
            ..EndpointSpec::default()
        };
        network.endpoints = BTreeMap::from([("bridge".to_owned(), spec)]);
    });
    let error = join(&mut record, &before, &DnsDefaults::default()).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "invalid endpoint settings:\n\
         * user-specified IP address is supported on user-defined networks only\n\
         * network-scoped aliases are only supported for user-defined networks"
    );
}

#[test]
fn a_network_that_is_not_there_is_missed_at_the_start() {
    let before = model();
    let mut record = record(&before, |network| network.mode = NetworkMode::Network("nope".to_owned()));
    assert_eq!(record.connections.keys().collect::<Vec<_>>(), ["nope"]);
    let error = join(&mut record, &before, &DnsDefaults::default()).expect_err("refused");
    assert_eq!(error.to_string(), "network nope not found");
}

#[test]
fn all_exposed_ports_are_published_but_those_that_are() {
    let before = model();
    let record = record(&before, |network| {
        network.exposed =
            ["80/tcp", "90-91/udp"].iter().filter_map(|text| crate::record::parse(text)).collect();
        network.publish_all = true;
        network.publish = vec![PortMapping {
            container: crate::record::parse("80/tcp").expect("a port"),
            host_address: None,
            host: HostPorts::Exact(8080..=8080),
        }];
    });
    let ports: Vec<_> =
        published(&record).into_iter().map(|mapping| *mapping.container.range.start()).collect();
    assert_eq!(ports, [80, 90, 91]);
}

#[test]
fn names_are_resolved_on_user_defined_networks_only() {
    let before = model();
    let mut record = record(&before, |network| {
        network.mode = NetworkMode::Network("front".to_owned());
        let spec = EndpointSpec { aliases: vec!["www".to_owned()], ..EndpointSpec::default() };
        let bridge = ("bridge".to_owned(), EndpointSpec::default());
        network.endpoints = BTreeMap::from([("front".to_owned(), spec), bridge]);
    });
    let after = decide(&before, &join(&mut record, &before, &DnsDefaults::default()).expect("requests"));
    let names: Vec<_> =
        endpoints(&after, &record).into_iter().map(|endpoint| endpoint.settings.dns_names).collect();
    assert_eq!(names, [vec!["web".to_owned(), "www".to_owned(), record.id.short()], vec![]]);
}
