//! What is copied where.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use super::*;

/// Two directories, and their roots.
struct Both {
    dir: tempfile::TempDir,
    from: Root,
    to: Root,
}

impl Both {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let root = |name: &str| {
            fs::create_dir(dir.path().join(name)).expect("a directory");
            Root::open(&dir.path().join(name)).expect("a root")
        };
        Self { from: root("from"), to: root("to"), dir }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn file(&self, path: &str, content: &str) {
        fs::create_dir_all(self.path(path).parent().expect("a parent")).expect("directories");
        fs::write(self.path(path), content).expect("a file");
    }

    fn put(&self, source: &str, destination: &str, attributes: CopyAttributes) {
        let mut copy = TreeCopy::new(&self.from, &self.to, attributes);
        copy.put(Path::new(source), Path::new(destination)).expect("a copy");
    }

    #[track_caller]
    fn holds(&self, path: &str, content: &str) {
        assert_eq!(fs::read_to_string(self.path("to").join(path)).expect(path), content, "{path}");
    }
}

#[test]
fn files_go_into_directories_or_get_names() {
    let both = Both::new();
    both.file("from/d/a", "A");
    let none = CopyAttributes::default();
    both.put("d/a", "/x/y/b", none);
    both.holds("x/y/b", "A");
    both.put("d/a", "/x/y", none);
    both.put("d/a", "new/", none);
    both.holds("x/y/a", "A");
    both.holds("new/a", "A");
    both.put("d", "/all", none);
    both.holds("all/a", "A");
    both.put("/d/../d/./a", "/", none);
    both.holds("a", "A");
}

#[test]
fn links_lead_nowhere_else() {
    let both = Both::new();
    both.file("from/real", "R");
    both.file("outside", "O");
    symlink("real", both.path("from/link")).expect("a link");
    symlink("/../../outside", both.path("from/out")).expect("a link");
    symlink("/real-dir", both.path("to/dir")).expect("a link");
    symlink("../../outside", both.path("to/hole")).expect("a link");
    let none = CopyAttributes::default();
    both.put("link", "/dir/x", none);
    both.holds("real-dir/x", "R");
    let mut copy = TreeCopy::new(&both.from, &both.to, none);
    assert_eq!(
        copy.put(Path::new("out"), Path::new("/y")).map_err(|e| e.kind()),
        Err(io::ErrorKind::NotFound)
    );
    both.put("real", "/hole", none);
    assert_eq!(fs::read_to_string(both.path("outside")).expect("untouched"), "O");
    both.holds("outside", "R");
}

#[test]
fn trees_are_merged() {
    let both = Both::new();
    both.file("from/d/sub/a", "new");
    both.file("from/d/file", "f");
    fs::hard_link(both.path("from/d/file"), both.path("from/d/again")).expect("a link");
    symlink("file", both.path("from/d/link")).expect("a link");
    both.file("to/t/sub/a", "old");
    both.file("to/t/sub/kept", "kept");
    both.file("to/t/file/was-a-directory", "");
    symlink("/elsewhere", both.path("to/t/link")).expect("a link");
    let owner = CopyAttributes { owner: Some((7, 8)), mode: None };
    both.put("d", "/t", owner);
    both.holds("t/sub/a", "new");
    both.holds("t/sub/kept", "kept");
    both.holds("t/file", "f");
    assert_eq!(fs::read_link(both.path("to/t/link")).expect("a link"), Path::new("file"));
    let status = |path: &str| fs::symlink_metadata(both.path(path)).expect(path);
    assert_eq!(status("to/t/again").ino(), status("to/t/file").ino());
    assert_eq!((status("to/t/link").uid(), status("to/t/sub/a").gid()), (7, 8));
    assert_eq!(status("to/t").uid(), 0, "it was there");
    both.put("d", "/fresh/one", owner);
    assert_eq!((status("to/fresh").uid(), status("to/fresh/one").uid()), (7, 7));
}

#[test]
fn checksums_see_what_is_copied() {
    let both = Both::new();
    both.file("from/d/a", "A");
    let owner = CopyAttributes { owner: Some((0, 0)), mode: None };
    let sum = |path: &str| checksum(&both.from, Path::new(path), owner).expect(path);
    let (file, tree) = (sum("d/a"), sum("d"));
    both.file("from/d/a", "A");
    assert_eq!((sum("d/a"), sum("d")), (file, tree), "times do not count");
    both.file("from/d/a", "B");
    assert!(sum("d/a") != file && sum("d") != tree);
    both.file("from/d/a", "A");
    fs::rename(both.path("from/d/a"), both.path("from/d/b")).expect("a new name");
    assert!(sum("d/b") != file && sum("d") != tree);
    fs::rename(both.path("from/d/b"), both.path("from/d/a")).expect("the old name");
    fs::set_permissions(both.path("from/d/a"), Permissions::from_mode(0o755)).expect("a mode");
    assert!(sum("d/a") != file && sum("d") != tree);
}
