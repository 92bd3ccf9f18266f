//! The processes of an engine, and what they hold.

use std::{fs, path::PathBuf, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

/// Every process that sees the same mounts as `pid`, with `pid`: an engine in a scratch
/// machine, and what it has started there, but for what runs in containers.
pub(crate) fn beside(pid: u32) -> Vec<u32> {
    let Some(mounts) = mounts_of(pid) else { return Vec::new() };
    sharing(&mounts)
}

/// What tells one mount namespace from another.
pub(crate) fn mounts_of(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/mnt")).ok()
}

/// Every process in a mount namespace. Those that have ended, but were not waited for, are in none.
pub(crate) fn sharing(mounts: &PathBuf) -> Vec<u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| mounts_of(*pid).as_ref() == Some(mounts)).collect()
}

/// The sum of the proportional set sizes, in bytes: memory that several processes share
/// counts once.
pub(crate) fn memory(pids: &[u32]) -> u64 {
    pids.iter().filter_map(|pid| proportional_set_size(*pid)).sum()
}

/// How long all threads of these processes have worked.
pub(crate) fn processor_time(pids: &[u32]) -> Duration {
    let threads = |pid: &u32| fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    // Nanoseconds on a processor, nanoseconds of waiting for one, how often.
    let worked = |thread: fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(pids.iter().flat_map(threads).filter_map(worked).sum())
}

fn proportional_set_size(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

/// Sends a signal; the process may have ended.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        kill_process(pid, signal).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_beside_itself_and_holds_memory() {
        let this = std::process::id();
        let pids = beside(this);
        assert!(pids.contains(&this));
        assert!(memory(&[this]) > 100 << 10, "{} bytes", memory(&[this]));
        assert_eq!(memory(&[]), 0);
    }
}
