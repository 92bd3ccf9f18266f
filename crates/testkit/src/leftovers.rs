//! What is left in a scratch machine.

use std::{collections::BTreeMap, fs, path::Path};

use crate::{Machine, until};

/// What an engine might leave behind, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Links but for loopback and the machine's wire.
    pub links: Vec<String>,
    /// nftables tables.
    pub tables: Vec<String>,
    /// Namespaces kept below the exec root.
    pub namespaces: Vec<String>,
    /// Mounts below the data and exec roots.
    pub mounts: Vec<String>,
    /// Groups of containers.
    pub cgroups: Vec<String>,
    /// Shims and what runs in containers.
    pub processes: Vec<String>,
}

impl Leftovers {
    pub(crate) fn of(machine: &Machine) -> Self {
        let lines = |command: &str| -> Vec<String> {
            machine.sh(command).stdout.lines().map(str::to_owned).collect()
        };
        let roots = format!("{} {}", machine.data_root().display(), machine.exec_root().display());
        let [data, exec] =
            [machine.data_root().display().to_string(), machine.exec_root().display().to_string()];
        let mounts = lines("cat /proc/self/mounts");
        let below = |mount: &&String| {
            let at = mount.split(' ').nth(1).unwrap_or_default();
            at.starts_with(&data) || at.starts_with(&exec)
        };
        Self {
            links: lines("ip -o link | cut -d: -f2 | cut -d@ -f1 | grep -vxE ' (lo|wire)'"),
            tables: lines("nft list tables"),
            namespaces: lines(&format!("find {roots} -path '*/netns/*' 2>/dev/null")),
            mounts: mounts.iter().filter(below).cloned().collect(),
            cgroups: cgroups(machine.cgroup()),
            processes: processes(machine),
        }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How many of each.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        let Self { links, tables, namespaces, mounts, cgroups, processes } = self;
        BTreeMap::from([
            ("links", links.len()),
            ("tables", tables.len()),
            ("namespaces", namespaces.len()),
            ("mounts", mounts.len()),
            ("cgroups", cgroups.len()),
            ("processes", processes.len()),
        ])
    }
}

/// Groups below a parent, in every hierarchy.
fn cgroups(parent: &str) -> Vec<String> {
    let mut found = Vec::new();
    for hierarchy in hierarchies() {
        let top = Path::new(&hierarchy).join(parent);
        let children = fs::read_dir(top).into_iter().flatten().flatten();
        let folders = children.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        found.extend(folders.map(|entry| entry.path().display().to_string()));
    }
    found
}

/// Removes a control group and those below it, in every hierarchy. No process may be in them;
/// those that are just ending are waited for.
pub fn remove_group(name: &str) {
    let groups: Vec<_> = hierarchies().iter().map(|hierarchy| Path::new(hierarchy).join(name)).collect();
    drop(until("the groups to be empty", || {
        groups.iter().for_each(|group| remove_below(group));
        groups.iter().all(|group| !group.exists()).then_some(())
    }));
}

fn remove_below(group: &Path) {
    for child in fs::read_dir(group).into_iter().flatten().flatten() {
        if child.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_below(&child.path());
        }
    }
    drop(fs::remove_dir(group));
}

/// Where control groups are mounted.
fn hierarchies() -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let groups = fields.filter(|fields| fields.get(2).is_some_and(|kind| kind.starts_with("cgroup")));
    groups.filter_map(|fields| fields.get(1).map(|at| (*at).to_owned())).collect()
}

/// Shims in the machine's mount namespace, and whatever is in its control groups.
fn processes(machine: &Machine) -> Vec<String> {
    machine.processes().into_iter().map(|(pid, command)| format!("{pid} {command}")).collect()
}
