//! Containers on networks.

use std::net::IpAddr;

use engine::{
    ContainerSpec, EndpointSpec, NetworkMode, State,
    cnm::{
        PortMapping,
        spec::{NetworkForm, PoolForm, PortForm},
    },
};

use crate::machine::{Machine, idle, in_machine, script, script_on};

fn server(name: &str) -> ContainerSpec {
    ContainerSpec { name: Some(name.to_owned()), ..script("exec httpd -f -p 8080 -h /var/www") }
}

/// A client that tries until the server listens.
fn fetch(mode: &str, url: &str) -> ContainerSpec {
    script_on(
        mode,
        &format!("for n in 1 2 3 4 5 6 7 8 9; do wget -q -O - {url} && exit 0; sleep 0.1; done; exit 1"),
    )
}

pub(crate) async fn make_network(machine: &Machine, name: &str, subnet: &str) {
    let pool = PoolForm { subnet: subnet.to_owned(), ..PoolForm::default() };
    let form = NetworkForm { name: name.to_owned(), pools: vec![pool], ..NetworkForm::default() };
    machine.engine.network_create(form).await.expect("a network");
}

const PAGE: &str = "<h1>It works.</h1>\n";

#[test]
fn a_page_is_fetched_by_address() {
    in_machine("page", |machine| async move {
        machine.start(server("web")).await;
        let url = format!("http://{}:8080/", machine.address("web", "bridge"));
        assert_eq!(machine.run(fetch("bridge", &url)).await, (0, PAGE.to_owned()));
        assert_eq!(machine.run(fetch("container:web", "http://127.0.0.1:8080/")).await, (0, PAGE.to_owned()));
        machine
    });
}

#[test]
fn a_page_is_fetched_through_a_published_port() {
    in_machine("published", |machine| async move {
        let mut loopback = script_on("host", "ip link set lo up");
        loopback.security.cap_add.push("net_admin".to_owned());
        assert_eq!(machine.run(loopback).await, (0, String::new()));
        let mut spec = server("web");
        let form = PortForm { container: "8080".to_owned(), host: "80".to_owned(), ..PortForm::default() };
        spec.network.publish = vec![PortMapping::parse(&form).expect("a mapping")];
        machine.start(spec.clone()).await;
        assert_eq!(machine.run(fetch("host", "http://127.0.0.1/")).await, (0, PAGE.to_owned()));
        let error = {
            let id =
                machine.create(ContainerSpec { name: Some("other".to_owned()), ..spec }).await.to_string();
            machine.engine.start(&id).await.expect_err("the port is taken")
        };
        let text = engine::chain(&error);
        assert!(
            text.starts_with("failed to set up container networking: driver failed programming external connectivity on endpoint other (")
                && text.ends_with("): Bind for 0.0.0.0:80 failed: port is already allocated"),
            "{text}"
        );
        assert!(matches!(machine.inspect("other").state, State::Created { failure: Some(_) }));
        machine
    });
}

#[test]
fn files_say_who_one_is() {
    in_machine("files", |machine| async move {
        let mut spec = script("cat /etc/hostname; tail -n 1 /etc/hosts | cut -f 2");
        spec.hostname = Some("box".to_owned());
        assert_eq!(machine.run(spec).await, (0, "box\nbox\n".to_owned()));
        machine
    });
}

#[test]
fn a_stop_keeps_the_address_and_a_removal_gives_it_back() {
    in_machine("sticky", |machine| async move {
        machine.start(idle("aa")).await;
        let address = machine.address("aa", "bridge");
        machine.stop("aa").await;
        assert_eq!(machine.inspect("aa").network.networks["bridge"].live, None);
        machine.start(idle("bb")).await;
        assert_ne!(machine.address("bb", "bridge"), address);
        machine.engine.start("aa").await.expect("a start");
        assert_eq!(machine.address("aa", "bridge"), address);
        machine.remove("aa").await;
        machine.start(idle("cc")).await;
        assert_eq!(machine.address("cc", "bridge"), address);
        machine
    });
}

#[test]
fn other_modes_have_other_stacks() {
    in_machine("modes", |machine| async move {
        let links = "ls /sys/class/net | tr '\\n' ' '";
        assert_eq!(machine.run(script_on("none", links)).await, (0, "lo ".to_owned()));
        let (_, on_host) = machine.run(script_on("host", "ip -o link | cut -d : -f 2 | cut -d @ -f 1")).await;
        assert!(on_host.contains("p0"), "{on_host}");
        let error = machine
            .engine
            .create(ContainerSpec { hostname: Some("h".to_owned()), ..script_on("container:web", "true") });
        assert_eq!(
            error.await.expect_err("refused").to_string(),
            "conflicting options: hostname and the network mode"
        );
        machine
    });
}

#[test]
fn a_joined_stack_outlives_its_first_container() {
    in_machine("joined", |machine| async move {
        machine.start(server("web")).await;
        let mut joiner = idle("joiner");
        joiner.network.mode = NetworkMode::Container("web".to_owned());
        machine.start(joiner).await;
        let before = machine.exec("joiner", "ip -4 -o addr show eth0").await;
        assert_eq!(before.0, 0);
        machine.stop("web").await;
        assert_eq!(machine.exec("joiner", "ip -4 -o addr show eth0").await, before);
        machine.engine.start("web").await.expect("a start");
        assert_eq!(machine.exec("web", "ip -4 -o addr show eth0").await, before);
        machine.stop("web").await;
        machine.stop("joiner").await;
        assert_eq!(machine.engine.network().model().sandboxes().count(), 0);
        let id = machine.create(script_on("container:web", "true")).await.to_string();
        let error = machine.engine.start(&id).await.expect_err("it does not run");
        assert_eq!(
            error.to_string(),
            "cannot join network namespace of a non running container: container web is exited"
        );
        machine
    });
}

#[test]
fn static_addresses_are_had() {
    in_machine("static", |machine| async move {
        make_network(&machine, "front", "10.44.0.0/24").await;
        let mut spec = idle("web");
        spec.network.mode = NetworkMode::Network("front".to_owned());
        let asked = EndpointSpec { v4: "10.44.0.44".to_owned(), ..EndpointSpec::default() };
        spec.network.endpoints.insert("front".to_owned(), asked);
        machine.start(spec).await;
        assert_eq!(machine.address("web", "front"), "10.44.0.44");
        let inspect = machine.inspect("web");
        let live = inspect.network.networks["front"].live.clone().expect("connected");
        assert_eq!(live.gateway_v4, Some(IpAddr::from([10, 44, 0, 1])));
        machine
    });
}
