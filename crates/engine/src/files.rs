//! The files the engine writes for a container: hosts, hostname, resolv.conf.
//!
//! They are written in place, never replaced: the container has them mounted. They are
//! written only where they say something else than before, and what somebody in the
//! container wrote there stays. What the engine wrote last is kept beside each, as
//! `NAME.written`; while it is being written, as `NAME.next`.

use std::{
    collections::BTreeSet,
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use runtime::spec::Mount;

use crate::{
    ContainerSpec, ManagedFiles,
    cnm::{
        Model, SandboxId,
        files::{self, HostFile, HostServers, Loopback},
    },
};

const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Where a host that runs systemd-resolved has the servers behind its stub.
const BEHIND_STUB: &str = "/run/systemd/resolve/resolv.conf";

/// The three files below a container's directory.
pub(crate) fn paths(directory: &Path) -> ManagedFiles {
    ManagedFiles {
        resolv_conf: directory.join("resolv.conf"),
        hostname: directory.join("hostname"),
        hosts: directory.join("hosts"),
        log: None,
    }
}

/// Held while files are written: who writes last has the newest model.
static WRITING: Mutex<()> = Mutex::new(());

/// Writes what a sandbox says now. A sandbox that is gone says nothing.
pub(crate) fn write(
    paths: &ManagedFiles,
    model: impl FnOnce() -> Arc<Model>,
    sandbox: &SandboxId,
) -> io::Result<()> {
    let _alone = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let model = &model();
    let Some(known) = model.sandbox(sandbox) else { return Ok(()) };
    let own = fs::read_to_string(RESOLV_CONF).unwrap_or_default();
    let behind = fs::read_to_string(BEHIND_STUB).ok();
    let host = HostServers {
        file: HostFile { path: RESOLV_CONF, text: &own },
        behind_stub: behind.as_deref().map(|text| HostFile { path: BEHIND_STUB, text }),
    };
    let host_hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let hosts = files::hosts(model, sandbox, loopback(), &host_hosts).unwrap_or_default();
    let resolv_conf = files::resolv_conf(model, sandbox, host).unwrap_or_default();
    put(&paths.hostname, &files::hostname(known), Edited::Kept)?;
    put(&paths.hosts, &hosts, Edited::Merged)?;
    put(&paths.resolv_conf, &resolv_conf, Edited::Kept)
}

/// What becomes of a file that somebody else has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edited {
    /// It stays as it is, for ever.
    Kept,
    /// Lines of ours are added and taken away; others stay.
    Merged,
}

/// Makes a file of ours say `text`, if it does not.
fn put(path: &Path, text: &str, edited: Edited) -> io::Result<()> {
    let (written, next) = (beside(path, "written"), beside(path, "next"));
    let (now, last, unfinished) = (read(path)?, read(&written)?, read(&next)?);
    let is_ours = now.is_none() || last.is_none() || now == last || now == unfinished;
    let last = last.unwrap_or_default();
    let wanted = match (&now, edited) {
        (Some(_), Edited::Kept) if !is_ours => return Ok(()),
        (Some(now), Edited::Merged) if !is_ours => merged(now, &last, text),
        _ => text.to_owned(),
    };
    let is_there = now.as_deref() == Some(wanted.as_str());
    if is_there && last == text && unfinished.is_none() {
        return Ok(());
    }
    fs::write(&next, text)?;
    if !is_there {
        overwrite(path, &wanted)?;
    }
    fs::rename(&next, &written)
}

/// `now` without the lines that we no longer want, and with those that we want from now on.
fn merged(now: &str, last: &str, wanted: &str) -> String {
    let (had, wants): (BTreeSet<_>, BTreeSet<_>) = (last.lines().collect(), wanted.lines().collect());
    let kept = now.lines().filter(|line| !had.contains(line) || wants.contains(line));
    let new = wanted.lines().filter(|line| !had.contains(line));
    kept.chain(new).flat_map(|line| [line, "\n"]).collect()
}

/// Writes over what is there, so that who reads meanwhile never finds nothing.
fn overwrite(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// A file's text, if there is one; bytes that are no text count as somebody's edit.
fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Binds the files into the container, unless it has something of its own there.
pub(crate) fn mounts(paths: &ManagedFiles, spec: &ContainerSpec) -> Vec<Mount> {
    let files = [
        (&paths.resolv_conf, "/etc/resolv.conf"),
        (&paths.hostname, "/etc/hostname"),
        (&paths.hosts, "/etc/hosts"),
    ];
    let is_free = |target: &str| !spec.mounts.iter().any(|mount| mount.target == target);
    let files = files.into_iter().filter(|(source, target)| is_free(target) && source.exists());
    files.map(|(source, target): (&PathBuf, &str)| Mount::bind(source, target)).collect()
}

/// A kernel without IPv6 has no `::1` anywhere.
fn loopback() -> Loopback {
    if Path::new("/proc/net/if_inet6").exists() { Loopback::Dual } else { Loopback::V4 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a file says after the engine wants these texts one after the other, with
    /// somebody's edit after the first.
    #[track_caller]
    fn check(edited: Edited, first: &str, edit: Option<&str>, then: &[&str], expected: &str) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        put(&path, first, edited).expect("written");
        if let Some(edit) = edit {
            fs::write(&path, edit).expect("edited");
        }
        for text in then {
            put(&path, text, edited).expect("written");
        }
        assert_eq!(fs::read_to_string(&path).expect("a file"), expected);
    }

    #[test]
    fn what_somebody_wrote_stays() {
        for edited in [Edited::Kept, Edited::Merged] {
            check(edited, "a\n", None, &["b\nc\n", "b\n"], "b\n");
        }
        check(Edited::Kept, "a\n", Some("x\n"), &["b\n", "c\n"], "x\n");
        check(Edited::Kept, "a\n", Some("x\n"), &["b\n", "x\n", "c\n"], "x\n");
        check(Edited::Merged, "a\nb\n", Some("x\na\nb\n"), &["a\nc\n"], "x\na\nc\n");
        check(Edited::Merged, "a\nb\n", Some("x\nb\n"), &["a\nb\nc\n", "a\nb\n"], "x\nb\n");
    }

    #[test]
    fn nothing_is_written_that_is_there() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        put(&path, "a\n", Edited::Kept).expect("written");
        let before = fs::metadata(&path).expect("there").modified().expect("a time");
        put(&path, "a\n", Edited::Kept).expect("nothing to do");
        assert_eq!(fs::metadata(&path).expect("there").modified().expect("a time"), before);
    }

    #[test]
    fn a_write_that_was_cut_short_is_no_edit() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        put(&path, "a\n", Edited::Kept).expect("written");
        fs::write(beside(&path, "next"), "b\n").expect("written");
        fs::write(&path, "b\n").expect("written");
        put(&path, "c\n", Edited::Kept).expect("written");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "c\n");
        assert!(!beside(&path, "next").exists());
    }
}
