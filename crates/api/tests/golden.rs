//! Bodies that Docker's command line 28.2 sent, read and written again without a change.

use api::container::{ContainerCreateRequest, ContainerUpdateRequest};
use api::network::{NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;

#[track_caller]
fn check<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(text: &str) -> T {
    let text = text.trim();
    let read: T = api::json::from_slice(text.as_bytes()).expect("a request");
    assert_eq!(serde_json::to_string(&read).expect("json"), text);
    assert_eq!(serde_json::from_str::<T>(text).expect("the same by serde's rules"), read);
    read
}

#[test]
fn create_with_forty_flags() {
    let request: ContainerCreateRequest = check(include_str!("golden/create_all.json"));
    let host = request.host_config.expect("a host configuration");
    assert_eq!(host.resources.nano_cpus, 1_500_000_000);
    assert_eq!(host.port_bindings.expect("ports").len(), 4);
    let endpoints = request.networking_config.and_then(|config| config.endpoints_config).expect("endpoints");
    let endpoint = endpoints["n1"].as_ref().expect("settings");
    assert_eq!(endpoint.ipam_config.as_ref().expect("addresses").ipv4_address, "10.0.0.5");
    assert_eq!(endpoint.mac_address, "02:42:00:00:00:01");
}

#[test]
fn create_without_flags() {
    check::<ContainerCreateRequest>(include_str!("golden/create_plain.json"));
}

#[test]
fn update() {
    let request: ContainerUpdateRequest = check(include_str!("golden/update.json"));
    assert_eq!(request.resources.memory, 64 << 20);
}

#[test]
fn networks() {
    let request: NetworkCreateRequest = check(include_str!("golden/network_create.json"));
    assert_eq!((request.name.as_str(), request.enable_ipv6, request.enable_ipv4), ("n", Some(true), None));
    check::<NetworkConnectRequest>(include_str!("golden/network_connect.json"));
    check::<NetworkDisconnectRequest>(include_str!("golden/network_disconnect.json"));
}
