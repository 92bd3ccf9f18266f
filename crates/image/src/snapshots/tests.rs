//! Root file systems, mounted by the kernel in a mount table of the test.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::testing::{Tar, count, docker_archive, images, in_own_mounts, quiet};
use crate::{FileContent, FileEntry, Force, LoadError, OpenError, Use};

fn load(images: &Images, layers: &[Vec<u8>]) -> Result<ImageId, LoadError> {
    images.load(docker_archive(&["app"], layers).as_slice(), &quiet).map(|loaded| loaded[0].image)
}

fn two_layers() -> [Vec<u8>; 2] {
    [
        Tar::new()
            .entry(&FileEntry::directory("", 0o755))
            .file("gone", "")
            .file("kept", "1")
            .dir("d")
            .finish(),
        Tar::new().file(".wh.gone", "").file("d/new", "2").finish(),
    ]
}

#[test]
fn containers_share_layers_and_write_apart() {
    let (_dir, images) = images();
    in_own_mounts(|| {
        let image = load(&images, &two_layers()).unwrap();
        let snapshots = images.snapshots();
        let [one, two] = ["one", "two"].map(|id| {
            snapshots.prepare(id, image).unwrap();
            snapshots.mount(id).unwrap();
            snapshots.mount(id).expect("mounted already is fine")
        });
        let (one_overlay, two_overlay) = (one.overlay.unwrap(), two.overlay.unwrap());
        assert_eq!(one_overlay.lower, two_overlay.lower);
        assert_ne!(one_overlay.upper, two_overlay.upper);
        assert_eq!(fs::read(one.merged.join("d/new")).unwrap(), b"2");
        assert!(!one.merged.join("gone").exists());
        fs::write(one.merged.join("kept"), "changed").unwrap();
        assert_eq!(fs::read(two.merged.join("kept")).unwrap(), b"1");
        assert_eq!(fs::read(one_overlay.lower[1].join("kept")).unwrap(), b"1");
        fs::hard_link(one.merged.join("kept"), one.merged.join("same")).unwrap();
        std::os::unix::fs::symlink("/", one.merged.join("link")).unwrap();
        assert_eq!((snapshots.size("one").unwrap(), snapshots.size("two").unwrap()), (7, 0));
        assert_eq!(fs::metadata(&one.merged).unwrap().mode() & 0o7777, 0o755);
        ["one", "two"].into_iter().for_each(|id| snapshots.remove(id).unwrap());
        assert_eq!(["snapshots", "unfinished"].map(|dir| count(&images.root.join(dir))), [0, 0]);
        let mounts = linux::mount::mount_points().unwrap();
        assert!(!mounts.iter().any(|mount| mount.target.starts_with(&images.root)), "{mounts:?}");
    });
}

#[test]
fn a_container_keeps_its_layers_when_its_image_goes() {
    let (_dir, images) = images();
    in_own_mounts(|| {
        let image = load(&images, &two_layers()).unwrap();
        images.snapshots().prepare("c", image).unwrap();
        let uses = [Use { image, container: "c".to_owned(), running: false }];
        images.remove("app", Force::Yes, &uses).unwrap();
        images.remove(&image.to_string(), Force::Yes, &uses).unwrap_or_default();
        assert!(images.find("app").is_err());
        let rootfs = images.snapshots().mount("c").unwrap();
        assert_eq!(fs::read(rootfs.merged.join("kept")).unwrap(), b"1");
        images.snapshots().remove("c").unwrap();
        assert_eq!(count(&images.root.join("layers")), 0);
    });
}

#[test]
fn what_inspect_shows_is_what_is_mounted() {
    let (_dir, images) = images();
    let image = load(&images, &two_layers()).unwrap();
    let rootfs = images.snapshots().prepare("c", image).unwrap();
    let (name, data) = rootfs.graph_driver();
    assert_eq!(name, "overlay2");
    assert_eq!(data.keys().collect::<Vec<_>>(), ["LowerDir", "MergedDir", "UpperDir", "WorkDir"]);
    assert_eq!(data["LowerDir"].split(':').count(), 2);
    assert!(data["MergedDir"].ends_with("snapshots/c/merged"));
    assert_eq!(images.snapshots().find("c").unwrap(), Some(rootfs));
    assert_eq!(images.snapshots().list().unwrap(), ["c"]);
}

