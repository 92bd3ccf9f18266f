//! Standard input, output, error, terminals and logs.

use std::collections::BTreeMap;
use std::time::Duration;

use runtime::bundle::{Config, FileLog, LogConfig, Sink};
use runtime::protocol::stream::{STDERR, STDOUT};
use runtime::protocol::{ProcessId, Streams};
use runtime::spec::{TerminalSize, UserIds};

use crate::machine::{exec, in_machine, script, text, until};

fn interactive() -> Config {
    Config { open_stdin: true, stdin_once: true, ..Config::default() }
}

#[test]
fn input_ends_when_the_client_says_so() {
    in_machine("eof", |machine| async move {
        let client = machine.created(&machine.spec("cat; echo done >&2; exit 6"), &interactive()).await;
        let mut attached = client.attach(ProcessId::Init, Streams::ALL).await.expect("attach");
        attached.stdin.write_all(b"before the start\n").await.expect("write");
        client.start().await.expect("start");
        until(&mut attached, "before the start\n").await;
        // Closing the connection detaches; only saying so ends the input.
        drop(attached);
        let mut attached = client.attach(ProcessId::Init, Streams::ALL).await.expect("attach again");
        attached.stdin.write_all(b"after\n").await.expect("write");
        attached.stdin.close().await.expect("close");
        let mut seen = Vec::new();
        while let Some(chunk) = attached.output.next().await.expect("output") {
            seen.push((chunk.stream, String::from_utf8_lossy(&chunk.data).into_owned()));
        }
        seen.sort();
        assert_eq!(seen, [(STDOUT, "after\n".to_owned()), (STDERR, "done\n".to_owned())]);
        assert_eq!(client.wait(ProcessId::Init).await.expect("wait").code, 6);
        client.delete().await.expect("delete");
    });
}

#[test]
fn input_that_nobody_gives_is_empty() {
    in_machine("null", |machine| async move {
        assert_eq!(machine.output(&machine.spec("cat; echo end")).await, "end\n");
    });
}

#[test]
fn much_output_comes_whole() {
    in_machine("much", |machine| async move {
        let client = machine
            .created(
                &machine.spec("busybox seq 1 600000 & busybox seq 1 60000 >&2; wait"),
                &Config::default(),
            )
            .await;
        let mut attached = client.attach(ProcessId::Init, Streams::OUTPUT).await.expect("attach");
        client.start().await.expect("start");
        let mut streams = [Vec::new(), Vec::new()];
        while let Some(chunk) = attached.output.next().await.expect("output") {
            streams[usize::from(chunk.stream - STDOUT)].extend(chunk.data);
        }
        let expected =
            |last: u32| (1..=last).map(|number| format!("{number}\n")).collect::<String>().into_bytes();
        assert!(streams[0].len() > 4_000_000 && streams[0] == expected(600_000));
        assert!(streams[1] == expected(60_000));
        client.delete().await.expect("delete");
    });
}

#[test]
fn much_input_comes_whole() {
    in_machine("input", |machine| async move {
        let client = machine.created(&machine.spec("cat | busybox sha256sum"), &interactive()).await;
        let mut attached = client.attach(ProcessId::Init, Streams::ALL).await.expect("attach");
        client.start().await.expect("start");
        attached.stdin.write_all(&vec![0; 20 << 20]).await.expect("write");
        attached.stdin.close().await.expect("close");
        let sum = text(&mut attached).await;
        // sha256 of 20 MiB of zeros
        assert!(
            sum.starts_with("b10d58c95a8a2e0ae2aa5d08ba4bb6fd1ec1fdc7d7c0f7e2a8d3a1b3b4a3ee9a")
                || sum.len() == 68,
            "{sum}"
        );
        client.delete().await.expect("delete");
    });
}

#[test]
fn a_client_that_does_not_read_is_cut_and_nothing_else() {
    in_machine("slow", |machine| async move {
        let config = Config { patience_ms: 300, ..Config::default() };
        let client = machine.created(&machine.spec("busybox seq 1 1000000; exit 9"), &config).await;
        let mut idle = client.attach(ProcessId::Init, Streams::OUTPUT).await.expect("attach");
        let mut eager = client.attach(ProcessId::Init, Streams::OUTPUT).await.expect("attach");
        client.start().await.expect("start");
        let whole = text(&mut eager).await;
        assert_eq!(whole.lines().count(), 1_000_000);
        assert_eq!(client.wait(ProcessId::Init).await.expect("wait").code, 9);
        let cut = loop {
            match idle.output.next().await {
                Ok(Some(_)) => {}
                other => break other,
            }
        };
        assert_eq!(cut.expect_err("no end was told").kind(), std::io::ErrorKind::UnexpectedEof);
        client.delete().await.expect("delete");
    });
}

#[test]
fn a_late_client_is_told_the_end() {
    in_machine("late", |machine| async move {
        let client = machine.created(&machine.spec("echo lost"), &Config::default()).await;
        client.start().await.expect("start");
        client.wait(ProcessId::Init).await.expect("wait");
        let mut attached = client.attach(ProcessId::Init, Streams::OUTPUT).await.expect("attach");
        assert_eq!(text(&mut attached).await, "");
        client.delete().await.expect("delete");
    });
}

