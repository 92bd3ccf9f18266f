//! What a container may do, see and use.

use runtime::bundle::Config;
use runtime::protocol::{ExecSpec, ProcessId, Streams};
use runtime::spec::{ContainerSpec, Mount, Namespace, Resources, SeccompProfile, Tmpfs, UserIds};

use crate::machine::{exec, in_machine, script, until};

/// A line of `/proc/self/status`, without its name.
fn field(status: &str, name: &str) -> String {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {status}")).trim().to_owned()
}

const STATUS: &str = "cat /proc/self/status; echo .";

/// Docker's fourteen capabilities, in the kernel's bits.
const DEFAULT: &str = "00000000a80425fb";
const NONE: &str = "0000000000000000";

/// Checks effective and bounding sets, no-new-privileges and filter of the
/// first process and of an exec'd one.
fn check(
    name: &'static str,
    change: impl FnOnce(&mut ContainerSpec, &mut ExecSpec) + Send,
    expected: [[&'static str; 4]; 2],
) {
    in_machine(name, |machine| async move {
        let mut spec = machine.spec(&format!("{STATUS}; sleep 1000"));
        let mut further = script(STATUS);
        change(&mut spec, &mut further);
        let client = machine.created(&spec, &Config::default()).await;
        let mut attached = client.attach(ProcessId::Init, Streams::OUTPUT).await.expect("attach");
        client.start().await.expect("start");
        let first = until(&mut attached, "\n.").await;
        let (second, _) = exec(&client, further).await.expect("exec");
        for (status, expected) in [first, second].iter().zip(expected) {
            let got = ["CapEff", "CapBnd", "NoNewPrivs", "Seccomp"].map(|name| field(status, name));
            assert_eq!(got, expected);
            for name in ["CapInh", "CapAmb"] {
                assert_eq!(field(status, name), NONE);
            }
        }
        client.delete().await.expect("delete");
    });
}

#[test]
fn both_processes_are_confined_by_default() {
    check("default", |_, _| {}, [[DEFAULT, DEFAULT, "0", "2"]; 2]);
}

#[test]
fn a_plain_user_has_no_capabilities() {
    let user = UserIds { uid: 1000, gid: 1000, additional_gids: vec![] };
    check(
        "user",
        |spec, further| {
            spec.user = user.clone();
            further.user = user;
        },
        [[NONE, DEFAULT, "0", "2"]; 2],
    );
}

#[test]
fn no_new_privileges_holds_for_both() {
    check("nnp", |spec, _| spec.no_new_privileges = true, [[DEFAULT, DEFAULT, "1", "2"]; 2]);
}

#[test]
fn capabilities_are_dropped_and_added() {
    check(
        "caps",
        |spec, _| {
            spec.capabilities.drop = vec!["ALL".to_owned()];
            spec.capabilities.add = vec!["chown".to_owned()];
            spec.seccomp = SeccompProfile::Unconfined;
        },
        [["0000000000000001", "0000000000000001", "0", "0"]; 2],
    );
}

#[test]
fn a_privileged_exec_has_what_the_shim_has() {
    let own = std::fs::read_to_string("/proc/self/status").expect("our status");
    let all: &'static str = field(&own, "CapEff").leak();
    check(
        "privileged",
        |_, further| further.privileged = true,
        [[DEFAULT, DEFAULT, "0", "2"], [all, all, "0", "2"]],
    );
}

#[test]
fn the_filter_refuses_in_both_processes() {
    in_machine("filter", |machine| async move {
        let mut spec = machine.spec("busybox unshare -U true 2>&1; sleep 1000");
        spec.capabilities.add = vec!["SYS_PTRACE".to_owned()];
        let client = machine.created(&spec, &Config::default()).await;
        let mut attached = client.attach(ProcessId::Init, Streams::OUTPUT).await.expect("attach");
        client.start().await.expect("start");
        let first = until(&mut attached, "\n").await;
        let (second, exit) = exec(&client, script("busybox unshare -U true")).await.expect("exec");
        assert!(
            first.contains("Operation not permitted") && second.contains("Operation not permitted"),
            "{second}"
        );
        assert_eq!(exit.code, 1);
        client.delete().await.expect("delete");
    });
}

#[test]
fn what_docker_hides_is_hidden() {
    in_machine("hidden", |machine| async move {
        let v2 = machine.group("").version() == linux::cgroup::Version::V2;
        let (limit, pids) =
            if v2 { ("memory.max", "pids.max") } else { ("memory/memory.limit_in_bytes", "pids/pids.max") };
        let mut spec = machine.spec(&format!(
            "cat /proc/keys | head -c 9; cat /proc/timer_list | head -c 9; ls /sys/firmware; \
             echo x 2>&1 > /proc/sys/kernel/hostname; echo x 2>&1 > /sys/kernel/profiling; \
             for d in /sys/fs/cgroup/*; do [ ! -d $d ] || busybox mkdir $d/x 2>&1; done; \
             busybox mkdir /sys/fs/cgroup/x 2>&1; echo 1000000000 2>&1 > /sys/fs/cgroup/{limit}; \
             cat /sys/fs/cgroup/{pids}; busybox touch /file; echo end",
        ));
        spec.resources.pids = Some(55);
        let output = machine.output(&spec).await;
        let refusals = output.matches("Read-only file system").count();
        assert!(refusals >= if v2 { 4 } else { 5 }, "{output}");
        let left: Vec<_> = output.lines().filter(|line| !line.contains("Read-only")).collect();
        assert_eq!(left, ["55", "end"], "{output}");
        spec.args = ["/bin/busybox", "touch", "/other"].map(str::to_owned).to_vec();
        spec.read_only = true;
        let (output, exit) = machine.run(&spec).await;
        assert_eq!((exit.code, output.contains("Read-only file system")), (1, true), "{output}");
    });
}

#[test]
fn mounts_are_as_asked() {
    in_machine("mounts", |machine| async move {
        let (data, closed) = (machine.path("data"), machine.path("closed"));
        std::fs::create_dir(&data).expect("a directory");
        std::fs::create_dir(&closed).expect("a directory");
        let mut spec = machine.spec(
            "exec 2>&1; echo 1 > /data/file; echo 2 > /data/closed/file; echo 3 > /mem/file && cat /mem/file; \
             grep -c ' /mem tmpfs rw,nosuid,nodev,noexec,relatime,size=64k' /proc/mounts; \
             grep ' /dev/shm ' /proc/mounts; grep ' /dev/mqueue ' /proc/mounts; ls /dev",
        );
        let mut inner = Mount::bind(&closed, "/data/closed");
        inner.read_only = true;
        spec.mounts = vec![inner, Mount::bind(&data, "/data")]; // children are mounted after parents
        spec.tmpfs = vec![Tmpfs { target: "/mem".to_owned(), options: vec!["size=64k".to_owned()] }];
        spec.shm_size = 1 << 20;
        let output = machine.output(&spec).await;
        assert_eq!(std::fs::read_to_string(data.join("file")).expect("written through"), "1\n");
        assert!(output.contains("/data/closed/file: Read-only file system"), "{output}");
        assert!(output.contains("3\n1\n") && output.contains("shm /dev/shm tmpfs"), "{output}");
        assert!(output.contains("size=1024k") && output.contains("mqueue /dev/mqueue"), "{output}");
        for node in ["null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "fd", "stdin"] {
            assert!(output.lines().any(|line| line == node), "/dev/{node} is missing in {output}");
        }
    });
}

#[test]
fn limits_are_the_groups() {
    in_machine("limits", |machine| async move {
        let mut spec = machine.spec("sleep 1000");
        spec.resources = Resources {
            memory: Some(64 << 20),
            memory_swap: Some(64 << 20),
            cpu_shares: Some(512),
            cpu_quota: Some(50_000),
            cpu_period: Some(100_000),
            cpuset_cpus: Some("0".to_owned()),
            pids: Some(32),
            ..Resources::default()
        };
        let client = machine.created(&spec, &Config::default()).await;
        client.start().await.expect("start");
        let group = machine.group("c");
        let v2 = group.version() == linux::cgroup::Version::V2;
        // Each with version 1 and with version 2.
        let read = |controller: &str, files: (&str, &str)| {
            let file = if v2 { files.1 } else { files.0 };
            group.read(controller, file).expect(file).trim().to_owned()
        };
        let memory = || read("memory", ("memory.limit_in_bytes", "memory.max"));
        let shares = || read("cpu", ("cpu.shares", "cpu.weight"));
        let pids = || read("pids", ("pids.max", "pids.max"));
        assert_eq!((memory(), pids()), ("67108864".to_owned(), "32".to_owned()));
        assert_eq!(shares(), if v2 { "59" } else { "512" });
        let quota = read("cpu", ("cpu.cfs_quota_us", "cpu.max"));
        assert_eq!(quota, if v2 { "50000 100000" } else { "50000" });
        assert_eq!(read("cpuset", ("cpuset.cpus", "cpuset.cpus")), "0");
        let more = Resources {
            memory: Some(128 << 20),
            memory_swap: Some(256 << 20),
            pids: Some(64),
            ..Resources::default()
        };
        client.update(more).await.expect("update");
        assert_eq!((memory(), pids()), ("134217728".to_owned(), "64".to_owned()));
        assert_eq!(shares(), if v2 { "59" } else { "512" }, "what was not named stays");
        let stats = client.stats().await.expect("stats");
        assert_eq!((stats.pids_current, stats.pids_limit, stats.memory.limit), (1, 64, 128 << 20));
        assert!(stats.memory.usage > 0 && stats.cpu.total > 0 && stats.cpu.host_total > stats.cpu.total);
        let pids = client.pids().await.expect("pids");
        assert_eq!(pids, [client.state().await.expect("state").pid]);
        client.delete().await.expect("delete");
    });
}

#[test]
fn want_of_memory_is_told() {
    in_machine("oom", |machine| async move {
        let mut spec = machine.spec("exec busybox tail /dev/zero");
        spec.resources.memory = Some(16 << 20);
        spec.resources.memory_swap = Some(16 << 20);
        let (_, exit) = machine.run(&spec).await;
        assert_eq!((exit.code, exit.signal, exit.oom_killed), (137, Some(9), true));
    });
}

#[test]
fn host_namespaces_are_the_hosts() {
    in_machine("host", |machine| async move {
        let mut spec = machine
            .spec("cd /proc/self/ns; for n in net pid ipc uts cgroup mnt; do busybox readlink $n; done");
        for namespace in
            [&mut spec.network, &mut spec.pid, &mut spec.ipc, &mut spec.uts, &mut spec.cgroup_namespace]
        {
            *namespace = Namespace::Host;
        }
        let names = ["net", "pid", "ipc", "uts", "cgroup", "mnt"];
        let own =
            names.map(|name| std::fs::read_link(format!("/proc/thread-self/ns/{name}")).expect("a link"));
        let shared = machine.output(&spec).await;
        for (name, (inside, outside)) in names.iter().zip(shared.lines().zip(&own)) {
            assert_eq!(inside == outside.display().to_string(), *name != "mnt", "{name}");
        }
        let private = machine
            .spec("cd /proc/self/ns; for n in net pid ipc uts cgroup mnt; do busybox readlink $n; done");
        let private = machine.output(&private).await;
        for (inside, outside) in private.lines().zip(&own) {
            assert_ne!(inside, outside.display().to_string());
        }
    });
}

#[test]
fn a_network_namespace_is_joined_by_its_path() {
    in_machine("netns", |machine| async move {
        let namespace = linux::netns::Netns::create(&machine.path("net")).expect("a namespace");
        let mut spec = machine.spec("busybox readlink /proc/self/ns/net; sleep 1000");
        spec.network = Namespace::Path(machine.path("net"));
        spec.sysctls.insert("net.ipv4.ip_forward".to_owned(), "1".to_owned());
        let client = machine.created(&spec, &Config::default()).await;
        let mut attached = client.attach(ProcessId::Init, Streams::OUTPUT).await.expect("attach");
        client.start().await.expect("start");
        let expected = format!("net:[{}]", namespace.identity().expect("identity").1);
        assert_eq!(until(&mut attached, "\n").await.trim(), expected);
        let further = script("busybox readlink /proc/self/ns/net; cat /proc/sys/net/ipv4/ip_forward");
        let (output, _) = exec(&client, further).await.expect("exec");
        assert_eq!(output, format!("{expected}\n1\n"));
        client.delete().await.expect("delete");
        linux::netns::Netns::remove(&machine.path("net")).expect("remove");
    });
}
