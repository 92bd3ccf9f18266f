//! The machine's own hierarchies, and texts of others.

use super::*;

const HYBRID: &str = "\
30 25 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
32 30 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
34 30 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
";

#[test]
fn a_hybrid_machine_counts_as_version_1() {
    let found = Hierarchies::parse(HYBRID).expect("control groups");
    assert_eq!(found.version(), Version::V1);
    let keys: Vec<_> = found.controllers().map(|(key, _)| key).collect();
    assert_eq!(keys, ["cpu", "cpuacct", "memory"]);
    let group = found.group("/a/b");
    assert_eq!(group.directory("cpuacct"), Some(Path::new("/sys/fs/cgroup/cpu,cpuacct/a/b")));
    assert_eq!(group.directories().len(), 2);
}

#[test]
fn a_unified_machine_has_one_directory() {
    let found =
        Hierarchies::parse("31 30 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n").expect("control groups");
    assert_eq!(found.version(), Version::V2);
    assert_eq!(found.group("/a").directory("memory"), Some(Path::new("/sys/fs/cgroup/a")));
    assert_eq!(Hierarchies::parse("1 0 0:1 / / rw - ext4 /dev/sda rw\n"), None);
}

#[test]
fn a_group_is_made_filled_frozen_and_removed() {
    let hierarchies = Hierarchies::find().expect("control groups");
    let group = hierarchies.group(&format!("/tombolo-test-{}", std::process::id()));
    group.create().expect("create");
    let sleeper = crate::process::Spawn::new(Path::new("/bin/sleep")).arg("1000").spawn().expect("spawn");
    if hierarchies.version() == Version::V1 {
        group.write("cpuset", "cpuset.cpus", "0").expect("cpus");
        group.write("cpuset", "cpuset.mems", "0").expect("mems");
    }
    group.join(sleeper.pid()).expect("join");
    assert_eq!(group.pids().expect("pids"), [sleeper.pid()]);
    group.freeze(Duration::from_secs(5)).expect("freeze");
    assert!(group.frozen().expect("frozen"));
    let usage = group.usage().expect("usage");
    assert_eq!((usage.pids, usage.pids_limit), (1, 0));
    let pid = i32::try_from(sleeper.pid()).ok().and_then(rustix::process::Pid::from_raw);
    let reap = || {
        let _ended = rustix::process::waitpid(pid, rustix::process::WaitOptions::NOHANG);
    };
    group.kill(Duration::from_secs(5), reap).expect("kill a frozen group");
    assert_eq!(group.oom_kills().expect("oom"), 0);
    group.remove(Duration::from_secs(5)).expect("remove");
    assert!(!group.exists());
}
