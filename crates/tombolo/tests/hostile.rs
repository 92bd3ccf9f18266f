//! Archives that are broken or made to do harm: each is refused with a sentence that names what is wrong and leaves
//! nothing, or does no harm where Docker takes it.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::{
    EntryType, Everything, Machine,
    archive::{self, Packing, Tar},
    difference,
};

/// Files of the host's that archives are after.
const CANARY: &str = "never touch me";

fn machine() -> Result<Machine> {
    let machine = Machine::without_engine(env!("CARGO_BIN_EXE_tombolo"), &[])?;
    let root = machine.root().to_owned();
    machine.within(move || -> std::io::Result<()> {
        fs::create_dir(root.join("host"))?;
        fs::write(root.join("host/canary"), CANARY)?;
        fs::write(root.join("canary"), CANARY)
    })?;
    machine.start_engine()?;
    machine.upload("/images/load", &archive::docker(&[(&["good:latest"], &[archive::shell()?])]))?.ok()?;
    Ok(machine)
}

/// What there is, and what there is of the host's.
fn all(machine: &Machine) -> Result<Everything> {
    let mut all = machine.everything()?;
    all.extend(disk(machine)?);
    Ok(all)
}

/// What is on disk, the engine's and the host's: enough to look at after each of many archives.
fn disk(machine: &Machine) -> Result<Everything> {
    let script = "cd $HOME; find . -not -name '*.tmp'; stat -c '%A %h %U %n' host host/* canary; cat canary host/canary";
    let lines = machine.sh(script).ok()?.lines().map(str::to_owned).collect();
    Ok(Everything::from([("disk".to_owned(), lines)]))
}

/// The text of the error that an upload ends with, empty if it ends well.
fn told(machine: &Machine, path: &str, archive: &[u8]) -> Result<String> {
    let answer = machine.upload(path, archive)?;
    if path.starts_with("/images/create") && answer.status == 500 {
        return Ok(answer.body["message"].as_str().unwrap_or_default().to_owned());
    }
    ensure!(answer.status == 200, "{answer:?}");
    let last: Value = match answer.body.as_str() {
        Some(lines) => serde_json::from_str(lines.lines().last().unwrap_or_default())?,
        None => answer.body.clone(),
    };
    let text = last["errorDetail"]["message"].as_str().unwrap_or_default();
    ensure!(last["error"].as_str().unwrap_or_default() == text, "{last}");
    Ok(text.to_owned())
}

/// Sends each archive and tells all that are not refused with these words, or that left something.
fn refused(machine: &Machine, path: &str, cases: &[(&str, Vec<u8>, &str)]) -> Result<()> {
    let before = all(machine)?;
    let on_disk = disk(machine)?;
    let mut others = Vec::new();
    for (what, archive, words) in cases {
        let text = told(machine, path, archive).with_context(|| (*what).to_owned())?;
        if text.is_empty() || !text.contains(words) {
            others.push(format!("{what}: {text:?}"));
        }
        let changed = difference(&on_disk, &disk(machine)?);
        others.extend(changed.iter().map(|line| format!("{what}: {line}")));
    }
    others.extend(difference(&before, &all(machine)?));
    ensure!(others.is_empty(), "{}", others.join("\n"));
    sound(machine)
}

fn sound(machine: &Machine) -> Result<()> {
    let log = machine.engine_log();
    ensure!(!log.contains("panicked") && !log.contains("made a mistake"), "{log}");
    ensure!(machine.docker("run --rm good echo fine").ok()? == "fine");
    Ok(())
}

