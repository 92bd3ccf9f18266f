//! What the resolver of a sandbox answers.

use cnm::{
    Family,
    controller::{Kind, Request},
    names::{self, Answer, Question},
    spec::{EndpointForm, SandboxUpdate},
};

use crate::{
    steps::{create, refused},
    world::{World, network},
};

#[track_caller]
fn check_name(world: &World, sandbox: cnm::SandboxId, question: &str, expected: &str) {
    let asked = match question.split_once(' ').expect("type and name") {
        ("A", name) => Question::Addresses(Family::V4, name.to_owned()),
        ("AAAA", name) => Question::Addresses(Family::V6, name.to_owned()),
        ("PTR", address) => Question::Names(address.parse().expect("an address")),
        (_, name) => Question::Other(name.to_owned()),
    };
    let got = match names::answer(&world.model, &sandbox, &asked) {
        Answer::Addresses(addresses) => {
            addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        }
        Answer::Names(names) => names.join(" "),
        Answer::Empty => "empty".to_owned(),
        Answer::NoSuchName => "no such name".to_owned(),
        Answer::AskUpstream => "upstream".to_owned(),
    };
    assert_eq!(got, expected, "{question}");
}

#[test]
fn names_are_answered() {
    let mut world = World::new();
    world.network("web", &["10.1.0.0/24"]);
    world.network("my.net", &["10.2.0.0/24", "fd00:2::/64"]);
    let (a, b, c) = (world.sandbox("a"), world.sandbox("b"), world.sandbox("c"));
    world.joined("a", "web", a);
    let form = EndpointForm {
        dns_names: names::dns_names(
            "server",
            &["Alias".to_owned(), "alias".to_owned()],
            "0123456789ab",
            "b-host",
        ),
        ..EndpointForm::default()
    };
    let server = world.endpoint("server", world.id("web"), form).expect("an endpoint");
    check_name(&world, a, "A server", "upstream");
    world.one(Request::Join { endpoint: server, sandbox: b }).expect("joins");
    world.joined("b", "my.net", b);
    world.joined("c", "my.net", c);
    for name in ["server", "SERVER.", "alias", "0123456789ab", "b-host", "server.web", "alias.WEB."] {
        check_name(&world, a, &format!("A {name}"), "10.1.0.3");
        check_name(&world, a, &format!("AAAA {name}"), "empty");
        check_name(&world, a, &format!("MX {name}"), "empty");
    }
    check_name(&world, a, "A server.my.net", "upstream");
    check_name(&world, b, "A c.my.net", "10.2.0.3");
    check_name(&world, b, "AAAA c", "fd00:2::3");
    check_name(&world, b, "PTR 10.1.0.2", "a.web");
    check_name(&world, b, "PTR fd00:2::3", "c.my.net");
    check_name(&world, c, "PTR 10.1.0.2", "upstream");
    check_name(&world, c, "A a", "upstream");
    check_name(&world, c, "A example.org", "upstream");
    check_name(&world, c, "TXT example.org", "upstream");
    assert!(names::needs_resolver(&world.model, &a));
}

#[test]
fn internal_networks_ask_nobody() {
    let mut world = World::new();
    world.one(create(network("inside", &[], |form| form.internal = true))).expect("a network");
    let (a, b) = (world.sandbox("a"), world.sandbox("b"));
    world.joined("a", "inside", a);
    world.joined("b", "inside", b);
    check_name(&world, a, "A b", "172.17.1.3");
    check_name(&world, a, "A example.org", "no such name");
    let dns = cnm::DnsSettings {
        servers: vec!["10.0.0.1".parse().expect("an address")],
        options: vec!["ndots:2".to_owned()],
        ..cnm::DnsSettings::default()
    };
    let update = SandboxUpdate { dns: Some(dns), ..SandboxUpdate::default() };
    world.one(Request::UpdateSandbox(a, update)).expect("changed");
    check_name(&world, a, "A example.org", "upstream");
    check_name(&world, a, "A example", "empty");
    world.joined("a", "bridge", b);
    check_name(&world, b, "A example.org", "upstream");
    let rename = |name: &str| Request::RenameEndpoint {
        endpoint: world.model.endpoints_of_sandbox(&a).next().expect("an endpoint").id,
        name: name.to_owned(),
        dns_names: vec![name.to_owned()],
    };
    let (taken, free) = (rename("b"), rename("z"));
    refused(world.one(taken), Kind::Forbidden, "endpoint with name b already exists in network inside");
    world.one(free).expect("renamed");
    check_name(&world, b, "A z", "172.17.1.2");
    check_name(&world, b, "A a", "upstream");
}
