//! Volumes: how they are made, mounted, filled, shared and removed.

use anyhow::{Result, ensure};
use testkit::{Machine, archive};

const OURS: &str = env!("CARGO_BIN_EXE_tombolo");

fn machine() -> Result<Machine> {
    Machine::start(OURS)
}

#[track_caller]
fn says(output: &testkit::Output, text: &str) -> Result<()> {
    ensure!(output.code != 0 && output.stderr.contains(text), "{text:?} was expected: {output:?}");
    Ok(())
}

#[test]
fn options_mean_what_they_mean_to_docker() -> Result<()> {
    let machine = machine()?;
    let docker = |words: &str| machine.docker(words);
    docker("volume create -o type=tmpfs -o device=tmpfs -o o=size=1m,mode=0700 memory").ok()?;
    let look = "sh -c 'grep -c \" /d tmpfs .*size=1024k\" /proc/mounts; stat -c %a /d; echo kept > /d/f; sleep 1000'";
    docker(&format!("run -d --name one -v memory:/d busybox {look}")).ok()?;
    docker("run -d --name two -v memory:/d busybox sleep 1000").ok()?;
    testkit::until("the file", || (docker("exec two cat /d/f").stdout == "kept").then_some(()))?;
    ensure!(docker("logs one").ok()? == "1\n700");
    let mountpoint = docker("volume inspect -f {{.Mountpoint}} memory").ok()?;
    let is_mounted = || machine.sh(&format!("grep -c ' {mountpoint} ' /proc/self/mountinfo")).stdout;
    ensure!(is_mounted() == "1");
    docker("stop -t 0 one").ok()?;
    ensure!(is_mounted() == "1", "two has it");
    machine.kill_engine()?;
    machine.start_engine()?;
    ensure!(docker("exec two cat /d/f").ok()? == "kept" && is_mounted() == "1");
    docker("rm -f two").ok()?;
    ensure!(is_mounted() == "0", "the last one unmounts");

    let source = machine.root().join("source").display().to_string();
    machine.sh(&format!("mkdir -p {source} && echo host > {source}/f")).ok()?;
    docker(&format!("volume create -o type=none -o o=bind,ro -o device={source} bound")).ok()?;
    ensure!(docker("run --rm -v bound:/d busybox cat /d/f").ok()? == "host");
    says(&docker("run --rm -v bound:/d busybox touch /d/x"), "Read-only file system")?;
    docker("volume rm bound").ok()?;
    ensure!(machine.sh(&format!("cat {source}/f")).ok()? == "host", "what is bound is not removed");
    docker("volume create -o type=none -o o=bind -o device=/nowhere lost").ok()?;
    let lost = docker("run --rm -v lost:/d busybox true");
    says(&lost, "error while mounting volume")?;
    says(&lost, "failed to mount local volume")?;

    docker("volume create -o uid=1000 -o gid=1001 -o mode=0750 owned").ok()?;
    let stat = "run --rm -v owned:/d busybox stat -c '%u %g %a' /d";
    ensure!(docker(stat).ok()? == "1000 1001 750");
    let table = [
        ("-o fast=yes new", "create new: invalid option: \"fast\""),
        ("-o type=tmpfs new", "create new: missing required option: \"device\""),
        ("-o type=nfs -o device=:/srv -o o=ro new", "needs \"addr=SERVER\""),
        ("-d nope new", "create new: error looking up volume plugin nope: plugin \"nope\" not found"),
        ("-o uid=7 owned", "create owned: there is a volume of this name with other options"),
        ("../x", "includes invalid characters for a local volume name"),
        ("x", "includes invalid characters for a local volume name"),
    ];
    for (words, text) in table {
        says(&docker(&format!("volume create {words}")), text)?;
    }
    docker("volume create owned").ok()?;
    Ok(())
}

