//! Root file systems of many layers, on every file system that a data root may be on.

use anyhow::{Context, Result, ensure};
use testkit::{Machine, archive};

const OURS: &str = env!("CARGO_BIN_EXE_tombolo");
/// More than Docker's 125.
const LAYERS: usize = 130;

/// A machine whose data root is on what `script` mounts at `$DATA`, with `$ROOT` to work in.
fn on(script: &str) -> Result<Machine> {
    let machine = Machine::without_engine(OURS, &[])?;
    let (root, data) = (machine.root().display().to_string(), machine.data_root().display().to_string());
    machine
        .sh(&format!("set -e; ROOT={root}; DATA={data}; mkdir -p $DATA; {script}"))
        .ok()
        .context("no disk")?;
    machine.start_engine()?;
    machine.load_busybox()?;
    Ok(machine)
}

fn disk(kind: &str) -> Result<Machine> {
    on(&format!("truncate -s 600M $ROOT/disk; mkfs.{kind} -q $ROOT/disk; mount -o loop $ROOT/disk $DATA"))
}

/// An image whose layers each add a file, change one, and take the one before last away.
fn tall() -> Result<Vec<u8>> {
    let mut layers = vec![archive::shell()?];
    for number in 0..LAYERS {
        let mut layer = archive::Tar::default().dir("l").file(&format!("l/{number}"), number.to_string());
        layer = layer.file("newest", number.to_string());
        if number >= 2 {
            layer = layer.file(&format!("l/.wh.{}", number - 2), "");
        }
        layers.push(layer.finish());
    }
    Ok(archive::docker(&[(&["tall:1"], &layers)]))
}

fn works(machine: &Machine) -> Result<()> {
    machine.upload("/images/load", &tall()?)?.ok()?;
    let run = |words: &str| machine.docker(&format!("run --rm tall:1 {words}"));
    let expected = format!("{}\n{}\n{}", LAYERS - 2, LAYERS - 1, LAYERS - 1);
    let found = run("/bin/sh -c 'cd /l; for f in *; do echo $f; done | sort -n; cat /newest'");
    ensure!(found.stdout == expected, "{found:?}");
    // Directories that are renamed and modes that are changed leave whole files above.
    machine.docker("create --name box busybox sh -c 'mv /usr /moved; chmod 700 /etc/passwd; touch /new; rm /etc/group; ls /moved >/dev/null'").ok()?;
    machine.docker("start -a box").ok()?;
    let graph = machine.inspect("box")?["GraphDriver"].clone();
    ensure!(graph["Name"] == "overlay2", "{graph}");
    let upper = graph["Data"]["UpperDir"].as_str().context("an upper directory")?.to_owned();
    for key in ["LowerDir", "MergedDir", "WorkDir"] {
        ensure!(graph["Data"][key].as_str().is_some_and(|text| text.starts_with('/')), "{graph}");
    }
    let marks = format!(
        "python3 -c \"import os; print([a for d, ns, fs in os.walk('{upper}') for n in ns + fs for a in os.listxattr(d + '/' + n, follow_symlinks=False) if 'redirect' in a or 'metacopy' in a])\""
    );
    ensure!(machine.sh(&marks).ok()? == "[]");
    ensure!(machine.sh(&format!("stat -c %s {upper}/etc/passwd")).ok()? != "0");
    machine.kill_engine()?;
    machine.start_engine()?;
    machine.docker("rm -f box").ok()?;
    ensure!(run("/bin/cat /newest").ok()? == (LAYERS - 1).to_string());
    Ok(())
}

#[test]
fn on_ext4() -> Result<()> {
    works(&disk("ext4")?)
}

#[test]
fn on_xfs() -> Result<()> {
    works(&disk("xfs")?)
}

#[test]
fn on_btrfs() -> Result<()> {
    works(&disk("btrfs")?)
}

#[test]
fn in_memory() -> Result<()> {
    works(&Machine::start(OURS)?)
}

#[test]
fn on_overlayfs_itself() -> Result<()> {
    let overlay = "mkdir $ROOT/lower $ROOT/upper $ROOT/work; mount -t overlay -o lowerdir=$ROOT/lower,upperdir=$ROOT/upper,workdir=$ROOT/work overlay $DATA";
    let machine = on(overlay)?;
    let warnings = || machine.engine_log().matches("the data root is on overlayfs").count();
    ensure!(warnings() == 1, "{}", machine.engine_log());
    works(&machine)?;
    ensure!(warnings() == 1, "what is there is used again");
    Ok(())
}

/// What cannot be limited is refused, and nothing is left of it.
#[test]
fn a_root_is_as_large_as_it_may_be() -> Result<()> {
    let machine = Machine::start(OURS)?;
    let refused = machine.docker("create --storage-opt size=10m busybox true");
    ensure!(refused.code != 0, "{refused:?}");
    for text in ["--storage-opt size is not supported here", "is on tmpfs, which has no project quotas here"]
    {
        ensure!(refused.stderr.contains(text), "{refused:?}");
    }
    let refused = machine.docker("create --storage-opt fast=yes busybox true");
    ensure!(refused.stderr.contains("unknown option: fast"), "{refused:?}");
    ensure!(machine.docker("ps -aq").ok()?.is_empty());
    Ok(())
}
