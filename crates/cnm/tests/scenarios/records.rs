//! Stored forms: what version 1 wrote is read for ever.

use cnm::{
    Model, Sandbox,
    driver::bridge::{Config, GatewayMode},
    record::{EndpointRecord, LoadError, NetworkRecord, SandboxRecord},
};
use serde::Deserialize;
use serde_json::Value;

/// Written by version 1, with every field in use.
const V1: &str = include_str!("v1.json");
/// The same when networks were of version 2.
const V2: &str = include_str!("v2.json");

#[derive(Deserialize)]
struct File {
    networks: Vec<Value>,
    sandboxes: Vec<Value>,
    endpoints: Vec<Value>,
}

fn file(text: &str) -> File {
    serde_json::from_str(text).expect("the file is JSON")
}

fn read<T: serde::de::DeserializeOwned>(values: &[Value]) -> Vec<T> {
    values.iter().map(|value| serde_json::from_value(value.clone()).expect("a record")).collect()
}

fn load(text: &str) -> Model {
    let File { networks, sandboxes, endpoints } = file(text);
    let model = Model::load(
        read::<NetworkRecord>(&networks),
        read::<SandboxRecord>(&sandboxes),
        read::<EndpointRecord>(&endpoints),
    );
    model.expect("a model")
}

#[test]
fn the_last_version_is_read_and_written_as_it_was() {
    let File { networks, sandboxes, endpoints } = file(V2);
    let model = load(V2);
    let json = |value: serde_json::Result<Value>| value.expect("a record");
    let again = model.networks().map(|network| json(serde_json::to_value(NetworkRecord::from(&**network))));
    assert_eq!(again.collect::<Vec<_>>(), networks);
    let again = model.sandboxes().map(|sandbox| json(serde_json::to_value(SandboxRecord::from(&**sandbox))));
    assert_eq!(again.collect::<Vec<_>>(), sandboxes);
    let again =
        model.endpoints().map(|endpoint| json(serde_json::to_value(EndpointRecord::from(&**endpoint))));
    assert_eq!(again.collect::<Vec<_>>(), endpoints);
    assert!(model.is_consistent());
}

#[test]
fn what_an_older_version_did_not_know_is_as_it_was_then() {
    let model = load(V1);
    assert!(model.is_consistent());
    let config = model.networks().find_map(|network| network.bridge().cloned()).expect("a bridge");
    let plain = Config::new("br-test");
    assert_eq!((config.gateway_v4, config.gateway_v6), (GatewayMode::Nat, GatewayMode::Nat));
    assert_eq!((config.trusted, config.announcement), (plain.trusted, plain.announcement));
}

#[test]
fn what_a_sandbox_is_besides_is_kept_and_left_out_where_it_is_not() {
    let File { sandboxes, .. } = file(V2);
    let plain = read::<SandboxRecord>(&sandboxes).remove(0);
    let mut sandbox = Sandbox::from(plain);
    assert!(sandbox.ready && !sandbox.dns.follows_host);
    (sandbox.ready, sandbox.dns.follows_host) = (false, true);
    let text = serde_json::to_value(SandboxRecord::from(&sandbox)).expect("a record");
    assert_eq!((&text["unready"], &text["follows_host"]), (&true.into(), &true.into()));
    let again = serde_json::from_value::<SandboxRecord>(text).expect("a record");
    assert_eq!(Sandbox::from(again), sandbox);
}

#[track_caller]
fn check_refused(change: impl FnOnce(&mut Value), expected: &str) {
    let mut network = file(V2).networks.remove(0);
    change(&mut network);
    let error = serde_json::from_value::<NetworkRecord>(network).expect_err("refused").to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn what_is_not_known_is_refused() {
    check_refused(|network| network["colour"] = "blue".into(), "unknown field `colour`");
    check_refused(|network| network["version"] = "3".into(), "unknown variant `3`");
    check_refused(|network| network["driver"]["bridge"]["colour"] = "blue".into(), "unknown field `colour`");
    check_refused(|network| network["v4"][0]["colour"] = "blue".into(), "unknown field `colour`");
    check_refused(|network| network["id"] = "12".into(), "invalid network id \"12\"");
}

#[test]
fn records_that_contradict_one_another_make_no_model() {
    let File { networks, sandboxes, endpoints } = file(V1);
    let (networks, sandboxes, endpoints) = (
        read::<NetworkRecord>(&networks),
        read::<SandboxRecord>(&sandboxes),
        read::<EndpointRecord>(&endpoints),
    );
    let no_network = Model::load([], sandboxes.clone(), endpoints.clone());
    assert!(matches!(no_network, Err(LoadError::NoNetwork { .. })), "{no_network:?}");
    let no_sandbox = Model::load(networks.clone(), [], endpoints.clone());
    assert!(matches!(no_sandbox, Err(LoadError::NoSandbox { .. })), "{no_sandbox:?}");
    let mut twin = serde_json::to_value(&networks[0]).expect("JSON");
    twin["id"] = "ff".repeat(32).into();
    let twin = serde_json::from_value(twin).expect("a record");
    let twice = Model::load(networks.into_iter().chain([twin]), sandboxes, endpoints);
    assert_eq!(twice, Err(LoadError::Twice { what: "a network's name" }));
}
