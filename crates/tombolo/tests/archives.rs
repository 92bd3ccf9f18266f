//! Files that come out of containers and go into them, and images that are made of them.

use anyhow::{Result, ensure};
use testkit::{Machine, Output};

fn machine() -> Result<Machine> {
    Machine::start(env!("CARGO_BIN_EXE_tombolo"))
}

/// Runs a script in which `$B` is our program and `$T` a directory to work in.
fn sh(machine: &Machine, script: &str) -> Output {
    let directory = machine.root().join("work");
    machine.sh(&format!(
        "B={}; T={}; mkdir -p $T; {script}",
        env!("CARGO_BIN_EXE_tombolo"),
        directory.display()
    ))
}

#[track_caller]
fn check(machine: &Machine, script: &str, expected: &str) {
    let output = sh(machine, script);
    assert_eq!((output.code, output.stdout.as_str()), (0, expected), "{script}: {}", output.stderr);
}

#[track_caller]
fn check_refused(machine: &Machine, script: &str, reason: &str) {
    let output = sh(machine, script);
    assert!(output.code != 0 && output.stderr.contains(reason), "{script}: {output:?}");
}

#[test]
fn a_container_becomes_an_image() -> Result<()> {
    let machine = machine()?;
    check(&machine, "$B run -dit --name box -e A=1 busybox sh >/dev/null; $B diff box", "");
    machine.tombolo("exec box sh -c 'echo new > /new; rm /bin/ls; mkdir -p /etc/mine'").ok()?;
    check(&machine, "$B diff box", "C /bin\nD /bin/ls\nC /etc\nA /etc/mine\nA /new");
    check(&machine, "docker diff box | sort -k2", "C /bin\nD /bin/ls\nC /etc\nA /etc/mine\nA /new");
    let committed = sh(
        &machine,
        "$B commit -a me -m why -c 'CMD [\"cat\", \"/new\"]' -c 'ENV B=2' box made:1 && docker commit box made:2",
    );
    ensure!(committed.code == 0 && committed.stdout.starts_with("sha256:"), "{committed:?}");
    check(&machine, "$B run --rm made:1", "new");
    check(&machine, "$B run --rm made:1 sh -c 'echo $A$B; [ -e /bin/ls ] || echo gone'", "12\ngone");
    check(&machine, "$B inspect -f '{{.State.Status}}' box", "running");
    check(&machine, "$B inspect -f '{{.Author}} {{.Comment}}' made:1", "me why");
    check(&machine, "docker history --format '{{.CreatedBy}} {{.Comment}}' made:1 | head -1", "sh why");
    check(&machine, "$B run -d --name other made:2 true >/dev/null; $B wait other; $B diff other", "0");
    check_refused(&machine, "$B commit -c 'RUN x' box", "RUN is not a valid change command");
    check_refused(&machine, "$B commit nothere", "No such container: nothere");
    Ok(())
}

