//! What a container uses, in the kernel's own numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a container uses. What the kernel does not tell is 0 or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// Nanoseconds since 1970 when the numbers were read.
    pub read_unix_nanos: i64,
    /// Whether the numbers come from the unified hierarchy.
    pub cgroup_v2: bool,
    pub cpu: Cpu,
    pub memory: Memory,
    pub pids_current: u64,
    /// 0: none.
    pub pids_limit: u64,
    pub block: Vec<Block>,
}

/// Processor time, in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cpu {
    pub total: u64,
    pub user: u64,
    pub system: u64,
    pub per_cpu: Vec<u64>,
    pub periods: u64,
    pub throttled_periods: u64,
    pub throttled: u64,
    /// All processors of the host together, in the same unit.
    pub host_total: u64,
    pub online: u32,
}

/// Memory, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    pub usage: u64,
    pub max_usage: u64,
    /// `u64::MAX` or a huge number: none.
    pub limit: u64,
    pub fail_count: u64,
    /// `memory.stat` as it is.
    pub stat: BTreeMap<String, u64>,
}

/// Bytes and operations of one block device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Block {
    pub major: u64,
    pub minor: u64,
    pub read_bytes: u64,
    pub write_bytes: u64,
    pub read_operations: u64,
    pub write_operations: u64,
}
