//! What confines containers: control groups, capabilities, file systems, devices.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use testkit::{Machine, until};

fn machine() -> Result<Machine> {
    Machine::start(env!("CARGO_BIN_EXE_tombolo"))
}

/// The default set without and with what root gets from `--privileged`.
const DEFAULT_CAPS: &str = "00000000a80425fb";

/// A line of `/proc/PID/status`.
fn status(text: &str, key: &str) -> Result<String> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let line = lines.find(|(name, _)| *name == key).with_context(|| format!("no {key} in {text}"))?;
    Ok(line.1.trim().to_owned())
}

/// Whether this machine has control groups of version 2 alone.
fn unified() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// A file of a container's own control group, read inside: what it is called with
/// version 1 and with version 2.
fn group(machine: &Machine, container: &str, files: (&str, &str)) -> Result<String> {
    let file = if unified() { files.1 } else { files.0 };
    machine.docker(&format!("exec {container} cat /sys/fs/cgroup/{file}")).ok()
}

const MEMORY: (&str, &str) = ("memory/memory.limit_in_bytes", "memory.max");
const PIDS: (&str, &str) = ("pids/pids.max", "pids.max");

#[test]
fn control_groups_hold_what_was_asked_for() -> Result<()> {
    let machine = machine()?;
    machine
        .docker(
            "run -d --name lim -m 64m --memory-reservation 32m --cpus 0.5 --cpuset-cpus 0 --cpu-shares 512 \
             --pids-limit 30 --oom-score-adj 100 busybox sleep 1000",
        )
        .ok()?;
    let v1 = [
        ("memory/memory.limit_in_bytes", "67108864"),
        ("memory/memory.soft_limit_in_bytes", "33554432"),
        ("cpu/cpu.cfs_quota_us", "50000"),
        ("cpu/cpu.cfs_period_us", "100000"),
        ("cpu/cpu.shares", "512"),
        ("cpuset/cpuset.cpus", "0"),
        ("pids/pids.max", "30"),
    ];
    let v2 = [
        ("memory.max", "67108864"),
        ("memory.low", "33554432"),
        ("cpu.max", "50000 100000"),
        ("cpu.weight", "59"),
        ("cpuset.cpus", "0"),
        ("pids.max", "30"),
    ];
    for (file, expected) in if unified() { &v2[..] } else { &v1[..] } {
        let seen = group(&machine, "lim", (file, file))?;
        ensure!(seen == *expected, "{file}: {seen}");
    }
    ensure!(machine.docker("exec lim nproc").ok()? == "1");
    ensure!(machine.docker("exec lim cat /proc/1/oom_score_adj").ok()? == "100");
    for client in ["docker", env!("CARGO_BIN_EXE_tombolo")] {
        let size = if client == "docker" { 80 } else { 96 };
        machine
            .sh(&format!("{client} update -m {size}m --memory-swap 200m --cpus 1 --pids-limit 40 lim"))
            .ok()?;
        ensure!(group(&machine, "lim", MEMORY)? == (size << 20).to_string());
        let quota = group(&machine, "lim", ("cpu/cpu.cfs_quota_us", "cpu.max"))?;
        ensure!(quota.starts_with("100000"), "{quota}");
        ensure!(group(&machine, "lim", PIDS)? == "40");
        ensure!(machine.inspect("lim")?["HostConfig"]["Memory"] == size << 20);
    }
    machine.docker("restart -t 0 lim").ok()?;
    ensure!(group(&machine, "lim", PIDS)? == "40", "changes outlive a restart");
    let forks =
        machine.docker("run --rm --pids-limit 5 busybox sh -c 'for i in 1 2 3 4 5 6; do sleep 1 & done'");
    ensure!(forks.stderr.contains("can't fork: Resource temporarily unavailable"), "{forks:?}");
    Ok(())
}

/// What a container's control group says to the machine.
fn outer_group(machine: &Machine, container: &str, files: (&str, &str)) -> Result<String> {
    let pid = &machine.inspect(container)?["State"]["Pid"];
    let (key, root) = if unified() { ("0::", "") } else { (":freezer:", "/freezer") };
    let file = if unified() { files.1 } else { files.0 };
    machine.sh(&format!("cat /sys/fs/cgroup{root}$(sed -n 's,^.*{key},,p' /proc/{pid}/cgroup)/{file}")).ok()
}

