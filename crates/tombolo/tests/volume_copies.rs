//! Volumes renamed, cloned, kept as they are and put back, with limits and other owners, on real file systems.

use anyhow::{Context, Result, ensure};
use testkit::{Machine, Output, until};

const OURS: &str = env!("CARGO_BIN_EXE_tombolo");

#[track_caller]
fn says(output: &Output, text: &str) -> Result<()> {
    ensure!(output.code != 0 && output.stderr.contains(text), "{text:?} was expected: {output:?}");
    Ok(())
}

/// A machine whose data root is a file system of its own in a file.
fn on(kind: &str, make: &str, options: &str) -> Result<Machine> {
    let machine = Machine::without_engine(OURS, &[])?;
    let (image, data) = (machine.root().join("disk"), machine.data_root());
    let script = format!(
        "truncate -s 400M {image} && mkfs.{kind} {make} {image} >/dev/null && mkdir -p {data} && mount -o loop{options} {image} {data}",
        image = image.display(),
        data = data.display()
    );
    machine.sh(&script).ok().with_context(|| format!("no {kind}"))?;
    machine.start_engine()?;
    machine.load_busybox()?;
    Ok(machine)
}

fn run(machine: &Machine, words: &str) -> Output {
    machine.docker(&format!("run --rm {words}"))
}

