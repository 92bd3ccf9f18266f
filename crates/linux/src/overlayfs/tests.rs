//! Overlays of few and of many layers.

use std::path::Path;

use super::*;
use crate::mount;
use crate::netns::leave_host;

/// Runs `f` with a mount table of its own and a scratch directory in it.
fn in_scratch(f: impl FnOnce(&Path) + Send) {
    let dir = tempfile::tempdir().expect("a scratch directory");
    std::thread::scope(|scope| {
        let run = || {
            leave_host().expect("a mount table of our own");
            mount::tmpfs(dir.path(), None, 0o755, Attributes::default()).expect("a tmpfs");
            f(dir.path());
            mount::unmount_lazily(dir.path()).expect("unmount");
        };
        scope.spawn(run).join().expect("the test");
    });
}

/// Makes `layers` directories, each with a file of its own and one that all have.
fn overlay(dir: &Path, layers: usize) -> (Overlay, PathBuf) {
    let make = |name: &str| {
        let path = dir.join(name);
        std::fs::create_dir_all(&path).expect("a directory");
        path
    };
    let lower: Vec<_> = (0..layers).map(|n| make(&format!("{n}/{}", "d".repeat(60)))).collect();
    for (n, path) in lower.iter().enumerate() {
        std::fs::write(path.join(format!("only-{n}")), "").expect("a file");
        std::fs::write(path.join("all"), n.to_string()).expect("a file");
    }
    (Overlay { lower, upper: make("upper"), work: make("work") }, make("merged"))
}

#[track_caller]
fn check_joined(overlay: &Overlay, merged: &Path) {
    assert_eq!(std::fs::read_to_string(merged.join("all")).unwrap(), "0", "the first layer is on top");
    for n in 0..overlay.lower.len() {
        assert!(merged.join(format!("only-{n}")).exists(), "layer {n}");
    }
    std::fs::write(merged.join("new"), "").unwrap();
    assert!(overlay.upper.join("new").exists());
}

#[test]
fn hundreds_of_layers_are_joined() {
    in_scratch(|dir| {
        let (overlay, merged) = overlay(dir, 400);
        overlay.mount(&merged).unwrap();
        check_joined(&overlay, &merged);
    });
}

#[test]
fn kernels_without_lowerdir_plus_join_them_too() {
    in_scratch(|dir| {
        let (overlay, merged) = overlay(dir, 400);
        overlay.mount_by_string(&merged).unwrap();
        check_joined(&overlay, &merged);
    });
}

#[test]
fn kernels_without_lowerdir_plus_show_the_directories_in_the_mount_table() {
    in_scratch(|dir| {
        let (overlay, merged) = overlay(dir, 3);
        overlay.mount_by_string(&merged).unwrap();
        let table = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        let shown = table.lines().find(|line| line.contains(merged.to_str().unwrap())).expect("the mount");
        for path in overlay.lower.iter().chain([&overlay.upper, &overlay.work]) {
            assert!(shown.contains(path.to_str().unwrap()), "{shown} does not name {}", path.display());
        }
    });
}

#[test]
fn no_name_of_a_directory_is_too_long_or_too_odd() {
    in_scratch(|dir| {
        for name in ["a:b,c\\d e", &"x".repeat(250)] {
            let base = dir.join(name);
            std::fs::create_dir(&base).unwrap();
            let (overlay, merged) = overlay(&base, 3);
            overlay.mount(&merged).unwrap();
            check_joined(&overlay, &merged);
            mount::unmount_lazily(&merged).unwrap();
            std::fs::remove_file(overlay.upper.join("new")).unwrap();
            overlay.mount_by_string(&merged).unwrap();
            check_joined(&overlay, &merged);
        }
    });
}

#[test]
fn an_upper_directory_on_an_overlay_is_refused() {
    in_scratch(|dir| {
        let (first, merged) = overlay(dir, 1);
        first.mount(&merged).unwrap();
        let (second, target) = overlay(&merged, 1);
        let error = second.mount(&target).expect_err("refused");
        assert!(matches!(error, OverlayError::UpperOnOverlay { .. }), "{error}");
        let none = Overlay { lower: Vec::new(), ..first };
        assert!(matches!(none.mount(&target), Err(OverlayError::NoLayer)));
    });
}
