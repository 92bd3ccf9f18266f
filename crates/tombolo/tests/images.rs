//! Images from archives to containers, and what is on disk meanwhile.

use std::fs;

use anyhow::{Context, Result, ensure};
use testkit::{
    EntryType, Everything, Machine,
    archive::{self, Packing, Tar},
    difference, until,
};

fn machine() -> Result<Machine> {
    let machine = Machine::without_engine(env!("CARGO_BIN_EXE_tombolo"), &[])?;
    machine.start_engine()?;
    Ok(machine)
}

/// Writes an archive where the command lines find it, and loads it.
fn load(machine: &Machine, archive: Vec<u8>) -> Result<String> {
    put(machine, "archive", archive)?;
    machine.docker("load -i $HOME/archive").ok()
}

fn put(machine: &Machine, name: &str, content: Vec<u8>) -> Result<()> {
    let path = machine.root().join(name);
    Ok(machine.within(move || fs::write(path, content))?)
}

/// How many there are below a directory of the image store.
fn count(machine: &Machine, what: &str) -> Result<usize> {
    Ok(machine.sh(&format!("ls -A $HOME/data/image/{what} | wc -l")).ok()?.parse()?)
}

fn unchanged(before: &Everything, machine: &Machine) -> Result<()> {
    let changed = difference(before, &machine.everything()?);
    ensure!(changed.is_empty(), "{}", changed.join("\n"));
    Ok(())
}

#[test]
fn every_form_of_archive_becomes_the_same_image() -> Result<()> {
    let machine = machine()?;
    let layers = [archive::shell()?, Tar::default().file("hello", "from above").finish()];
    let empty = machine.everything()?;
    let docker = archive::docker(&[(&["form:latest"], &layers)]);
    let mut archives = Vec::new();
    for packing in Packing::ALL {
        archives.push(packing.pack(&docker)?);
        archives.push(archive::oci("form:latest", &layers, packing)?);
        archives.push(packing.pack(&archive::oci("form:latest", &layers, Packing::Plain)?)?);
    }
    let mut ids = Vec::new();
    for archive in archives {
        ensure!(load(&machine, archive)?.contains("Loaded image: form:latest"));
        ensure!(machine.docker("run --rm form cat /hello").ok()? == "from above");
        ids.push(machine.docker("image inspect -f '{{.Id}}' form").ok()?);
        ensure!(count(&machine, "layers")? == 2);
        machine.docker("rmi form").ok()?;
        unchanged(&empty, &machine)?;
    }
    ensure!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    Ok(())
}

#[test]
fn a_root_file_system_is_imported() -> Result<()> {
    let machine = machine()?;
    for packing in Packing::ALL {
        put(&machine, "root", packing.pack(&archive::shell()?)?)?;
        machine.docker("import -c 'CMD [\"echo\",\"imported\"]' -m why $HOME/root import:one").ok()?;
        ensure!(machine.docker("run --rm import:one").ok()? == "imported");
        ensure!(machine.docker("history --format '{{.Comment}}' import:one").ok()? == "why");
        machine.docker("rmi import:one").ok()?;
        ensure!(count(&machine, "layers")? == 0 && count(&machine, "blobs/sha256")? == 0);
    }
    Ok(())
}

#[test]
fn layers_are_unpacked_once_and_stay_until_the_last_image_goes() -> Result<()> {
    let machine = machine()?;
    let shell = archive::shell()?;
    let (one, two) = (Tar::default().file("one", "1").finish(), Tar::default().file("two", "2").finish());
    load(
        &machine,
        archive::docker(&[(&["one:latest"], &[shell.clone(), one]), (&["two:latest"], &[shell, two])]),
    )?;
    ensure!(count(&machine, "layers")? == 3 && count(&machine, "blobs/sha256")? == 5);
    for (name, image) in [("a1", "one"), ("a2", "one"), ("a3", "one"), ("b1", "two"), ("b2", "two")] {
        machine.docker(&format!("run -d --name {name} {image} sleep 1000")).ok()?;
    }
    ensure!(count(&machine, "layers")? == 3, "containers share them");
    let inode = |name: &str| machine.docker(&format!("exec {name} stat -c %i /bin/busybox")).ok();
    for name in ["a2", "a3", "b1", "b2"] {
        ensure!(inode(name)? == inode("a1")?, "{name} has a copy of its own");
    }
    machine.docker("exec a1 sh -c 'echo mine > /one'").ok()?;
    ensure!(machine.docker("exec a2 cat /one").ok()? == "1");

    machine.docker("tag one one:other").ok()?;
    let id = machine.docker("image inspect -f '{{.Id}}' one").ok()?;
    ensure!(machine.docker("images -q").ok()?.lines().count() == 3);
    for name in ["two", &id] {
        let refused = machine.call("DELETE", &format!("/images/{name}"), "")?;
        ensure!(refused.status == 409 && !refused.message().is_empty(), "{refused:?}");
    }
    machine.docker("rm -f a1 a2 a3").ok()?;
    machine.docker("rmi one:other").ok()?;
    ensure!(count(&machine, "layers")? == 3);
    machine.docker(&format!("rmi {}", &id[..19])).ok()?;
    ensure!(count(&machine, "layers")? == 2 && count(&machine, "blobs/sha256")? == 3, "the shared one stays");
    ensure!(machine.docker("exec b1 cat /two").ok()? == "2");
    machine.docker("rm -f b1 b2").ok()?;
    machine.docker("rmi two").ok()?;
    ensure!(count(&machine, "layers")? == 0 && count(&machine, "blobs/sha256")? == 0);
    ensure!(count(&machine, "snapshots")? == 0);
    Ok(())
}

