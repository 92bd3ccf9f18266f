//! What the container uses, in the protocol's form.

use std::time::{SystemTime, UNIX_EPOCH};

use linux::cgroup::{Group, Usage, Version};
use runtime::protocol::stats::{Block, Cpu, Memory, Stats};

/// Nanoseconds of one tick of `/proc/stat`: USER_HZ is 100 on every Linux we run on.
const TICK: u64 = 10_000_000;

pub(crate) fn stats(group: &Group) -> std::io::Result<Stats> {
    let Usage { cpu, memory, pids, pids_limit, block } = group.usage()?;
    let (host_total, online) = host(&std::fs::read_to_string("/proc/stat")?);
    let block = block.into_iter().map(|device| Block {
        major: device.major,
        minor: device.minor,
        read_bytes: device.read_bytes,
        write_bytes: device.write_bytes,
        read_operations: device.read_operations,
        write_operations: device.write_operations,
    });
    Ok(Stats {
        read_unix_nanos: now(),
        cgroup_v2: group.version() == Version::V2,
        cpu: Cpu {
            total: cpu.total,
            user: cpu.user,
            system: cpu.system,
            per_cpu: cpu.per_cpu,
            periods: cpu.periods,
            throttled_periods: cpu.throttled_periods,
            throttled: cpu.throttled,
            host_total,
            online,
        },
        memory: Memory {
            usage: memory.usage,
            max_usage: memory.max_usage,
            limit: memory.limit,
            fail_count: memory.fail_count,
            stat: memory.stat,
        },
        pids_current: pids,
        pids_limit,
        block: block.collect(),
    })
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX)
}

/// All processors' time together, and how many there are (moby counts the
/// first seven columns, `daemon/stats/collector_unix.go`).
fn host(stat: &str) -> (u64, u32) {
    let total: u64 = stat
        .lines()
        .find(|line| line.starts_with("cpu "))
        .map(|line| line.split_whitespace().skip(1).take(7).filter_map(|word| word.parse::<u64>().ok()).sum())
        .unwrap_or(0);
    let online = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
    (total.saturating_mul(TICK), u32::try_from(online).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_host_is_summed_as_moby_does() {
        let stat = "cpu  1 2 3 4 5 6 7 100 100\ncpu0 1 2 3 4 5 6 7 100 100\ncpu1 0 0 0 0 0 0 0 0 0\nintr 5\n";
        assert_eq!(super::host(stat), (280_000_000, 2));
    }
}
