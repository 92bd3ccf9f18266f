//! From creation to deletion.

use std::path::Path;

use runtime::bundle::{self, Config};
use runtime::client::Client;
use runtime::protocol::{FailureKind, Phase, ProcessId, Streams};
use runtime::spec::UserIds;

use crate::machine::{Machine, eventually, exec, in_machine, script, text, until};

#[test]
fn a_container_runs_with_what_it_was_given() {
    in_machine("given", |machine| async move {
        let mut spec =
            machine.spec("echo $A; pwd; id -u; id -g; id -G; hostname; echo $HOME; busybox env | head -n 2");
        spec.env.push("A=b c".to_owned());
        spec.cwd = "/made/for/me".to_owned();
        spec.user = UserIds { uid: 1000, gid: 1001, additional_gids: vec![44] };
        spec.hostname = Some("island".to_owned());
        let (output, exit) = machine.run(&spec).await;
        let lines: Vec<_> = output.lines().collect();
        assert_eq!(
            lines[..7],
            ["b c", "/made/for/me", "1000", "1001", "1001 44", "island", "/srv"],
            "{output}"
        );
        assert_eq!((exit.code, exit.signal, exit.oom_killed), (0, None, false));
    });
}

/// Runs a script and checks how it ends.
async fn check(machine: &Machine, script: &str, code: i32, signal: Option<i32>) {
    let (_, exit) = machine.run(&machine.spec(script)).await;
    assert_eq!((exit.code, exit.signal, exit.oom_killed), (code, signal, false), "{script}");
}

#[test]
fn every_end_is_told() {
    in_machine("ends", |machine| async move {
        check(&machine, "true", 0, None).await;
        check(&machine, "exit 42", 42, None).await;
        check(&machine, "exit 255", 255, None).await;
        // The first process of a name space is not killed by its own signals.
        check(&machine, "nothing-like-that", 127, None).await;
        check(&machine, "sh -c 'kill -TERM $$'; exit $?", 143, None).await;
    });
}

#[test]
fn signals_reach_it_from_outside() {
    in_machine("signals", |machine| async move {
        for (signal, code, script) in [
            (9, 137, "echo up; sleep 1000"),
            (15, 7, "trap 'exit 7' TERM; echo up; while true; do sleep 0.01; done"),
            (37, 8, "trap 'exit 8' 37; echo up; while true; do sleep 0.01; done"),
        ] {
            let client = machine.created(&machine.spec(script), &Config::default()).await;
            let mut attached = client.attach(ProcessId::Init, Streams::OUTPUT).await.expect("attach");
            client.start().await.expect("start");
            until(&mut attached, "up\n").await;
            client.kill(ProcessId::Init, signal).await.expect("kill");
            assert_eq!(client.wait(ProcessId::Init).await.expect("wait").code, code, "signal {signal}");
            let late = client.kill(ProcessId::Init, signal).await.expect_err("it has ended");
            assert_eq!(late.kind(), Some(FailureKind::NoSuchProcess));
            client.delete().await.expect("delete");
        }
    });
}

#[test]
fn phases_follow_one_another() {
    in_machine("phases", |machine| async move {
        let (client, state) =
            machine.create(&machine.spec("sleep 1000"), &Config::default()).await.expect("create");
        assert_eq!(state.phase, Phase::Created);
        let early = client.exec_create("e", script("true")).await.expect_err("not running");
        assert_eq!(early.kind(), Some(FailureKind::WrongPhase));
        assert_eq!(client.start().await.expect("start"), state.pid);
        let again = client.start().await.expect_err("running already");
        assert_eq!(again.kind(), Some(FailureKind::WrongPhase));
        client.pause().await.expect("pause");
        assert_eq!(client.state().await.expect("state").phase, Phase::Paused);
        assert!(machine.group("c").frozen().expect("frozen"));
        client.exec_create("e", script("true")).await.expect("prepared");
        let frozen = client.exec_start("e").await.expect_err("paused");
        assert_eq!(frozen.kind(), Some(FailureKind::WrongPhase));
        client.resume().await.expect("resume");
        client.exec_start("e").await.expect("running again");
        assert_eq!(client.wait(ProcessId::Exec("e".to_owned())).await.expect("wait").code, 0);
        assert_eq!(client.state().await.expect("state").execs, ["e"]);
        client.pause().await.expect("pause");
        client.kill(ProcessId::Init, 9).await.expect("kill");
        assert_eq!(client.wait(ProcessId::Init).await.expect("wait").code, 137);
        assert!(matches!(client.state().await.expect("state").phase, Phase::Exited(_)));
        client.delete().await.expect("delete");
    });
}

#[test]
fn a_created_or_frozen_container_can_be_deleted() {
    in_machine("deleted", |machine| async move {
        let client = machine.created(&machine.spec("sleep 1000"), &Config::default()).await;
        client.delete().await.expect("delete what never ran");
        assert!(!machine.group("c").exists());
        let client = machine.created(&machine.spec("sleep 1000"), &Config::default()).await;
        client.start().await.expect("start");
        client.pause().await.expect("pause");
        client.delete().await.expect("delete what is frozen");
        assert!(!machine.group("c").exists());
        let exit = bundle::exit(client.bundle()).expect("read").expect("recorded");
        assert_eq!(exit.code, 137);
    });
}