#[test]
fn the_paused_stand_still_and_are_counted() -> Result<()> {
    let machine = machine()?;
    machine.docker("run -d --name lim -m 64m --pids-limit 30 busybox sh -c 'while :; do :; done'").ok()?;
    let is_frozen = || -> Result<bool> {
        let state = outer_group(&machine, "lim", ("freezer.state", "cgroup.events"))?;
        Ok(state == "FROZEN" || state.lines().any(|line| line == "frozen 1"))
    };
    let stats = || -> Result<serde_json::Value> {
        let curl = "curl -sS --unix-socket ${DOCKER_HOST#unix://}";
        let text = machine.sh(&format!("{curl} 'http://e/containers/lim/stats?stream=0&one-shot=1'")).ok()?;
        Ok(serde_json::from_str(&text)?)
    };
    ensure!(!is_frozen()?);
    machine.docker("pause lim").ok()?;
    ensure!(is_frozen()?);
    let (one, other) = (stats()?, stats()?);
    let total = |stats: &serde_json::Value| stats["cpu_stats"]["cpu_usage"]["total_usage"].as_u64();
    ensure!(total(&one).is_some_and(|total| total > 0), "{one}");
    ensure!(total(&one) == total(&other), "it goes on: {one} {other}");
    ensure!(one["memory_stats"]["limit"] == 64 << 20, "{one}");
    ensure!(one["memory_stats"]["usage"].as_u64().is_some_and(|bytes| bytes > 0), "{one}");
    ensure!(one["pids_stats"]["current"] == 1 && one["pids_stats"]["limit"] == 30, "{one}");
    machine.docker("unpause lim").ok()?;
    ensure!(!is_frozen()?);
    until("it to go on", || (total(&stats().ok()?) > total(&one)).then_some(()))
}

#[test]
fn who_takes_too_much_memory_is_killed() -> Result<()> {
    let machine = machine()?;
    let state = |name: &str| -> Result<(i64, bool)> {
        let state = &machine.inspect(name)?["State"];
        Ok((state["ExitCode"].as_i64().context("a code")?, state["OOMKilled"] == true))
    };
    ensure!(machine.docker("run --name greedy -m 16m busybox tail /dev/zero").code == 137);
    ensure!(state("greedy")? == (137, true));
    until("the kernel's kill to be told", || {
        let words = "events --since 1h --until 0s --filter container=greedy --format {{.Action}}";
        machine.docker(words).stdout.lines().any(|action| action == "oom").then_some(())
    })?;
    // Killed, but not for that.
    machine.docker("run -d --name modest -m 16m busybox sleep 1000").ok()?;
    machine.docker("kill modest").ok()?;
    ensure!(machine.docker("wait modest").ok()? == "137");
    ensure!(state("modest")? == (137, false));
    // The life that follows is not to blame.
    machine.docker("run -d --name heir -m 16m busybox sh -c 'test -e /again || { touch /again; exec tail /dev/zero; }'").ok()?;
    machine.docker("wait heir").ok()?;
    ensure!(state("heir")? == (137, true));
    machine.docker("start -a heir").ok()?;
    ensure!(state("heir")? == (0, false));
    Ok(())
}

#[test]
fn file_systems_are_as_small_and_read_only_as_wanted() -> Result<()> {
    let machine = machine()?;
    machine
        .docker(
            "run -d --name box --read-only --shm-size 16m --tmpfs /t:size=1m,mode=1770,exec -v /w busybox sleep 1000",
        )
        .ok()?;
    let inside = |script: &str| machine.docker(&format!("exec box sh -c '{script}'"));
    ensure!(inside("touch /x").stderr.contains("Read-only file system"));
    inside("touch /w/x /t/x /dev/shm/x").ok()?;
    let mounts = inside("cat /proc/mounts").ok()?;
    let options = |path: &str| -> Result<Vec<String>> {
        let mut lines = mounts.lines().rev().map(|line| line.split(' ').collect::<Vec<_>>());
        let line = lines.find(|words| words[1] == path).with_context(|| format!("{path}: {mounts}"))?;
        Ok(line[3].split(',').map(str::to_owned).collect())
    };
    let has =
        |path: &str, option: &str| Ok::<_, anyhow::Error>(options(path)?.iter().any(|one| one == option));
    ensure!(has("/", "ro")? && has("/dev/shm", "size=16384k")? && has("/dev/shm", "noexec")?, "{mounts}");
    ensure!(has("/t", "size=1024k")? && has("/t", "mode=1770")? && !has("/t", "noexec")?, "{mounts}");
    ensure!(has("/t", "nosuid")? && has("/t", "nodev")?, "{mounts}");
    for path in ["/sys", "/proc/sys", "/proc/bus", "/sys/fs/cgroup"] {
        ensure!(has(path, "ro")?, "{path}: {mounts}");
    }
    let full = inside("head -c 2000000 /dev/zero > /t/big 2>/dev/null; stat -c %s /t/big");
    ensure!(full.clone().ok()? == "1048576", "{full:?}");
    let below = if unified() { "x" } else { "pids/x" };
    let mkdir = format!("mkdir /sys/fs/cgroup/{below}");
    for script in ["echo 1 > /proc/sys/kernel/panic", &mkdir, "touch /sys/x"] {
        ensure!(inside(script).stderr.contains("Read-only file system"), "{script}");
    }
    let masked = "cat /proc/keys /proc/timer_list /proc/latency_stats 2>/dev/null; ls /proc/acpi /proc/scsi /sys/firmware 2>/dev/null";
    let seen = inside(masked).stdout;
    ensure!(seen.lines().all(|line| line.is_empty() || line.ends_with(':')), "{seen}");
    let paths = &machine.inspect("box")?["HostConfig"];
    ensure!(
        paths["MaskedPaths"].as_array().is_some_and(|all| all.iter().any(|path| path == "/proc/kcore")),
        "{paths}"
    );
    ensure!(
        paths["ReadonlyPaths"].as_array().is_some_and(|all| all.iter().any(|path| path == "/proc/sys")),
        "{paths}"
    );
    let open =
        machine.docker("run --rm --security-opt systempaths=unconfined busybox sh -c 'ls /sys/firmware'");
    ensure!(!open.clone().ok()?.is_empty(), "{open:?}");
    Ok(())
}

