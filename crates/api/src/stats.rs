//! `GET /containers/{id}/stats`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::omit;

/// One sample, with the one before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerStats {
    /// The name with a slash in front.
    pub name: String,
    /// The id.
    pub id: String,
    /// When it was taken, RFC 3339.
    pub read: String,
    /// When the one before was taken; `0001-01-01T00:00:00Z` when there is none.
    pub preread: String,
    /// Processes.
    pub pids_stats: PidsStats,
    /// Block devices.
    pub blkio_stats: BlkioStats,
    /// Windows only.
    pub num_procs: u32,
    /// Windows only.
    pub storage_stats: crate::Empty,
    /// CPU time.
    pub cpu_stats: CpuStats,
    /// CPU time of the sample before.
    pub precpu_stats: CpuStats,
    /// Memory.
    pub memory_stats: MemoryStats,
    /// Packets by interface.
    #[serde(skip_serializing_if = "omit::no_entries")]
    pub networks: Option<BTreeMap<String, NetworkStats>>,
}

/// Processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PidsStats {
    /// Now.
    #[serde(skip_serializing_if = "omit::zero")]
    pub current: u64,
    /// At most.
    #[serde(skip_serializing_if = "omit::zero")]
    pub limit: u64,
}

/// Block devices; all but the first are cgroup v1's and `null` here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlkioStats {
    /// Bytes.
    pub io_service_bytes_recursive: Option<Vec<BlkioEntry>>,
    /// Operations.
    pub io_serviced_recursive: Option<Vec<BlkioEntry>>,
    /// Waiting operations.
    pub io_queue_recursive: Option<Vec<BlkioEntry>>,
    /// Nanoseconds of service.
    pub io_service_time_recursive: Option<Vec<BlkioEntry>>,
    /// Nanoseconds of waiting.
    pub io_wait_time_recursive: Option<Vec<BlkioEntry>>,
    /// Merged operations.
    pub io_merged_recursive: Option<Vec<BlkioEntry>>,
    /// Milliseconds of the disk.
    pub io_time_recursive: Option<Vec<BlkioEntry>>,
    /// Sectors.
    pub sectors_recursive: Option<Vec<BlkioEntry>>,
}

/// A counter of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlkioEntry {
    /// Of the device.
    pub major: u64,
    /// Of the device.
    pub minor: u64,
    /// `read` or `write`.
    pub op: String,
    /// The count.
    pub value: u64,
}

/// CPU time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuStats {
    /// The container's, in nanoseconds.
    pub cpu_usage: CpuUsage,
    /// The host's, in nanoseconds.
    #[serde(skip_serializing_if = "omit::zero")]
    pub system_cpu_usage: u64,
    /// CPUs.
    #[serde(skip_serializing_if = "omit::zero")]
    pub online_cpus: u32,
    /// How often the limit was met.
    pub throttling_data: ThrottlingData,
}

/// Nanoseconds of CPU time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuUsage {
    /// All.
    pub total_usage: u64,
    /// By CPU; cgroup v1 only.
    #[serde(skip_serializing_if = "omit::no_items")]
    pub percpu_usage: Option<Vec<u64>>,
    /// In the kernel.
    pub usage_in_kernelmode: u64,
    /// In programs.
    pub usage_in_usermode: u64,
}

/// How often the CPU limit was met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ThrottlingData {
    /// Periods.
    pub periods: u64,
    /// Periods in which the limit was met.
    pub throttled_periods: u64,
    /// Nanoseconds of waiting.
    pub throttled_time: u64,
}

/// Memory in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryStats {
    /// Now.
    #[serde(skip_serializing_if = "omit::zero")]
    pub usage: u64,
    /// At most so far; cgroup v1 only.
    #[serde(skip_serializing_if = "omit::zero")]
    pub max_usage: u64,
    /// The kernel's counters.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub stats: BTreeMap<String, u64>,
    /// How often the limit was met; cgroup v1 only.
    #[serde(skip_serializing_if = "omit::zero")]
    pub failcnt: u64,
    /// The limit, or the host's memory.
    #[serde(skip_serializing_if = "omit::zero")]
    pub limit: u64,
}

/// Packets of one interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the kernel's own names")]
pub struct NetworkStats {
    pub rx_bytes: u64,
    pub rx_packets: u64,
    pub rx_errors: u64,
    pub rx_dropped: u64,
    pub tx_bytes: u64,
    pub tx_packets: u64,
    pub tx_errors: u64,
    pub tx_dropped: u64,
}
