//! What is saved is loaded again, byte for byte.

use super::*;
use crate::testing::{Tar, docker_archive, images, quiet};
use crate::{ImportOptions, Loaded};

/// Two images that share a layer.
fn two(images: &Images) {
    let shared = Tar::new().file("shared", "1").finish();
    let one = docker_archive(&["app:1", "app:2"], std::slice::from_ref(&shared));
    let two = docker_archive(&["example.org/other"], &[shared, Tar::new().file("own", "2").finish()]);
    for archive in [one, two] {
        images.load(archive.as_slice(), &quiet).expect("an image");
    }
}

fn saved(images: &Images, names: &[&str]) -> Vec<u8> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut archive = Vec::new();
    images.save(&images.select(&names).expect("images"), &mut archive).expect("an archive");
    archive
}

fn files(archive: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().expect("entries");
    entries.map(|entry| entry.expect("an entry").path().expect("a path").display().to_string()).collect()
}

/// Loads an archive elsewhere; gives what was loaded, and the archive of it there.
fn again(archive: &[u8], names: &[&str]) -> (Vec<Loaded>, Vec<u8>) {
    let (_dir, other) = images();
    let loaded = other.load(archive, &quiet).expect("what was saved");
    (loaded, saved(&other, names))
}

#[test]
fn what_is_saved_is_loaded_and_saved_again_the_same() {
    let (_dir, images) = images();
    two(&images);
    let names = ["app", "example.org/other"];
    let archive = saved(&images, &names);
    let (loaded, second) = again(&archive, &names);
    assert_eq!(loaded.len(), 2);
    assert_eq!(loaded[0].image, images.find("app:1").expect("it").id);
    let tags: Vec<_> = loaded[0].names.iter().map(Reference::familiar).collect();
    assert_eq!(tags, ["app:1", "app:2"]);
    assert!(archive == second, "the same images make the same bytes");
    // Each blob once: two configurations, two layers, two manifests.
    assert_eq!(files(&archive).iter().filter(|path| path.len() > "blobs/sha256/".len() + 60).count(), 6);
}

#[test]
fn the_oci_half_alone_is_enough() {
    let (_dir, images) = images();
    two(&images);
    let archive = saved(&images, &["app:1", "example.org/other:latest"]);
    let mut half = tar::Builder::new(Vec::new());
    let mut whole = tar::Archive::new(archive.as_slice());
    for entry in whole.entries().expect("entries") {
        let entry = entry.expect("an entry");
        let path = entry.path().expect("a path").display().to_string();
        if path != "manifest.json" && path != "repositories" {
            half.append(&entry.header().clone(), entry).expect("an entry");
        }
    }
    let half = half.into_inner().expect("an archive");
    let (_, second) = again(&half, &["app:1", "example.org/other"]);
    assert!(archive == second, "names and images are the same");
}

#[test]
fn an_image_without_a_name_is_saved_by_its_id() {
    let (_dir, images) = images();
    let layer = Tar::new().file("a", "1").finish();
    let compressed = zstd::encode_all(layer.as_slice(), 1).expect("zstd");
    let id = images.import(compressed.as_slice(), ImportOptions::default(), &quiet).expect("an image");
    let archive = saved(&images, &[&id.short()]);
    let (loaded, _) = again(&archive, &[&id.to_string()]);
    assert_eq!(loaded, [Loaded { image: id, names: Vec::new() }]);
    assert!(String::from_utf8_lossy(&archive).contains("layer.v1.tar+zstd"));
    let error = images.select(&["nothing".to_owned()]).expect_err("no such image");
    assert_eq!(error.to_string(), "No such image: nothing:latest");
}
