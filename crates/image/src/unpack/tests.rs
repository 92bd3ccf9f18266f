//! Trees survive, attacks do not.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use proptest::prelude::*;
use tar::EntryType;

use super::*;
use crate::builtin::{directory_entries, layer_archive};
use crate::testing::Tar;
use crate::{FileContent, FileEntry};

const SMALL: Limits = Limits { bytes: 1 << 20, entries: 100 };

fn unpack_here(archive: &[u8]) -> (tempfile::TempDir, Result<Unpacked, UnpackError>) {
    let dir = tempfile::tempdir().expect("a scratch directory");
    std::fs::create_dir(dir.path().join("layer")).expect("a directory");
    let unpacked = unpack(&mut Tape::new(archive), &dir.path().join("layer"), SMALL);
    (dir, unpacked)
}

fn unpacked(tar: Tar) -> (tempfile::TempDir, PathBuf) {
    let (dir, unpacked) = unpack_here(&tar.finish());
    unpacked.expect("an honest archive");
    let layer = dir.path().join("layer");
    (dir, layer)
}

/// Refused, with the entry's name and this reason, and nothing outside of the layer touched.
#[track_caller]
fn check_refused(tar: Tar, entry: &str, reason: &str) {
    let (dir, unpacked) = unpack_here(&tar.finish());
    let error = unpacked.expect_err(reason);
    assert_eq!((error.entry.as_str(), error.cause.to_string().as_str()), (entry, reason));
    let outside: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(outside, ["layer"]);
}

#[test]
fn paths_that_climb_out_are_refused() {
    let reason = "its path leaves the layer";
    check_refused(Tar::new().file("../evil", ""), "../evil", reason);
    check_refused(Tar::new().file("a/../../evil", ""), "a/../../evil", reason);
    check_refused(Tar::new().dir(".."), "..", reason);
    check_refused(Tar::new().file(".wh...", ""), ".wh...", reason);
    check_refused(Tar::new().file("a/.wh.", ""), "a/.wh.", reason);
    check_refused(Tar::new().symlink("./", "/etc"), "./", reason);
}

#[test]
fn links_on_the_way_out_are_refused() {
    let reason = "a link on the way to it leaves the layer";
    check_refused(Tar::new().symlink("evil", "/etc").file("evil/x", ""), "evil/x", reason);
    check_refused(Tar::new().symlink("evil", "..").file("evil/x", ""), "evil/x", reason);
    check_refused(Tar::new().symlink("evil", "/proc/self/root").dir("evil/tmp/x"), "evil/tmp/x", reason);
    check_refused(Tar::new().symlink("a", "a").file("a/x", ""), "a/x", reason);
    check_refused(Tar::new().symlink("evil", "..").file("evil/.wh.layer", ""), "evil/.wh.layer", reason);
    check_refused(
        Tar::new().symlink("evil", "..").file("evil/.wh..wh..opq", ""),
        "evil/.wh..wh..opq",
        reason,
    );
    let under_file = Tar::new().file("file", "").file("file/x", "");
    check_refused(under_file, "file/x", "something on the way to it is not a directory");
}

#[test]
fn hard_links_reach_only_what_the_layer_has() {
    let leaves = |target| format!("it is a hard link to {target}, which is outside of the layer");
    let missing = |target| format!("it is a hard link to {target}, which the layer does not have");
    check_refused(Tar::new().hard_link("x", "../../etc/passwd"), "x", &leaves("../../etc/passwd"));
    check_refused(Tar::new().hard_link("x", "/etc/passwd"), "x", &missing("/etc/passwd"));
    check_refused(Tar::new().hard_link("x", "x"), "x", &missing("x"));
    let through = Tar::new().symlink("etc", "/etc").hard_link("x", "etc/passwd");
    check_refused(through, "x", &leaves("etc/passwd"));
    let directory = Tar::new().dir("d").hard_link("x", "d");
    check_refused(directory, "x", "it is a hard link to d, which is a directory");
}

#[test]
fn devices_owners_and_attributes_have_bounds() {
    let device = |major, minor| {
        let content = FileContent::BlockDevice { major, minor };
        Tar::new().entry(&FileEntry { content, ..FileEntry::file("dev", 0o600, "") })
    };
    check_refused(device(4096, 0), "dev", "there is no device 4096:0");
    check_refused(device(0, 1 << 20), "dev", "there is no device 0:1048576");
    let nobody = Tar::new().pax(&[("uid", b"4294967295")]).file("x", "");
    check_refused(nobody, "x", "there is no owner 4294967295");
    for key in ["trusted.overlay.redirect", "trusted.overlay.opaque", "user.overlay.metacopy"] {
        let tar = Tar::new().pax(&[(&format!("SCHILY.xattr.{key}"), b"/")]).file("x", "");
        check_refused(tar, "x", &format!("the attribute {key} would change how layers are joined"));
    }
}

