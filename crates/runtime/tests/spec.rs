//! The OCI documents of typical containers, whole.

use runtime::oci;
use runtime::spec::resources::{DeviceKind, Throttle, WeightDevice, parse_rule};
use runtime::spec::{
    ContainerSpec, Device, Host, Mount, Namespace, Propagation, Resources, Rlimit, SeccompProfile, SpecError,
    TerminalSize, Tmpfs, UserIds, capabilities, oci_spec,
};

fn plain() -> ContainerSpec {
    ContainerSpec::new("/images/root", vec!["/bin/server".to_owned()], "/tombolo/c1")
}

/// The document with every set in order, without the long filter.
fn text(spec: &ContainerSpec, host: &Host) -> String {
    let mut document = oci_spec(spec, host).expect("a document");
    let mut linux = document.linux().clone().expect("a Linux section");
    linux.set_seccomp(linux.seccomp().clone().map(|_| oci::LinuxSeccomp::default()));
    document.set_linux(Some(linux));
    let mut value = serde_json::to_value(&document).expect("JSON");
    if let Some(sets) = value.pointer_mut("/process/capabilities").and_then(|sets| sets.as_object_mut()) {
        for set in sets.values_mut().filter_map(|set| set.as_array_mut()) {
            set.sort_by_key(ToString::to_string);
        }
    }
    serde_json::to_string_pretty(&value).expect("JSON")
}

#[test]
fn a_plain_container() {
    insta::assert_snapshot!(text(&plain(), &Host::default()));
}

#[test]
fn a_container_with_everything() {
    let mut spec = plain();
    spec.args = vec!["sh".to_owned(), "-c".to_owned(), "true".to_owned()];
    spec.env.push("A=1".to_owned());
    spec.cwd = "/srv".to_owned();
    spec.user = UserIds { uid: 1000, gid: 100, additional_gids: vec![44] };
    spec.hostname = Some("island".to_owned());
    spec.domainname = Some("sea".to_owned());
    spec.read_only = true;
    spec.terminal = true;
    spec.terminal_size = Some(TerminalSize { rows: 24, columns: 80 });
    let mut shared = Mount::bind("/data", "/srv/data");
    shared.propagation = Propagation::Rshared;
    shared.non_recursive = true;
    let mut closed = Mount::bind("/etc/hosts.c1", "/etc/hosts");
    closed.read_only = true;
    spec.mounts = vec![shared, closed, Mount::bind("/own/shm", "/dev/shm/")];
    spec.tmpfs =
        vec![Tmpfs { target: "/run".to_owned(), options: vec!["exec".to_owned(), "size=1m".to_owned()] }];
    spec.network = Namespace::Path("/run/netns/c1".into());
    spec.pid = Namespace::Host;
    spec.capabilities.add = vec!["net_admin".to_owned()];
    spec.capabilities.drop = vec!["MKNOD".to_owned()];
    spec.seccomp = SeccompProfile::Unconfined;
    spec.masked_paths = Some(vec![]);
    spec.readonly_paths = Some(vec!["/proc/bus".to_owned()]);
    spec.rlimits = vec![Rlimit { name: "nofile".to_owned(), soft: 1024, hard: 1_048_576 }];
    spec.resources = resources();
    spec.devices = vec![Device {
        path: "/dev/fuse".to_owned(),
        kind: DeviceKind::Character,
        major: 10,
        minor: 229,
        mode: 0o666,
        uid: 0,
        gid: 0,
        access: "rwm".to_owned(),
    }];
    spec.sysctls.insert("net.core.somaxconn".to_owned(), "9".to_owned());
    spec.init = Some("/usr/libexec/init".into());
    spec.no_new_privileges = true;
    spec.oom_score_adj = 500;
    spec.umask = Some(0o27);
    spec.annotations.insert("a".to_owned(), "b".to_owned());
    let hard_limits = [("nofile".to_owned(), 20_000)].into();
    insta::assert_snapshot!(text(&spec, &Host { hard_limits, cgroup_v2: true }));
}