#[test]
fn a_deletion_ends_every_stream() {
    in_machine("streams", |machine| async move {
        let client = machine.created(&machine.spec("echo last; sleep 1000"), &Config::default()).await;
        let mut attached = client.attach(ProcessId::Init, Streams::OUTPUT).await.expect("attach");
        client.start().await.expect("start");
        let (output, exit, deleted) =
            tokio::join!(text(&mut attached), client.wait(ProcessId::Init), client.delete());
        deleted.expect("delete");
        assert_eq!((output.replace("last\n", "").as_str(), exit.expect("wait").code), ("", 137));
    });
}

#[test]
fn an_engine_that_comes_back_finds_everything() {
    in_machine("back", |machine| async move {
        let client = machine
            .created(&machine.spec("cat; exit 5"), &Config { open_stdin: true, ..Config::default() })
            .await;
        client.start().await.expect("start");
        let (bundle, waiting) = (client.bundle().to_owned(), client.clone());
        drop(client);
        let (second, state) = Client::connect(&bundle).await.expect("found again");
        assert_eq!(state.phase, Phase::Running);
        let mut attached = second.attach(ProcessId::Init, Streams::ALL).await.expect("attach");
        attached.stdin.write_all(b"hello\n").await.expect("write");
        until(&mut attached, "hello\n").await;
        let (one, two, closed) = tokio::join!(
            waiting.wait(ProcessId::Init),
            second.wait(ProcessId::Init),
            second.close_stdin(ProcessId::Init)
        );
        closed.expect("close");
        let (one, two) = (one.expect("wait"), two.expect("wait"));
        assert_eq!((one.code, &one), (5, &two));
        assert_eq!(bundle::exit(&bundle).expect("read").as_ref(), Some(&one), "recorded before it was told");
        // An end nobody was there for is told later, with and without the shim.
        let (third, state) = Client::connect(&bundle).await.expect("still there");
        assert_eq!(state.exit(), Some(&one));
        assert_eq!(third.wait(ProcessId::Init).await.expect("wait"), one);
        third.delete().await.expect("delete");
        eventually("the shim has ended", || !Path::new(&format!("/proc/{}", state.shim_pid)).exists()).await;
        assert!(Client::connect(&bundle).await.expect_err("gone").is_gone());
        assert_eq!(third.wait(ProcessId::Init).await.expect("by the record"), one);
    });
}

#[test]
fn further_processes_have_their_own_ends() {
    in_machine("exec", |machine| async move {
        let client = machine.created(&machine.spec("sleep 1000"), &Config::default()).await;
        client.start().await.expect("start");
        let mut further = script("echo $X; pwd; id -u; exit 3");
        further.env.push("X=y".to_owned());
        further.cwd = "/tmp".to_owned();
        further.user.uid = 1000;
        let (output, exit) = exec(&client, further).await.expect("exec");
        assert_eq!((output.as_str(), exit.code), ("y\n/tmp\n1000\n", 3));
        let (_, exit) = exec(&client, script("kill -KILL $$")).await.expect("exec");
        assert_eq!((exit.code, exit.signal), (137, Some(9)));
        let mut lost = script("true");
        lost.cwd = "/nowhere".to_owned();
        let refused = exec(&client, lost).await.expect_err("no such directory").to_string();
        assert!(refused.contains("chdir to cwd (\"/nowhere\") set in config.json failed"), "{refused}");
        // One that runs is killed when it is removed, and when the container ends.
        client.exec_create("long", script("sleep 1000")).await.expect("create");
        let pid = client.exec_start("long").await.expect("start");
        client.exec_remove("long").await.expect("remove");
        eventually("the exec is dead", || !Path::new(&format!("/proc/{pid}")).exists()).await;
        client.exec_create("left", script("sleep 1000")).await.expect("create");
        client.exec_start("left").await.expect("start");
        client.kill(ProcessId::Init, 9).await.expect("kill");
        assert_eq!(client.wait(ProcessId::Exec("left".to_owned())).await.expect("wait").signal, Some(9));
        client.delete().await.expect("delete");
    });
}

#[test]
fn what_a_container_leaves_on_the_host_is_killed() {
    in_machine("leaves", |machine| async move {
        let mut spec = machine.spec("sleep 1000 & sleep 1000 & echo up");
        spec.pid = runtime::spec::Namespace::Host;
        let client = machine.created(&spec, &Config::default()).await;
        let mut attached = client.attach(ProcessId::Init, Streams::OUTPUT).await.expect("attach");
        client.start().await.expect("start");
        text(&mut attached).await;
        client.wait(ProcessId::Init).await.expect("wait");
        eventually("nothing is left", || machine.group("c").pids().expect("pids").is_empty()).await;
        client.delete().await.expect("delete");
    });
}

#[test]
fn a_bundle_may_have_a_long_path() {
    in_machine("long", |machine| async move {
        let bundle = machine.path(&"x".repeat(200));
        let written = machine.write(&machine.spec("exit 4"), &Config::default());
        std::fs::rename(written, &bundle).expect("move");
        let (client, _) =
            runtime::client::create(Path::new(crate::machine::SHIM), &bundle).await.expect("create");
        client.start().await.expect("start");
        assert_eq!(client.wait(ProcessId::Init).await.expect("wait").code, 4);
        client.delete().await.expect("delete");
    });
}

#[test]
fn a_program_begins_with_default_signals() {
    in_machine("sigs", |machine| async move {
        let mut spec = machine.spec("");
        spec.args = ["/bin/cat", "/proc/self/status"].map(str::to_owned).to_vec();
        let status = machine.output(&spec).await;
        for field in ["SigBlk", "SigIgn", "SigCgt"] {
            assert!(status.contains(&format!("{field}:\t0000000000000000")), "{status}");
        }
    });
}
