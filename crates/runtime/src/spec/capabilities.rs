//! Which capabilities a container's processes have.

use std::collections::BTreeSet;

use oci_spec::runtime as oci;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What was asked for beyond Docker's default set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapabilityRequest {
    /// Names with or without `CAP_`, or `ALL`.
    pub add: Vec<String>,
    pub drop: Vec<String>,
    /// All of them, whatever `add` and `drop` say.
    pub privileged: bool,
}

/// A capability the kernel does not have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown capability: \"{name}\"")] // moby oci/caps/utils.go
pub struct UnknownCapability {
    pub name: String,
}

/// All of Linux 6.x, in the order of their numbers (linux/capability.h).
pub const ALL: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// Docker's default set (moby `oci/caps/defaults.go`).
pub const DEFAULT: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// The names a container has, in the order of their numbers.
///
/// Docker's rules (moby `oci/caps.TweakCapabilities`): privileged is all;
/// `ALL` added is all but what is dropped; `ALL` dropped is only what is added;
/// else the default set without the dropped and with the added ones.
pub fn names(request: &CapabilityRequest) -> Result<Vec<&'static str>, UnknownCapability> {
    let (add, all_added) = known(&request.add)?;
    let (drop, all_dropped) = known(&request.drop)?;
    let kept = |name: &&'static str| {
        if request.privileged {
            return true;
        }
        match (all_added, all_dropped) {
            (true, _) => !drop.contains(name),
            (false, true) => add.contains(name),
            (false, false) => add.contains(name) || DEFAULT.contains(name) && !drop.contains(name),
        }
    };
    Ok(ALL.into_iter().filter(kept).collect())
}

/// The names in their full form, and whether `ALL` was among them.
fn known(asked: &[String]) -> Result<(BTreeSet<&'static str>, bool), UnknownCapability> {
    let mut names = BTreeSet::new();
    let mut all = false;
    for asked in asked {
        let upper = asked.to_ascii_uppercase();
        let full = if upper.starts_with("CAP_") { upper.clone() } else { format!("CAP_{upper}") };
        match ALL.into_iter().find(|name| *name == full) {
            Some(name) => drop(names.insert(name)),
            None if upper == "ALL" => all = true,
            None => return Err(UnknownCapability { name: full }),
        }
    }
    Ok((names, all))
}

/// The number of a capability in the kernel's sets, by its full name.
pub fn number(name: &str) -> Option<u32> {
    ALL.iter().position(|known| *known == name).and_then(|position| u32::try_from(position).ok())
}

/// The five sets of a process of user `uid`.
///
/// Docker's rule (moby `oci.SetCapabilities`): a user other than root gets
/// only the bounding set, which is what execve(2) would leave of the others.
pub fn sets(names: &[&str], uid: u32) -> oci::LinuxCapabilities {
    let set: oci::Capabilities =
        names.iter().filter_map(|name| name.trim_start_matches("CAP_").parse().ok()).collect();
    let mut sets = oci::LinuxCapabilities::default();
    let own = (uid == 0).then(|| set.clone());
    sets.set_bounding(Some(set))
        .set_effective(own.clone())
        .set_permitted(own)
        .set_inheritable(None)
        .set_ambient(None);
    sets
}
