use std::path::Path;

use super::*;
use crate::builtin::layer_archive;
use crate::{FileEntry, ImageConfig, image_from_files};

fn quiet(_: Progress) {}

fn images() -> (tempfile::TempDir, Images) {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let images = Images::open(&dir.path().join("data")).expect("a data root");
    (dir, images)
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
    assert_eq!((image.id, image.size()), (loaded[0].image, 2));
    assert_eq!(image.config(), &config);
    let diff = images.layers.diff(image.layers[0].id);
    assert_eq!(std::fs::read(diff.join("bin/sh")).unwrap(), b"#!");
    drop(layer_archive(&files));
    assert!(Path::new(&images.root).exists());
}