#[test]
fn what_the_image_has_fills_an_empty_volume() -> Result<()> {
    let machine = machine()?;
    machine.docker("run --name base busybox sh -c 'mkdir -p /data/sub /run; echo image > /data/sub/f; ln -s sub /data/link; chown -R 7:8 /data; chmod 2750 /data; touch /file'").ok()?;
    // An image without a registry, a builder or commit: the container's own layer.
    let layer =
        machine.inspect("base")?["GraphDriver"]["Data"]["UpperDir"].as_str().unwrap_or_default().to_owned();
    let script = format!(
        "tar -C {layer} -cf {root}/data.tar . && docker import -c 'VOLUME /data' {root}/data.tar data",
        root = machine.root().display()
    );
    machine.sh(&script).ok()?;
    let from = |volume: &str, target: &str| {
        let id = machine.docker(&format!("create {volume} data /none"));
        let id = id.ok()?;
        let mounts = machine.inspect(&id)?["Mounts"].clone();
        let mount = mounts.as_array().into_iter().flatten().find(|mount| mount["Destination"] == target);
        let source = mount.map(|mount| mount["Source"].as_str().unwrap_or_default().to_owned());
        Ok::<_, anyhow::Error>((id, source.unwrap_or_default()))
    };
    let shown = |path: &str| machine.sh(&format!("stat -c '%u %g %a' {path}; cat {path}/link/f"));
    for words in
        ["", "-v named:/data", "--mount type=volume,src=other,dst=/data", "--mount type=volume,dst=/data"]
    {
        let (_, path) = from(words, "/data")?;
        ensure!(shown(&path).ok()? == "7 8 2750\nimage", "{words}: {:?}", shown(&path));
    }
    machine.docker("run --rm -v full:/d busybox touch /d/mine").ok()?;
    let (_, path) = from("-v full:/data", "/data")?;
    ensure!(machine.sh(&format!("ls {path}")).ok()? == "mine", "one that is not empty stays as it is");
    for words in ["-v plain:/data:nocopy", "--mount type=volume,dst=/data,volume-nocopy"] {
        let (_, path) = from(words, "/data")?;
        ensure!(machine.sh(&format!("ls -A {path}")).ok()?.is_empty(), "{words}");
    }
    says(
        &machine.docker("create -v x1:/file data /none"),
        "cannot mount volume over existing file, file exists /file",
    )?;
    ensure!(machine.docker("volume ls -q -f name=x1").ok()? == "x1", "as in Docker, a named one stays");
    let source = machine.root().join("source").display().to_string();
    let (_, path) = from(&format!("-v {source}:/data"), "/data")?;
    ensure!(path == source, "a bind is not filled");
    let anonymous = machine.docker("volume ls -q -f dangling=true").ok()?;
    ensure!(anonymous == "x1", "{anonymous}");
    Ok(())
}

#[test]
fn who_wins_a_path() -> Result<()> {
    let machine = machine()?;
    let docker = |words: &str| machine.docker(words);
    let dir = machine.root().join("dir").display().to_string();
    machine.sh(&format!("mkdir -p {dir}/sub && echo bind > {dir}/f")).ok()?;
    docker("run --rm -v data:/d busybox sh -c 'echo volume > /d/f'").ok()?;
    docker(&format!("create --name web -v data:/d -v {dir}:/b:ro,rprivate -v /anonymous busybox true"))
        .ok()?;
    let run = |words: &str| docker(&format!("run --rm {words}"));
    ensure!(run("--volumes-from web busybox cat /d/f /b/f").ok()? == "volume\nbind");
    says(&run("--volumes-from web busybox touch /b/x"), "Read-only file system")?;
    says(&run("--volumes-from web:ro busybox touch /d/x"), "Read-only file system")?;
    ensure!(run(&format!("--volumes-from web -v {dir}:/d busybox cat /d/f")).ok()? == "bind", "-v wins");
    ensure!(run("--volumes-from web -v /d busybox cat /d/f").ok()? == "volume", "an anonymous one does not");
    let twice = run(&format!("-v {dir}:/d -v data:/d/ busybox true"));
    says(&twice, "Duplicate mount point: /d")?;
    says(
        &run(&format!("-v {dir}:/d --mount type=tmpfs,dst=/d/. busybox true")),
        "Duplicate mount point: /d",
    )?;
    // What `--volumes-from` brought is not removed with who borrowed it.
    let borrowed = docker("run -d --rm --volumes-from web busybox sleep 1000").ok()?;
    docker(&format!("rm -fv {borrowed}")).ok()?;
    ensure!(docker("volume ls -q").ok()?.lines().count() == 2);
    docker("rm -v web").ok()?;
    ensure!(docker("volume ls -q").ok()? == "data");
    Ok(())
}