#[test]
fn absurd_sizes_are_refused_before_they_cost_anything() {
    let huge = Tar::new().raw(EntryType::Regular, 1 << 50, b"");
    check_refused(huge, "", "its path leaves the layer");
    let huge = Tar::new().pax(&[("path", b"big"), ("size", b"1125899906842624")]).file("x", "");
    let reason = "with its 1125899906842624 bytes the layer has more than the limit of 1048576";
    check_refused(huge, "big", reason);
    let many = (0..101).fold(Tar::new(), |tar, n| tar.dir(&n.to_string()));
    check_refused(many, "100", "the layer has more than 100 entries");
}

#[test]
fn a_truncated_archive_names_its_last_entry() {
    let archive = Tar::new().file("whole", "x").file("cut", &"y".repeat(2000)).finish();
    let (_dir, result) = unpack_here(&archive[..2048]);
    let error = result.expect_err("truncated");
    assert_eq!(
        (error.entry.as_str(), error.cause.to_string().as_str()),
        ("cut", "the archive ends in the middle")
    );
}

#[test]
fn an_entry_is_never_written_through_an_earlier_one() {
    let outside = tempfile::NamedTempFile::new().unwrap();
    let target = outside.path().to_str().unwrap();
    let null = FileContent::CharDevice { major: 1, minor: 3 };
    let tar = Tar::new()
        .symlink("link", target)
        .file("link", "through the link")
        .entry(&FileEntry { content: null, ..FileEntry::file("null", 0o666, "") })
        .file("null", "a file")
        .file("one", "1")
        .hard_link("two", "one")
        .file("two", "2");
    let (_dir, layer) = unpacked(tar);
    assert_eq!(std::fs::read(outside.path()).unwrap(), b"");
    assert!(layer.join("link").symlink_metadata().unwrap().is_file());
    assert_eq!(std::fs::read(layer.join("null")).unwrap(), b"a file");
    assert_eq!(std::fs::read(layer.join("one")).unwrap(), b"1");
}

#[test]
fn whiteouts_become_what_overlayfs_knows() {
    let tar = Tar::new()
        .file("dir/.wh.gone", "")
        .file("opaque/.wh..wh..opq", "")
        .file(".wh..wh.plnk", "aufs")
        .file(".wh.anew", "")
        .dir("anew")
        .dir("late")
        .file(".wh.late", "");
    let (_dir, layer) = unpacked(tar);
    let root = Root::open(&layer).unwrap();
    let gone = root.status(Path::new("dir/gone")).unwrap();
    assert_eq!((gone.kind, gone.device), (FileKind::CharDevice, (0, 0)));
    for name in ["opaque", "anew", "late"] {
        let mark = root.top().xattr(OsStr::new(name), OsStr::new(overlay::OPAQUE)).unwrap();
        assert_eq!(mark.as_deref(), Some(&b"y"[..]), "{name}");
    }
    assert_eq!(root.top().xattr(OsStr::new("dir"), OsStr::new(overlay::OPAQUE)).unwrap(), None);
    assert!(!layer.join(".wh..wh.plnk").exists());
}

#[test]
fn capabilities_and_modes_survive_the_change_of_owner() {
    // cap_net_raw=ep, version 2 of linux/capability.h; its bytes include a newline's neighbours.
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let records: &[(&str, &[u8])] = &[
        ("SCHILY.xattr.security.capability", &capability),
        ("SCHILY.xattr.user.note", b"a\nb"),
        ("SCHILY.xattr.security.selinux", b"a label of the host"),
    ];
    let suid = FileEntry { uid: 1, gid: 2, ..FileEntry::file("suid", 0o6755, "x") };
    let (_dir, layer) = unpacked(
        Tar::new()
            .entry(&suid)
            .pax(records)
            .entry(&FileEntry { uid: 3, ..FileEntry::file("ping", 0o755, "x") }),
    );
    let status = std::fs::metadata(layer.join("suid")).unwrap();
    assert_eq!((status.mode() & 0o7777, status.uid(), status.gid()), (0o6755, 1, 2));
    let top = Dir::open(&layer).unwrap();
    let xattr = |key: &str| top.xattr(OsStr::new("ping"), OsStr::new(key)).unwrap();
    assert_eq!(xattr("security.capability").as_deref(), Some(&capability[..]));
    assert_eq!(xattr("user.note").as_deref(), Some(&b"a\nb"[..]));
}

#[test]
fn links_within_the_layer_are_followed() {
    let (_dir, layer) = unpacked(Tar::new().dir("usr/bin").symlink("bin", "usr/bin").file("bin/tool", "x"));
    assert_eq!(std::fs::read(layer.join("usr/bin/tool")).unwrap(), b"x");
    let (_dir, layer) = unpacked(Tar::new().file("/absolute/./a/../b", "x"));
    assert_eq!(std::fs::read(layer.join("absolute/b")).unwrap(), b"x");
}