/// Layers that no layer may be.
#[expect(clippy::too_many_lines, reason = "a table")]
fn layers(machine: &Machine) -> Vec<(&'static str, Tar, &'static str)> {
    let root = machine.root().display().to_string();
    let host = format!("{root}/host");
    let up = "../".repeat(12);
    let tar = Tar::default;
    let leaves = "its path leaves the layer";
    let through = "a link on the way to it leaves the layer";
    let outside = "which is outside of the layer";
    vec![
        ("a path up", tar().file("../canary", "x"), leaves),
        ("a path up to the host", tar().file(&format!("{up}{}", &root[1..]), "x"), leaves),
        ("a path down and up", tar().dir("a/").file("a/../../../../../canary", "x"), leaves),
        ("an absolute path up", tar().file("/../../canary", "x"), leaves),
        ("a directory up", tar().dir("../new/"), leaves),
        ("a link up", tar().symlink("../new", "/etc"), leaves),
        ("a device up", tar().device(EntryType::Char, "../new", (1, 3)), leaves),
        ("a root that is a file", tar().file(".", "x"), leaves),
        ("a root that is a link", tar().symlink("./", &host), leaves),
        ("a whiteout of the parent", tar().file("a/.wh...", ""), leaves),
        ("a whiteout of the directory", tar().file("a/.wh..", ""), leaves),
        ("a whiteout of nothing", tar().file(".wh.", ""), leaves),
        ("a link and a file through it", tar().symlink("a", &host).file("a/canary", "x"), through),
        ("a link and a directory through it", tar().symlink("a", &host).dir("a/b/"), through),
        ("a relative link", tar().symlink("a", &format!("{up}{host}")).file("a/canary", "x"), through),
        ("links through links", tar().symlink("a", "b").symlink("b", &host).file("a/canary", "x"), through),
        ("a link to itself", tar().symlink("a", "a").file("a/b", "x"), through),
        ("a whiteout through a link", tar().symlink("a", &host).file("a/.wh.canary", ""), through),
        ("an opaque one through a link", tar().symlink("a", &host).file("a/.wh..wh..opq", ""), through),
        (
            "a device through a link",
            tar().symlink("a", &host).device(EntryType::Fifo, "a/p", (0, 0)),
            through,
        ),
        (
            "a directory below a file",
            tar().file("a", "x").file("a/b", "x"),
            "something on the way to it is not",
        ),
        ("a hard link up", tar().hard_link("a", "../../../../../canary"), outside),
        (
            "a hard link to the host",
            tar().hard_link("a", &format!("{host}/canary")),
            "which the layer does not have",
        ),
        (
            "a hard link through a link",
            tar().symlink("b", &host).hard_link("a", "b/canary").file("a", "x"),
            outside,
        ),
        ("a hard link at a link", tar().file("f", "x").symlink("b", &host).hard_link("b/new", "f"), through),
        ("a hard link to itself", tar().hard_link("a", "a"), "which the layer does not have"),
        ("a hard link to a directory", tar().dir("d/").hard_link("a", "d"), "which is a directory"),
        (
            "a device that cannot be",
            tar().device(EntryType::Char, "a", (5000, 1)),
            "there is no device 5000:1",
        ),
        (
            "an overlay's mark",
            tar().xattr("trusted.overlay.redirect", b"/..").dir("a/"),
            "trusted.overlay.redirect",
        ),
        ("a user's overlay mark", tar().xattr("user.overlay.opaque", b"y").dir("a/"), "user.overlay.opaque"),
        ("a kind nobody knows", tar().entry(EntryType::new(b'Z'), "a", "", b""), "the unknown type 'Z'"),
        ("a name that is too long", long_name(5000).file("a", "x"), "the name is longer than 4095 bytes"),
        ("a part that is too long", long_name(300).file("a", "x"), "the file system refused it"),
        (
            "a file larger than any disk",
            tar().claiming(EntryType::Regular, "a", 1 << 50),
            "more than the limit of",
        ),
        (
            "records without end",
            tar().claiming(EntryType::XHeader, "a", 1 << 40),
            "is longer than 1048576 bytes",
        ),
        (
            "a name without end",
            tar().claiming(EntryType::GNULongName, "a", 1 << 40),
            "is longer than 1048576 bytes",
        ),
        (
            "a hole larger than any disk",
            sparse("1152921504606846976").file("a", "x"),
            "more than the limit of",
        ),
        ("a hole of no size", sparse("99999999999999999999999").file("a", "x"), "is invalid"),
        (
            "records that are none",
            tar().entry(EntryType::XHeader, "a", "", b"99 x\n").file("a", "x"),
            "is invalid",
        ),
    ]
}

/// A name in an entry of its own, as GNU writes it.
fn long_name(length: usize) -> Tar {
    Tar::default().entry(EntryType::GNULongName, "././@LongLink", "", &vec![b'a'; length])
}

/// The records of a file with a hole at its end (GNU's form 0.1).
fn sparse(size: &str) -> Tar {
    Tar::default().records(&[("GNU.sparse.size", size.as_bytes()), ("GNU.sparse.map", b"0,1")])
}