#[test]
fn a_part_of_a_volume_cannot_be_left() -> Result<()> {
    let machine = machine()?;
    let docker = |words: &str| machine.docker(words);
    docker("run --rm -v data:/d busybox sh -c 'mkdir -p /d/a/b; echo deep > /d/a/b/f; ln -s ../../etc /d/out; ln -s a/b /d/in; ln -s /etc /d/abs'").ok()?;
    let run = |part: &str, command: &str| {
        docker(&format!(
            "run --rm --mount type=volume,src=data,dst=/p,volume-subpath={part} busybox {command}"
        ))
    };
    ensure!(run("a/b", "cat /p/f").ok()? == "deep");
    ensure!(run("in", "cat /p/f").ok()? == "deep", "a link that stays inside is followed");
    ensure!(run("a/b/f", "cat /p").ok()? == "deep", "a file");
    says(&run("nowhere", "true"), "cannot access path")?;
    says(&run("out", "true"), "escapes the base directory")?;
    says(&run("abs", "true"), "escapes the base directory")?;
    says(&run("../..", "true"), "subpath must be a relative path within the volume")?;
    let stages = machine.exec_root().join("stages").display().to_string();
    ensure!(machine.sh(&format!("ls {stages}; grep -c {stages} /proc/self/mountinfo")).stdout == "0");
    Ok(())
}

#[test]
fn lists_and_prunes_take_filters() -> Result<()> {
    let machine = machine()?;
    let docker = |words: &str| machine.docker(words);
    docker("volume create --label role=db one").ok()?;
    docker("volume create two-data").ok()?;
    docker("create --name box -v one:/d -v /anonymous busybox true").ok()?;
    let table = [
        ("-f dangling=true", "two-data"),
        ("-f label=role=db", "one"),
        ("-f name=data", "two-data"),
        ("-f driver=local -f label=role", "one"),
        ("-f driver=other", ""),
    ];
    for (filters, expected) in table {
        for client in ["docker", OURS] {
            let list = machine.sh(&format!("{client} volume ls -q {filters}"));
            ensure!(list.stdout == expected, "{filters}: {list:?}");
        }
    }
    docker("run --rm -v two-data:/d busybox sh -c 'head -c 3000 /dev/zero > /d/f'").ok()?;
    let df = machine.call("GET", "/system/df", "")?.ok()?;
    let sizes: Vec<_> = df["Volumes"].as_array().into_iter().flatten().collect();
    let two = sizes.iter().find(|volume| volume["Name"] == "two-data").map(|volume| &volume["UsageData"]);
    ensure!(two.is_some_and(|usage| usage["Size"] == 3000 && usage["RefCount"] == 0), "{df}");
    let anonymous = docker("volume create").ok()?;
    let pruned = machine.call("POST", "/volumes/prune", "")?.ok()?;
    ensure!(pruned["VolumesDeleted"] == serde_json::json!([anonymous]), "{pruned}");
    let pruned = docker("volume prune -f --all --filter label!=role").ok()?;
    ensure!(pruned.contains("two-data") && pruned.contains("3kB") && !pruned.contains("one"), "{pruned}");
    says(&docker("volume rm one"), "remove one: volume is in use - [")?;
    docker("volume rm -f nobody").ok()?;
    says(&docker("volume rm nobody"), "get nobody: no such volume")?;
    docker("rm -v box").ok()?;
    docker("volume rm one").ok()?;
    ensure!(machine.sh(&format!("ls {}", machine.data_root().join("volumes").display())).ok()?.is_empty());
    machine.stop_engine()?;
    let left = machine.leftovers();
    ensure!(left.is_empty(), "{left:#?}");
    Ok(())
}

