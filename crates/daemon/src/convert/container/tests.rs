//! Requests as Docker's command line sends them.

use super::*;

const ALL: &str = include_str!("../../../../api/tests/golden/create_all.json");

fn read(text: &str, version: Version) -> Result<Wanted, String> {
    let request = api::json::from_slice(text.as_bytes()).expect("a request");
    let gateways = vec![IpAddr::from([172, 17, 0, 1])];
    wanted(request, &Circumstances { name: "/web", version, gateways }).map_err(|refusal| refusal.message)
}

#[test]
fn forty_flags_arrive() {
    let Wanted { spec, warnings } = read(ALL, Version::v1(50)).expect("a specification");
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(spec.name.as_deref(), Some("web"));
    assert_eq!(spec.root, Root::Image("img:tag".to_owned()));
    assert_eq!(spec.command.user, "1000:1000");
    assert_eq!(spec.network.mode, NetworkMode::Network("n1".to_owned()));
    assert_eq!(spec.network.publish.len(), 4);
    assert_eq!(spec.network.endpoints["n1"].v4, "10.0.0.5");
    assert_eq!(spec.network.endpoints["n1"].mac, "02:42:00:00:00:01");
    assert_eq!(spec.limits.nano_cpus, Some(1_500_000_000));
    assert_eq!(spec.limits.pids, Some(10));
    assert_eq!(spec.limits.oom_score_adj, Some(100));
    assert_eq!(spec.mounts.len(), 4);
    assert_eq!(spec.init, Some(true));
    assert_eq!(spec.namespaces.pid, engine::NamespaceMode::Host);
    assert_eq!(spec.extra[HOST_CONFIG]["Binds"][0], "/tmp:/data:ro");
}

#[test]
fn a_directory_is_a_root() {
    let path = "/srv/root".into();
    assert_eq!(root("rootfs:///srv/root:O".to_owned()), Root::Directory { path, overlay: true });
    let path = "/srv/root".into();
    assert_eq!(root("rootfs:///srv/root".to_owned()), Root::Directory { path, overlay: false });
}

#[track_caller]
fn check_refused(body: &str, minor: u16, text: &str) {
    let error = read(body, Version::v1(minor)).expect_err(text);
    assert!(error.contains(text), "{error}");
}

#[test]
fn docker_refuses_it_so_do_we() {
    check_refused(
        r#"{"HostConfig":{"NetworkMode":"container:"}}"#,
        50,
        "invalid container format container:<name|id>",
    );
    check_refused(r#"{"HostConfig":{"PidMode":"x"}}"#, 50, "invalid PID mode: x");
    check_refused(r#"{"HostConfig":{"Dns":["x"]}}"#, 50, "invalid DNS address: x");
    check_refused(r#"{"HostConfig":{"ShmSize":-1}}"#, 50, "SHM size can not be less than 0");
    check_refused(r#"{"HostConfig":{"Runtime":"x"}}"#, 50, "unknown or invalid runtime name: x");
    check_refused(r#"{"ExposedPorts":{"x":{}}}"#, 50, "invalid port specification: \"x\"");
    check_refused(r#"{"StopSignal":"x"}"#, 50, "invalid signal: x");
    let two = r#"{"NetworkingConfig":{"EndpointsConfig":{"a":{},"b":{}}}}"#;
    check_refused(two, 43, "Container cannot be created with multiple network endpoints: a, b");
    check_refused(r#"{"MacAddress":"02:00:00:00:00:01"}"#, 52, "no longer supported");
    let host = r#"{"MacAddress":"02:00:00:00:00:01","HostConfig":{"NetworkMode":"host"}}"#;
    check_refused(host, 43, "conflicting options: mac-address and the network mode");
}

#[test]
fn the_mac_address_of_old_clients_goes_to_the_endpoint() {
    let body = r#"{"MacAddress":"02:00:00:00:00:01"}"#;
    let Wanted { spec, warnings } = read(body, Version::v1(43)).expect("a specification");
    assert_eq!(spec.network.endpoints["bridge"].mac, "02:00:00:00:00:01");
    assert_eq!(warnings, Vec::<String>::new());
    let Wanted { warnings, .. } = read(body, Version::v1(50)).expect("a specification");
    assert_eq!(warnings, [MAC_DEPRECATED]);
}

#[test]
fn the_host_gateway_is_the_default_networks() {
    let body = r#"{"HostConfig":{"ExtraHosts":["up:host-gateway","x:1.2.3.4"]}}"#;
    let Wanted { spec, .. } = read(body, Version::v1(50)).expect("a specification");
    let expected =
        [("up", [172, 17, 0, 1]), ("x", [1, 2, 3, 4])].map(|(name, ip)| (name.to_owned(), ip.into()));
    assert_eq!(spec.network.extra_hosts, expected);
}
