//! What a container uses up.

use api::stats::{
    BlkioEntry, BlkioStats, ContainerStats, CpuStats, CpuUsage, MemoryStats, NetworkStats, PidsStats,
    ThrottlingData,
};
use engine::{InterfaceStats, Stats};
use jiff::Timestamp;

use super::time;

/// One sample, without the one before. A container that does not run uses nothing.
pub(crate) fn stats(stats: Option<Stats>, host_memory: i64) -> ContainerStats {
    let never = time::text(None);
    let Some(Stats { usage, interfaces }) = stats else {
        return ContainerStats { read: never.clone(), preread: never, ..ContainerStats::default() };
    };
    let read = Timestamp::from_nanosecond(i128::from(usage.read_unix_nanos)).ok();
    let (cpu, memory) = (usage.cpu, usage.memory);
    let host_memory = u64::try_from(host_memory).unwrap_or(u64::MAX);
    let entry = |major, minor, op: &str, value| BlkioEntry { major, minor, op: op.to_owned(), value };
    let bytes = usage.block.iter().flat_map(|device| {
        let (major, minor) = (device.major, device.minor);
        [entry(major, minor, "read", device.read_bytes), entry(major, minor, "write", device.write_bytes)]
    });
    let operations = usage.block.iter().flat_map(|device| {
        let (major, minor) = (device.major, device.minor);
        [
            entry(major, minor, "read", device.read_operations),
            entry(major, minor, "write", device.write_operations),
        ]
    });
    ContainerStats {
        read: time::text(read),
        preread: never,
        pids_stats: PidsStats { current: usage.pids_current, limit: usage.pids_limit },
        blkio_stats: BlkioStats {
            io_service_bytes_recursive: Some(bytes.collect()),
            io_serviced_recursive: Some(operations.collect()).filter(|_: &Vec<_>| !usage.cgroup_v2),
            ..BlkioStats::default()
        },
        cpu_stats: CpuStats {
            cpu_usage: CpuUsage {
                total_usage: cpu.total,
                percpu_usage: Some(cpu.per_cpu).filter(|list| !list.is_empty()),
                usage_in_kernelmode: cpu.system,
                usage_in_usermode: cpu.user,
            },
            system_cpu_usage: cpu.host_total,
            online_cpus: cpu.online,
            throttling_data: ThrottlingData {
                periods: cpu.periods,
                throttled_periods: cpu.throttled_periods,
                throttled_time: cpu.throttled,
            },
        },
        memory_stats: MemoryStats {
            usage: memory.usage,
            max_usage: memory.max_usage,
            stats: memory.stat,
            failcnt: memory.fail_count,
            limit: memory.limit.min(host_memory),
        },
        networks: Some(interfaces.into_iter().map(interface).collect()),
        ..ContainerStats::default()
    }
}

fn interface(stats: InterfaceStats) -> (String, NetworkStats) {
    let InterfaceStats {
        name,
        rx_bytes,
        rx_packets,
        rx_errors,
        rx_dropped,
        tx_bytes,
        tx_packets,
        tx_errors,
        tx_dropped,
    } = stats;
    let counters = NetworkStats {
        rx_bytes,
        rx_packets,
        rx_errors,
        rx_dropped,
        tx_bytes,
        tx_packets,
        tx_errors,
        tx_dropped,
    };
    (name, counters)
}