#[test]
fn layers_that_would_do_harm_are_refused() -> Result<()> {
    let machine = machine()?;
    let (mut loads, mut imports) = (Vec::new(), Vec::new());
    for (what, layer, words) in layers(&machine) {
        let layer = Tar::default().file("before", "x").then(layer).finish();
        let whole =
            archive::docker(&[(&["evil:latest", "good:latest"], &[archive::shell()?, layer.clone()])]);
        loads.push((what, whole, words));
        imports.push((what, Packing::Gzip.pack(&layer)?, words));
    }
    refused(&machine, "/images/load", &loads)?;
    refused(&machine, "/images/create?fromSrc=-&repo=evil", &imports)
}

/// An image with one layer, as files that can be changed before they are put together.
struct Parts {
    layer: Vec<u8>,
    config: Vec<u8>,
}

impl Parts {
    fn new() -> Self {
        let layer = Tar::default().file("hello", "x").finish();
        Self { config: archive::configuration(std::slice::from_ref(&layer)), layer }
    }

    /// The archive with this manifest, its configuration at `c` and its layer at `l`.
    fn with(&self, manifest: &str) -> Tar {
        Tar::default().file("manifest.json", manifest).file("c", &self.config).file("l", &self.layer)
    }
}

/// Archives that are no images, whatever is in their layers.
#[expect(clippy::too_many_lines, reason = "a table")]
fn archives(host: &str) -> Result<Vec<(&'static str, Vec<u8>, &'static str)>> {
    let parts = Parts::new();
    let manifest = |config: &str, layer: &str| {
        format!(r#"[{{"Config":"{config}","RepoTags":["evil:latest"],"Layers":["{layer}"]}}]"#)
    };
    let plain = manifest("c", "l");
    let bare = || Tar::default().file("manifest.json", &plain);
    let other = Tar::default().file("hello", "other").finish();
    let canary = format!("{host}/canary");
    let zeros = vec![0; 32 << 20];
    let oci = archive::oci("evil:latest", std::slice::from_ref(&parts.layer), Packing::Gzip)?;
    Ok(vec![
        ("no archive", b"hello, world".to_vec(), "cannot read the archive: the archive ends in the middle"),
        ("noise", vec![b'x'; 4096], "cannot read the archive: this is not a tar archive"),
        ("nothing", Vec::new(), "it has neither manifest.json nor index.json"),
        (
            "an archive of something",
            Tar::default().file("a", "x").finish(),
            "it has neither manifest.json nor",
        ),
        ("gzip of nothing", Packing::Gzip.pack(b"")?, "it has neither manifest.json nor index.json"),
        (
            "gzip in gzip",
            Packing::Gzip.pack(&Packing::Gzip.pack(&parts.with(&plain).finish())?)?,
            "cannot read",
        ),
        ("zstd and noise", b"\x28\xb5\x2f\xfdnoise and noise".to_vec(), "cannot read the archive"),
        ("gzip and noise", b"\x1f\x8bnoise and noise".to_vec(), "cannot read the archive"),
        (
            "a manifest that is no JSON",
            parts.with("nonsense").finish(),
            "the file manifest.json in the archive",
        ),
        ("a manifest of another kind", parts.with("{}").finish(), "the file manifest.json in the archive"),
        ("a manifest without end", parts.with(&"[".repeat(1 << 20)).finish(), "the file manifest.json in"),
        (
            "a manifest that is a bomb",
            Packing::Gzip.pack(&Tar::default().file("manifest.json", &zeros).finish())?,
            "the file manifest.json in the archive is larger than",
        ),
        (
            "a manifest that is a link to itself",
            Tar::default().symlink("manifest.json", "manifest.json").finish(),
            "the archive has no file manifest.json",
        ),
        (
            "a manifest of the host's",
            Tar::default().symlink("manifest.json", &canary).finish(),
            "the archive has no file manifest.json",
        ),
        ("no layer", bare().file("c", &parts.config).finish(), "the archive has no file l"),
        ("no configuration", bare().file("l", &parts.layer).finish(), "the archive has no file c"),
        ("a layer of the host's", parts.with(&manifest("c", &canary)).finish(), "the archive has no file /"),
        (
            "a layer up",
            parts.with(&manifest("c", "../../../../../canary")).finish(),
            "the archive has no file ../",
        ),
        (
            "a configuration of the host's",
            parts.with(&manifest("/etc/passwd", "l")).finish(),
            "the archive has no file /etc/passwd",
        ),
        (
            "a layer that links to the host",
            bare().file("c", &parts.config).symlink("l", &canary).finish(),
            "the archive has no file l",
        ),
        (
            "a layer that links up",
            bare().file("c", &parts.config).symlink("l", "../../../../../canary").finish(),
            "the archive has no file l",
        ),
        (
            "a layer that is another name of the host's",
            bare().file("c", &parts.config).hard_link("l", &canary).finish(),
            "the archive has no file l",
        ),
        (
            "a layer that is a directory",
            bare().file("c", &parts.config).dir("l/").finish(),
            "the archive has no file l",
        ),
        (
            "a layer that is a device",
            bare().file("c", &parts.config).device(EntryType::Block, "l", (8, 0)).finish(),
            "the archive has no file l",
        ),
        (
            "another layer",
            bare().file("c", &parts.config).file("l", &other).finish(),
            "its content has the digest sha256:",
        ),
        (
            "too few layers",
            parts.with(&plain.replace(r#""l""#, "")).finish(),
            "has 0 layers, but its configuration names 1",
        ),
        (
            "too many layers",
            parts.with(&plain.replace(r#""l""#, r#""l","l""#)).finish(),
            "has 2 layers, but its configuration names 1",
        ),
        (
            "a configuration that is none",
            bare().file("l", &parts.layer).file("c", "[1]").finish(),
            "the file c in the archive cannot be understood",
        ),
        (
            "an image for another system",
            bare().file("l", &parts.layer).file("c", replaced(&parts.config, "linux", "plan9")).finish(),
            "is for plan9, not for linux",
        ),
        (
            "a name that is none",
            parts.with(&plain.replace("evil:latest", "EVIL ..")).finish(),
            r#"the archive calls an image "EVIL ..""#,
        ),
        (
            "a name that climbs",
            parts.with(&plain.replace("evil:latest", "../../evil")).finish(),
            r#"the archive calls an image "../../evil""#,
        ),
        (
            "a layout with a wrong blob",
            replaced(&oci, r#""os":"linux""#, r#""os":"linuX""#),
            "in the archive has the digest sha256:",
        ),
        (
            "a layout that is no index",
            replaced(&oci, r#"{"manifests""#, r#"{"manifestz""#),
            "the file index.json in the archive",
        ),
        (
            "a layout with a digest that climbs",
            replaced(&oci, "\"digest\":\"sha256:", "\"digest\":\"../../:"),
            "the file index.json in the archive",
        ),
        (
            "a blob larger than any disk",
            bare().claiming(EntryType::Regular, "l", 1 << 50).finish(),
            "the archive has more than the limit of",
        ),
        (
            "a hole in the archive",
            sparse("4096").file("l", "x").finish(),
            "a sparse file has a form that is not supported",
        ),
    ])
}

/// The same bytes with another text of the same length in the place of each occurrence.
fn replaced(bytes: &[u8], old: &str, new: &str) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let places =
        (0..bytes.len().saturating_sub(old.len())).filter(|at| bytes[*at..].starts_with(old.as_bytes()));
    for at in places.collect::<Vec<_>>() {
        bytes.splice(at..at + old.len(), new.bytes());
    }
    bytes
}

#[test]
fn archives_that_are_no_images_are_refused() -> Result<()> {
    let machine = machine()?;
    let host = machine.root().join("host").display().to_string();
    refused(&machine, "/images/load", &archives(&host)?)
}

/// Where an archive is cut: in and between blocks, early, in the middle, late.
fn cuts(length: usize) -> Vec<usize> {
    let block = 512;
    let mut cuts =
        vec![1, 2, 100, block - 1, block, block + 1, 3 * block, length / 3, length / 2, length / 2 + 7];
    cuts.extend(
        [3 * block, 2 * block + 1, 2 * block, block, 9, 4, 1].map(|left| length.saturating_sub(left)),
    );
    cuts.retain(|at| (1..length).contains(at));
    cuts
}

/// Whatever is left of an archive is refused or is a whole image; it never is half of one.
#[test]
fn an_archive_that_is_cut_is_whole_or_nothing() -> Result<()> {
    let machine = machine()?;
    let (before, on_disk) = (all(&machine)?, disk(&machine)?);
    let layer =
        (0..40).fold(Tar::default(), |tar, n| tar.file(&format!("{n}"), vec![b'a' + n % 26; 700])).finish();
    let layers = [archive::shell()?, layer.clone()];
    let docker = archive::docker(&[(&["cut:latest"], &layers)]);
    let mut refused = 0;
    for (form, whole) in [
        ("plain", docker.clone()),
        ("gzip", Packing::Gzip.pack(&docker)?),
        ("zstd", Packing::Zstd.pack(&docker)?),
        ("layout", archive::oci("cut:latest", &layers, Packing::Gzip)?),
    ] {
        for at in cuts(whole.len()) {
            let text = told(&machine, "/images/load", &whole[..at])?;
            if text.is_empty() {
                ensure!(form == "plain" || form == "layout", "{form} was cut at {at} and loaded");
                ensure!(machine.docker("run --rm cut ls /39").code == 0, "{form} cut at {at}");
                machine.docker("rmi cut").ok()?;
            } else {
                refused += 1;
            }
            let changed = difference(&on_disk, &disk(&machine)?);
            ensure!(changed.is_empty(), "{form} cut at {at}: {text}\n{}", changed.join("\n"));
        }
    }
    ensure!(refused > 40, "{refused}");
    for whole in [Packing::Gzip.pack(&layer)?, Packing::Zstd.pack(&layer)?] {
        for at in cuts(whole.len()) {
            let text = told(&machine, "/images/create?fromSrc=-&repo=cut", &whole[..at])?;
            ensure!(!text.is_empty(), "cut at {at} of {} and imported", whole.len());
            ensure!(difference(&on_disk, &disk(&machine)?).is_empty(), "cut at {at}");
        }
    }
    let changed = difference(&before, &all(&machine)?);
    ensure!(changed.is_empty(), "{}", changed.join("\n"));
    sound(&machine)
}

/// What Docker takes stays inside: links out of an image are the image's business, not the host's.
#[test]
fn what_is_legal_stays_inside() -> Result<()> {
    let machine = machine()?;
    let host = machine.root().join("host").display().to_string();
    let before = all(&machine)?;
    let lower = Tar::default()
        .file("/absolute", "in the image")
        .file("./a/../b/./inside", "in the image")
        .symlink("out", &host)
        .symlink("up", "../../../../../../../../etc")
        .symlink("self", "self")
        .file("twice", "first")
        .symlink("turned", &format!("{host}/canary"))
        .dir("kept/")
        .symlink("kept/link", &format!("{host}/canary"))
        .hard_link("linked", "kept/link")
        .device(EntryType::Block, "disk", (8, 0))
        .device(EntryType::Char, "memory", (1, 1))
        .file("shadow", "x");
    let upper = Tar::default()
        .file("out/canary", "through a link of another layer")
        .file("twice", "second")
        .file("turned", "a file where a link was")
        .file("linked", "a file where a hard link to a link was")
        .file(".wh.up", "");
    let layers = [archive::shell()?, lower.finish(), upper.finish()];
    let text = told(&machine, "/images/load", &archive::docker(&[(&["legal:latest"], &layers)]))?;
    ensure!(text.is_empty(), "{text}");
    machine.docker("run -d --name box legal sleep 1000").ok()?;
    for (command, expected) in [
        ("cat /absolute", "in the image"),
        ("cat /b/inside", "in the image"),
        ("cat /out/canary", "through a link of another layer"),
        ("cat /twice", "second"),
        ("cat /turned", "a file where a link was"),
        ("cat /linked", "a file where a hard link to a link was"),
        ("sh -c 'test -e /up || echo gone'", "gone"),
        ("sh -c 'cat /kept/link 2>/dev/null || echo nothing'", "nothing"),
        ("sh -c 'cat /disk 2>&1 || true'", "cat: can't open '/disk': Operation not permitted"),
        ("sh -c 'cat /memory 2>&1 || true'", "cat: can't open '/memory': Operation not permitted"),
        ("sh -c 'echo mine > /turned; echo mine > /out/canary; cat /turned'", "mine"),
    ] {
        let got = machine.docker(&format!("exec box {command}")).ok()?;
        ensure!(got == expected, "{command}: {got}");
    }
    machine.docker("rm -f box").ok()?;
    machine.docker("rmi legal").ok()?;
    let changed = difference(&before, &all(&machine)?);
    ensure!(changed.is_empty(), "{}", changed.join("\n"));
    sound(&machine)
}
