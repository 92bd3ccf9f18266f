//! Images made of the host's own programs.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};
use image::FileEntry;

/// Debian's static busybox, with curl: busybox cannot look names up without the
/// libraries that it is not linked with.
///
/// # Errors
/// If one of the two is not installed.
pub fn busybox(name: &str) -> Result<Vec<u8>> {
    let busybox = fs::read("/bin/busybox").context("busybox-static is not installed")?;
    let files = program(Path::new("/usr/bin/curl"))?;
    Ok(image::default_image_with(name, &busybox, files)?)
}

/// A program of the host with the libraries it is linked with, each at its place.
fn program(path: &Path) -> Result<Vec<FileEntry>> {
    let listed = Command::new("ldd").arg(path).output().context("ldd is not installed")?;
    let listed = String::from_utf8(listed.stdout)?;
    let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
    let paths: Vec<&str> = libraries.chain(path.to_str()).collect();
    let mut files: Vec<FileEntry> = Vec::new();
    for path in paths {
        let inside = path.trim_start_matches('/');
        for (end, _) in inside.match_indices('/') {
            let parent = FileEntry::directory(&inside[..end], 0o755);
            if !PRESENT.contains(&&inside[..end]) && !files.contains(&parent) {
                files.push(parent);
            }
        }
        // `usr/bin` is a link to `bin` in the image.
        let inside = inside.strip_prefix("usr/bin/").map_or(inside.to_owned(), |name| format!("bin/{name}"));
        files.push(FileEntry::file(&inside, 0o755, fs::read(path).with_context(|| path.to_owned())?));
    }
    Ok(files)
}

/// Directories that the default image has already.
const PRESENT: [&str; 4] = ["bin", "usr", "usr/bin", "etc"];
