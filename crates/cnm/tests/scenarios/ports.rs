//! Published ports.

use cnm::{Delta, Ports, Proto, driver::bridge::PublishDefault};

use crate::{
    steps::create,
    world::{World, network},
};

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
    world.host.busy.insert(Proto::Tcp, "127.0.0.1".parse().expect("an address"), 40_001);
    let (a, b, c) = (world.sandbox("a"), world.sandbox("b"), world.sandbox("c"));
    let one = [("80", "", ""), ("81", "", "")];
    let before = world.model.clone();
    assert_eq!(world.publish(a, &one).expect("published"), ["tcp 0.0.0.0 40002-40003 -> 80"]);
    let mut delta = Delta::default();
    delta.sandboxes.insert(a, world.model.sandbox(&a).cloned());
    world.host.advance(&before, &delta);
    assert_eq!(world.host.given.port, Some(40_003));
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

/// Where a port goes that names no address, and whether it is for local clients only.
#[track_caller]
fn check_default(engine: PublishDefault, options: &[(&str, &str)], expected: &[&str], local: bool) {
    let mut world = World::new();
    world.defaults.publish = engine;
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    world.one(create(network("net", &[], |form| form.options.extend(options)))).expect("a network");
    let sandbox = world.sandbox("a");
    world.joined("a", "net", sandbox);
    let bindings = world.publish(sandbox, &[("80", "", "80"), ("81", "0.0.0.0", "81")]).expect("published");
    assert_eq!(bindings[..bindings.len() - 1], *expected);
    let access = &world.model.sandbox(&sandbox).expect("a sandbox").access;
    let expected = local.then_some(Ports { proto: Proto::Tcp, range: 80..=80 });
    assert_eq!(access.local, expected.into_iter().collect::<Vec<_>>());
}

#[test]
fn the_publish_default_is_for_ports_without_an_address() {
    use PublishDefault::{All, Lan, Localhost};
    const DEFAULT: &str = "tombolo.publish.default";
    const BINDING: &str = "com.docker.network.bridge.host_binding_ipv4";
    const MODE: &str = "com.docker.network.bridge.gateway_mode_ipv4";
    let everywhere = ["tcp 0.0.0.0 80-80 -> 80", "tcp [::] 80-80 -> 80"];
    let loopback = ["tcp 127.0.0.1 80-80 -> 80", "tcp [::1] 80-80 -> 80"];
    check_default(All, &[], &everywhere, false);
    check_default(Lan, &[], &everywhere, true);
    check_default(Localhost, &[], &loopback, false);
    check_default(All, &[(DEFAULT, "localhost")], &loopback, false);
    check_default(Localhost, &[(DEFAULT, "lan")], &everywhere, true);
    check_default(Localhost, &[(DEFAULT, "all")], &everywhere, false);
    check_default(Lan, &[(BINDING, "192.0.2.1")], &["tcp 192.0.2.1 80-80 -> 80"], true);
    check_default(Localhost, &[(BINDING, "192.0.2.1")], &["tcp 192.0.2.1 80-80 -> 80"], false);
    // Where the network routes there is no port of the host that could be its loopback's.
    check_default(Localhost, &[(MODE, "routed")], &[], false);
}
