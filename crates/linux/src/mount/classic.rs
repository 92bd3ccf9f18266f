//! mount(2) with the words of mount(8), for file systems whose options only their users know.

use std::ffi::CString;
use std::io;
use std::path::Path;

use rustix::mount::{MountFlags, MountPropagationFlags};

use super::MountError;

/// Words of `-o` that are flags of mount(2), and whether they set or clear them.
const FLAGS: [(&str, MountFlags, bool); 22] = [
    ("defaults", MountFlags::empty(), true),
    ("ro", MountFlags::RDONLY, true),
    ("rw", MountFlags::RDONLY, false),
    ("nosuid", MountFlags::NOSUID, true),
    ("suid", MountFlags::NOSUID, false),
    ("nodev", MountFlags::NODEV, true),
    ("dev", MountFlags::NODEV, false),
    ("noexec", MountFlags::NOEXEC, true),
    ("exec", MountFlags::NOEXEC, false),
    ("sync", MountFlags::SYNCHRONOUS, true),
    ("async", MountFlags::SYNCHRONOUS, false),
    ("dirsync", MountFlags::DIRSYNC, true),
    ("mand", MountFlags::PERMIT_MANDATORY_FILE_LOCKING, true),
    ("nomand", MountFlags::PERMIT_MANDATORY_FILE_LOCKING, false),
    ("noatime", MountFlags::NOATIME, true),
    ("atime", MountFlags::NOATIME, false),
    ("nodiratime", MountFlags::NODIRATIME, true),
    ("diratime", MountFlags::NODIRATIME, false),
    ("relatime", MountFlags::RELATIME, true),
    ("norelatime", MountFlags::RELATIME, false),
    ("strictatime", MountFlags::STRICTATIME, true),
    ("nostrictatime", MountFlags::STRICTATIME, false),
];

/// Words of `-o` that say how mounts spread.
const PROPAGATION: [(&str, MountPropagationFlags); 8] = [
    ("private", MountPropagationFlags::PRIVATE),
    ("rprivate", MountPropagationFlags::PRIVATE.union(MountPropagationFlags::REC)),
    ("shared", MountPropagationFlags::SHARED),
    ("rshared", MountPropagationFlags::SHARED.union(MountPropagationFlags::REC)),
    ("slave", MountPropagationFlags::DOWNSTREAM),
    ("rslave", MountPropagationFlags::DOWNSTREAM.union(MountPropagationFlags::REC)),
    ("unbindable", MountPropagationFlags::UNBINDABLE),
    ("runbindable", MountPropagationFlags::UNBINDABLE.union(MountPropagationFlags::REC)),
];

/// What `mount -t KIND -o OPTIONS DEVICE TARGET` mounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classic {
    pub kind: String,
    pub device: String,
    /// With commas.
    pub options: String,
}

/// The options, sorted by who understands them.
struct Words<'a> {
    flags: MountFlags,
    bind: Option<bool>,
    propagation: Vec<MountPropagationFlags>,
    /// The file system's own.
    data: Vec<&'a str>,
}

impl Classic {
    /// Mounts it.
    pub fn mount(&self, target: &Path) -> Result<(), MountError> {
        let Self { kind, device, options } = self;
        let words = words(options);
        let failed = |source| {
            let step = format!("mount {device}:{}, data: {}", target.display(), words.data.join(","));
            MountError::new(step, source)
        };
        match words.bind {
            Some(recursive) => bind(device, target, recursive, words.flags).map_err(failed)?,
            None => {
                let data = CString::new(words.data.join(",")).map_err(|error| failed(error.into()))?;
                let data = Some(data.as_c_str()).filter(|data| !data.is_empty());
                rustix::mount::mount(device, target, kind, words.flags, data)
                    .map_err(|errno| failed(errno.into()))?;
            }
        }
        for propagation in words.propagation {
            rustix::mount::mount_change(target, propagation).map_err(|errno| failed(errno.into()))?;
        }
        Ok(())
    }
}

/// A bind mount takes its flags in a second step.
fn bind(source: &str, target: &Path, recursive: bool, flags: MountFlags) -> io::Result<()> {
    if recursive {
        rustix::mount::mount_bind_recursive(source, target)?;
    } else {
        rustix::mount::mount_bind(source, target)?;
    }
    if !flags.is_empty() {
        rustix::mount::mount_remount(target, flags | MountFlags::BIND, c"")?;
    }
    Ok(())
}

fn words(options: &str) -> Words<'_> {
    let mut words =
        Words { flags: MountFlags::empty(), bind: None, propagation: Vec::new(), data: Vec::new() };
    for word in options.split(',').filter(|word| !word.is_empty()) {
        if let Some((_, flag, set)) = FLAGS.iter().find(|(name, ..)| *name == word) {
            words.flags.set(*flag, *set);
        } else if let Some((_, propagation)) = PROPAGATION.iter().find(|(name, _)| *name == word) {
            words.propagation.push(*propagation);
        } else if matches!(word, "bind" | "rbind") {
            words.bind = Some(word == "rbind");
        } else {
            words.data.push(word);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_to_who_understands_them() {
        let sorted = words("ro,noexec,exec,rbind,rshared,size=1m,uid=7");
        assert_eq!(sorted.flags, MountFlags::RDONLY);
        assert_eq!((sorted.bind, sorted.propagation.len()), (Some(true), 1));
        assert_eq!(sorted.data, ["size=1m", "uid=7"]);
    }
}