#[test]
fn read_only_is_meant_for_all_below() -> Result<()> {
    let machine = machine()?;
    let dir = machine.root().join("dir").display().to_string();
    machine.sh(&format!("mkdir -p {dir}/sub && mount -t tmpfs below {dir}/sub")).ok()?;
    let run = |mount: &str| {
        let mount = format!("--mount type=bind,src={dir},dst=/d,{mount}");
        machine.docker(&format!("run --rm {mount} busybox touch /d/sub/x"))
    };
    says(&run("readonly"), "Read-only file system")?;
    says(&run("readonly,bind-recursive=readonly,bind-propagation=rprivate"), "Read-only file system")?;
    run("readonly,bind-recursive=writable").ok()?;
    run("bind-recursive=disabled").ok()?;
    ensure!(machine.sh(&format!("umount {dir}/sub; ls {dir}/sub")).ok()? == "x", "it was not in the way");
    Ok(())
}

#[test]
fn mounts_spread_as_was_asked_for() -> Result<()> {
    let machine = machine()?;
    let dir = machine.root().join("dir").display().to_string();
    machine
        .sh(&format!(
            "mkdir -p {dir}/in {dir}/out {dir}/later && mount --bind {dir} {dir} && mount --make-shared {dir}"
        ))
        .ok()?;
    let start = |name: &str, propagation: &str| {
        let mount = format!("--mount type=bind,src={dir},dst=/d,bind-propagation={propagation}");
        machine.docker(&format!("run -d --name {name} --privileged {mount} busybox sleep 1000")).ok()
    };
    for name in ["rprivate", "rslave", "rshared"] {
        start(name, name)?;
    }
    machine.sh(&format!("mount -t tmpfs later {dir}/later && touch {dir}/later/seen")).ok()?;
    let sees = |name: &str| machine.docker(&format!("exec {name} test -e /d/later/seen")).code == 0;
    ensure!(!sees("rprivate") && sees("rslave") && sees("rshared"));
    machine.docker("exec rslave mount -t tmpfs own /d/in").ok()?;
    machine.docker("exec rshared mount -t tmpfs own /d/out").ok()?;
    let mounted = |path: &str| machine.sh(&format!("grep -c ' {dir}/{path} ' /proc/self/mountinfo")).stdout;
    ensure!(mounted("in") == "0" && mounted("out") == "1");
    let private = machine.root().join("private").display().to_string();
    machine
        .sh(&format!("mkdir {private} && mount -t tmpfs private {private} && mount --make-private {private}"))
        .ok()?;
    let refused = machine.docker(&format!("run --rm -v {private}:/d:rshared busybox true"));
    says(&refused, "but it is not a shared mount")?;
    Ok(())
}

#[test]
fn an_archive_with_a_volume_is_no_way_out() -> Result<()> {
    let machine = machine()?;
    // `/data` of this image is a link to the host's files, were it followed.
    let archive = archive::Tar::default().symlink("data", "/../../../../etc").finish();
    machine.upload("/images/create?fromSrc=-&repo=evil&changes=VOLUME%20/data", &archive)?.ok()?;
    let id = machine.docker("create evil /none").ok()?;
    let source = machine.inspect(&id)?["Mounts"][0]["Source"].as_str().unwrap_or_default().to_owned();
    ensure!(machine.sh(&format!("ls -A {source}")).ok()?.is_empty());
    Ok(())
}
