//! Stored forms: what version 1 wrote is read for ever.

use cnm::{
    Model,
    record::{EndpointRecord, LoadError, NetworkRecord, SandboxRecord},
};
use serde::Deserialize;
use serde_json::Value;

/// Written by version 1, with every field in use.
const V1: &str = include_str!("v1.json");

#[derive(Deserialize)]
struct File {
    networks: Vec<Value>,
    sandboxes: Vec<Value>,
    endpoints: Vec<Value>,
}

fn file() -> File {
    serde_json::from_str(V1).expect("the file is JSON")
}

fn read<T: serde::de::DeserializeOwned>(values: &[Value]) -> Vec<T> {
    values.iter().map(|value| serde_json::from_value(value.clone()).expect("a record of version 1")).collect()
}

#[test]
fn version_1_is_read_and_written_as_it_was() {
    let File { networks, sandboxes, endpoints } = file();
    let model = Model::load(
        read::<NetworkRecord>(&networks),
        read::<SandboxRecord>(&sandboxes),
        read::<EndpointRecord>(&endpoints),
    );
    let model = model.expect("a model");
    let written = |value| serde_json::to_value::<Value>(value).expect("JSON");
    let json = |value: serde_json::Result<Value>| written(value.expect("a record"));
    let again = model.networks().map(|network| json(serde_json::to_value(NetworkRecord::from(&**network))));
    assert_eq!(again.collect::<Vec<_>>(), networks);
    let again = model.sandboxes().map(|sandbox| json(serde_json::to_value(SandboxRecord::from(&**sandbox))));
    assert_eq!(again.collect::<Vec<_>>(), sandboxes);
    let again =
        model.endpoints().map(|endpoint| json(serde_json::to_value(EndpointRecord::from(&**endpoint))));
    assert_eq!(again.collect::<Vec<_>>(), endpoints);
    assert!(model.is_consistent());
}

#[track_caller]
fn check_refused(change: impl FnOnce(&mut Value), expected: &str) {
    let mut network = file().networks.remove(0);
    change(&mut network);
    let error = serde_json::from_value::<NetworkRecord>(network).expect_err("refused").to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn what_is_not_known_is_refused() {
    check_refused(|network| network["colour"] = "blue".into(), "unknown field `colour`");
    check_refused(|network| network["version"] = "2".into(), "unknown variant `2`");
    check_refused(|network| network["driver"]["bridge"]["colour"] = "blue".into(), "unknown field `colour`");
    check_refused(|network| network["v4"][0]["colour"] = "blue".into(), "unknown field `colour`");
    check_refused(|network| network["id"] = "12".into(), "invalid network id \"12\"");
}

#[test]
fn records_that_contradict_one_another_make_no_model() {
    let File { networks, sandboxes, endpoints } = file();
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
