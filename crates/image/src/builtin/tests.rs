//! Images made of files.

use super::*;

#[test]
fn a_directory_becomes_entries_parents_first() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("bin")).unwrap();
    fs::write(dir.path().join("bin/sh"), "#!").unwrap();
    fs::hard_link(dir.path().join("bin/sh"), dir.path().join("bin/bash")).unwrap();
    std::os::unix::fs::symlink("bin", dir.path().join("sbin")).unwrap();
    let entries = directory_entries(dir.path()).unwrap();
    let at = |path: &str| entries.iter().position(|entry| entry.path == path.as_bytes()).expect(path);
    assert!(at("") < at("bin") && at("bin") < at("bin/sh"));
    let (first, second) = (at("bin/sh").min(at("bin/bash")), at("bin/sh").max(at("bin/bash")));
    assert_eq!(entries[first].content, FileContent::File(b"#!".to_vec()));
    assert_eq!(entries[second].content, FileContent::HardLink(entries[first].path.clone()));
    assert_eq!(entries[at("sbin")].content, FileContent::Symlink(b"bin".to_vec()));
    assert!(default_image_of_directory(&dir.path().join("absent")).is_err());
}

#[test]
fn every_applet_is_named_once() {
    let mut applets: Vec<_> = APPLETS.split_whitespace().collect();
    let all = applets.len();
    applets.sort_unstable();
    applets.dedup();
    assert_eq!(applets.len(), all);
    assert!(["sh", "wget", "httpd", "ip", "ping", "nslookup"].iter().all(|applet| applets.contains(applet)));
}
