//! Archives of every kind are loaded, and bad ones leave nothing.

use std::io::Write;
use std::sync::Mutex;

use super::*;
use crate::testing::{Tar, archive, count, docker_archive, document, images, quiet};
use crate::{FileEntry, ImageConfig, ImportOptions, default_image, image_from_files};

fn layer(files: &[(&str, &str)]) -> Vec<u8> {
    files.iter().fold(Tar::new(), |tar, (path, content)| tar.file(path, content)).finish()
}

fn blob_path(bytes: &[u8]) -> String {
    format!("blobs/sha256/{}", Digest::of(bytes).hex())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// Refused with this chain, and nothing is left of it.
#[track_caller]
fn check_refused(archive: &[u8], text: &str) {
    let (_dir, images) = images();
    let error = images.load(archive, &quiet).expect_err(text);
    let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
    assert_eq!(causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}")), text);
    for dir in ["unfinished", "layers", "blobs/sha256"] {
        assert_eq!(count(&images.root.join(dir)), 0, "{dir}");
    }
    assert_eq!(images.list().unwrap(), []);
}

#[test]
fn an_image_of_files_is_loaded_found_and_unpacked() {
    let (_dir, images) = images();
    let files = [FileEntry::directory("bin", 0o755), FileEntry::file("bin/sh", 0o4755, "#!")];
    let config = ImageConfig { cmd: Some(vec!["sh".to_owned()]), ..ImageConfig::default() };
    let archive = image_from_files("shell:1", &files, &config).unwrap();
    let loaded = images.load(archive.as_slice(), &quiet).unwrap();
    assert_eq!(loaded[0].names[0].familiar(), "shell:1");
    let image = images.find("shell:1").unwrap();
    assert_eq!((image.id, image.size(), image.config()), (loaded[0].image, 2, &config));
    let diff = images.layers.diff(image.layers[0].id);
    assert_eq!(std::fs::read(diff.join("bin/sh")).unwrap(), b"#!");
}

#[test]
fn images_are_found_by_every_name_a_person_may_use() {
    let (_dir, images) = images();
    let archive = docker_archive(&["example.org:5000/app:v1"], &[layer(&[("a", "1")])]);
    let id = images.load(archive.as_slice(), &quiet).unwrap()[0].image;
    images.tag("example.org:5000/app:v1", "app").unwrap();
    let (hex, full) = (id.0.hex(), id.to_string());
    for name in [
        "example.org:5000/app:v1",
        "app",
        "docker.io/library/app:latest",
        &hex[..4],
        &hex,
        &full,
        &full[..20],
    ] {
        assert_eq!(images.find(name).expect(name).id, id, "{name}");
    }
    let error = |name: &str| images.find(name).expect_err(name).to_string();
    assert_eq!(error("busybox"), "No such image: busybox:latest");
    assert_eq!(error("example.org:5000/app"), "No such image: example.org:5000/app:latest");
    assert_eq!(error(&"0".repeat(64)), format!("No such image: {}", "0".repeat(64)));
    assert_eq!(error("UPPER"), "invalid reference format: repository name (library/UPPER) must be lowercase");
    assert_eq!(images.find("app").unwrap().tags(), ["app:latest", "example.org:5000/app:v1"]);
}

#[test]
fn archives_may_be_compressed_inside_and_outside() {
    let plain = layer(&[("file", "content")]);
    for (inner, outer) in [(gzip as fn(&[u8]) -> Vec<u8>, zstd as fn(&[u8]) -> Vec<u8>), (zstd, gzip)] {
        let (_dir, images) = images();
        let config = document(std::slice::from_ref(&plain));
        let manifest = br#"[{"Config":"c","RepoTags":["x"],"Layers":["l"]}]"#;
        let whole = archive(&[("manifest.json", manifest), ("c", &config), ("l", &inner(&plain))]);
        let id = images.load(outer(&whole).as_slice(), &quiet).unwrap()[0].image;
        assert_eq!(id.0, Digest::of(&config));
        assert_eq!(images.get(id).unwrap().layers[0].size, 7);
        assert_eq!(images.document(id).unwrap().as_bytes(), config);
    }
}

#[test]
fn old_archives_link_layers_and_name_images_in_repositories() {
    let (_dir, images) = images();
    let plain = layer(&[("file", "content")]);
    let config = document(&[plain.clone(), plain.clone()]);
    let manifest = br#"[{"Config":"c.json","RepoTags":null,"Layers":["a/layer.tar","b/layer.tar"]}]"#;
    let whole = Tar::new()
        .dir("a")
        .file("a/layer.tar", std::str::from_utf8(&plain).unwrap())
        .symlink("b/layer.tar", "../a/layer.tar")
        .file("c.json", std::str::from_utf8(&config).unwrap())
        .file("manifest.json", std::str::from_utf8(manifest).unwrap())
        .file("repositories", r#"{"old/app":{"1":"b","2":"b"},"other":{"latest":"zz"}}"#)
        .finish();
    let loaded = images.load(whole.as_slice(), &quiet).unwrap();
    let names: Vec<_> = loaded[0].names.iter().map(Reference::familiar).collect();
    assert_eq!(names, ["old/app:1", "old/app:2"]);
    assert_eq!(count(&images.root.join("layers")), 1, "equal layers are one");
}

struct Layout {
    files: Vec<(String, Vec<u8>)>,
}

impl Layout {
    fn add(&mut self, bytes: Vec<u8>) -> serde_json::Value {
        let digest = Digest::of(&bytes);
        let size = bytes.len();
        self.files.push((blob_path(&bytes), bytes));
        serde_json::json!({ "digest": digest, "size": size })
    }

    fn add_json(&mut self, kind: &str, value: &serde_json::Value) -> serde_json::Value {
        let mut descriptor = self.add(value.to_string().into_bytes());
        descriptor["mediaType"] = format!("application/vnd.oci.image.{kind}.v1+json").into();
        descriptor
    }

    fn add_image(&mut self, content: &str) -> serde_json::Value {
        let plain = layer(&[("file", content)]);
        let config = self.add(document(std::slice::from_ref(&plain)));
        let layer = self.add(gzip(&plain));
        self.add_json(
            "manifest",
            &serde_json::json!({ "schemaVersion": 2, "config": config, "layers": [layer] }),
        )
    }

    fn finish(mut self, manifests: &[serde_json::Value]) -> Vec<u8> {
        let index = serde_json::json!({ "schemaVersion": 2, "manifests": manifests }).to_string();
        self.files.push(("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()));
        self.files.push(("index.json".to_owned(), index.into_bytes()));
        let files: Vec<_> =
            self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
        archive(&files)
    }
}

#[test]
fn oci_layouts_name_images_by_annotation() {
    let (_dir, images) = images();
    let mut layout = Layout { files: Vec::new() };
    let (mut a, mut b, mut c) = (layout.add_image("a"), layout.add_image("b"), layout.add_image("c"));
    let mut again = a.clone();
    a["annotations"] = serde_json::json!({ "io.containerd.image.name": "docker.io/library/a:1" });
    again["annotations"] = serde_json::json!({ "org.opencontainers.image.ref.name": "example.org/a:2" });
    b["annotations"] = serde_json::json!({ "org.opencontainers.image.ref.name": "latest" });
    c["annotations"] = serde_json::Value::Null;
    let loaded = images.load(layout.finish(&[a, again, b, c]).as_slice(), &quiet).unwrap();
    let mut names: Vec<_> =
        loaded.iter().map(|image| image.names.iter().map(Reference::familiar).collect::<Vec<_>>()).collect();
    names.sort();
    assert_eq!(names, [vec![], vec![], vec!["a:1".to_owned(), "example.org/a:2".to_owned()]]);
    assert_eq!(images.find("a:1").unwrap().layers[0].size, 1);
}

#[test]
fn the_image_for_this_machine_is_chosen() {
    let (_dir, images) = images();
    let mut layout = Layout { files: Vec::new() };
    let (mut ours, mut theirs, mut proof) =
        (layout.add_image("ours"), layout.add_image("theirs!"), layout.add_image("x"));
    ours["platform"] = serde_json::json!({ "os": "linux", "architecture": crate::host_architecture() });
    theirs["platform"] = serde_json::json!({ "os": "linux", "architecture": "s390x" });
    proof["platform"] = serde_json::json!({ "os": "unknown", "architecture": "unknown" });
    let inner = serde_json::json!({ "schemaVersion": 2, "manifests": [theirs, proof, ours] });
    let mut outer = layout.add_json("index", &inner);
    outer["annotations"] = serde_json::json!({ "io.containerd.image.name": "docker.io/library/multi:1" });
    let loaded = images.load(layout.finish(&[outer]).as_slice(), &quiet).unwrap();
    assert_eq!((loaded.len(), images.find("multi:1").unwrap().size()), (1, 4));

    let mut layout = Layout { files: Vec::new() };
    let mut theirs = layout.add_image("theirs");
    theirs["platform"] = serde_json::json!({ "os": "linux", "architecture": "s390x" });
    let wanted = format!("linux/{}", crate::host_architecture());
    check_refused(
        &layout.finish(&[theirs]),
        &format!("the archive has no image for {wanted}, only for linux/s390x"),
    );
}

#[test]
fn a_blob_that_is_not_what_its_name_says_is_refused() {
    let mut layout = Layout { files: Vec::new() };
    let image = layout.add_image("a");
    let (path, bytes) = layout.files.last_mut().expect("the manifest");
    bytes.push(b' ');
    let text = format!("the file {path} in the archive has the digest {}", Digest::of(bytes));
    check_refused(&layout.finish(&[image]), &text);
}

#[test]
fn archives_that_are_no_images_are_refused() {
    let none = "the archive is not an image archive: it has neither manifest.json nor index.json";
    check_refused(&[], none);
    check_refused(&archive(&[("file", b"x")]), none);
    check_refused(b"hello, world", "cannot read the archive: the archive ends in the middle");
    check_refused(&[b'x'; 1024], "cannot read the archive: this is not a tar archive");
    let absent = br#"[{"Config":"c.json","Layers":["l"]}]"#;
    check_refused(&archive(&[("manifest.json", absent)]), "the archive has no file l");
    let climbing = br#"[{"Config":"../../etc/passwd","Layers":null}]"#;
    check_refused(&archive(&[("manifest.json", climbing)]), "the archive has no file ../../etc/passwd");
    let broken = archive(&[("manifest.json", b"[{")]);
    let text = "the file manifest.json in the archive cannot be understood: \
                EOF while parsing an object at line 1 column 2";
    check_refused(&broken, text);
    let looped = Tar::new().symlink("manifest.json", "manifest.json").finish();
    check_refused(&looped, "the archive has no file manifest.json");
}

#[test]
fn images_that_do_not_fit_themselves_are_refused() {
    let (one, two) = (layer(&[("a", "1")]), layer(&[("b", "2")]));
    let config = document(std::slice::from_ref(&one));
    let manifest = |layers: &str, name: &str| {
        format!(r#"[{{"Config":"c","RepoTags":["{name}"],"Layers":[{layers}]}}]"#).into_bytes()
    };
    let whole =
        |manifest: &[u8]| archive(&[("manifest.json", manifest), ("c", &config), ("1", &one), ("2", &two)]);
    let id = Digest::of(&config);
    check_refused(
        &whole(&manifest(r#""1","2""#, "x")),
        &format!("the image {id} has 2 layers, but its configuration names 1"),
    );
    check_refused(
        &whole(&manifest(r#""2""#, "x")),
        &format!("cannot unpack layer {}: its content has the digest {}", Digest::of(&one), Digest::of(&two)),
    );
    check_refused(
        &whole(&manifest(r#""1""#, "A B")),
        "the archive calls an image \"A B\": invalid reference format: repository name (library/A B) must be lowercase",
    );
}

#[test]
fn a_hostile_layer_is_named_and_leaves_nothing() {
    let good = layer(&[("good", "1")]);
    let evil = Tar::new().symlink("etc", "/etc").file("etc/passwd", "root::0:0").finish();
    let text = format!(
        "cannot unpack layer {}: cannot unpack entry \"etc/passwd\": a link on the way to it leaves the layer",
        Digest::of(&evil)
    );
    check_refused(&docker_archive(&["evil"], &[good.clone(), evil]), &text);
    let cut = good[..600].to_vec();
    let text = format!(
        "cannot unpack layer {}: cannot unpack entry \"good\": the archive ends in the middle",
        Digest::of(&cut)
    );
    check_refused(&docker_archive(&["cut"], &[cut]), &text);
    let whole = gzip(&docker_archive(&["whole"], &[good]));
    check_refused(&whole[..whole.len() / 2], "cannot read the archive: the archive ends in the middle");
}

#[test]
fn an_archive_that_would_fill_the_disk_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let images = Images::open_with(dir.path(), crate::Limits { bytes: 1000, entries: 10 }).unwrap();
    let text = "the archive has more than the limit of 1000 bytes";
    let claims = Tar::new().raw(tar::EntryType::Regular, 1 << 50, b"").finish();
    let bomb = gzip(&archive(&[("a", &[0; 600]), ("b", &[0; 600])]));
    for archive in [claims, bomb] {
        assert_eq!(images.load(archive.as_slice(), &quiet).expect_err(text).to_string(), text);
    }
    assert_eq!(count(&images.root.join("unfinished")), 0);
}

#[test]
fn a_name_moves_to_the_image_that_was_loaded_last() {
    let (_dir, images) = images();
    let load = |content: &str| {
        let archive = docker_archive(&["app:1"], &[layer(&[("file", content)])]);
        images.load(archive.as_slice(), &quiet).unwrap()[0].image
    };
    let (first, second) = (load("1"), load("2"));
    assert_eq!(images.find("app:1").unwrap().id, second);
    assert_eq!(images.get(first).unwrap().names, []);
    assert_eq!(load("2"), second, "loaded again it is the same");
    assert_eq!(images.list().unwrap().len(), 2);
}

#[test]
fn progress_counts_up_to_everything() {
    let (_dir, images) = images();
    let archive = docker_archive(&["app"], &[layer(&[("file", &"x".repeat(3 << 20))])]);
    let seen = Mutex::new(Vec::new());
    let note = |progress| seen.lock().unwrap().push(progress);
    images.load(archive.as_slice(), &note).unwrap();
    images.load(archive.as_slice(), &note).unwrap();
    let seen = seen.into_inner().unwrap();
    let reading: Vec<_> = seen
        .iter()
        .filter_map(|p| if let Progress::Reading { bytes } = p { Some(*bytes) } else { None })
        .collect();
    assert!(reading.len() >= 4 && reading.contains(&(archive.len() as u64)), "{reading:?}");
    let complete = |p: &&Progress| matches!(p, Progress::Unpacking { bytes, total, .. } if bytes == total);
    assert_eq!(seen.iter().filter(complete).count(), 1);
    assert!(seen.iter().any(|p| matches!(p, Progress::Unpacked { .. })));
    assert!(matches!(seen.last(), Some(Progress::Exists { .. })));
}

#[test]
fn what_was_not_finished_is_removed_at_start() {
    let (dir, images) = images();
    let archive = docker_archive(&["app"], &[layer(&[("file", "x")])]);
    images.load(archive.as_slice(), &quiet).unwrap();
    let root = images.root.clone();
    let stray = "1".repeat(64);
    for path in ["unfinished/x/0/diff/deep", &format!("layers/{stray}/diff/x"), "snapshots/ghost/diff"] {
        std::fs::create_dir_all(root.join(path)).unwrap();
    }
    std::fs::write(root.join("blobs/sha256").join(&stray), "x").unwrap();
    drop(images);
    let images = Images::open(&root).unwrap();
    assert_eq!(
        ["unfinished", "layers", "snapshots", "blobs/sha256"].map(|dir| count(&root.join(dir))),
        [0, 1, 0, 2]
    );
    assert_eq!(images.find("app").unwrap().size(), 1);
    assert!(matches!(Images::open(&root), Err(crate::OpenError::InUse { .. })));
    drop(dir);
}

#[test]
fn loads_and_removals_at_once_do_not_hurt_each_other() {
    let (_dir, images) = images();
    let shared = layer(&[("shared", "x")]);
    std::thread::scope(|scope| {
        for n in 0..4 {
            let (images, shared) = (&images, &shared);
            scope.spawn(move || {
                let name = format!("app:{n}");
                let archive = docker_archive(&[&name], &[shared.clone(), layer(&[("own", &name)])]);
                for _ in 0..5 {
                    let id = images.load(archive.as_slice(), &quiet).expect("loaded")[0].image;
                    let image = images.get(id).expect("found");
                    assert!(images.layers.diff(image.layers[0].id).join("shared").exists());
                    images.remove(&name, crate::Force::No, &[]).expect("removed");
                }
            });
        }
    });
    assert_eq!(["layers", "blobs/sha256", "unfinished"].map(|dir| count(&images.root.join(dir))), [0, 0, 0]);
}

#[test]
fn an_imported_tree_is_an_image() {
    let (_dir, images) = images();
    let options = ImportOptions {
        name: Some("tree".parse().unwrap()),
        comment: "Imported from -".to_owned(),
        config: ImageConfig::default(),
    };
    let tree = gzip(&layer(&[("bin/sh", "#!")]));
    let id = images.import(tree.as_slice(), options, &quiet).unwrap();
    let image = images.find("tree").unwrap();
    assert_eq!((image.id, image.size(), image.history()[0].comment.as_str()), (id, 2, "Imported from -"));
    assert!(images.import(&b"no archive"[..], ImportOptions::default(), &quiet).is_err());
    assert_eq!(count(&images.root.join("blobs/sha256")), 2);
}

#[test]
fn the_default_image_is_a_shell() {
    let (_dir, images) = images();
    let archive = default_image(b"\x7fELF").unwrap();
    assert_eq!(archive, default_image(b"\x7fELF").unwrap(), "the same executable makes the same image");
    images.load(archive.as_slice(), &quiet).unwrap();
    let image = images.find(crate::DEFAULT_IMAGE).unwrap();
    assert_eq!(image.config().cmd.as_deref(), Some(&["sh".to_owned()][..]));
    let diff = images.layers.diff(image.layers[0].id);
    assert_eq!(std::fs::read(diff.join("bin/wget")).unwrap(), b"\x7fELF");
    assert_eq!(crate::resolve_user(&diff, "www-data").unwrap().uid, 33);
}