#[test]
fn holes_stay_holes() {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_size(3);
    header.set_mode(0o644);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.name[..4].copy_from_slice(b"hole");
    gnu.realsize.copy_from_slice(b"00001000000\0");
    gnu.sparse[0].offset.copy_from_slice(b"00000100000\0");
    gnu.sparse[0].numbytes.copy_from_slice(b"00000000003\0");
    let (_dir, layer) = unpacked(Tar::new().header(header, b"abc"));
    let content = std::fs::read(layer.join("hole")).unwrap();
    assert_eq!((content.len(), &content[32768..32771]), (262_144, &b"abc"[..]));
}

/// A name of a file: short, so that names collide, or longer than a header's field.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![8 => "[a-c]", 2 => "[ -.0-~]{1,20}", 1 => "[a-z]{90,120}"]
        .prop_filter("dots are not names", |name| name != "." && name != ".." && !name.starts_with(".wh."))
}

fn content() -> impl Strategy<Value = FileContent> {
    prop_oneof![
        4 => Just(FileContent::Directory),
        4 => prop::collection::vec(any::<u8>(), 0..2000).prop_map(FileContent::File),
        2 => "[a-z/.]{1,150}".prop_map(|target| FileContent::Symlink(target.into())),
        1 => Just(FileContent::Fifo),
        1 => (1..100_u32, 0..300_u32).prop_map(|(major, minor)| FileContent::CharDevice { major, minor }),
        1 => (1..100_u32, 0..300_u32).prop_map(|(major, minor)| FileContent::BlockDevice { major, minor }),
        2 => Just(FileContent::HardLink(Vec::new())),
    ]
}

prop_compose! {
    fn entry()(
        names in prop::collection::vec(name(), 1..4),
        (mode, uid, gid) in (0..0o10000_u32, 0..70_000_u32, 0..70_000_u32),
        mtime in 0..4_000_000_000_u64,
        content in content(),
    ) -> FileEntry {
        let mode = if matches!(content, FileContent::Symlink(_)) { 0o777 } else { mode };
        FileEntry { path: names.join("/").into(), mode, uid, gid, mtime, content }
    }
}

/// A tree in the order of an archive: parents first, hard links to files that come before them.
fn tree(entries: Vec<FileEntry>) -> Vec<FileEntry> {
    let mut tree = BTreeMap::new();
    tree.insert(Vec::new(), FileEntry::directory("", 0o751));
    for entry in entries {
        let ancestors = entry.path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let ancestors: Vec<_> = ancestors.map(|(at, _)| entry.path[..at].to_vec()).collect();
        for path in ancestors {
            let directory = FileEntry { path: path.clone(), ..FileEntry::directory("", 0o700) };
            let there = tree.entry(path).or_insert_with(|| directory.clone());
            if there.content != FileContent::Directory {
                *there = directory;
            }
        }
        tree.entry(entry.path.clone()).or_insert(entry);
    }
    let mut files: Vec<FileEntry> = Vec::new();
    for mut entry in tree.into_values() {
        if matches!(entry.content, FileContent::HardLink(_)) {
            let first = files.iter().find(|known| matches!(known.content, FileContent::File(_)));
            let Some(first) = first else { continue };
            entry = FileEntry {
                content: FileContent::HardLink(first.path.clone()),
                path: entry.path,
                ..first.clone()
            };
        }
        files.push(entry);
    }
    files
}

/// What is in a directory, by path; of a hard link whichever name comes first is the file.
fn seen(layer: &Path) -> BTreeMap<Vec<u8>, FileEntry> {
    let mut entries = directory_entries(layer).expect("a readable tree");
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries.into_iter().map(|entry| (entry.path.clone(), entry)).collect()
}

/// Follows hard links, so that it does not matter which name is the file.
fn resolved(entries: &BTreeMap<Vec<u8>, FileEntry>) -> BTreeMap<Vec<u8>, FileEntry> {
    let content = |entry: &FileEntry| {
        if let FileContent::HardLink(target) = &entry.content {
            return entries[target].content.clone();
        }
        entry.content.clone()
    };
    let resolve = |(path, entry): (&Vec<u8>, &FileEntry)| {
        (path.clone(), FileEntry { content: content(entry), ..entry.clone() })
    };
    entries.iter().map(resolve).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_unpacked_is_what_was_packed(entries in prop::collection::vec(entry(), 0..30)) {
        let tree = tree(entries);
        let (dir, result) = unpack_here(&layer_archive(&tree).expect("an archive"));
        result.expect("an honest archive");
        let expected = tree.into_iter().map(|entry| (entry.path.clone(), entry)).collect();
        prop_assert_eq!(resolved(&seen(&dir.path().join("layer"))), resolved(&expected));
    }

    #[test]
    fn garbage_never_panics(
        mut archive in Just(Tar::new().dir("a").symlink("l", "/").file(&"n".repeat(200), "x").file("l/b", "c").finish()),
        changes in prop::collection::vec((0..4096_usize, any::<u8>()), 0..6),
        end in 0..6000_usize,
    ) {
        for (at, byte) in changes {
            if let Some(there) = archive.get_mut(at) {
                *there = byte;
            }
        }
        archive.truncate(end);
        let (dir, _result) = unpack_here(&archive);
        prop_assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
