//! What the resolver of a sandbox answers.

use std::sync::Arc;

use cnm::{
    Family, Link, LinkTarget,
    controller::{Kind, Request},
    names::{self, Answer, HostView, Question, View},
    spec::{EndpointForm, SandboxUpdate},
};

use crate::{
    steps::{create, refused},
    world::{World, network},
};

#[track_caller]
fn check_name(world: &World, sandbox: cnm::SandboxId, question: &str, expected: &str) {
    let question = question.to_ascii_lowercase();
    let asked = read(&question);
    let (view, mut found) = (View::new(&Arc::new(world.model.clone()), &sandbox), Vec::new());
    assert_eq!(text(&view.answer(&asked, &mut found)), expected, "{question}");
}

#[track_caller]
fn check_host(world: &World, question: &str, expected: &str) {
    let question = question.to_ascii_lowercase();
    let (view, mut found) = (HostView::new(Arc::new(world.model.clone())), Vec::new());
    assert_eq!(text(&view.answer(&read(&question), &mut found)), expected, "{question}");
}

fn text(answer: &Answer<'_>) -> String {
    match answer {
        Answer::Addresses(addresses) => {
            addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        }
        Answer::Name(name) => name.clone(),
        Answer::Empty => "empty".to_owned(),
        Answer::NoSuchName => "no such name".to_owned(),
        Answer::AskUpstream => "upstream".to_owned(),
    }
}

