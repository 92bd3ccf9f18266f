//! Archives for tests: honest ones, and what nobody honest would write.

use std::path::Path;

use tar::{Builder, EntryType, Header};

use crate::builtin::append;
use crate::tape::pax;
use crate::{Digest, FileContent, FileEntry, Images, LayerId, Progress};

/// A layer's archive that is being written.
pub(crate) struct Tar(Builder<Vec<u8>>);

impl Tar {
    pub(crate) fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    pub(crate) fn dir(self, path: &str) -> Self {
        self.entry(&FileEntry::directory(path, 0o755))
    }

    pub(crate) fn file(self, path: &str, content: &str) -> Self {
        self.entry(&FileEntry::file(path, 0o644, content))
    }

    pub(crate) fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(&FileEntry::symlink(path, target))
    }

    pub(crate) fn hard_link(self, path: &str, target: &str) -> Self {
        let content = FileContent::HardLink(target.into());
        self.entry(&FileEntry { content, ..FileEntry::file(path, 0o644, "") })
    }

    pub(crate) fn entry(mut self, entry: &FileEntry) -> Self {
        append(&mut self.0, entry).expect("a vector takes everything");
        self
    }

    /// Records for the next entry.
    pub(crate) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let text: Vec<u8> =
            records.iter().flat_map(|(key, value)| pax::record(key.as_bytes(), value)).collect();
        self.raw(EntryType::XHeader, text.len() as u64, &text)
    }

    /// A header of this type that claims this size, and some content.
    pub(crate) fn raw(self, kind: EntryType, size: u64, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(size);
        self.header(header, content)
    }

    pub(crate) fn header(mut self, mut header: Header, content: &[u8]) -> Self {
        header.set_cksum();
        self.0.append(&header, content).expect("a vector takes everything");
        self
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0.into_inner().expect("a vector takes everything")
    }
}

pub(crate) fn quiet(_: Progress) {}

/// A data root in a scratch directory.
pub(crate) fn images() -> (tempfile::TempDir, Images) {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let images = Images::open(&dir.path().join("data")).expect("a data root");
    (dir, images)
}

/// Files of an outer archive: paths and contents.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let tar = files
        .iter()
        .fold(Tar::new(), |tar, (path, content)| tar.entry(&FileEntry::file(path, 0o644, *content)));
    tar.finish()
}

/// A configuration for these layers.
pub(crate) fn document(layers: &[Vec<u8>]) -> Vec<u8> {
    let diff_ids: Vec<_> = layers.iter().map(|layer| LayerId(Digest::of(layer))).collect();
    let document = serde_json::json!({
        "architecture": crate::host_architecture(), "os": "linux", "config": { "Cmd": ["sh"] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": [{ "created_by": "a test" }, { "created_by": "ENV", "empty_layer": true }],
    });
    document.to_string().into_bytes()
}

/// A `docker save` archive of one image with these layers.
pub(crate) fn docker_archive(names: &[&str], layers: &[Vec<u8>]) -> Vec<u8> {
    let config = document(layers);
    let paths: Vec<_> = (0..layers.len()).map(|n| format!("{n}/layer.tar")).collect();
    let manifest = serde_json::json!([{ "Config": "config.json", "RepoTags": names, "Layers": paths }]);
    let manifest = manifest.to_string().into_bytes();
    let mut files: Vec<(&str, &[u8])> = vec![("config.json", &config), ("manifest.json", &manifest)];
    files.extend(paths.iter().map(String::as_str).zip(layers.iter().map(Vec::as_slice)));
    archive(&files)
}

/// How many things there are below a directory, itself not counted.
pub(crate) fn count(dir: &Path) -> usize {
    std::fs::read_dir(dir).expect("a directory").count()
}

/// Runs `f` on a thread with a mount table of its own, which ends with it.
pub(crate) fn in_own_mounts(f: impl FnOnce() + Send) {
    let run = || {
        linux::netns::leave_host().expect("a mount table of our own");
        f();
    };
    let panicked = std::thread::scope(|scope| scope.spawn(run).join());
    panicked.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}
