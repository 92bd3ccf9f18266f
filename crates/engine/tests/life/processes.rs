//! Processes: attach, exec, terminals, logs, mounts, limits.

use bytes::Bytes;
use engine::{
    BindOptions, ContainerSpec, ExecSpec, LogOptions, MountKind, MountOrigin, MountSpec, Root, Stream,
    VolumeWish,
};

use crate::machine::{idle, in_machine, read, script};

#[test]
fn who_attaches_before_the_start_misses_nothing() {
    in_machine("attach", |machine| async move {
        assert_eq!(machine.run(script("echo first; exit 7")).await, (7, "first\n".to_owned()));
        machine
    });
}

#[test]
fn standard_input_reaches_the_process() {
    in_machine("stdin", |machine| async move {
        let mut spec = script("cat");
        (spec.command.open_stdin, spec.command.stdin_once) = (true, true);
        let id = machine.create(spec).await.to_string();
        let attached = machine.attach(&id).await;
        machine.engine.start(&id).await.expect("a start");
        let input = attached.input.clone().expect("standard input");
        assert!(input.send(Bytes::from_static(b"there and back\n")).await);
        input.close().await;
        assert_eq!(read(attached).await, "there and back\n");
        machine
    });
}

#[test]
fn further_processes_have_ends_of_their_own() {
    in_machine("exec", |machine| async move {
        machine.start(idle("web")).await;
        assert_eq!(machine.exec("web", "echo $((6 * 7)); exit 9").await, (9, "42\n".to_owned()));
        let (code, output) = machine.exec("web", "echo $HOSTNAME; hostname").await;
        let short = machine.inspect("web").id.short();
        assert_eq!((code, output), (0, format!("{short}\n{short}\n")));
        let absent = ExecSpec { args: vec!["/none".to_owned()], stdout: true, ..ExecSpec::default() };
        let id = machine.engine.exec_create("web", absent).expect("an exec").to_string();
        let error = machine.engine.exec_start(&id, false).await.expect_err("no such program");
        assert_eq!(error.kind(), engine::Kind::Invalid);
        machine.stop("web").await;
        let error = machine
            .engine
            .exec_create("web", ExecSpec { args: vec!["true".to_owned()], ..ExecSpec::default() });
        assert_eq!(error.expect_err("it does not run").kind(), engine::Kind::Conflict);
        machine
    });
}

#[test]
fn a_terminal_has_a_size() {
    in_machine("terminal", |machine| async move {
        let mut spec = script("stty size; test -t 0 && echo terminal");
        spec.command.tty = true;
        spec.console_size = Some((100, 30));
        let (code, output) = machine.run(spec).await;
        assert_eq!((code, output.replace('\r', "")), (0, "30 100\nterminal\n".to_owned()));
        machine
    });
}

#[test]
fn a_log_is_followed_to_the_end() {
    in_machine("follow", |machine| async move {
        let spec = script("for n in 1 2 3; do echo $n; sleep 0.1; done");
        let id = machine.start(spec).await.to_string();
        let follow = LogOptions { stdout: true, stderr: true, follow: true, ..LogOptions::default() };
        let lines = machine.logs(&id, follow).await;
        let expected = ["1", "2", "3"].map(|line| (Stream::Stdout, line.to_owned()));
        assert_eq!(lines, expected);
        machine
    });
}

#[test]
fn mounts_are_where_they_were_asked_for() {
    in_machine("mounts", |machine| async move {
        let source = machine.engine.config().data_root.join("shared");
        std::fs::create_dir(&source).expect("a directory");
        std::fs::write(source.join("file"), "from the host").expect("a file");
        let mount = |target: &str, kind| MountSpec {
            target: target.to_owned(),
            kind,
            read_only: target == "/host",
            origin: MountOrigin::Mount,
        };
        let mut spec = script(
            "cat /host/file; touch /host/x 2>/dev/null || echo ' is not written'; echo kept > /data/file; \
             df /memory | tail -n 1 | cut -d ' ' -f 1",
        );
        spec.mounts = vec![
            mount("/host", MountKind::Bind { source: source.clone(), options: BindOptions::default() }),
            mount(
                "/data",
                MountKind::Volume {
                    name: Some("kept".to_owned()),
                    no_copy: false,
                    subpath: None,
                    create: VolumeWish::default(),
                },
            ),
            mount("/memory", MountKind::Tmpfs { size: Some(1 << 20), mode: None, options: Vec::new() }),
        ];
        let expected = "from the host is not written\ntmpfs\n".to_owned();
        assert_eq!(machine.run(spec).await, (0, expected));
        let path = machine.engine.volume_inspect("kept").expect("a volume").mountpoint;
        assert_eq!(std::fs::read_to_string(path.join("file")).expect("kept"), "kept\n");
        machine.engine.volume_remove("kept", false).await.expect("removed");
        machine
    });
}

#[test]
fn what_is_not_there_is_not_bound() {
    in_machine("unbound", |machine| async move {
        let mut spec = script("true");
        spec.mounts.push(MountSpec {
            target: "/x".to_owned(),
            kind: MountKind::Bind { source: "/no/such/place".into(), options: BindOptions::default() },
            read_only: false,
            origin: MountOrigin::Mount,
        });
        let error = machine.engine.create(spec).await.expect_err("refused");
        assert_eq!(
            error.to_string(),
            "invalid mount config for type \"bind\": bind source path does not exist: /no/such/place"
        );
        assert!(machine.engine.list().is_empty());
        machine
    });
}

#[test]
fn a_directory_can_be_the_root() {
    in_machine("directory", |machine| async move {
        let root = machine.engine.config().data_root.join("rootfs");
        std::fs::create_dir_all(root.join("bin")).expect("a root file system");
        std::fs::copy("/bin/busybox", root.join("bin/sh")).expect("busybox-static is installed");
        for overlay in [true, false] {
            let spec = ContainerSpec {
                root: Root::Directory { path: root.clone(), overlay },
                ..script("echo in > /x")
            };
            assert_eq!(machine.run(spec).await, (0, String::new()));
            assert_eq!(root.join("x").exists(), !overlay);
        }
        machine
    });
}

#[test]
fn top_and_stats_look_inside() {
    in_machine("top", |machine| async move {
        machine.start(ContainerSpec { name: Some("web".to_owned()), ..script("exec sleep 1000") }).await;
        let top = machine.engine.top("web").await.expect("processes");
        assert_eq!(top.processes.len(), 1);
        assert!(top.processes[0].last().is_some_and(|command| command.contains("sleep 1000")), "{top:?}");
        let stats = machine.engine.stats("web").await.expect("numbers").expect("it runs");
        assert_eq!(stats.usage.pids_current, 1);
        assert_eq!(stats.interfaces.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["eth0"]);
        machine
    });
}