/// A question in lower case: type and name.
fn read(question: &str) -> Question<'_> {
    match question.split_once(' ').expect("type and name") {
        ("a", name) => Question::Addresses(Family::V4, name),
        ("aaaa", name) => Question::Addresses(Family::V6, name),
        ("ptr", address) => Question::Names(address.parse().expect("an address")),
        (_, name) => Question::Other(name),
    }
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
    for name in ["server", "SERVER", "alias", "0123456789ab", "b-host", "server.web", "alias.WEB"] {
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

/// A sandbox whose endpoint on a network has these names and links.
fn named(world: &mut World, name: &str, on: &str, names: &[&str], links: &[(&str, &str)]) -> cnm::SandboxId {
    let sandbox = world.sandbox(name);
    let link = |(alias, target): &(&str, &str)| Link {
        alias: (*alias).to_owned(),
        target: LinkTarget::Name((*target).to_owned()),
    };
    let all = std::iter::once(name).chain(names.iter().copied());
    let form = EndpointForm {
        dns_names: all.map(ToOwned::to_owned).collect(),
        links: links.iter().map(link).collect(),
        ..EndpointForm::default()
    };
    let endpoint = world.endpoint(name, world.id(on), form).expect("an endpoint");
    world.one(Request::Join { endpoint, sandbox }).expect("joins");
    sandbox
}

#[test]
fn a_wildcard_has_all_names_below_that_nobody_has() {
    let mut world = World::new();
    world.network("web", &["10.1.0.0/24"]);
    let a = named(&mut world, "a", "web", &["*.app", "*.deep.App"], &[]);
    named(&mut world, "b", "web", &["own.app", "*.app", "*"], &[]);
    check_name(&world, a, "A x.app", "10.1.0.2 10.1.0.3");
    check_name(&world, a, "A x.y.APP", "10.1.0.2 10.1.0.3");
    check_name(&world, a, "A x.app.web", "10.1.0.2 10.1.0.3");
    check_name(&world, a, "AAAA x.app", "empty");
    check_name(&world, a, "A own.app", "10.1.0.3");
    check_name(&world, a, "AAAA own.app", "empty");
    check_name(&world, a, "A x.own.app", "10.1.0.2 10.1.0.3");
    check_name(&world, a, "A x.deep.app", "10.1.0.2");
    check_name(&world, a, "A app", "upstream");
    check_name(&world, a, "A xapp", "upstream");
    check_name(&world, a, "PTR 10.1.0.2", "a.web");
    let endpoint = world.model.endpoints_of_sandbox(&a).next().expect("an endpoint").id;
    world.one(Request::Leave(endpoint)).expect("leaves");
    let c = named(&mut world, "c", "web", &[], &[]);
    check_name(&world, c, "A x.deep.app", "10.1.0.3");
}

#[test]
fn a_link_is_for_one_sandbox_and_follows_the_name() {
    let mut world = World::new();
    world.network("web", &["10.1.0.0/24"]);
    world.network("other", &["10.2.0.0/24"]);
    let a = named(&mut world, "a", "web", &[], &[("Store", "db"), ("c", "db"), ("none", "nobody")]);
    let b = named(&mut world, "b", "web", &[], &[]);
    check_name(&world, a, "A store", "upstream");
    named(&mut world, "db", "web", &[], &[]);
    named(&mut world, "c", "web", &[], &[]);
    for name in ["store", "STORE.web", "db", "c"] {
        check_name(&world, a, &format!("A {name}"), "10.1.0.4");
        check_name(&world, a, &format!("AAAA {name}"), "empty");
    }
    check_name(&world, a, "A store.other", "upstream");
    check_name(&world, a, "A none", "upstream");
    check_name(&world, b, "A store", "upstream");
    check_name(&world, b, "A c", "10.1.0.5");
    let endpoint = world.model.endpoint_by_name(&world.id("web"), "db").expect("an endpoint").id;
    let (name, dns_names) = ("was".to_owned(), vec!["was".to_owned()]);
    world.one(Request::RenameEndpoint { endpoint, name, dns_names }).expect("renamed");
    check_name(&world, a, "A store", "upstream");
}

#[test]
fn who_is_not_ready_is_answered_for_where_nobody_else_is_there() {
    let mut world = World::new();
    world.network("web", &["10.1.0.0/24", "fd00:1::/64"]);
    let a = named(&mut world, "a", "web", &["all", "*.app"], &[]);
    let b = named(&mut world, "b", "web", &["all", "*.app"], &[]);
    let mut is = |sandbox, ready| {
        let update = SandboxUpdate { ready: Some(ready), ..SandboxUpdate::default() };
        world.one(Request::UpdateSandbox(sandbox, update)).expect("changed");
        world.clone()
    };
    let check = |world: &World, expected: &str| {
        for name in ["all", "all.web", "x.app"] {
            check_name(world, a, &format!("A {name}"), expected);
        }
    };
    check(&is(a, true), "10.1.0.2 10.1.0.3");
    let one = is(b, false);
    check(&one, "10.1.0.2");
    check_name(&one, a, "AAAA all", "fd00:1::2");
    check_name(&one, a, "A b", "10.1.0.3");
    check_name(&one, a, "PTR 10.1.0.3", "b.web");
    check(&is(a, false), "10.1.0.2 10.1.0.3");
    check(&is(b, true), "10.1.0.3");
}

#[test]
fn the_host_has_a_name_where_a_network_leads_out() {
    let mut world = World::new();
    world.network("web", &["10.1.0.0/24"]);
    world.one(create(network("inside", &["10.2.0.0/24"], |form| form.internal = true))).expect("a network");
    let (a, b, c) = (world.sandbox("a"), world.sandbox("b"), world.sandbox("c"));
    world.joined("a", "web", a);
    check_name(&world, a, "A host.docker.INTERNAL", "10.1.0.1");
    check_name(&world, a, "AAAA host.docker.internal", "empty");
    check_name(&world, a, "MX host.docker.internal", "empty");
    check_name(&world, a, "A docker.internal", "upstream");
    world.joined("b", "inside", b);
    check_name(&world, b, "A host.docker.internal", "no such name");
    world.joined("b", "web", b);
    check_name(&world, b, "A host.docker.internal", "10.1.0.1");
    world.joined("c", "bridge", c);
    check_name(&world, c, "A host.docker.internal", "upstream");
    let away = ("tombolo.egress".to_owned(), "internet".to_owned());
    world
        .one(create(network("away", &["10.3.0.0/24"], |form| form.options.extend([away]))))
        .expect("a network");
    let away = named(&mut world, "away", "away", &[], &[]);
    check_name(&world, away, "A host.docker.internal", "upstream");
    named(&mut world, "d", "web", &["host.docker.internal"], &[]);
    check_name(&world, a, "A host.docker.internal", "10.1.0.4");
}

#[test]
fn on_the_default_network_a_resolver_knows_nobody() {
    let mut world = World::new();
    let (a, b) = (world.sandbox("a"), world.sandbox("b"));
    world.joined("a", "bridge", a);
    world.joined("b", "bridge", b);
    assert!(!names::needs_resolver(&world.model, &a));
    let mut dns = cnm::DnsSettings {
        follows_host: true,
        options: vec!["ndots:2".to_owned()],
        ..cnm::DnsSettings::default()
    };
    let update =
        |dns: &cnm::DnsSettings| SandboxUpdate { dns: Some(dns.clone()), ..SandboxUpdate::default() };
    world.one(Request::UpdateSandbox(a, update(&dns))).expect("changed");
    assert!(names::needs_resolver(&world.model, &a) && !names::resolves_names(&world.model, &a));
    let address = world.model.endpoints_of_sandbox(&b).find_map(|endpoint| endpoint.v4).expect("an address");
    for question in ["A b", "AAAA b", "A b.bridge", &format!("PTR {}", address.addr())] {
        check_name(&world, a, question, "upstream");
    }
    dns.servers = vec!["192.0.2.9".parse().expect("an address")];
    world.one(Request::UpdateSandbox(a, update(&dns))).expect("changed");
    assert!(!names::needs_resolver(&world.model, &a), "it asks them by itself");
}

#[test]
fn the_host_sees_every_network_and_a_sandbox_those_it_may() {
    let mut world = World::new();
    world.network("web", &["10.1.0.0/24"]);
    world.network("my.net", &["10.2.0.0/24", "fd00:2::/64"]);
    let a = named(&mut world, "a", "web", &["*.app"], &[]);
    named(&mut world, "b", "my.net", &[], &[]);
    let c = world.sandbox("c");
    world.joined("c", "bridge", c);
    for question in ["A a.web", "A x.app.web", "A A.WEB.tombolo.internal"] {
        check_host(&world, question, "10.1.0.2");
    }
    check_host(&world, "AAAA a.web", "empty");
    check_host(&world, "TXT a.web", "empty");
    check_host(&world, "AAAA b.my.net", "fd00:2::2");
    check_host(&world, "PTR 10.2.0.2", "b.my.net");
    check_host(&world, "PTR 10.2.0.9", "no such name");
    check_host(&world, "A tombolo.internal", "empty");
    for question in ["A z.web", "A z.tombolo.internal", "A a.tombolo.internal"] {
        check_host(&world, question, "no such name");
    }
    for question in ["A a", "A c.bridge", "A example.org", "A atombolo.internal", "PTR 192.0.2.1"] {
        check_host(&world, question, "upstream");
    }
    check_name(&world, a, "A b.my.net", "upstream");
    let dns = cnm::DnsSettings { sees_networks: true, ..cnm::DnsSettings::default() };
    for sandbox in [a, c] {
        let update = SandboxUpdate { dns: Some(dns.clone()), ..SandboxUpdate::default() };
        world.one(Request::UpdateSandbox(sandbox, update)).expect("changed");
    }
    check_name(&world, a, "A b.my.net", "10.2.0.2");
    check_name(&world, a, "A b", "upstream");
    check_name(&world, a, "A z.my.net", "upstream");
    check_name(&world, c, "A a.web", "upstream");
}
