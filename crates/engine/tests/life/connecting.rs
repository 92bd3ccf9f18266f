//! Connecting and disconnecting containers in every state.

use engine::{EndpointSpec, State};

use crate::{
    machine::{idle, in_machine},
    networks::make_network,
};

const SHOW: &str = "ip -4 -o addr show dev eth1 | cut -d ' ' -f 7";

#[test]
fn a_running_container_is_plugged_and_unplugged() {
    in_machine("plug", |machine| async move {
        make_network(&machine, "front", "10.45.0.0/24").await;
        machine.start(idle("web")).await;
        machine.engine.connect("web", "front", EndpointSpec::default()).await.expect("connected");
        let address = machine.address("web", "front");
        assert_eq!(machine.exec("web", SHOW).await, (0, format!("{address}/24\n")));
        let members = machine.engine.network_inspect("front").expect("a network").endpoints;
        assert_eq!(members.iter().map(|member| member.name.as_str()).collect::<Vec<_>>(), ["web"]);
        let twice = machine.engine.connect("web", "front", EndpointSpec::default()).await.expect_err("twice");
        assert_eq!(twice.to_string(), "endpoint with name web already exists in network front");
        machine.engine.disconnect("web", "front", false).await.expect("disconnected");
        assert_ne!(machine.exec("web", "ip link show dev eth1").await.0, 0);
        let again = machine.engine.disconnect("web", "front", false).await.expect_err("again");
        let id = machine.inspect("web").id;
        assert_eq!(again.to_string(), format!("container {id} is not connected to network front"));
        machine
    });
}

#[test]
fn the_last_network_may_go_and_another_may_come() {
    in_machine("last", |machine| async move {
        make_network(&machine, "front", "10.46.0.0/24").await;
        machine.start(idle("web")).await;
        machine.engine.disconnect("web", "bridge", false).await.expect("disconnected");
        assert_eq!(machine.exec("web", "ls /sys/class/net").await, (0, "lo\n".to_owned()));
        machine.engine.connect("web", "front", EndpointSpec::default()).await.expect("connected");
        let (_, shown) = machine.exec("web", "ip -4 -o addr").await;
        assert!(shown.contains(&machine.address("web", "front")), "{shown}");
        machine
    });
}

#[test]
fn a_frozen_container_is_plugged_at_once() {
    in_machine("frozen", |machine| async move {
        make_network(&machine, "front", "10.47.0.0/24").await;
        machine.start(idle("web")).await;
        machine.engine.pause("web").await.expect("paused");
        machine.engine.connect("web", "front", EndpointSpec::default()).await.expect("connected");
        machine.engine.unpause("web").await.expect("unpaused");
        let address = machine.address("web", "front");
        assert_eq!(machine.exec("web", SHOW).await, (0, format!("{address}/24\n")));
        machine
    });
}

#[test]
fn a_container_that_does_not_run_only_remembers() {
    in_machine("remembers", |machine| async move {
        make_network(&machine, "front", "10.48.0.0/24").await;
        machine.create(idle("web")).await;
        machine.engine.connect("web", "front", EndpointSpec::default()).await.expect("remembered");
        assert_eq!(machine.engine.network().model().endpoints().count(), 0);
        machine.engine.start("web").await.expect("a start");
        assert!(matches!(machine.inspect("web").state, State::Running(_)));
        let address = machine.address("web", "front");
        assert_eq!(machine.exec("web", SHOW).await, (0, format!("{address}/24\n")));
        machine
    });
}

#[test]
fn what_does_not_go_together_is_refused_and_changes_nothing() {
    in_machine("refused", |machine| async move {
        make_network(&machine, "front", "10.49.0.0/24").await;
        machine.start(idle("web")).await;
        let before = machine.engine.network().model();
        let asked = |v4: &str| EndpointSpec { v4: v4.to_owned(), ..EndpointSpec::default() };
        let connect =
            |network: &'static str, v4: &'static str| machine.engine.connect("web", network, asked(v4));
        let text = |error: engine::error::ConnectError| error.to_string();
        assert_eq!(connect("nope", "").await.map_err(text), Err("network nope not found".to_owned()));
        assert_eq!(
            connect("host", "").await.map_err(text),
            Err("cannot connect container to host network - container must be created in host network mode"
                .to_owned())
        );
        assert_eq!(
            connect("none", "").await.map_err(text),
            Err("container cannot be connected to multiple networks with one of the networks in private (none) mode"
                .to_owned())
        );
        assert_eq!(
            connect("front", "10.50.0.1").await.map_err(text),
            Err("invalid endpoint settings:\nno configured subnet contains IP address 10.50.0.1".to_owned())
        );
        assert_eq!(machine.engine.network().model(), before);
        assert_eq!(machine.inspect("web").network.networks.len(), 1);
        machine
    });
}

#[test]
fn many_connect_at_once() {
    in_machine("many", |machine| async move {
        for number in 0..4 {
            make_network(&machine, &format!("net{number}"), &format!("10.6{number}.0.0/24")).await;
            machine.start(idle(&format!("web{number}"))).await;
        }
        let pairs = (0..4).flat_map(|container| (0..4).map(move |network| (container, network)));
        let connects = pairs.map(|(container, network)| {
            let engine = std::sync::Arc::clone(&machine.engine);
            async move {
                let (container, network) = (format!("web{container}"), format!("net{network}"));
                engine.connect(&container, &network, EndpointSpec::default()).await
            }
        });
        for outcome in futures_util::future::join_all(connects).await {
            outcome.expect("connected");
        }
        for number in 0..4 {
            assert_eq!(
                machine.engine.network_inspect(&format!("net{number}")).expect("there").endpoints.len(),
                4
            );
        }
        machine
    });
}
