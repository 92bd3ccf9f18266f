//! Contexts, honest and hostile.

use super::*;
use crate::testing::{Tar, images};

#[test]
fn names_of_whiteouts_are_files() {
    let (_dir, images) = images();
    let archive = Tar::new().dir("a").file("a/.wh.b", "x").symlink("out", "/etc").finish();
    let context = images.context(archive.as_slice()).expect("a context");
    assert_eq!(context.root().read(Path::new("a/.wh.b"), 10).expect("a file"), b"x");
    assert_eq!(
        context.root().read(Path::new("out/passwd"), 1 << 20).map_err(|e| e.kind()),
        Err(io::ErrorKind::NotFound)
    );
    assert_eq!(fs::read_dir(&images.unfinished).expect("a directory").count(), 1);
    drop(context);
    assert_eq!(fs::read_dir(&images.unfinished).expect("a directory").count(), 0);
}

#[test]
fn what_leaves_or_is_unknown_is_refused() {
    let (_dir, images) = images();
    for archive in [
        Tar::new().file("../x", "").finish(),
        Tar::new().symlink("out", "/tmp").file("out/x", "").finish(),
        Tar::new().hard_link("x", "../../images.redb").finish(),
    ] {
        assert!(matches!(images.context(archive.as_slice()), Err(ContextError::Unpack(_))));
    }
    let error = images.context(&b"BZh91AY&SY"[..]).expect_err("bzip2");
    assert_eq!(error.to_string(), "archives compressed with bzip2 are not read here: use gzip or zstd");
    assert_eq!(fs::read_dir(&images.unfinished).expect("a directory").count(), 0);
}

#[test]
fn archives_are_known_by_their_content() {
    let plain = Tar::new().file("a", "b").finish();
    assert!(is_archive(plain.as_slice()));
    assert!(is_archive(zstd::encode_all(plain.as_slice(), 1).expect("zstd").as_slice()));
    for other in [&b""[..], b"#!/bin/sh\n", &[0; 4096]] {
        assert!(!is_archive(other));
    }
}
