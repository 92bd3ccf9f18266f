//! Docker's rules for JSON, and its sentences.

use super::*;
use crate::container::{ContainerConfig, ContainerCreateRequest};
use crate::network::NetworkCreateRequest;

#[track_caller]
fn check_error(body: &str, text: &str) {
    let error = from_slice::<ContainerCreateRequest>(body.as_bytes()).expect_err(body);
    assert_eq!(error.to_string(), text, "{body}");
}

#[test]
fn null_means_not_given() {
    let body = br#"{"Image":"a","Hostname":null,"Tty":null,"Env":null,"StopTimeout":null,"Volumes":null,
        "HostConfig":{"Memory":null,"NetworkMode":null,"Mounts":[{"Source":null,"Target":"/t"}]},"NetworkingConfig":null}"#;
    let request: ContainerCreateRequest = from_slice(body).expect("a request");
    assert_eq!(request.config.image, "a");
    assert_eq!(request.config, ContainerConfig { image: "a".to_owned(), ..ContainerConfig::default() });
    let host = request.host_config.expect("a host configuration");
    assert_eq!(host.resources.memory, 0);
    assert_eq!(host.mounts.expect("mounts")[0].target, "/t");
}

#[test]
fn a_whole_body_of_null_is_the_zero_value() {
    let request: NetworkCreateRequest = from_slice(b"null").expect("a request");
    assert_eq!(request, NetworkCreateRequest::default());
}

#[test]
fn the_case_of_names_does_not_matter_and_strangers_are_ignored() {
    let body = br#"{"image":"a","WORKINGDIR":"/w","Stranger":{"a":[1,2]},"hostconfig":{"memory":5,"binds":["a:b"]}}"#;
    let request: ContainerCreateRequest = from_slice(body).expect("a request");
    assert_eq!((request.config.image.as_str(), request.config.working_dir.as_str()), ("a", "/w"));
    let host = request.host_config.expect("a host configuration");
    assert_eq!(host.resources.memory, 5);
    assert_eq!(host.binds, Some(vec!["a:b".to_owned()]));
}

#[test]
fn a_command_may_be_one_string() {
    let request: ContainerCreateRequest = from_slice(br#"{"Cmd":"ls","Entrypoint":["a","b"]}"#).expect("ok");
    assert_eq!(request.config.cmd, Some(vec!["ls".to_owned()]));
    assert_eq!(request.config.entrypoint, Some(vec!["a".to_owned(), "b".to_owned()]));
}

#[test]
fn syntax_errors_are_gos() {
    check_error("", "invalid JSON: got EOF while reading request body");
    check_error("  ", "invalid JSON: got EOF while reading request body");
    check_error("{", "invalid JSON: unexpected EOF");
    check_error("x", "invalid JSON: invalid character 'x' looking for beginning of value");
    check_error("{x", "invalid JSON: invalid character 'x' looking for beginning of object key string");
    check_error(r#"{"a" 1}"#, "invalid JSON: invalid character '1' after object key");
    check_error(r#"{"a":1 2}"#, "invalid JSON: invalid character '2' after object key:value pair");
    check_error(r#"{"a":[1 2]}"#, "invalid JSON: invalid character '2' after array element");
    check_error("{} {}", "unexpected content after JSON");
}

#[test]
fn type_errors_name_the_field() {
    let text =
        "invalid JSON: json: cannot unmarshal string into Go struct field HostConfig.Memory of type int64";
    check_error(r#"{"HostConfig":{"Memory":"1g"}}"#, text);
    check_error(
        r#"{"Tty":1}"#,
        "invalid JSON: json: cannot unmarshal number into Go struct field CreateRequest.Tty of type bool",
    );
    check_error(
        "[]",
        "invalid JSON: json: cannot unmarshal array into Go value of type container.CreateRequest",
    );
}

#[test]
fn lists_and_maps_say_what_of() {
    for (body, text) in [
        (r#"{"Env":"A=b"}"#, "string into Go struct field CreateRequest.Env of type []string"),
        (r#"{"Labels":[]}"#, "array into Go struct field CreateRequest.Labels of type map[string]string"),
        (
            r#"{"Volumes":[]}"#,
            "array into Go struct field CreateRequest.Volumes of type map[string]struct {}",
        ),
        (r#"{"Cmd":[1]}"#, "array into Go value of type string"),
        (r#"{"Cmd":7}"#, "number into Go value of type string"),
        (
            r#"{"HostConfig":{"Mounts":{}}}"#,
            "object into Go struct field HostConfig.Mounts of type []mount.Mount",
        ),
        (
            r#"{"NetworkingConfig":{"EndpointsConfig":[]}}"#,
            "array into Go struct field NetworkingConfig.NetworkingConfig.EndpointsConfig of type \
             map[string]*network.EndpointSettings",
        ),
    ] {
        check_error(body, &format!("invalid JSON: json: cannot unmarshal {text}"));
    }
    let body = br#"{"IPAM":{"Config":{}}}"#;
    let error = from_slice::<NetworkCreateRequest>(body).expect_err("no list").to_string();
    let text = "object into Go struct field IPAM.IPAM.Config of type []network.IPAMConfig";
    assert_eq!(error, format!("invalid JSON: json: cannot unmarshal {text}"));
}

#[test]
fn numbers_must_fit() {
    let text = "invalid JSON: json: cannot unmarshal number 1.5 into Go struct field HostConfig.Memory of type int64";
    check_error(r#"{"HostConfig":{"Memory":1.5}}"#, text);
    check_error(
        r#"{"HostConfig":{"BlkioWeight":70000}}"#,
        "invalid JSON: json: cannot unmarshal number 70000 into Go struct field HostConfig.BlkioWeight of type uint16",
    );
}

#[test]
fn deep_nesting_is_refused() {
    let body = "[".repeat(100_000);
    assert!(from_slice::<ContainerCreateRequest>(body.as_bytes()).is_err());
}
