//! The driver `local`: a directory, or what mount(8) would mount there.

use std::{
    collections::BTreeMap,
    fs, io,
    net::ToSocketAddrs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use linux::{
    mount::{Classic, MountError, is_mount_point, unmount_lazily},
    quota::{self, QuotaError},
};
use thiserror::Error;

use super::{VolumeRecord, ignore_missing, remove_tree, unless_missing};

/// Where in its directory a volume's data lies.
pub(crate) const DATA: &str = "_data";
/// Where its kept states lie.
pub(crate) const SNAPSHOTS: &str = "snapshots";
/// Data that is not complete yet.
pub(crate) const INCOMPLETE: &str = "incomplete";
/// Is there while a volume is made or removed.
const UNFINISHED: &str = "unfinished";

/// What the options ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// What is mounted while somebody uses the volume; nothing for a plain directory.
    pub(crate) mount: Option<Classic>,
    /// Most bytes of the directory.
    pub(crate) size: Option<u64>,
    /// Owner, group and permission bits of a new directory.
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) mode: Option<u32>,
}

/// Why options make no sense. Docker's words where it has the option.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OptionError {
    #[error("invalid option: {option:?}")]
    Unknown { option: String },
    #[error("missing required option: {option:?}")]
    Missing { option: &'static str },
    #[error("invalid size: '{text}'")]
    Size { text: String },
    #[error("invalid value {value:?} of option {option:?}")]
    Value { option: String, value: String },
    #[error("option {option:?} is for plain directories: with a type, say it in \"o\"")]
    WithType { option: &'static str },
    #[error("a volume of type {kind} needs \"addr=SERVER\" in its option \"o\"")]
    NoServer { kind: String },
    #[error("the device of a bind must be an absolute path: {device:?}")]
    Relative { device: String },
}

impl Options {
    /// Reads what Docker's driver knows (`type`, `o`, `device`, `size`), and `uid`, `gid`, `mode`.
    pub(crate) fn parse(options: &BTreeMap<String, String>) -> Result<Self, OptionError> {
        let mut parsed = Self::default();
        for (option, value) in options {
            let invalid = || OptionError::Value { option: option.clone(), value: value.clone() };
            match option.as_str() {
                "type" | "o" | "device" => {}
                "size" => {
                    let size = crate::log_options::size(value);
                    parsed.size = Some(size.ok_or_else(|| OptionError::Size { text: value.clone() })?);
                }
                "uid" => parsed.uid = Some(value.parse().map_err(|_| invalid())?),
                "gid" => parsed.gid = Some(value.parse().map_err(|_| invalid())?),
                "mode" => {
                    let bits = u32::from_str_radix(value, 8).ok().filter(|bits| *bits <= 0o7777);
                    parsed.mode = Some(bits.ok_or_else(invalid)?);
                }
                _ => return Err(OptionError::Unknown { option: option.clone() }),
            }
        }
        parsed.mount = classic(options)?;
        if parsed.mount.is_some() {
            let own = [
                ("size", parsed.size.is_some()),
                ("uid", parsed.uid.is_some()),
                ("gid", parsed.gid.is_some()),
                ("mode", parsed.mode.is_some()),
            ];
            if let Some((option, _)) = own.into_iter().find(|(_, is_given)| *is_given) {
                return Err(OptionError::WithType { option });
            }
        }
        Ok(parsed)
    }
}

fn classic(options: &BTreeMap<String, String>) -> Result<Option<Classic>, OptionError> {
    let text = |option: &str| options.get(option).cloned().unwrap_or_default();
    let is_given = |option: &str| options.contains_key(option);
    // Docker's order: "device" needs "type", "type" needs "device", "o" both.
    for (given, option) in [("device", "type"), ("type", "device"), ("o", "device"), ("o", "type")] {
        if is_given(given) && !is_given(option) {
            return Err(OptionError::Missing { option });
        }
    }
    if !is_given("type") {
        return Ok(None);
    }
    let classic = Classic { kind: text("type"), device: text("device"), options: text("o") };
    let mut words = classic.options.split(',');
    if words.clone().any(|word| word == "bind" || word == "rbind") && !classic.device.starts_with('/') {
        return Err(OptionError::Relative { device: classic.device });
    }
    let needs_server = matches!(classic.kind.as_str(), "nfs" | "nfs4");
    if needs_server && !words.any(|word| word.strip_prefix("addr=").is_some_and(|addr| !addr.is_empty())) {
        return Err(OptionError::NoServer { kind: classic.kind });
    }
    Ok(Some(classic))
}

/// Why a volume was not made, mounted or removed.
#[derive(Debug, Error)]
pub enum LocalError {
    #[error("cannot {step} {}", path.display())]
    Io {
        step: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("quota size requested but no quota support")]
    Quota(#[source] QuotaError),
    #[error("failed to mount local volume")]
    Mount(#[source] MountError),
    #[error("failed to mount local volume: error resolving passed in network volume address {address:?}")]
    Server {
        address: String,
        #[source]
        source: io::Error,
    },
}

/// Makes a volume's directories. It counts as unfinished until [`finish`].
pub(crate) fn make(directory: &Path, options: &Options) -> Result<(), LocalError> {
    let failed = |step| move |source| LocalError::Io { step, path: directory.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o711).create(directory).map_err(failed("make"))?;
    fs::write(directory.join(UNFINISHED), "").map_err(failed("write to"))?;
    let data = directory.join(DATA);
    make_data(&data, options)
}

/// Makes a directory for data, with owner, mode and limit.
pub(crate) fn make_data(data: &Path, options: &Options) -> Result<(), LocalError> {
    let failed = |step| move |source| LocalError::Io { step, path: data.to_owned(), source };
    fs::create_dir(data).map_err(failed("make"))?;
    let Options { mount: _, size, uid, gid, mode } = options;
    if let Some(bytes) = size {
        quota::limit(data, *bytes).map_err(LocalError::Quota)?;
    }
    std::os::unix::fs::chown(data, *uid, *gid).map_err(failed("change the owner of"))?;
    let mode = fs::Permissions::from_mode(mode.unwrap_or(0o755));
    fs::set_permissions(data, mode).map_err(failed("change the mode of"))
}

/// Says that a volume is whole: its record is kept.
pub(crate) fn finish(directory: &Path) -> io::Result<()> {
    ignore_missing(fs::remove_file(directory.join(UNFINISHED)))
}

/// Says that a volume is about to go: from now on it goes even if nobody finishes that.
pub(crate) fn condemn(directory: &Path) -> io::Result<()> {
    ignore_missing(fs::write(directory.join(UNFINISHED), ""))
}

/// Removes all of a volume. What is mounted there is unmounted, not removed.
pub(crate) fn remove(directory: &Path) -> Result<(), LocalError> {
    let failed = |source| LocalError::Io { step: "remove", path: directory.to_owned(), source };
    let data = directory.join(DATA);
    unmount_lazily(&data).map_err(LocalError::Mount)?;
    // A limit that is left does no harm: its number is not used again.
    let _no_quota = [&data, &directory.join(INCOMPLETE)].map(|path| quota::forget(path));
    remove_tree(directory).map_err(failed)
}

/// Removes what was not finished, of a volume or in one.
pub(super) fn put_in_order(directory: &Path, record: Option<&VolumeRecord>) -> io::Result<()> {
    if directory.join(UNFINISHED).exists() {
        if record.is_some() {
            return finish(directory);
        }
        return remove(directory).map_err(|error| io::Error::other(crate::chain(&error)));
    }
    remove_tree(&directory.join(INCOMPLETE))?;
    let Some(record) = record else { return Ok(()) };
    let kept = unless_missing(fs::read_dir(directory.join(SNAPSHOTS)))?;
    for entry in kept.into_iter().flatten() {
        let entry = entry?;
        if !record.snapshots.values().any(|snapshot| entry.file_name() == *snapshot.id) {
            remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

/// Puts new data in the place of the old in one step, and removes the old.
pub(crate) fn exchange(data: &Path, new: &Path) -> Result<(), LocalError> {
    let failed = |step| move |source| LocalError::Io { step, path: data.to_owned(), source };
    linux::root::exchange(data, new).map_err(failed("replace"))?;
    let _no_quota = quota::forget(new);
    remove_tree(new).map_err(failed("remove what was in"))
}

/// Mounts what the options say, unless it is.
pub(crate) fn mount(data: &Path, options: &Options) -> Result<(), LocalError> {
    let Some(classic) = &options.mount else { return Ok(()) };
    let failed = |source| LocalError::Io { step: "look at", path: data.to_owned(), source };
    if is_mount_point(data).map_err(failed)? {
        return Ok(());
    }
    let classic = Classic { options: resolved(&classic.options)?, ..classic.clone() };
    classic.mount(data).map_err(LocalError::Mount)
}

/// Unmounts it, if it is mounted.
pub(crate) fn unmount(data: &Path) -> Result<(), LocalError> {
    unmount_lazily(data).map_err(LocalError::Mount)
}

/// The kernel takes the server of a network file system by its address only.
fn resolved(options: &str) -> Result<String, LocalError> {
    let word = |word: &str| {
        let Some(name) = word.strip_prefix("addr=") else { return Ok(word.to_owned()) };
        let failed = |source| LocalError::Server { address: name.to_owned(), source };
        let mut found = (name, 0).to_socket_addrs().map_err(failed)?;
        Ok(found.next().map_or_else(|| word.to_owned(), |address| format!("addr={}", address.ip())))
    };
    let words: Result<Vec<String>, LocalError> = options.split(',').map(word).collect();
    Ok(words?.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(options: &[(&str, &str)], expected: Result<Options, &str>) {
        let given = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let read = Options::parse(&given).map_err(|error| error.to_string());
        assert_eq!(read, expected.map_err(str::to_owned), "{options:?}");
    }

    #[test]
    fn options_are_dockers_and_ours() {
        check(&[], Ok(Options::default()));
        let classic = Classic {
            kind: "tmpfs".to_owned(),
            device: "tmpfs".to_owned(),
            options: "size=1m,uid=1000".to_owned(),
        };
        check(
            &[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m,uid=1000")],
            Ok(Options { mount: Some(classic), ..Options::default() }),
        );
        check(
            &[("size", "10m"), ("uid", "7"), ("gid", "8"), ("mode", "0750")],
            Ok(Options {
                size: Some(10 << 20),
                uid: Some(7),
                gid: Some(8),
                mode: Some(0o750),
                ..Options::default()
            }),
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        check(&[("fast", "yes")], Err("invalid option: \"fast\""));
        check(&[("type", "tmpfs")], Err("missing required option: \"device\""));
        check(&[("device", "tmpfs")], Err("missing required option: \"type\""));
        check(&[("o", "ro")], Err("missing required option: \"device\""));
        check(&[("size", "lots")], Err("invalid size: 'lots'"));
        check(&[("uid", "root")], Err("invalid value \"root\" of option \"uid\""));
        check(&[("mode", "9")], Err("invalid value \"9\" of option \"mode\""));
        check(
            &[("type", "tmpfs"), ("device", "x"), ("size", "1m")],
            Err("option \"size\" is for plain directories: with a type, say it in \"o\""),
        );
        check(
            &[("type", "nfs"), ("device", ":/srv"), ("o", "ro")],
            Err("a volume of type nfs needs \"addr=SERVER\" in its option \"o\""),
        );
        check(
            &[("type", "none"), ("device", "srv"), ("o", "bind")],
            Err("the device of a bind must be an absolute path: \"srv\""),
        );
    }

    #[test]
    fn a_volume_is_whole_or_not_there() {
        let parent = tempfile::tempdir().expect("a directory");
        let directory = parent.path().join("id");
        make(&directory, &Options { mode: Some(0o1777), ..Options::default() }).expect("made");
        let mode = fs::metadata(directory.join(DATA)).expect("there").permissions().mode();
        assert_eq!(mode & 0o7777, 0o1777);
        let record = VolumeRecord::new(Some("data"));
        put_in_order(&directory, Some(&record)).expect("in order");
        put_in_order(&directory, None).expect("in order");
        assert!(directory.join(DATA).exists(), "a finished one is never a stray");
        condemn(&directory).expect("condemned");
        put_in_order(&directory, None).expect("in order");
        assert!(!directory.exists());
    }
}