#[test]
fn copies_follow_dockers_rules() -> Result<()> {
    let machine = machine()?;
    machine.tombolo("run -dit --name box busybox sh").ok()?;
    machine.tombolo("create --name still busybox sh").ok()?;
    machine.tombolo("run -dit --name ro --read-only -v data:/data -v data:/fixed:ro busybox sh").ok()?;
    for client in ["$B", "docker"] {
        let setup = "rm -rf $T/*; mkdir -p $T/d/e; echo 1 > $T/d/f; ln -s f $T/d/l; chmod 640 $T/d/f";
        for container in ["box", "still"] {
            let script = format!(
                "{setup}; cd $T; {client} cp -q d/f {container}:/one; {client} cp -q d {container}:/tree
                {client} cp -q d {container}:/tree; {client} cp -q d/. {container}:/flat
                {client} cp -q {container}:/tree out; find out | sort; cat out/d/l; stat -c %a out/f
                {client} cp -q {container}:/flat/. out2; ls out2 | tr '\\n' ' '
                {client} cp -q {container}:/one - | tar -t; {client} cp -qL {container}:/flat/l followed; cat followed"
            );
            let tree = "out\nout/d\nout/d/e\nout/d/f\nout/d/l\nout/e\nout/f\nout/l\n1\n640";
            check(&machine, &script, &format!("{tree}\nd e f l one\n1").replace("d e f l ", "e f l "));
            check_refused(
                &machine,
                &format!("{client} cp {container}:/nope $T/x"),
                "Could not find the file /nope in container",
            );
            check_refused(&machine, &format!("{client} cp $T/d {container}:/one"), "cannot copy directory");
        }
        check_refused(&machine, &format!("{client} cp $T/d/f ro:/x"), "container rootfs is marked read-only");
        check_refused(
            &machine,
            &format!("{client} cp $T/d/f ro:/fixed/x"),
            "mounted volume is marked read-only",
        );
        check(&machine, &format!("{client} cp -q $T/d/f ro:/data/x; $B exec ro cat /fixed/x"), "1");
    }
    // A tree goes in from an archive, and belongs to the container's user if that is wanted.
    check(&machine, "cd $T; tar -c d | $B cp - box:/tmp; $B exec box cat /tmp/d/f", "1");
    machine.tombolo("run -dit --name user -u www-data busybox sh").ok()?;
    check(&machine, "$B cp -qa $T/d/f user:/tmp/f; $B exec user stat -c %u /tmp/f", "33");
    check(&machine, "$B cp -q $T/d/f user:/tmp/g; $B exec user stat -c %u /tmp/g", "0");
    check(&machine, "$B cp -q box:/etc/hosts $T/hosts; grep -c '127.0.0.1.*localhost' $T/hosts", "1");
    check(&machine, "$B rm -f still >/dev/null; cat /proc/mounts | grep -c snapshots.*still; true", "0");
    Ok(())
}

#[test]
fn copies_see_what_the_container_sees() -> Result<()> {
    let machine = machine()?;
    let mounts = "-v vol:/vol --tmpfs /mem -v $T/host:/host";
    check(
        &machine,
        &format!(
            "mkdir -p $T/host; echo host > $T/host/f; echo x > $T/x
            $B run -dit --name box {mounts} busybox sh >/dev/null; $B exec box sh -c 'echo v > /vol/f; echo m > /mem/f'
            for path in vol mem host; do $B cp -q box:/$path/f - | tar -xO; $B cp -q $T/x box:/$path/x; done
            $B exec box cat /vol/x /mem/x /host/x; cat $T/host/x"
        ),
        "v\nm\nhost\nx\nx\nx\nx",
    );
    check(
        &machine,
        "$B stop -t 0 box >/dev/null; $B cp -q box:/vol/f - | tar -xO; $B cp -q $T/x box:/host/y; cat $T/host/y
        $B start box >/dev/null; $B exec box cat /vol/f",
        "v\nx\nv",
    );
    // The whole root file system is only that.
    check(&machine, "$B export box | tar -t | grep -c '^vol/.\\|^host/.\\|^proc/.'; true", "0");
    check(&machine, "docker export box | $B import - whole >/dev/null; $B run --rm whole ls /vol", "");
    Ok(())
}

