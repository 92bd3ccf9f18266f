//! Engines end and begin; containers go on.

use engine::{
    ContainerSpec, State, StopOptions,
    cnm::{
        DnsSettings, EndpointSettings, Namespace,
        controller::Request,
        spec::{EndpointSpec, SandboxSpec},
    },
};

use crate::machine::{idle, in_machine, script, wait_until};

#[test]
fn a_container_does_not_notice_a_new_engine() {
    in_machine("notice", |machine| async move {
        machine.start(idle("web")).await;
        let (before, address) = (machine.inspect("web").state, machine.address("web", "bridge"));
        let machine = machine.reopen().await;
        assert_eq!(machine.inspect("web").state, before);
        assert_eq!(machine.address("web", "bridge"), address);
        let (code, shown) = machine.exec("web", "ip -4 -o addr show eth0").await;
        assert!(code == 0 && shown.contains(&address), "{shown}");
        machine.stop("web").await;
        machine
    });
}

#[test]
fn an_end_that_nobody_saw_is_not_lost() {
    in_machine("unseen", |machine| async move {
        let gate = machine.engine.config().data_root.join("gate");
        std::fs::create_dir(&gate).expect("a directory");
        let mut spec = ContainerSpec {
            name: Some("web".to_owned()),
            ..script("while [ ! -e /gate/open ]; do sleep 0.05; done; exit 6")
        };
        spec.mounts.push(engine::MountSpec {
            target: "/gate".to_owned(),
            kind: engine::MountKind::Bind { source: gate.clone(), options: engine::BindOptions::default() },
            read_only: false,
            origin: engine::MountOrigin::Mount,
        });
        let id = machine.start(spec).await;
        let exit = machine.engine.config().exec_root.join(format!("containers/{id}/exit.json"));
        std::fs::write(gate.join("open"), "").expect("opened while nobody looks is not possible here");
        machine.engine.close().await;
        wait_until("the shim has seen the end", || {
            exit.exists() || !exit.parent().is_some_and(|dir| dir.exists())
        })
        .await;
        let machine = machine.reopen().await;
        let state = machine.inspect("web").state;
        assert!(matches!(&state, State::Exited(exited) if exited.code == 6), "{state:?}");
        machine
    });
}

#[test]
fn a_shim_that_was_killed_leaves_an_end_and_nothing_else() {
    in_machine("killed", |machine| async move {
        let id = machine.start(idle("web")).await;
        let pid_file = machine.engine.config().exec_root.join(format!("containers/{id}/shim.pid"));
        let pid: u32 = std::fs::read_to_string(pid_file).expect("a pid").trim().parse().expect("a number");
        linux::pidfd::Pidfd::open(pid).and_then(|shim| shim.signal(9)).expect("killed");
        wait_until("the end is noticed", || machine.inspect("web").state.alive().is_none()).await;
        assert!(matches!(machine.inspect("web").state, State::Exited(exited) if exited.code == 137));
        machine.engine.start("web").await.expect("a start");
        machine
    });
}

#[test]
fn what_was_not_answered_did_not_happen() {
    in_machine("unanswered", |machine| async move {
        machine.start(idle("web")).await;
        machine.create(idle("idle")).await;
        let (web, idle) = (machine.inspect("web"), machine.inspect("idle"));
        let network = machine.engine.network();
        let none = network.model().network_by_name("none").expect("predefined").id;
        let endpoint = |name: &str, owner: String| {
            Request::CreateEndpoint(EndpointSpec {
                id: None,
                name: name.to_owned(),
                network: none,
                owner,
                settings: EndpointSettings::default(),
            })
        };
        let sandbox = Request::CreateSandbox(SandboxSpec {
            id: None,
            owner: idle.id.to_string(),
            namespace: Namespace::Own,
            dns: DnsSettings::default(),
            publish: Vec::new(),
            exposed: Vec::new(),
            ready: true,
            allow: Vec::new(),
        });
        // A start, a connect and a create that were cut short by the end of the engine.
        let begun = [endpoint("idle", idle.id.to_string()), sandbox, endpoint("gone", "nobody".to_owned())];
        network.change(begun.into()).await.expect("made");
        std::fs::create_dir(machine.engine.config().data_root.join("containers/nobody"))
            .expect("a directory");
        let machine = machine.reopen().await;
        let model = machine.engine.network().model();
        let owners: Vec<_> = model.endpoints().map(|endpoint| endpoint.owner.clone()).collect();
        assert_eq!(owners, [web.id.to_string()]);
        assert_eq!(
            model.sandboxes().map(|sandbox| sandbox.id).collect::<Vec<_>>(),
            [web.network.sandbox.unwrap()]
        );
        machine.engine.start("idle").await.expect("a start");
        machine
    });
}

#[test]
fn a_removal_that_was_begun_is_ended() {
    in_machine("begun", |machine| async move {
        let id = machine.create(idle("web")).await;
        machine.engine.images().snapshots().remove(&id.to_string()).expect("the first step");
        let machine = machine.reopen().await;
        wait_until("the removal is ended", || machine.engine.inspect("web").is_err()).await;
        machine
    });
}

#[test]
fn a_restart_keeps_the_sandbox() {
    in_machine("again", |machine| async move {
        machine.start(idle("web")).await;
        let before = machine.inspect("web");
        machine
            .engine
            .restart("web", StopOptions { signal: None, timeout: Some(5) })
            .await
            .expect("restarted");
        let after = machine.inspect("web");
        assert_eq!(after.network.sandbox, before.network.sandbox);
        assert_eq!(after.network.networks, before.network.networks);
        assert_ne!(after.state, before.state);
        machine
    });
}
