//! What a layer says is what the kernel shows.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;

use linux::root::{Node, Root, Times};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::testing::{Tar, docker_archive, images, in_own_mounts, quiet};
use crate::{FileContent, FileEntry, ImageId, Images, Step};

/// Something a container does to its files; what is not possible does nothing.
#[derive(Clone, Debug)]
enum Act {
    Write(String, Vec<u8>),
    Append(String),
    Directory(String),
    Remove(String),
    Symlink(String, String),
    HardLink(String, String),
    Rename(String, String),
    Fifo(String),
    Device(String),
    Mode(String, u32),
    Owner(String, u32),
    Time(String, i64),
    Attribute(String, Vec<u8>),
    Capability(String),
}

/// A permitted and inheritable set of one capability (linux/capability.h, version 2).
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let path = || "[abc](/[abc]){0,2}";
    let act = prop_oneof![
        4 => (path(), prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(path, bytes)| Act::Write(path, bytes)),
        1 => path().prop_map(Act::Append),
        3 => path().prop_map(Act::Directory),
        4 => path().prop_map(Act::Remove),
        1 => (path(), path()).prop_map(|(path, target)| Act::Symlink(path, target)),
        2 => (path(), path()).prop_map(|(old, new)| Act::HardLink(old, new)),
        2 => (path(), path()).prop_map(|(old, new)| Act::Rename(old, new)),
        1 => path().prop_map(Act::Fifo),
        1 => path().prop_map(Act::Device),
        1 => (path(), 0_u32..0o10000).prop_map(|(path, mode)| Act::Mode(path, mode)),
        1 => (path(), any::<u16>()).prop_map(|(path, owner)| Act::Owner(path, owner.into())),
        1 => (path(), 0_i64..4_000_000_000).prop_map(|(path, time)| Act::Time(path, time)),
        1 => (path(), prop::collection::vec(any::<u8>(), 1..600)).prop_map(|(path, value)| Act::Attribute(path, value)),
        1 => path().prop_map(Act::Capability),
    ];
    prop::collection::vec(act, 0..16)
}

fn act(root: &Root, act: &Act) -> std::io::Result<()> {
    let path = Path::new;
    match act {
        Act::Write(at, bytes) => root.create_file(path(at), 0o640)?.write_all(bytes),
        Act::Append(at) => {
            let (dir, name) = root.parent(path(at))?;
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut dir.open_file(name)?, &mut content)?;
            dir.remove(name)?;
            content.push(b'+');
            dir.create_file(name, 0o600)?.write_all(&content)
        }
        Act::Directory(at) => root.mkdir(path(at), 0o755),
        Act::Remove(at) => root.remove_all(path(at)),
        Act::Symlink(at, target) => root.symlink(path(target), path(at)),
        Act::HardLink(old, new) => root.hard_link(path(old), path(new)),
        Act::Rename(old, new) => {
            let ((from, old), (to, new)) = (root.parent(path(old))?, root.parent(path(new))?);
            from.rename(old, &to, new)
        }
        Act::Fifo(at) => root.mknod(path(at), Node::Fifo, 0o600),
        Act::Device(at) => root.mknod(path(at), Node::CharDevice { major: 1, minor: 3 }, 0o666),
        Act::Mode(at, mode) => root.chmod(path(at), *mode),
        Act::Owner(at, owner) => root.chown(path(at), *owner, *owner),
        Act::Time(at, time) => root.set_times(path(at), Times { accessed: (*time, 0), modified: (*time, 0) }),
        Act::Attribute(at, value) => root.set_xattr(path(at), OsStr::new("user.what"), value),
        Act::Capability(at) => root.set_xattr(path(at), OsStr::new("security.capability"), &CAPABILITY),
    }
}