#[test]
fn capabilities_are_the_same_wherever_one_looks() -> Result<()> {
    let machine = machine()?;
    let table = [
        ("", DEFAULT_CAPS, DEFAULT_CAPS, "2"),
        ("--cap-drop ALL", "0000000000000000", "0000000000000000", "2"),
        ("--cap-drop ALL --cap-add NET_RAW", "0000000000002000", "0000000000002000", "2"),
        ("--cap-add CAP_NET_ADMIN --cap-drop chown", "00000000a80435fa", "00000000a80435fa", "2"),
        ("--user 1000 --cap-add NET_ADMIN", "0000000000000000", "00000000a80435fb", "2"),
        ("--security-opt seccomp=unconfined", DEFAULT_CAPS, DEFAULT_CAPS, "0"),
        ("--security-opt no-new-privileges", DEFAULT_CAPS, DEFAULT_CAPS, "2"),
    ];
    for (flags, effective, bounding, filter) in table {
        machine.docker(&format!("run -d --name one {flags} busybox sleep 1000")).ok()?;
        // `grep` cannot read what belongs to another, and root without capabilities owns process 1, too.
        let first = machine.docker("exec one cat /proc/1/status").ok()?;
        let exec = machine.docker("exec one cat /proc/self/status").ok()?;
        for text in [&first, &exec] {
            ensure!(
                status(text, "CapEff")? == effective && status(text, "CapPrm")? == effective,
                "{flags}: {text}"
            );
            ensure!(status(text, "CapBnd")? == bounding, "{flags}: {text}");
            ensure!(status(text, "Seccomp")? == filter, "{flags}: {text}");
            let no_new = if flags.contains("no-new") { "1" } else { "0" };
            ensure!(status(text, "NoNewPrivs")? == no_new, "{flags}: {text}");
            ensure!(
                status(text, "CapInh")? == "0000000000000000"
                    && status(text, "CapAmb")? == "0000000000000000"
            );
        }
        machine.docker("rm -f one").ok()?;
    }
    machine.docker("run -d --name one busybox sleep 1000").ok()?;
    let all = status(&machine.sh("cat /proc/self/status").ok()?, "CapBnd")?;
    let exec = machine.docker("exec --privileged one cat /proc/self/status").ok()?;
    ensure!(status(&exec, "CapEff")? == all, "{exec}");
    let refused = machine.docker("run --rm busybox unshare -m true");
    ensure!(refused.stderr.contains("Operation not permitted"), "{refused:?}");
    let unknown = machine.docker("run --rm --cap-add NOPE busybox true");
    ensure!(
        unknown.code == 125 && unknown.stderr.contains("unknown capability: \"CAP_NOPE\""),
        "{unknown:?}"
    );
    Ok(())
}