#[test]
fn snapshots_survive_a_restart_of_the_engine() {
    let (dir, images) = images();
    let image = load(&images, &two_layers()).unwrap();
    let rootfs = images.snapshots().prepare("c", image).unwrap();
    fs::write(rootfs.overlay.as_ref().unwrap().upper.join("written"), "x").unwrap();
    let root = images.root.clone();
    drop(images);
    let images = Images::open(&root).unwrap();
    assert_eq!(images.snapshots().find("c").unwrap(), Some(rootfs));
    assert_eq!(images.snapshots().size("c").unwrap(), 1);
    drop(dir);
}

#[test]
fn a_container_whose_directories_were_lost_with_the_power_starts_anew() {
    let (_dir, images) = images();
    in_own_mounts(|| {
        let image = load(&images, &two_layers()).unwrap();
        images.snapshots().prepare("c", image).unwrap();
        fs::remove_dir_all(images.root.join("snapshots/c")).unwrap();
        let rootfs = images.snapshots().mount("c").unwrap();
        assert_eq!(fs::read(rootfs.merged.join("kept")).unwrap(), b"1");
        images.snapshots().remove("c").unwrap();
    });
}

#[test]
fn a_directory_is_used_as_it_is_or_kept() {
    let (dir, images) = images();
    in_own_mounts(|| {
        let tree = dir.path().join("tree");
        fs::create_dir(&tree).unwrap();
        fs::set_permissions(&tree, fs::Permissions::from_mode(0o750)).unwrap();
        fs::write(tree.join("file"), "1").unwrap();
        let snapshots = images.snapshots();
        let plain = snapshots.prepare_directory("plain", &tree, DirectoryUse::AsItIs).unwrap();
        assert_eq!((plain.merged.as_path(), &plain.overlay), (tree.as_path(), &None));
        assert_eq!(snapshots.mount("plain").unwrap(), plain);
        snapshots.prepare_directory("over", &tree, DirectoryUse::BelowOverlay).unwrap();
        let over = snapshots.mount("over").unwrap();
        assert_eq!(fs::metadata(&over.merged).unwrap().mode() & 0o7777, 0o750);
        fs::write(over.merged.join("file"), "2").unwrap();
        assert_eq!(fs::read(tree.join("file")).unwrap(), b"1");
        ["plain", "over"].into_iter().for_each(|id| snapshots.remove(id).unwrap());
        assert_eq!(fs::read(tree.join("file")).unwrap(), b"1");
    });
}

#[test]
fn what_cannot_be_prepared_is_refused() {
    let (dir, images) = images();
    let image = load(&images, &two_layers()).unwrap();
    let snapshots = images.snapshots();
    for id in ["", ".", "..", "a/b", "-\0", &"x".repeat(129)] {
        assert!(matches!(snapshots.prepare(id, image), Err(SnapshotError::BadId { .. })), "{id}");
    }
    snapshots.prepare("c", image).unwrap();
    assert!(matches!(snapshots.prepare("c", image), Err(SnapshotError::Exists { .. })));
    let unknown = ImageId(crate::Digest::of(b"unknown"));
    assert!(matches!(snapshots.prepare("d", unknown), Err(SnapshotError::Lookup(_))));
    assert!(matches!(snapshots.mount("ghost"), Err(SnapshotError::NotFound { .. })));
    assert!(matches!(snapshots.remove("ghost"), Err(SnapshotError::NotFound { .. })));
    let absent = dir.path().join("absent");
    let error = snapshots.prepare_directory("d", &absent, DirectoryUse::AsItIs).expect_err("absent");
    assert_eq!(error.to_string(), format!("cannot use the root file system {}", absent.display()));
    assert_eq!(["snapshots", "unfinished"].map(|dir| count(&images.root.join(dir))), [1, 0]);
}

#[test]
fn a_data_root_on_an_overlay_is_refused_in_words() {
    let (_dir, images) = images();
    in_own_mounts(|| {
        let image = load(&images, &two_layers()).unwrap();
        images.snapshots().prepare("c", image).unwrap();
        let rootfs = images.snapshots().mount("c").unwrap();
        let error = Images::open(&rootfs.merged.join("data")).expect_err("on an overlay");
        assert!(matches!(error, OpenError::OnOverlay { .. }), "{error}");
        images.snapshots().remove("c").unwrap();
    });
}

/// One thing a layer says about a path.
#[derive(Clone, Debug)]
enum Change {
    File(u8),
    Directory,
    Whiteout,
    Opaque,
}

type Tree = BTreeMap<String, Option<u8>>;