fn resources() -> Resources {
    Resources {
        memory: Some(64 << 20),
        memory_swap: Some(-1),
        memory_reservation: Some(32 << 20),
        swappiness: Some(10),
        oom_kill_disable: true,
        cpu_shares: Some(512),
        cpu_quota: Some(50_000),
        cpu_period: Some(100_000),
        cpuset_cpus: Some("0-1".to_owned()),
        cpuset_mems: Some("0".to_owned()),
        pids: Some(100),
        blkio_weight: Some(300),
        blkio_weight_device: vec![WeightDevice { major: 8, minor: 0, weight: 500 }],
        read_bps: vec![Throttle { major: 8, minor: 0, rate: 1 << 20 }],
        write_iops: vec![Throttle { major: 8, minor: 16, rate: 100 }],
        device_rules: vec!["c 42:* rmw".to_owned()],
        ..Resources::default()
    }
}

#[test]
fn a_privileged_container() {
    let mut spec = plain();
    spec.capabilities.privileged = true;
    spec.network = Namespace::Host;
    spec.ipc = Namespace::Host;
    spec.uts = Namespace::Host;
    spec.hostname = Some("not the host's".to_owned());
    spec.cgroup_namespace = Namespace::Host;
    insta::assert_snapshot!(text(&spec, &Host { cgroup_v2: true, ..Host::default() }));
}

#[test]
fn our_mounts_make_way() {
    let targets = |target: &str| {
        let mut spec = plain();
        spec.mounts = vec![Mount::bind("/mine", target)];
        let document = oci_spec(&spec, &Host::default()).expect("a document");
        let mounts = document.mounts().clone().expect("mounts");
        mounts.iter().map(|mount| mount.destination().display().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(targets("/dev/"), ["/proc", "/sys", "/sys/fs/cgroup", "/dev/"]);
    assert_eq!(targets("/proc")[..2], ["/dev", "/dev/pts"]);
    assert_eq!(targets("/developer").len(), 8);
}

#[track_caller]
fn check_capabilities(add: &[&str], drop: &[&str], expected: Result<&[&str], &str>) {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let request = capabilities::CapabilityRequest { add: words(add), drop: words(drop), privileged: false };
    let got = capabilities::names(&request).map_err(|error| error.to_string());
    assert_eq!(got.as_deref().map_err(String::as_str), expected);
}

#[test]
fn capabilities_follow_dockers_rules() {
    check_capabilities(&["chown"], &["all"], Ok(&["CAP_CHOWN"]));
    check_capabilities(&["CAP_BPF"], &["ALL"], Ok(&["CAP_BPF"]));
    check_capabilities(&[], &["ALL"], Ok(&[]));
    let all_but_one: Vec<_> = capabilities::ALL.into_iter().filter(|name| *name != "CAP_MKNOD").collect();
    check_capabilities(&["ALL"], &["mknod"], Ok(&all_but_one));
    check_capabilities(&["nonsense"], &[], Err("unknown capability: \"CAP_NONSENSE\""));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let refused = |change: fn(&mut ContainerSpec)| {
        let mut spec = plain();
        change(&mut spec);
        oci_spec(&spec, &Host::default()).expect_err("a document").to_string()
    };
    assert_eq!(refused(|spec| spec.args.clear()), "No command specified");
    assert_eq!(
        refused(|spec| spec.cwd = "srv".to_owned()),
        "the working directory 'srv' is invalid, it needs to be an absolute path"
    );
    let nonsense = |spec: &mut ContainerSpec| {
        spec.rlimits = vec![Rlimit { name: "nonsense".to_owned(), soft: 0, hard: 0 }];
    };
    assert_eq!(refused(nonsense), "invalid rlimit type: nonsense");
    let mut spec = plain();
    spec.seccomp = SeccompProfile::Json("{".to_owned());
    assert!(matches!(oci_spec(&spec, &Host::default()), Err(SpecError::Seccomp(_))));
}

#[test]
fn device_rules_are_read_strictly() {
    for right in ["c 42:* rmw", "b 8:0 r", "a *:* m"] {
        assert!(parse_rule(right).is_some(), "{right}");
    }
    for wrong in ["", "c", "x 1:1 r", "c 1 r", "c 1:1", "c 1:1 x", "c a:1 r", "c 1:1 r more"] {
        assert!(parse_rule(wrong).is_none(), "{wrong}");
    }
}