/// Clones, snapshots, restores and renames; tells how many bytes the clone shares with its original.
fn copies(machine: &Machine) -> Result<u64> {
    run(machine, "-v data:/d busybox sh -c 'head -c 20000000 /dev/urandom > /d/big; echo one > /d/f; chown 7:8 /d/f; chmod 711 /d'").ok()?;
    machine.tombolo("volume clone --label role=copy data copy").ok()?;
    let sums = |name: &str| {
        run(
            machine,
            &format!(
                "-v {name}:/d busybox sh -c 'md5sum /d/big; stat -c \"%u %g\" /d/f; stat -c %a /d; cat /d/f'"
            ),
        )
        .ok()
    };
    ensure!(sums("data")? == sums("copy")?);
    ensure!(machine.docker("volume inspect -f {{.Labels.role}} copy").ok()? == "copy");
    let last = machine.call("POST", "/volumes/data/clone", r#"{"Name":"again"}"#)?;
    let text = last.body.as_str().map_or_else(|| last.body.to_string(), str::to_owned);
    let last = text.lines().last().unwrap_or_default().to_owned();
    let last: serde_json::Value = serde_json::from_str(&last)?;
    ensure!(last["Volume"]["Name"] == "again" && last["Files"] == 2, "{last}");
    machine.tombolo("volume snapshot data before").ok()?;
    run(machine, "-v data:/d busybox sh -c 'rm /d/big; echo two > /d/f'").ok()?;
    ensure!(machine.tombolo("volume snapshots -q data").ok()? == "before");
    machine.docker("run -d --name user -v data:/d busybox sleep 1000").ok()?;
    says(&machine.tombolo("volume restore data before"), "restore data: volume is in use")?;
    machine.tombolo("volume snapshot --pause data running").ok()?;
    ensure!(machine.docker("inspect -f {{.State.Status}} user").ok()? == "running");
    machine.docker("stop -t 0 user").ok()?;
    machine.tombolo("volume restore data before").ok()?;
    ensure!(sums("data")? == sums("copy")?);
    machine.tombolo("volume rename data renamed").ok()?;
    ensure!(machine.docker("volume ls -q").ok()? == "again\ncopy\nrenamed");
    machine.docker("start user").ok()?;
    ensure!(machine.docker("exec user cat /d/f").ok()? == "one");
    ensure!(machine.inspect("user")?["Mounts"][0]["Name"] == "renamed");
    says(&machine.docker("volume rm renamed"), "volume is in use")?;
    machine.docker("rm -f user").ok()?;
    says(&machine.tombolo("volume rename renamed copy"), "a volume named copy already exists")?;
    says(&machine.tombolo("volume clone nobody x2"), "no such volume")?;
    says(&machine.tombolo("volume restore renamed never"), "volume renamed has no snapshot never")?;
    machine.tombolo("volume snapshot --rm renamed before").ok()?;
    machine.docker("volume rm renamed copy again").ok()?;
    let left = machine.sh(&format!("ls -A {}", machine.data_root().join("volumes").display()));
    ensure!(left.clone().ok()?.is_empty(), "{left:?}");
    Ok(last["Shared"].as_u64().unwrap_or_default())
}

#[test]
fn copies_on_ext4() -> Result<()> {
    ensure!(copies(&on("ext4", "-q", "")?)? == 0);
    Ok(())
}

#[test]
fn copies_on_xfs_share_their_blocks() -> Result<()> {
    ensure!(copies(&on("xfs", "-q", "")?)? > 20_000_000);
    Ok(())
}

#[test]
fn copies_on_btrfs_share_their_blocks() -> Result<()> {
    ensure!(copies(&on("btrfs", "-q", "")?)? > 20_000_000);
    Ok(())
}

#[test]
fn copies_in_memory() -> Result<()> {
    ensure!(copies(&Machine::start(OURS)?)? == 0);
    Ok(())
}

#[test]
fn a_crash_in_the_middle_leaves_nothing() -> Result<()> {
    let machine = Machine::start(OURS)?;
    run(
        &machine,
        "-v data:/d busybox sh -c 'for i in $(seq 400); do head -c 400000 /dev/zero > /d/$i; done'",
    )
    .ok()?;
    let volumes = machine.data_root().join("volumes").display().to_string();
    let client = machine.start_sh(&format!("{OURS} volume clone data copy"))?;
    until("the clone to begin", || {
        (machine.sh(&format!("ls {volumes}")).stdout.lines().count() == 2).then_some(())
    })?;
    machine.kill_engine()?;
    drop(client.wait_with_output());
    machine.start_engine()?;
    ensure!(machine.docker("volume ls -q").ok()? == "data");
    ensure!(machine.sh(&format!("ls {volumes}")).ok()?.lines().count() == 1);
    let client = machine.start_sh(&format!("{OURS} volume snapshot data half"))?;
    until("the snapshot to begin", || {
        (machine.sh(&format!("ls {volumes}/*/incomplete")).code == 0).then_some(())
    })?;
    machine.kill_engine()?;
    drop(client.wait_with_output());
    machine.start_engine()?;
    let left = machine.sh(&format!("ls {volumes}/*")).ok()?;
    let whole = machine.tombolo("volume snapshots -q data").ok()? == "half";
    ensure!(left == "_data" || whole, "{left}");
    Ok(())
}

#[test]
#[ignore = "needs a kernel with CONFIG_QFMT_V2, for ext4's quotas"]
fn a_volume_is_as_large_as_it_may_be() -> Result<()> {
    let machine = on("ext4", "-q -O quota,project", ",prjquota")?;
    machine.docker("volume create -o size=10m -o mode=1777 small").ok()?;
    let fill = run(
        &machine,
        "-u 1000 -v small:/d busybox sh -c 'df -m /d | tail -n 1 | awk \"{print \\$2}\"; dd if=/dev/zero of=/d/f bs=1M count=20'",
    );
    ensure!(fill.code != 0 && fill.stderr.contains("Disk quota exceeded"), "{fill:?}");
    ensure!(fill.stdout == "10", "{fill:?}");
    let status = machine.docker("volume inspect -f '{{.Status.Size}} {{.Status.Used}}' small").ok()?;
    ensure!(status.starts_with("10485760 10"), "{status}");
    machine.tombolo("volume clone small other").ok()?;
    ensure!(
        run(&machine, "-v other:/d busybox sh -c 'echo more >> /d/f'").code != 0,
        "a clone has the limit, too"
    );
    machine.docker("volume rm small other").ok()?;
    machine.docker("volume create -o size=12m small").ok()?;
    run(&machine, "-v small:/d busybox dd if=/dev/zero of=/d/f bs=1M count=11").ok()?;
    Ok(())
}

#[test]
fn where_there_is_no_quota_it_is_said() -> Result<()> {
    let machine = Machine::start(OURS)?;
    let refused = machine.docker("volume create -o size=10m small");
    says(&refused, "quota size requested but no quota support")?;
    says(&refused, "is on tmpfs, which has no project quotas here")?;
    ensure!(machine.docker("volume ls -q").ok()?.is_empty());
    Ok(())
}

/// What user 999 of the container writes belongs to user 1000 of the host, and the other way round.
fn owners(machine: &Machine) -> Result<()> {
    let dir = machine.data_root().join("shared").display().to_string();
    machine.sh(&format!("mkdir -p {dir} && touch {dir}/mine && chown -R 1000:1000 {dir}")).ok()?;
    let mount = format!("--mount type=bind,src={dir},dst=/d,bind-idmap=1000:999");
    let shown = machine.tombolo(&format!(
        "run --rm -u 999:999 {mount} busybox sh -c 'stat -c \"%u %g\" /d/mine; touch /d/theirs'"
    ));
    ensure!(shown.clone().ok()? == "999 999", "{shown:?}");
    ensure!(machine.sh(&format!("stat -c '%u %g' {dir}/theirs")).ok()? == "1000 1000");
    let root =
        machine.tombolo(&format!("run --rm {mount} busybox sh -c 'touch /d/roots; stat -c %u /d/roots'"));
    ensure!(root.ok()? == "0", "all others are themselves");
    Ok(())
}

#[test]
fn owners_are_mapped_where_the_file_system_can() -> Result<()> {
    owners(&Machine::start(OURS)?)?;
    owners(&on("ext4", "-q", "")?)?;
    owners(&on("xfs", "-q", "")?)?;
    let machine = on("btrfs", "-q", "")?;
    owners(&machine)?;
    says(
        &machine.tombolo("run --rm --mount type=bind,src=/tmp,dst=/d,bind-idmap=x busybox true"),
        "invalid id map \"x\"",
    )?;
    // Memory for huge pages is one of the few that cannot.
    machine.sh("mkdir -p /run/proc && mount -t proc proc /run/proc").ok()?;
    let refused =
        machine.tombolo("run --rm --mount type=bind,src=/run/proc,dst=/d,bind-idmap=1:2 busybox true");
    says(&refused, "cannot map the owners of /run/proc, which is on proc")?;
    Ok(())
}
