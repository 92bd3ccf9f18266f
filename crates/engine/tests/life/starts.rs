//! Starting, ending, and failing to.

use engine::{ContainerSpec, Done, LogOptions, RemoveOptions, RestartPolicy, State, Stream, WaitCondition};

use crate::machine::{idle, in_machine, script, wait_until};

#[test]
fn a_container_lives_and_is_gone() {
    in_machine("lives", |machine| async move {
        let id = machine.create(script("echo hello; echo oops >&2; exit 3")).await.to_string();
        let removed = machine.engine.wait(&id, WaitCondition::Removed).expect("a wait");
        let ended = machine.engine.wait(&id, WaitCondition::NextExit).expect("a wait");
        assert_eq!(machine.engine.start(&id).await.expect("a start"), Done::Now);
        assert_eq!(ended.await.code, 3);
        let inspect = machine.inspect(&id);
        assert!(matches!(&inspect.state, State::Exited(exited) if exited.code == 3), "{:?}", inspect.state);
        let both = LogOptions { stdout: true, stderr: true, ..LogOptions::default() };
        let mut logs = machine.logs(&id, both).await;
        logs.sort_by_key(|(stream, _)| *stream == Stream::Stderr);
        assert_eq!(logs, [(Stream::Stdout, "hello".to_owned()), (Stream::Stderr, "oops".to_owned())]);
        machine.engine.remove(&id, RemoveOptions::default()).await.expect("removed");
        assert_eq!(removed.await.code, 3);
        let error = machine.engine.inspect(&id).expect_err("gone");
        assert_eq!(error.to_string(), format!("No such container: {id}"));
        machine
    });
}

#[test]
fn a_program_that_is_not_there_leaves_nothing_but_the_reason() {
    in_machine("absent", |machine| async move {
        let mut spec = script("");
        spec.command.args = Some(vec!["/no/such/program".to_owned()]);
        let id = machine.create(spec).await.to_string();
        let error = machine.engine.start(&id).await.expect_err("no such program");
        assert_eq!((error.exit_code(), error.kind()), (127, engine::Kind::Invalid));
        let inspect = machine.inspect(&id);
        let State::Created { failure: Some(failure) } = inspect.state else { panic!("{:?}", inspect.state) };
        assert_eq!(failure.code, 127);
        assert_eq!(machine.engine.network().model().sandboxes().count(), 0);
        machine
    });
}

#[test]
fn names_are_had_once() {
    in_machine("names", |machine| async move {
        let id = machine.create(idle("web")).await;
        let error = machine.engine.create(idle("web")).await.expect_err("taken");
        assert_eq!(
            error.to_string(),
            format!(
                "Conflict. The container name \"/web\" is already in use by container \"{id}\". You have to remove \
                 (or rename) that container to be able to reuse that name."
            )
        );
        machine.engine.rename("web", "db").await.expect("renamed");
        machine.create(idle("web")).await;
        let error = machine.engine.rename("db", "web").await.expect_err("taken");
        assert_eq!(error.kind(), engine::Kind::Conflict);
        machine
    });
}

#[test]
fn stopping_is_patient_and_then_is_not() {
    in_machine("stopping", |machine| async move {
        machine.start(idle("polite")).await;
        machine.is_ready("polite").await;
        machine.stop("polite").await;
        assert!(matches!(machine.inspect("polite").state, State::Exited(exited) if exited.code == 0));
        let deaf = ContainerSpec {
            name: Some("deaf".to_owned()),
            ..script("trap '' TERM; while :; do sleep 1; done")
        };
        machine.start(deaf).await;
        let options = engine::StopOptions { signal: None, timeout: Some(0) };
        assert_eq!(machine.engine.stop("deaf", options).await.expect("stopped"), Done::Now);
        assert!(matches!(machine.inspect("deaf").state, State::Exited(exited) if exited.code == 137));
        assert_eq!(machine.engine.stop("deaf", options).await.expect("stopped"), Done::Already);
        machine
    });
}

#[test]
fn running_containers_are_not_removed_by_mistake() {
    in_machine("mistake", |machine| async move {
        machine.start(idle("web")).await;
        let error = machine.engine.remove("web", RemoveOptions::default()).await.expect_err("it runs");
        assert_eq!(
            error.to_string(),
            "cannot remove container \"/web\": container is running: stop the container before removing or force remove"
        );
        machine.engine.pause("web").await.expect("paused");
        assert_eq!(machine.inspect("web").state.status(), "paused");
        machine.engine.unpause("web").await.expect("unpaused");
        machine.remove("web").await;
        machine
    });
}

#[test]
fn a_container_that_is_to_go_goes_by_itself() {
    in_machine("goes", |machine| async move {
        let spec = ContainerSpec { auto_remove: true, ..script("exit 4") };
        let id = machine.create(spec).await.to_string();
        let removed = machine.engine.wait(&id, WaitCondition::Removed).expect("a wait");
        machine.engine.start(&id).await.expect("a start");
        assert_eq!(removed.await.code, 4);
        machine
    });
}

#[test]
fn a_policy_restarts_until_somebody_stops() {
    in_machine("policy", |machine| async move {
        let spec = ContainerSpec {
            name: Some("again".to_owned()),
            restart: RestartPolicy::OnFailure { retries: 2 },
            ..script("exit 5")
        };
        machine.start(spec).await;
        let gave_up = || matches!(machine.inspect("again").state, State::Exited(_));
        wait_until("the policy gives up", gave_up).await;
        assert_eq!(machine.inspect("again").restart_count, 2);
        machine
    });
}