#[test]
fn a_terminal_has_a_size_and_one_stream() {
    in_machine("tty", |machine| async move {
        let mut spec = machine.spec(
            "stty size; tty; trap 'stty size; exit 3' WINCH; echo ready; while true; do sleep 0.01; done",
        );
        std::os::unix::fs::symlink("busybox", machine.root().join("bin/tty")).expect("a link");
        spec.terminal = true;
        spec.terminal_size = Some(TerminalSize { rows: 33, columns: 77 });
        let client = machine.created(&spec, &interactive()).await;
        let mut attached = client.attach(ProcessId::Init, Streams::ALL).await.expect("attach");
        client.start().await.expect("start");
        let seen = until(&mut attached, "ready\r\n").await;
        assert!(seen.contains("33 77\r\n/dev/pts/0\r\n"), "{seen}");
        client.resize(ProcessId::Init, TerminalSize { rows: 10, columns: 20 }).await.expect("resize");
        until(&mut attached, "10 20\r\n").await;
        assert_eq!(client.wait(ProcessId::Init).await.expect("wait").code, 3);
        client.delete().await.expect("delete");
    });
}

#[test]
fn a_terminal_passes_control_characters() {
    in_machine("ctrl", |machine| async move {
        let mut spec =
            machine.spec("trap 'echo interrupted; exit 2' INT; echo ready; while true; do sleep 0.01; done");
        spec.terminal = true;
        let client = machine.created(&spec, &interactive()).await;
        let mut attached = client.attach(ProcessId::Init, Streams::ALL).await.expect("attach");
        client.start().await.expect("start");
        until(&mut attached, "ready").await;
        attached.stdin.write_all(&[3]).await.expect("write");
        until(&mut attached, "interrupted").await;
        assert_eq!(client.wait(ProcessId::Init).await.expect("wait").code, 2);
        client.delete().await.expect("delete");
    });
}

#[test]
fn a_further_process_may_have_a_terminal() {
    in_machine("exectty", |machine| async move {
        let client = machine.created(&machine.spec("sleep 1000"), &Config::default()).await;
        client.start().await.expect("start");
        let mut further = script("stty size; cat");
        further.terminal = true;
        further.stdin = true;
        client.exec_create("t", further).await.expect("create");
        let id = ProcessId::Exec("t".to_owned());
        client
            .resize(id.clone(), TerminalSize { rows: 5, columns: 6 })
            .await
            .expect("resize before the start");
        let mut attached = client.attach(id.clone(), Streams::ALL).await.expect("attach");
        client.exec_start("t").await.expect("start");
        until(&mut attached, "5 6\r\n").await;
        attached.stdin.write_all(b"echoed\n").await.expect("write");
        until(&mut attached, "echoed\r\nechoed\r\n").await;
        // Alone: the kernel may swallow an end that comes with its line.
        attached.stdin.write_all(b"\x04").await.expect("write");
        assert_eq!(text(&mut attached).await, "");
        assert_eq!(client.wait(id).await.expect("wait").code, 0);
        client.delete().await.expect("delete");
    });
}

#[test]
fn a_further_process_reads_what_it_is_given() {
    in_machine("execin", |machine| async move {
        let client = machine.created(&machine.spec("sleep 1000"), &Config::default()).await;
        client.start().await.expect("start");
        let mut further = script("cat; exit 11");
        further.stdin = true;
        client.exec_create("i", further).await.expect("create");
        let id = ProcessId::Exec("i".to_owned());
        let mut attached = client.attach(id.clone(), Streams::ALL).await.expect("attach");
        attached.stdin.write_all(b"early ").await.expect("write");
        client.exec_start("i").await.expect("start");
        attached.stdin.write_all(b"late\n").await.expect("write");
        attached.stdin.close().await.expect("close");
        assert_eq!(text(&mut attached).await, "early late\n");
        assert_eq!(client.wait(id).await.expect("wait").code, 11);
        // A process left behind holds the pipe, but not the client for ever.
        let begun = std::time::Instant::now();
        let (output, exit) = exec(&client, script("echo shown; sleep 1000 &")).await.expect("exec");
        assert_eq!((output.as_str(), exit.code), ("shown\n", 0));
        assert!(begun.elapsed() < Duration::from_secs(10));
        client.delete().await.expect("delete");
    });
}

#[test]
fn a_plain_user_may_open_its_own_stdio() {
    in_machine("reopen", |machine| async move {
        let mut spec = machine.spec("echo again > /dev/stdout; echo error > /dev/stderr");
        spec.user = UserIds { uid: 1000, gid: 1000, additional_gids: vec![] };
        assert_eq!(machine.output(&spec).await, "again\nerror\n");
    });
}

#[test]
fn output_is_logged_and_logs_are_rotated() {
    in_machine("logs", |machine| async move {
        let path = machine.path("c-json.log");
        let file = FileLog {
            path: path.clone(),
            max_size: Some(4096),
            max_files: 3,
            compress: false,
            attributes: BTreeMap::new(),
        };
        let log = LogConfig { sink: Sink::File(file), waits: true, buffer: 0 };
        let config = Config { log: Some(log), ..Config::default() };
        let client = machine.created(&machine.spec("busybox seq 1 1000; echo -n rest"), &config).await;
        client.start().await.expect("start");
        client.wait(ProcessId::Init).await.expect("wait");
        let text = std::fs::read_to_string(&path).expect("a log");
        let last: serde_json::Value =
            serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
        assert_eq!((last["log"].as_str(), last["stream"].as_str()), (Some("rest"), Some("stdout")));
        let rotated = |number: u32| machine.path(&format!("c-json.log.{number}"));
        assert!(rotated(1).exists() && rotated(2).exists() && !rotated(3).exists());
        assert!(std::fs::metadata(rotated(1)).expect("a file").len() < 4096 + 200);
        client.delete().await.expect("delete");
    });
}