/// All that can be seen of a tree: what a file is, and which names are one file.
fn seen(top: &Path) -> BTreeMap<PathBuf, String> {
    let mut walk = Walk::new(Dir::open(top).expect("a tree"), Mounts::AreLeftOut).expect("a tree");
    let (mut all, mut first) = (BTreeMap::new(), BTreeMap::new());
    while let Some(found) = walk.next().expect("a quiet tree") {
        let (status, name) = (found.status, found.name());
        let content = match status.kind {
            FileKind::File => fs::read(top.join(&found.path)).expect("a file"),
            FileKind::Symlink => {
                found.dir.read_link(name).expect("a link").into_os_string().into_encoded_bytes()
            }
            FileKind::Directory
            | FileKind::Fifo
            | FileKind::Socket
            | FileKind::CharDevice
            | FileKind::BlockDevice => Vec::new(),
        };
        let is_shared = status.links > 1 && status.kind != FileKind::Directory;
        let same =
            is_shared.then(|| first.entry(status.identity).or_insert_with(|| found.path.clone()).clone());
        let attributes = found.dir.attributes(name).expect("attributes");
        let (kind, device) = (status.kind, status.device);
        let owner = Attributes::of(&status);
        let text =
            format!("{kind:?} {owner:?} {} {device:?} {content:?} {attributes:?} {same:?}", status.mtime.0);
        all.insert(found.path, text);
    }
    all
}

fn base(images: &Images) -> ImageId {
    let layers = [
        Tar::new()
            .dir("a")
            .file("a/a", "1")
            .file("a/b", "2")
            .dir("a/c")
            .file("a/c/a", "3")
            .symlink("b", "a")
            .finish(),
        Tar::new().file("a/.wh.b", "").dir("c").file("c/a", "4").hard_link("c/b", "c/a").finish(),
    ];
    images.load(docker_archive(&["base"], &layers).as_slice(), &quiet).expect("an image")[0].image
}

/// What the container `c` of `image` shows after these acts, and as an image of its own.
fn committed(images: &Images, image: ImageId, acts: &[Act]) -> (BTreeMap<PathBuf, String>, ImageId) {
    images.snapshots().prepare("c", image).expect("a snapshot");
    let rootfs = images.snapshots().mount("c").expect("a mount");
    let root = Root::open(&rootfs.merged).expect("a root");
    // Others are not possible, as in a container.
    acts.iter().for_each(|one| drop(act(&root, one)));
    drop(root);
    let step = Step { parent: Some(image), changed: rootfs.overlay.as_ref(), ..Step::default() };
    let made = images.commit(step).expect("an image");
    let shown = seen(&rootfs.merged);
    images.snapshots().remove("c").expect("removed");
    (shown, made)
}

fn shown(images: &Images, image: ImageId) -> BTreeMap<PathBuf, String> {
    images.snapshots().prepare("d", image).expect("a snapshot");
    let rootfs = images.snapshots().mount("d").expect("a mount");
    let shown = seen(&rootfs.merged);
    images.snapshots().remove("d").expect("removed");
    shown
}

/// Runs `f` with images in memory, whose loads wait for no disk.
fn in_memory(f: impl FnOnce(&Images) + Send) {
    let dir = tempfile::tempdir().expect("a directory");
    in_own_mounts(|| {
        linux::mount::tmpfs(dir.path(), None, 0o755, linux::mount::Attributes::default()).expect("a tmpfs");
        let images = Images::open(dir.path()).expect("a data root");
        f(&images);
        drop(images);
        linux::mount::unmount(dir.path()).expect("nobody is left inside");
    });
}

#[test]
fn a_layer_makes_of_what_was_below_what_was_seen() {
    in_memory(|images| {
        let image = base(images);
        let mut runner =
            TestRunner::new(Config { cases: 96, failure_persistence: None, ..Config::default() });
        let law = |(first, second): (Vec<Act>, Vec<Act>)| {
            let (expected, made) = committed(images, image, &first);
            prop_assert_eq!(shown(images, made), expected);
            let (expected, again) = committed(images, made, &second);
            prop_assert_eq!(shown(images, again), expected);
            Ok(())
        };
        runner.run(&(acts(), acts()), law).expect("the law holds");
    });
}

#[test]
fn the_same_changes_make_the_same_layer() {
    in_memory(|images| {
        let image = base(images);
        let acts = [
            Act::Write("a/new".to_owned(), b"x".to_vec()),
            Act::HardLink("a/new".to_owned(), "c/new".to_owned()),
            Act::Attribute("a/new".to_owned(), b"y".to_vec()),
            Act::Remove("b".to_owned()),
        ];
        let stamp = ["a/new", "a", "c"].map(|path| Act::Time(path.to_owned(), 1_700_000_000));
        let acts = [&acts[..], &stamp[..]].concat();
        let layers = [(), ()].map(|()| {
            let made = committed(images, image, &acts).1;
            images.get(made).expect("it").layers.last().expect("a layer").id
        });
        assert_eq!(layers[0], layers[1]);
    });
}

