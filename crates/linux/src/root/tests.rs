//! Paths that try to leave.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::*;

fn root() -> (tempfile::TempDir, Root) {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let root = Root::open(dir.path()).expect("a root");
    (dir, root)
}

#[track_caller]
fn errno(result: io::Result<impl std::fmt::Debug>) -> Errno {
    Errno::from_io_error(&result.expect_err("an error")).expect("an errno")
}

#[test]
fn links_stop_at_the_root() {
    let (dir, root) = root();
    root.mkdir(Path::new("etc"), 0o755).unwrap();
    std::fs::write(dir.path().join("etc/passwd"), "inside").unwrap();
    root.symlink(Path::new("/etc"), Path::new("absolute")).unwrap();
    root.symlink(Path::new("../../../../etc"), Path::new("climbing")).unwrap();
    for path in ["etc/passwd", "/etc/passwd", "absolute/passwd", "climbing/passwd", "../../etc/passwd"] {
        assert_eq!(root.read(Path::new(path), 100).unwrap(), b"inside", "{path}");
    }
}

#[test]
fn a_strict_root_refuses_links_that_leave() {
    let (dir, root) = root();
    root.mkdir_all(Path::new("usr/bin"), 0o755).unwrap();
    root.symlink(Path::new("usr/bin"), Path::new("bin")).unwrap();
    root.symlink(Path::new("/usr"), Path::new("absolute")).unwrap();
    root.symlink(Path::new(".."), Path::new("climbing")).unwrap();
    let strict = Root::open_strict(dir.path()).unwrap();
    drop(strict.create_file(Path::new("bin/tool"), 0o755).unwrap());
    assert_eq!(errno(strict.create_file(Path::new("absolute/x"), 0o644)), Errno::XDEV);
    assert_eq!(errno(strict.create_file(Path::new("climbing/x"), 0o644)), Errno::XDEV);
    assert_eq!(errno(strict.mkdir_all(Path::new("climbing/x"), 0o755)), Errno::XDEV);
    assert_eq!(errno(strict.mkdir_all(Path::new("absolute/x"), 0o755)), Errno::XDEV);
    assert!(dir.path().join("usr/bin/tool").exists());
}

#[test]
fn directories_are_made_where_links_lead() {
    let (dir, root) = root();
    root.mkdir(Path::new("var"), 0o755).unwrap();
    root.symlink(Path::new("/run"), Path::new("var/run")).unwrap();
    let made = root.mkdir_all(Path::new("/var/run/../run/lock"), 0o700).unwrap();
    assert_eq!(made, PathBuf::from("run/lock"));
    assert!(dir.path().join("run/lock").is_dir());
    root.symlink(Path::new("loop"), Path::new("loop")).unwrap();
    assert_eq!(errno(root.mkdir_all(Path::new("loop/x"), 0o755)), Errno::LOOP);
}

#[test]
fn only_regular_files_are_read() {
    let (_dir, root) = root();
    root.mknod(Path::new("fifo"), Node::Fifo, 0o644).unwrap();
    root.mkdir(Path::new("dir"), 0o755).unwrap();
    assert_eq!(errno(root.read(Path::new("fifo"), 10)), Errno::INVAL);
    assert_eq!(errno(root.read(Path::new("dir"), 10)), Errno::ISDIR);
    assert_eq!(errno(root.read(Path::new("absent"), 10)), Errno::NOENT);
    std::fs::write(_dir.path().join("long"), [0; 11]).unwrap();
    assert_eq!(errno(root.read(Path::new("long"), 10)), Errno::FBIG);
}

#[test]
fn what_is_set_on_a_link_is_not_set_on_its_target() {
    let (dir, root) = root();
    drop(root.create_file(Path::new("target"), 0o600).unwrap());
    root.symlink(Path::new("target"), Path::new("link")).unwrap();
    root.chown(Path::new("link"), 7, 8).unwrap();
    root.set_times(Path::new("link"), Times { accessed: (1, 2), modified: (3, 4) }).unwrap();
    root.set_xattr(Path::new("link"), OsStr::new("trusted.test"), b"x").unwrap();
    let (link, target) = (root.status(Path::new("link")).unwrap(), root.status(Path::new("target")).unwrap());
    assert_eq!((link.uid, link.gid, link.mtime), (7, 8, (3, 4)));
    assert_eq!((target.uid, target.gid), (0, 0));
    assert_eq!(root.top().xattrs(OsStr::new("target")).unwrap(), Vec::<OsString>::new());
    assert_eq!(root.top().xattr(OsStr::new("link"), OsStr::new("trusted.test")).unwrap().unwrap(), b"x");
    assert_eq!(errno(root.chmod(Path::new("link"), 0o777)), Errno::OPNOTSUPP);
    drop(dir);
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    let (_dir, root) = root();
    drop(root.create_file(Path::new("file"), 0o6777).unwrap());
    root.mkdir(Path::new("dir"), 0o1777).unwrap();
    root.mknod(Path::new("null"), Node::CharDevice { major: 1, minor: 3 }, 0o666).unwrap();
    for (path, mode) in [("file", 0o6777), ("dir", 0o1777), ("null", 0o666)] {
        assert_eq!(root.status(Path::new(path)).unwrap().mode, mode, "{path}");
    }
    assert_eq!(root.status(Path::new("null")).unwrap().device, (1, 3));
}

#[test]
fn a_name_is_not_a_path() {
    let (_dir, root) = root();
    for name in ["", ".", "..", "a/b", "/"] {
        assert_eq!(errno(root.top().mkdir(OsStr::new(name), 0o755)), Errno::INVAL, "{name}");
    }
    for path in ["", "/", ".", "a/.."] {
        assert_eq!(errno(root.mkdir(Path::new(path), 0o755)), Errno::INVAL, "{path}");
    }
}

#[test]
fn a_tree_deeper_than_the_descriptor_limit_is_removed() {
    let (dir, root) = root();
    let mut here = root.dir(Path::new("")).unwrap();
    let long = OsStr::from_bytes(&[b'n'; 100]).to_owned();
    for _ in 0..3000 {
        here.mkdir(&long, 0o755).unwrap();
        drop(here.create_file(OsStr::new("file"), 0o644).unwrap());
        here = here.dir(&long).unwrap();
    }
    root.remove_all(Path::new(&long)).unwrap();
    root.remove_all(Path::new("file")).unwrap();
    root.remove_all(Path::new("absent/below")).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