fn layer_changes() -> impl Strategy<Value = BTreeMap<String, Change>> {
    let change = prop_oneof![
        3 => any::<u8>().prop_map(Change::File),
        3 => Just(Change::Directory),
        2 => Just(Change::Whiteout),
        1 => Just(Change::Opaque),
    ];
    prop::collection::btree_map("[ab](/[ab]){0,2}", change, 0..6).prop_map(consistent)
}

/// Nothing is below what is not a directory, and everything above is one.
fn consistent(changes: BTreeMap<String, Change>) -> BTreeMap<String, Change> {
    let mut kept: BTreeMap<String, Change> = BTreeMap::new();
    for (path, change) in changes {
        let above: Vec<_> = path.match_indices('/').map(|(at, _)| path[..at].to_owned()).collect();
        if above.iter().any(|path| matches!(kept.get(path), Some(Change::File(_) | Change::Whiteout))) {
            continue;
        }
        for path in above {
            kept.entry(path).or_insert(Change::Directory);
        }
        kept.insert(path, change);
    }
    kept
}

fn layer_of(changes: &BTreeMap<String, Change>, number: usize) -> Vec<u8> {
    let tar = changes.iter().fold(Tar::new(), |tar, (path, change)| {
        let (dir, name) = path
            .rsplit_once('/')
            .map_or((String::new(), path.as_str()), |(dir, name)| (format!("{dir}/"), name));
        match change {
            Change::File(byte) => tar.entry(&FileEntry {
                content: FileContent::File(vec![*byte]),
                ..FileEntry::file(path, 0o644, "")
            }),
            Change::Directory => tar.dir(path),
            Change::Opaque => tar.dir(path).file(&format!("{path}/.wh..wh..opq"), ""),
            Change::Whiteout => tar.file(&format!("{dir}.wh.{name}"), ""),
        }
    });
    // Layers are never equal, so that each is one of its own.
    tar.file(&format!("layer-{number}"), "").finish()
}

/// What the OCI image specification says a layer does to what is below.
fn apply(tree: &mut Tree, changes: &BTreeMap<String, Change>) {
    let remove_below = |tree: &mut Tree, path: &str| {
        let below = format!("{path}/");
        tree.retain(|known, _| !known.starts_with(&below));
    };
    for (path, change) in changes {
        match change {
            Change::Whiteout => {
                remove_below(tree, path);
                tree.remove(path);
            }
            Change::Opaque => remove_below(tree, path),
            Change::File(_) | Change::Directory => {}
        }
    }
    for (path, change) in changes {
        match change {
            Change::File(byte) => {
                remove_below(tree, path);
                tree.insert(path.clone(), Some(*byte));
            }
            Change::Directory | Change::Opaque => drop(tree.insert(path.clone(), None)),
            Change::Whiteout => {}
        }
    }
}

fn merged(top: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut ahead = vec![top.to_owned()];
    while let Some(dir) = ahead.pop() {
        for entry in fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                tree.insert(name, None);
                ahead.push(path);
            } else if !name.starts_with("layer-") {
                tree.insert(name, Some(fs::read(path).unwrap()[0]));
            }
        }
    }
    tree
}

#[test]
fn joined_layers_are_what_the_specification_says() {
    let dir = tempfile::tempdir().unwrap();
    in_own_mounts(|| {
        // In memory: hundreds of loads, each of which waits for the disk.
        linux::mount::tmpfs(dir.path(), None, 0o755, linux::mount::Attributes::default()).unwrap();
        let images = Images::open(dir.path()).unwrap();
        let mut runner =
            TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
        let layers = prop::collection::vec(layer_changes(), 1..5);
        let law = |layers: Vec<BTreeMap<String, Change>>| {
            let archives: Vec<_> = layers.iter().enumerate().map(|(n, layer)| layer_of(layer, n)).collect();
            let image = load(&images, &archives).expect("an image");
            images.snapshots().prepare("c", image).expect("a snapshot");
            let rootfs = images.snapshots().mount("c").expect("a mount");
            let mut expected = Tree::new();
            layers.iter().for_each(|layer| apply(&mut expected, layer));
            let seen = merged(&rootfs.merged);
            images.snapshots().remove("c").expect("removed");
            prop_assert_eq!(seen, expected);
            Ok(())
        };
        runner.run(&layers, law).expect("the law holds");
        drop(images);
        linux::mount::unmount(dir.path()).expect("nobody is left inside");
    });
}
