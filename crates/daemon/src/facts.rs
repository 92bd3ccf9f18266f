//! What is true of this machine: for `/info` and `/version`.

use std::fs;

/// Facts that do not change while the engine runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) kernel: String,
    pub(crate) system: String,
    pub(crate) system_version: String,
    pub(crate) host: String,
    pub(crate) cpus: i64,
    pub(crate) memory: i64,
    pub(crate) cgroup_version: &'static str,
}

impl Facts {
    pub(crate) fn gather() -> Self {
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let is_unified = fs::exists("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
        Self {
            kernel: line("/proc/sys/kernel/osrelease"),
            system: field(&release, "PRETTY_NAME"),
            system_version: field(&release, "VERSION_ID"),
            host: line("/proc/sys/kernel/hostname"),
            cpus: std::thread::available_parallelism()
                .map_or(1, |cpus| i64::try_from(cpus.get()).unwrap_or(1)),
            memory: memory(&fs::read_to_string("/proc/meminfo").unwrap_or_default()),
            cgroup_version: if is_unified { "2" } else { "1" },
        }
    }
}

/// Whether the host forwards IPv4, which may change.
pub(crate) fn forwards_v4() -> bool {
    line("/proc/sys/net/ipv4/ip_forward") == "1"
}

/// Open descriptors and threads of this process.
pub(crate) fn descriptors_and_threads() -> (i64, i64) {
    let count = |path| fs::read_dir(path).map_or(0, |entries| i64::try_from(entries.count()).unwrap_or(0));
    (count("/proc/self/fd"), count("/proc/self/task"))
}

/// Go's name of this machine's architecture.
pub(crate) const fn go_arch() -> &'static str {
    if cfg!(target_arch = "x86_64") {
        "amd64"
    } else if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        std::env::consts::ARCH
    }
}

fn line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// A field of os-release(5).
fn field(text: &str, name: &str) -> String {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
}

/// `MemTotal` in bytes.
fn memory(text: &str) -> i64 {
    let kibibytes = text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB"));
    kibibytes.and_then(|number| number.trim().parse::<i64>().ok()).unwrap_or_default() * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_from_their_files() {
        assert_eq!(field("NAME=x\nPRETTY_NAME=\"A B\"\nVERSION_ID='12'\n", "PRETTY_NAME"), "A B");
        assert_eq!(field("NAME=x\nPRETTY_NAME=\"A B\"\nVERSION_ID='12'\n", "VERSION_ID"), "12");
        assert_eq!(field("", "NAME"), "");
        assert_eq!(memory("MemTotal:       16 kB\nMemFree: 1 kB\n"), 16 << 10);
        let facts = Facts::gather();
        assert!(facts.cpus > 0 && facts.memory > 0 && !facts.kernel.is_empty());
    }
}
