//! What cannot be run, and what goes wrong.

use std::path::Path;

use runtime::bundle::{self, Config};
use runtime::client::{self, ClientError, LaunchError};
use runtime::protocol::{FailureKind, ProcessId};
use runtime::spec::Namespace;

use crate::machine::{SHIM, eventually, exec, in_machine, script};

/// Checks how a program that cannot run is refused, as the first process and by exec.
fn check(name: &'static str, program: &'static str, kind: FailureKind, text: &'static str) {
    in_machine(name, |machine| async move {
        let mut spec = machine.spec("");
        spec.args = vec![program.to_owned()];
        let refused = match machine.create(&spec, &Config::default()).await {
            Err(LaunchError::Refused(failure)) => failure,
            other => panic!("not refused: {other:?}"),
        };
        assert_eq!((refused.kind, refused.message.contains(text)), (kind, true), "{}", refused.message);
        assert!(refused.message.starts_with("failed to create task for container: "));
        assert!(!machine.group("c").exists() && !machine.bundle().join(bundle::SOCKET).exists());

        let client = machine.created(&machine.spec("sleep 1000"), &Config::default()).await;
        client.start().await.expect("start");
        let mut further = script("");
        further.args = vec![program.to_owned()];
        let refused = exec(&client, further).await.expect_err("not refused");
        assert_eq!((refused.kind(), refused.to_string().contains(text)), (Some(kind), true), "{refused}");
        assert!(refused.to_string().starts_with("OCI runtime exec failed: exec failed: "));
        let (output, _) = exec(&client, script("echo fine")).await.expect("a later exec");
        assert_eq!(output, "fine\n");
        client.delete().await.expect("delete");
    });
}

#[test]
fn a_missing_command_is_127() {
    let text = "exec: \"nothing\": executable file not found in $PATH: unknown";
    check("missing", "nothing", FailureKind::CommandNotFound, text);
    assert_eq!(FailureKind::CommandNotFound.exit_code(), 127);
}

#[test]
fn a_missing_file_is_127() {
    let text = "exec: \"/bin/nothing\": stat /bin/nothing: no such file or directory: unknown";
    check("nofile", "/bin/nothing", FailureKind::CommandNotFound, text);
}

#[test]
fn a_plain_file_is_126() {
    let text = "exec: \"/etc/plain\": permission denied: unknown";
    check("plain", "/etc/plain", FailureKind::CommandNotExecutable, text);
    assert_eq!(FailureKind::CommandNotExecutable.exit_code(), 126);
}

#[test]
fn a_directory_is_126() {
    check("directory", "/etc", FailureKind::CommandNotExecutable, "exec: \"/etc\": is a directory: unknown");
}

#[test]
fn a_program_the_kernel_refuses_is_told_at_start() {
    in_machine("format", |machine| async move {
        use std::os::unix::fs::PermissionsExt;
        let program = machine.root().join("bin/odd");
        std::fs::write(&program, "\x7fELF but not really").expect("write");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("chmod");
        let mut spec = machine.spec("");
        spec.args = vec!["/bin/odd".to_owned()];
        let client = machine.created(&spec, &Config::default()).await;
        let refused = client.start().await.expect_err("not refused").to_string();
        assert!(refused.contains("exec /bin/odd: exec format error"), "{refused}");
        let exit = client.wait(ProcessId::Init).await.expect("wait");
        assert_eq!(exit.code, 255);
        client.delete().await.expect("delete");
    });
}

#[test]
fn a_failed_creation_leaves_nothing() {
    in_machine("nothing", |machine| async move {
        let mut spec = machine.spec("true");
        spec.network = Namespace::Path("/no/such/namespace".into());
        let refused = machine.create(&spec, &Config::default()).await.expect_err("not refused");
        assert!(
            matches!(&refused, LaunchError::Refused(failure) if failure.kind == FailureKind::Other),
            "{refused}"
        );
        assert!(!machine.group("c").exists());
        let mut left: Vec<_> = std::fs::read_dir(machine.bundle())
            .expect("list")
            .map(|entry| entry.expect("entry").file_name())
            .collect();
        left.sort();
        assert_eq!(
            left,
            [bundle::CONFIG, bundle::SECCOMP, bundle::SHIM, bundle::LOG]
                .map(std::ffi::OsString::from)
                .into_iter()
                .collect::<std::collections::BTreeSet<_>>()
                .into_iter()
                .collect::<Vec<_>>()
        );
    });
}

#[test]
fn a_shim_that_was_killed_is_seen_and_cleaned_up() {
    in_machine("killed", |machine| async move {
        let client = machine.created(&machine.spec("sleep 1000"), &Config::default()).await;
        client.start().await.expect("start");
        let alive = client::cleanup(Path::new(SHIM), client.bundle()).await;
        assert!(matches!(alive, Err(LaunchError::Refused(_))), "a living shim is left alone");
        let state = client.state().await.expect("state");
        let waiting = client.clone();
        let waited = tokio::join!(waiting.wait(ProcessId::Init), async {
            linux::process::send(state.shim_pid, 9).expect("kill");
        })
        .0;
        assert!(waited.expect_err("nobody saw the end").is_gone());
        eventually("the socket is dead", || {
            std::os::unix::net::UnixStream::connect(client.bundle().join(bundle::SOCKET)).is_err()
        })
        .await;
        assert!(matches!(client.state().await, Err(ClientError::Gone { .. })));
        assert!(machine.group("c").exists() && Path::new(&format!("/proc/{}", state.pid)).exists());
        for _ in 0..2 {
            client::cleanup(Path::new(SHIM), client.bundle()).await.expect("cleanup");
            assert!(!machine.group("c").exists());
        }
        let exit = client.wait(ProcessId::Init).await.expect("recorded");
        assert_eq!((exit.code, exit.signal), (137, Some(9)));
    });
}

#[test]
fn a_broken_bundle_is_an_answer() {
    in_machine("broken", |machine| async move {
        let bundle = machine.write(&machine.spec("true"), &Config::default());
        std::fs::write(bundle.join(bundle::CONFIG), "{").expect("write");
        let refused = client::create(Path::new(SHIM), &bundle).await.expect_err("not refused");
        assert!(refused.to_string().contains("EOF while parsing"), "{refused}");
        let nowhere =
            client::create(Path::new(SHIM), &machine.path("nowhere")).await.expect_err("not refused");
        assert!(nowhere.to_string().contains("cannot find the bundle"), "{nowhere}");
        let nothing = client::create(Path::new("/no/shim"), &bundle).await;
        assert!(matches!(nothing, Err(LaunchError::Spawn { .. })));
    });
}