#[test]
fn the_privileged_are_confined_by_little() -> Result<()> {
    let machine = machine()?;
    machine.docker("run -d --name mighty --privileged busybox sleep 1000").ok()?;
    let inside = |script: &str| machine.docker(&format!("exec mighty sh -c '{script}'"));
    let text = inside("cat /proc/1/status").ok()?;
    ensure!(status(&text, "Seccomp")? == "0", "{text}");
    ensure!(
        status(&text, "CapEff")? == status(&machine.sh("cat /proc/self/status").ok()?, "CapBnd")?,
        "{text}"
    );
    if !unified() {
        ensure!(group(&machine, "mighty", ("devices/devices.list", ""))? == "a *:* rwm");
    }
    inside("mknod /zero c 1 5 && head -c 1 /zero").ok()?;
    ensure!(inside("ls /dev/kmsg").ok()? == "/dev/kmsg");
    let below = if unified() { "/sys/fs/cgroup/x" } else { "/sys/fs/cgroup/pids/x" };
    inside(&format!("mkdir /m && mount -t tmpfs none /m && mkdir {below} && rmdir {below}")).ok()?;
    inside("cat /proc/sys/net/core/somaxconn > /proc/sys/net/core/somaxconn").ok()?;
    ensure!(machine.inspect("mighty")?["HostConfig"]["MaskedPaths"].is_null());
    Ok(())
}

#[test]
fn devices_limits_and_sysctls_are_given() -> Result<()> {
    let machine = machine()?;
    machine
        .docker(
            "run -d --name box --device /dev/loop-control:/dev/log:r --sysctl net.core.somaxconn=77 --sysctl kernel.msgmax=9999 \
             --ulimit nofile=100:200 --ulimit core=0 busybox sleep 1000",
        )
        .ok()?;
    let inside = |script: &str| machine.docker(&format!("exec box sh -c '{script}'"));
    ensure!(inside("ulimit -n; ulimit -Hn; ulimit -c").ok()? == "100\n200\n0");
    ensure!(inside("cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax").ok()? == "77\n9999");
    ensure!(machine.sh("cat /proc/sys/net/core/somaxconn").ok()? != "77", "only inside");
    inside("test -c /dev/log && exec 3</dev/log").ok()?;
    let written = inside("exec 3>/dev/log");
    ensure!(written.code != 0 && written.stderr.contains("Operation not permitted"), "{written:?}");
    let made = inside("mknod /loop b 7 0 && exec 3</loop");
    ensure!(made.stderr.contains("Operation not permitted"), "{made:?}");
    if !unified() {
        ensure!(group(&machine, "box", ("devices/devices.list", ""))?.contains("c 10:237 r"));
    }
    let table = [
        ("-m 1m", "Minimum memory limit allowed is 6MB"),
        ("--cpuset-cpus 999", "Requested CPUs are not available - requested 999, available: "),
        ("--cpus 9999", "Range of CPUs is from 0.01 to "),
        (
            "--memory-swap 10m",
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        ),
        (
            "-m 20m --memory-swap 10m",
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        ),
        (
            "--device /dev/nope",
            "error gathering device information while adding custom device \"/dev/nope\": no such file or directory\n",
        ),
        ("--sysctl net.ipv4.nope=1", "OCI runtime create failed"),
    ];
    for (flags, text) in table {
        let refused = machine.docker(&format!("run --rm {flags} busybox true"));
        // Docker's command line takes any text with these words for a missing program.
        let code = if refused.stderr.contains("no such file or directory") { 127 } else { 125 };
        ensure!(refused.code == code && refused.stderr.contains(text), "{refused:?}");
    }
    until("the refused to be gone", || (machine.docker("ps -aq").stdout.lines().count() == 1).then_some(()))
}

#[test]
fn a_sysctl_that_cannot_be_set_is_named() -> Result<()> {
    let machine = machine()?;
    let at = "failed to create task for container: failed to create shim task: OCI runtime create failed: \
              unable to start container process: error during container init: write sysctl key";
    // The docker command line takes the first for a program that is missing.
    for (code, asked, told) in [
        (127, "net.nope=1", "net.nope: open /proc/sys/net/nope: no such file or directory: unknown"),
        (
            125,
            "net.ipv4.ip_forward=many",
            "net.ipv4.ip_forward: write /proc/sys/net/ipv4/ip_forward: invalid argument: unknown",
        ),
    ] {
        let refused = machine.docker(&format!("run --name box --sysctl {asked} busybox true"));
        ensure!(refused.code == code && refused.stderr.contains(&format!("{at} {told}")), "{refused:?}");
        machine.docker("rm box").ok()?;
    }
    let set = "run --rm --sysctl net.ipv4.conf.eth0.log_martians=1 busybox cat /proc/sys/net/ipv4/conf/eth0/log_martians";
    ensure!(machine.docker(set).ok()? == "1");
    Ok(())
}
