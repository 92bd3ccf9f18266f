//! What a group uses, in one form for both versions.

use std::collections::BTreeMap;
use std::io;

use super::{Group, UNIFIED, Version};

/// What a group uses. What the kernel does not tell is 0 or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub cpu: CpuUsage,
    pub memory: MemoryUsage,
    pub pids: u64,
    /// 0: none.
    pub pids_limit: u64,
    pub block: Vec<BlockUsage>,
}

/// Processor time in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuUsage {
    pub total: u64,
    pub user: u64,
    pub system: u64,
    /// Version 1 only.
    pub per_cpu: Vec<u64>,
    pub periods: u64,
    pub throttled_periods: u64,
    pub throttled: u64,
}

/// Memory in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryUsage {
    pub usage: u64,
    pub max_usage: u64,
    /// `u64::MAX`, or with version 1 some huge number: none.
    pub limit: u64,
    /// How often the limit was hit.
    pub fail_count: u64,
    pub stat: BTreeMap<String, u64>,
}

/// What was read and written of one block device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockUsage {
    pub major: u64,
    pub minor: u64,
    pub read_bytes: u64,
    pub write_bytes: u64,
    pub read_operations: u64,
    pub write_operations: u64,
}

impl Group {
    /// Reads what the group uses. Controllers that are not there count nothing.
    pub fn usage(&self) -> io::Result<Usage> {
        if !self.exists() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let number = |controller, file| number(&self.text(controller, file));
        let (pids, pids_limit) = (number("pids", "pids.current"), number("pids", "pids.max"));
        let (cpu, memory, block) = match self.version() {
            Version::V1 => (self.cpu_v1(), self.memory_v1(), self.block_v1()),
            Version::V2 => (self.cpu_v2(), self.memory_v2(), self.block_v2()),
        };
        let pids_limit = if pids_limit == u64::MAX { 0 } else { pids_limit };
        Ok(Usage { cpu, memory, pids, pids_limit, block })
    }

    /// A file's text, empty if there is none.
    fn text(&self, controller: &str, file: &str) -> String {
        self.read(controller, file).unwrap_or_default()
    }

    fn cpu_v1(&self) -> CpuUsage {
        let stat = keyed(&self.text("cpu", "cpu.stat"));
        let number = |file| number(&self.text("cpuacct", file));
        CpuUsage {
            total: number("cpuacct.usage"),
            user: number("cpuacct.usage_user"),
            system: number("cpuacct.usage_sys"),
            per_cpu: self
                .text("cpuacct", "cpuacct.usage_percpu")
                .split_whitespace()
                .filter_map(|word| word.parse().ok())
                .collect(),
            periods: value(&stat, "nr_periods"),
            throttled_periods: value(&stat, "nr_throttled"),
            throttled: value(&stat, "throttled_time"),
        }
    }

    fn cpu_v2(&self) -> CpuUsage {
        let stat = keyed(&self.text(UNIFIED, "cpu.stat"));
        let nanoseconds = |key| value(&stat, key).saturating_mul(1000);
        CpuUsage {
            total: nanoseconds("usage_usec"),
            user: nanoseconds("user_usec"),
            system: nanoseconds("system_usec"),
            per_cpu: Vec::new(),
            periods: value(&stat, "nr_periods"),
            throttled_periods: value(&stat, "nr_throttled"),
            throttled: nanoseconds("throttled_usec"),
        }
    }

    fn memory_v1(&self) -> MemoryUsage {
        let number = |file| number(&self.text("memory", file));
        MemoryUsage {
            usage: number("memory.usage_in_bytes"),
            max_usage: number("memory.max_usage_in_bytes"),
            limit: number("memory.limit_in_bytes"),
            fail_count: number("memory.failcnt"),
            stat: keyed(&self.text("memory", "memory.stat")),
        }
    }

    fn memory_v2(&self) -> MemoryUsage {
        let number = |file| number(&self.text(UNIFIED, file));
        MemoryUsage {
            usage: number("memory.current"),
            max_usage: number("memory.peak"),
            limit: number("memory.max"),
            fail_count: value(&keyed(&self.text(UNIFIED, "memory.events")), "max"),
            stat: keyed(&self.text(UNIFIED, "memory.stat")),
        }
    }

    fn block_v1(&self) -> Vec<BlockUsage> {
        let mut devices = BTreeMap::new();
        let files = ["blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_serviced_recursive"];
        for (file, bytes) in files.into_iter().zip([true, false]) {
            for line in self.text("blkio", file).lines() {
                count_v1(line, bytes, &mut devices);
            }
        }
        devices.into_values().collect()
    }

    fn block_v2(&self) -> Vec<BlockUsage> {
        self.text(UNIFIED, "io.stat").lines().filter_map(device_v2).collect()
    }
}

/// `8:0 Read 4096`
fn count_v1(line: &str, bytes: bool, devices: &mut BTreeMap<(u64, u64), BlockUsage>) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [device, kind, count] = words[..] else { return };
    let (Some((major, minor)), Ok(count)) = (numbers(device), count.parse()) else { return };
    let usage = devices.entry((major, minor)).or_insert(BlockUsage { major, minor, ..BlockUsage::default() });
    match (kind, bytes) {
        ("Read", true) => usage.read_bytes = count,
        ("Write", true) => usage.write_bytes = count,
        ("Read", false) => usage.read_operations = count,
        ("Write", false) => usage.write_operations = count,
        _ => {}
    }
}

/// `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`
fn device_v2(line: &str) -> Option<BlockUsage> {
    let mut words = line.split_whitespace();
    let (major, minor) = numbers(words.next()?)?;
    let counts: BTreeMap<&str, u64> = words
        .filter_map(|word| word.split_once('='))
        .filter_map(|(key, count)| Some((key, count.parse().ok()?)))
        .collect();
    let count = |key: &str| counts.get(key).copied().unwrap_or(0);
    Some(BlockUsage {
        major,
        minor,
        read_bytes: count("rbytes"),
        write_bytes: count("wbytes"),
        read_operations: count("rios"),
        write_operations: count("wios"),
    })
}

fn numbers(device: &str) -> Option<(u64, u64)> {
    let (major, minor) = device.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Lines of a key and a number.
pub(super) fn keyed(text: &str) -> BTreeMap<String, u64> {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(key, number)| Some((key.to_owned(), number.trim().parse().ok()?)))
        .collect()
}

fn value(stat: &BTreeMap<String, u64>, key: &str) -> u64 {
    stat.get(key).copied().unwrap_or(0)
}

/// A number; `max` is the largest, nothing is 0.
fn number(text: &str) -> u64 {
    match text.trim() {
        "max" => u64::MAX,
        other => other.parse().unwrap_or(0),
    }
}