/// What the container's acts are in `docker diff`.
#[track_caller]
fn check_changes(images: &Images, acts: &[Act], expected: &[(&str, ChangeKind)]) {
    let image = images.find("base").expect("the base").id;
    images.snapshots().prepare("e", image).expect("a snapshot");
    let rootfs = images.snapshots().mount("e").expect("a mount");
    let root = Root::open(&rootfs.merged).expect("a root");
    acts.iter().for_each(|one| act(&root, one).expect("an act"));
    drop(root);
    let changes = images.snapshots().changes("e").expect("changes");
    images.snapshots().remove("e").expect("removed");
    let changes: Vec<_> =
        changes.iter().map(|change| (change.path.to_str().expect("a text"), change.kind)).collect();
    assert_eq!(changes, expected);
}

#[test]
fn changes_are_what_a_person_would_say() {
    use ChangeKind::{Added, Deleted, Modified};
    let write = |path: &str| Act::Write(path.to_owned(), b"x".to_vec());
    let directory = |path: &str| Act::Directory(path.to_owned());
    let remove = |path: &str| Act::Remove(path.to_owned());
    in_memory(|images| {
        base(images);
        check_changes(images, &[], &[]);
        check_changes(
            images,
            &[directory("new"), write("new/file")],
            &[("/new", Added), ("/new/file", Added)],
        );
        check_changes(images, &[remove("a/a")], &[("/a", Modified), ("/a/a", Deleted)]);
        check_changes(images, &[Act::Append("c/a".to_owned())], &[("/c", Modified), ("/c/a", Modified)]);
        check_changes(images, &[remove("c")], &[("/c", Deleted)]);
        let anew = [remove("c"), directory("c"), write("c/new")];
        check_changes(
            images,
            &anew,
            &[("/c", Modified), ("/c/a", Deleted), ("/c/b", Deleted), ("/c/new", Added)],
        );
        // What something is mounted on is no change; what is in it is.
        let mounted = ["etc", "dev", "proc", "sys"].map(directory);
        let empty = |path: &str| Act::Write(path.to_owned(), Vec::new());
        check_changes(images, &[&mounted[..], &[empty("etc/hosts"), empty(".dockerenv")]].concat(), &[]);
        let in_it = [&mounted[..], &[empty("etc/hosts"), write("etc/mine"), write("dev/mine")]].concat();
        check_changes(
            images,
            &in_it,
            &[("/dev", Added), ("/dev/mine", Added), ("/etc", Added), ("/etc/mine", Added)],
        );
    });
}

#[test]
fn what_overlayfs_and_the_host_say_stays_out_of_layers() {
    let (_dir, images) = images();
    let entry = FileEntry { content: FileContent::File(b"x".to_vec()), ..FileEntry::file("f", 0o644, "") };
    let layer = [Tar::new().entry(&entry).finish()];
    let image = images.load(docker_archive(&["base"], &layer).as_slice(), &quiet).expect("an image")[0].image;
    let rootfs = images.snapshots().prepare("c", image).expect("a snapshot");
    let overlay = rootfs.overlay.expect("an overlay");
    let upper = Root::open(&overlay.upper).expect("the upper directory");
    upper.create_file(Path::new("f"), 0o644).expect("a file");
    upper.set_xattr(Path::new("f"), OsStr::new("user.overlay.metacopy"), b"x").expect("an attribute");
    upper.set_xattr(Path::new("f"), OsStr::new("user.mine"), b"x").expect("an attribute");
    let step = || Step { parent: Some(image), changed: Some(&overlay), ..Step::default() };
    images.commit(step()).expect("others' attributes are left out");
    upper.set_xattr(Path::new("f"), OsStr::new("trusted.overlay.metacopy"), b"").expect("an attribute");
    let error = images.commit(step()).expect_err("its content is elsewhere");
    let source = std::error::Error::source(&error).expect("a reason").to_string();
    assert!(source.starts_with("f was renamed or changed by an overlay mount"), "{source}");
}