#[test]
fn a_container_sees_what_the_layers_say() -> Result<()> {
    let machine = machine()?;
    let lower = Tar::default()
        .dir("gone/")
        .file("gone/a", "a")
        .dir("opaque/")
        .file("opaque/old", "old")
        .file("file", "file")
        .file("kept", "kept")
        .file("twice", "same")
        .hard_link("again", "twice")
        .device(EntryType::Char, "null", (1, 3))
        .device(EntryType::Fifo, "pipe", (0, 0))
        .symlink("link", "/kept")
        .xattr("user.colour", b"red\nblue")
        .file("painted", "x");
    let upper = Tar::default()
        .file(".wh.gone", "")
        .file(".wh.file", "")
        .dir("opaque/")
        .file("opaque/.wh..wh..opq", "")
        .file("opaque/new", "new");
    load(
        &machine,
        archive::docker(&[(&["seen:latest"], &[archive::shell()?, lower.finish(), upper.finish()])]),
    )?;
    machine.docker("run -d --name box seen sleep 1000").ok()?;
    for (command, expected) in [
        ("ls -A /opaque", "new"),
        ("sh -c 'test -e /gone || test -e /file || echo none'", "none"),
        ("sh -c 'echo * | sort'", "again bin dev etc kept link null opaque painted pipe proc sys twice"),
        ("stat -c '%h %i' /twice", ""),
        ("stat -c '%F %t %T' /null", "character special file 1 3"),
        ("stat -c %F /pipe", "fifo"),
        ("cat /link", "kept"),
        ("sh -c 'test /twice -ef /again && echo same'", "same"),
    ] {
        let got = machine.docker(&format!("exec box {command}")).ok()?;
        ensure!(expected.is_empty() || got == expected, "{command}: {got}");
    }
    let root = machine.docker("inspect -f '{{.State.Pid}}' box").ok()?;
    let path = format!("/proc/{root}/root/painted");
    let read = move || {
        let mut value = [0; 64];
        rustix::fs::getxattr(path, "user.colour", &mut value).map(|length| value[..length].to_vec())
    };
    let painted = machine.within(read)?;
    ensure!(painted == b"red\nblue", "{painted:?}");
    machine.docker("exec box sh -c 'echo x > /again'").ok()?;
    ensure!(machine.docker("run --rm seen cat /twice").ok()? == "same", "the layer is as it was");
    Ok(())
}

#[test]
fn sixty_layers_make_one_root_file_system() -> Result<()> {
    let machine = machine()?;
    let layer = |number: usize| {
        Tar::default().file(&format!("own-{number}"), "x").file("last", number.to_string()).finish()
    };
    let mut layers = vec![archive::shell()?];
    layers.extend((1..60).map(layer));
    load(&machine, archive::docker(&[(&["tall:latest"], &layers)]))?;
    ensure!(count(&machine, "layers")? == 60);
    let seen = machine.docker("run --rm tall sh -c 'cat /last; set -- /own-*; echo $#'").ok()?;
    ensure!(seen == "59\n59" || seen == "5959", "{seen:?}");
    ensure!(machine.docker("history -q tall").ok()?.lines().count() == 60);
    Ok(())
}

#[test]
fn a_directory_is_a_root_file_system() -> Result<()> {
    let machine = machine()?;
    put(&machine, "shell.tar", archive::shell()?)?;
    machine.sh("mkdir $HOME/dir; tar -C $HOME/dir -xf $HOME/shell.tar").ok()?;
    let before = machine.sh("cd $HOME/dir; find . | sort").ok()?;
    let all = machine.everything()?;
    let run = "run --rm --rootfs $HOME/dir:O sh -c 'echo x > /made; cat /made'";
    ensure!(machine.tombolo(run).ok()? == "x");
    ensure!(machine.sh("cd $HOME/dir; find . | sort").ok()? == before, "the overlay is thrown away");
    unchanged(&all, &machine)?;
    ensure!(machine.tombolo("run --rm --rootfs $HOME/dir sh -c 'echo y > /made'").code == 0);
    ensure!(machine.sh("cat $HOME/dir/made").ok()? == "y", "the directory itself");
    unchanged(&all, &machine)?;
    let missing = machine.tombolo("run --rm --rootfs $HOME/nothing sh");
    ensure!(missing.code == 125 && missing.stderr.contains("is not a directory"), "{missing:?}");
    Ok(())
}

/// A layer of many files, so that there is a middle to be killed in.
fn wide(files: usize) -> Vec<u8> {
    let add = |tar: Tar, number: usize| tar.file(&format!("{number}"), vec![b'x'; 4096]);
    (0..files).fold(Tar::default(), add).finish()
}

#[test]
fn a_load_that_is_cut_short_leaves_nothing() -> Result<()> {
    let machine = machine()?;
    load(&machine, archive::docker(&[(&["kept:latest"], &[archive::shell()?])]))?;
    let before = machine.everything()?;
    let big = archive::docker(&[(&["big:latest"], &[archive::shell()?, wide(6000)])]);
    put(&machine, "big", big)?;
    for place in ["blob", "diff"] {
        let mut loading = machine.start_sh("docker load -i $HOME/big")?;
        let found = format!(
            "find $HOME/data/image/unfinished -mindepth 1 {}",
            match place {
                "blob" => "-type f",
                _ => "-path '*/diff/*'",
            }
        );
        let middle = until("a load in its middle", || {
            let found = machine.sh(&found).stdout;
            (!found.is_empty()).then_some(())
        });
        machine.kill_engine()?;
        loading.wait()?;
        middle.context(place)?;
        machine.start_engine()?;
        unchanged(&before, &machine).context(place)?;
        ensure!(machine.docker("run --rm kept echo fine").ok()? == "fine");
    }
    machine.docker("load -i $HOME/big").ok()?;
    machine.docker("rmi big").ok()?;
    unchanged(&before, &machine)
}
