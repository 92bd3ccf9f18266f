//! Containers that are tested whether they are well.

use std::time::Duration;

use engine::{ContainerSpec, Health, HealthCheck, HealthStatus, HealthTest};

use crate::machine::{DEADLINE, Machine, idle, in_machine, wait_until};

/// A container that a script tests every 50 ms, and makes unhealthy when it fails once.
fn tested(name: &str, test: &str) -> ContainerSpec {
    let health = HealthCheck {
        test: HealthTest::Shell(vec![test.to_owned()]),
        interval: Some(Duration::from_millis(50)),
        retries: Some(1),
        ..HealthCheck::default()
    };
    ContainerSpec { health, ..idle(name) }
}

fn health(machine: &Machine, term: &str) -> Health {
    machine.inspect(term).health.expect("it is tested")
}

async fn becomes(machine: &Machine, term: &str, status: HealthStatus) {
    wait_until(status.name(), || health(machine, term).status == status).await;
}

#[test]
fn a_container_is_as_well_as_its_test_says() {
    in_machine("well", |machine| async move {
        machine.start(tested("web", "test -e /well && echo fine")).await;
        becomes(&machine, "web", HealthStatus::Unhealthy).await;
        machine.exec("web", "touch /well").await;
        becomes(&machine, "web", HealthStatus::Healthy).await;
        let Health { failing_streak, log, .. } = health(&machine, "web");
        let last = log.last().expect("a test");
        assert_eq!((failing_streak, last.code, last.output.as_str()), (0, 0, "fine\n"));
        assert!(log[0].code == 1 && log[0].end <= last.start, "{log:?}");
        machine.stop("web").await;
        let ended = health(&machine, "web");
        assert_eq!(ended.status, HealthStatus::Unhealthy, "nobody is well who is not there");
        machine.engine.start("web").await.expect("a start");
        becomes(&machine, "web", HealthStatus::Healthy).await;
        assert_eq!(health(&machine, "web").log[0], ended.log[1], "the last run is remembered");
        machine
    });
}

#[test]
fn a_test_that_takes_too_long_is_killed_and_fails() {
    in_machine("long", |machine| async move {
        let mut spec = tested("web", "echo begun; exec sleep 1234");
        spec.health.timeout = Some(Duration::from_millis(200));
        machine.start(spec).await;
        becomes(&machine, "web", HealthStatus::Unhealthy).await;
        let probe = health(&machine, "web").log[0].clone();
        assert_eq!(probe.code, -1);
        assert_eq!(probe.output, "Health check exceeded timeout (200ms): begun\n");
        machine
            .engine
            .stop("web", engine::StopOptions { signal: None, timeout: Some(5) })
            .await
            .expect("stopped");
        machine
    });
}

#[test]
fn a_test_that_cannot_be_run_fails() {
    in_machine("unrun", |machine| async move {
        let mut spec = tested("web", "");
        spec.health.test = HealthTest::Program(vec!["/none".to_owned()]);
        machine.start(spec).await;
        becomes(&machine, "web", HealthStatus::Unhealthy).await;
        let probe = health(&machine, "web").log[0].clone();
        assert!(probe.code == -1 && probe.output.contains("/none"), "{probe:?}");
        machine
    });
}

#[test]
fn who_is_frozen_is_not_tested() {
    in_machine("frozen", |machine| async move {
        machine.start(tested("web", "test -e /slow && exec sleep 1234; true")).await;
        becomes(&machine, "web", HealthStatus::Healthy).await;
        machine.exec("web", "touch /slow").await;
        let tests = || !machine.inspect("web").execs.is_empty();
        let is_slow = || async { machine.engine.top("web").await.expect("it runs").processes };
        let deadline = std::time::Instant::now() + DEADLINE;
        while !is_slow().await.iter().flatten().any(|word| word.contains("1234")) {
            assert!(std::time::Instant::now() < deadline, "no test");
        }
        machine.engine.pause("web").await.expect("frozen");
        wait_until("the test is given up", || !tests()).await;
        assert_eq!(health(&machine, "web").status, HealthStatus::Healthy);
        machine.engine.unpause("web").await.expect("thawed");
        wait_until("it is tested again", tests).await;
        assert_eq!(health(&machine, "web").status, HealthStatus::Healthy);
        machine
    });
}

#[test]
fn tests_and_what_they_show_are_told() {
    in_machine("told", |machine| async move {
        let mut events = machine.engine.events(None);
        machine.start(tested("web", "true")).await;
        let mut told = Vec::new();
        while told.last().is_none_or(|action| action != "health_status: healthy") {
            let event =
                tokio::time::timeout(DEADLINE, events.next()).await.expect("in time").expect("an event");
            told.extend(Some(event.action).filter(|_| event.kind == "container"));
        }
        let expected = [
            "create",
            "start",
            "exec_create: /bin/sh -c true",
            "exec_start: /bin/sh -c true",
            "exec_die",
            "health_status: healthy",
        ];
        assert_eq!(told, expected);
        machine
    });
}

#[test]
fn a_new_engine_knows_who_is_well_and_goes_on_testing() {
    in_machine("goes-on", |machine| async move {
        machine.start(tested("web", "test ! -e /ill")).await;
        becomes(&machine, "web", HealthStatus::Healthy).await;
        let machine = machine.reopen().await;
        assert_eq!(health(&machine, "web").status, HealthStatus::Healthy);
        machine.exec("web", "touch /ill").await;
        becomes(&machine, "web", HealthStatus::Unhealthy).await;
        machine
    });
}