/// What a hostile container and a hostile archive would reach is not touched.
#[test]
fn copies_stay_inside() -> Result<()> {
    let machine = machine()?;
    let canary = "mkdir -p $T/canary; echo alive > $T/canary/f";
    check(
        &machine,
        &format!(
            "{canary}; $B run -dit --name box busybox sh >/dev/null
            $B exec box sh -c \"ln -s $T/canary /out; ln -s / /root-link; ln -s ../../../..$T/canary /up\"
            echo dead > $T/f; $B cp -q $T/f box:/out/f 2>/dev/null; $B cp -q $T/f box:/up/f 2>/dev/null
            cat $T/canary/f; $B cp box:/out/f $T/got 2>&1 | grep -o 'Could not find the file'"
        ),
        "alive\nCould not find the file",
    );
    // An archive whose own links lead out, and one whose names do.
    let evil = "import tarfile, io, sys
t = tarfile.open(fileobj=sys.stdout.buffer, mode='w|')
def add(name, **more):
    info = tarfile.TarInfo(name)
    [setattr(info, key, value) for key, value in more.items()]
    t.addfile(info, io.BytesIO(b'x' * info.size))
";
    let archive = |entries: &str| format!("python3 -c \"{evil}{entries}\nt.close()\"");
    let through = archive("add('l', type=tarfile.SYMTYPE, linkname='/')\nadd('l/evil', size=1)");
    check(
        &machine,
        &format!("{through} | $B cp - box:/tmp; $B exec box ls /evil; ls /evil 2>&1 | head -c 2"),
        "/evil\nls",
    );
    let climbing = archive("add('../../../evil2', size=1)");
    check_refused(&machine, &format!("{climbing} | $B cp - box:/tmp"), "its path leaves the layer");
    let linked = archive("add('h', type=tarfile.LNKTYPE, linkname='../../../etc/passwd')");
    check_refused(&machine, &format!("{linked} | $B cp - box:/tmp"), "outside of the layer");
    check_refused(&machine, "head -c 5000 /dev/urandom | $B cp - box:/tmp", "this is not a tar archive");
    Ok(())
}

#[test]
fn images_are_saved_and_loaded() -> Result<()> {
    let machine = machine()?;
    check(
        &machine,
        "$B run --name box busybox touch /new; $B commit box made:1 >/dev/null; $B tag made:1 made:2
        $B save -o $T/a.tar made busybox; docker save made:1 made:2 busybox:latest | cmp - $T/a.tar
        $B rm box >/dev/null; A=$($B inspect -f '{{.Id}}' made:1); docker rmi -f made:1 made:2 busybox >/dev/null
        docker load -q -i $T/a.tar; [ $A = $($B inspect -f '{{.Id}}' made:2) ]; $B run --rm made:2 ls /new",
        "Loaded image: made:1\nLoaded image: made:2\nLoaded image: busybox:latest\n/new",
    );
    check_refused(&machine, "$B save -o $T/x nothere", "No such image: nothere");
    check_refused(
        &machine,
        "$B save --platform linux/s390x -o $T/x made",
        "does not provide the specified platform",
    );
    check(&machine, "ls $T", "a.tar");
    Ok(())
}

/// Other people's tools read what we write, and we read what they write.
#[test]
fn others_read_and_write_the_same_archives() -> Result<()> {
    let machine = machine()?;
    let policy = "--insecure-policy";
    check(
        &machine,
        &format!(
            "$B run --name box busybox sh -c 'echo 1 > /new; rm /bin/ls' >/dev/null; $B commit box made:1 >/dev/null
            $B save -o $T/made.tar made:1; cd $T
            skopeo {policy} copy -q docker-archive:made.tar oci:layout:made
            skopeo {policy} copy -q oci-archive:made.tar oci-archive:again.tar:again:1
            skopeo {policy} copy -q docker-archive:made.tar docker-archive:docker.tar:docker:1
            umoci unpack --image layout:made bundle >/dev/null 2>&1; cat bundle/rootfs/new
            [ -e bundle/rootfs/bin/ls ] || echo gone; echo 2 > bundle/rootfs/new; ln bundle/rootfs/new bundle/rootfs/same
            umoci repack --image layout:repacked bundle >/dev/null 2>&1
            skopeo {policy} copy -q oci:layout:repacked oci-archive:repacked.tar:repacked:1
            for archive in again docker repacked; do
              $B load -q -i $archive.tar; $B run --rm $archive:1 sh -c 'cat /new; [ -e /bin/ls ] || echo gone'
            done; $B run --rm repacked:1 stat -c %h /new"
        ),
        "1\ngone\nLoaded image: again:1\n1\ngone\nLoaded image: docker:1\n1\ngone\nLoaded image: repacked:1\n2\ngone\n2",
    );
    // The same image has the same id wherever it went.
    check(
        &machine,
        "[ $($B inspect -f '{{.Id}}' made:1) = $($B inspect -f '{{.Id}}' again:1) ] && echo same",
        "same",
    );
    Ok(())
}
