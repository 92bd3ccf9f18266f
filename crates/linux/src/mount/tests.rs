//! Mounts in a mount table of the test.

use std::path::{Path, PathBuf};

use super::table::parse;
use super::*;
use crate::netns::leave_host;

/// Runs `f` with a mount table of its own and a scratch directory in it.
fn in_scratch(f: impl FnOnce(&Path) + Send) {
    let dir = tempfile::tempdir().expect("a scratch directory");
    std::thread::scope(|scope| {
        let run = || {
            leave_host().expect("a mount table of our own");
            f(dir.path());
        };
        scope.spawn(run).join().expect("the test");
    });
}

#[track_caller]
fn check(line: &str, target: &str, propagation: &[&str], kind: &str, super_options: &str) {
    let parsed = parse(line.as_bytes()).expect("a mount");
    assert_eq!(parsed.target, PathBuf::from(target));
    assert_eq!(parsed.propagation, propagation);
    assert_eq!((parsed.kind.as_str(), parsed.super_options.as_str()), (kind, super_options));
}

#[test]
fn lines_of_the_table_are_understood() {
    check("36 35 98:0 / /mnt2 rw,noatime master:1 - ext3 /dev/root rw", "/mnt2", &["master:1"], "ext3", "rw");
    check("1 1 0:2 / /a\\040b\\134c rw - tmpfs none rw,size=1k", "/a b\\c", &[], "tmpfs", "rw,size=1k");
    check("1 1 0:2 /x / rw shared:1 master:2 - overlay  rw", "/", &["shared:1", "master:2"], "overlay", "rw");
    for bad in ["", "1", "1 1 x / / rw - a b c", "1 1 0:2 / / rw shared:1"] {
        assert_eq!(parse(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn a_tmpfs_appears_and_goes() {
    in_scratch(|dir| {
        assert!(!is_mount_point(dir).unwrap());
        tmpfs(dir, Some(1 << 20), 0o700, Attributes { no_exec: true, ..Attributes::default() }).unwrap();
        let found = mount_points().unwrap().into_iter().find(|mount| mount.target == dir).expect("the mount");
        assert_eq!(found.kind, "tmpfs");
        assert!(found.options.contains("noexec"), "{}", found.options);
        assert!(is_mount_point(dir).unwrap());
        unmount_lazily(dir).unwrap();
        unmount_lazily(dir).unwrap();
        assert!(!is_mount_point(dir).unwrap());
    });
}

#[test]
fn read_only_reaches_the_mounts_below() {
    in_scratch(|dir| {
        let (source, target) = (dir.join("source"), dir.join("target"));
        std::fs::create_dir_all(source.join("below")).unwrap();
        std::fs::create_dir(&target).unwrap();
        tmpfs(&source.join("below"), None, 0o755, Attributes::default()).unwrap();
        let options = BindOptions {
            reach: Reach::AllBelow,
            attributes: Attributes::READ_ONLY,
            propagation: Some(Propagation::Slave),
        };
        bind(&source, &target, options).unwrap();
        let refused = std::fs::write(target.join("below/file"), "").expect_err("read-only");
        assert_eq!(refused.kind(), io::ErrorKind::ReadOnlyFilesystem);
        std::fs::write(source.join("below/file"), "").expect("the source is as it was");
        assert!(target.join("below/file").exists());
    });
}

#[test]
fn propagation_is_what_was_asked_for() {
    in_scratch(|dir| {
        tmpfs(dir, None, 0o755, Attributes::default()).unwrap();
        let tags = || mount_points().unwrap().into_iter().find(|m| m.target == dir).unwrap().propagation;
        assert_eq!(tags(), Vec::<String>::new());
        set_propagation(dir, Propagation::Shared, Reach::ThisMount).unwrap();
        assert!(tags()[0].starts_with("shared:"), "{:?}", tags());
        set_propagation(dir, Propagation::Private, Reach::ThisMount).unwrap();
        assert_eq!(tags(), Vec::<String>::new());
    });
}

#[test]
fn a_failed_mount_says_what_and_why() {
    in_scratch(|dir| {
        let error = FileSystem::new("nosuchfs").expect_err("unknown");
        assert_eq!(error.to_string(), "cannot open the file system nosuchfs");
        let tmpfs = FileSystem::new("tmpfs").unwrap();
        let error = tmpfs.set("size", "banana").expect_err("not a size");
        assert!(error.to_string().starts_with("cannot set size of tmpfs ("), "{error}");
        let error = Tree::copy(&dir.join("absent"), Reach::ThisMount).expect_err("nothing there");
        assert_eq!(error.errno(), Some(libc::ENOENT));
    });
}
