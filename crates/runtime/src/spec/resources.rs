//! Limits of memory, processors, processes, block devices and device nodes.

use oci_spec::runtime as oci;
use serde::{Deserialize, Serialize};

/// Limits of one container; `None` is no limit of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Bytes.
    pub memory: Option<u64>,
    /// Bytes of memory and swap together; -1 is unlimited. Needs `memory`.
    pub memory_swap: Option<i64>,
    /// Bytes that are given back first under pressure.
    pub memory_reservation: Option<u64>,
    /// 0 to 100.
    pub swappiness: Option<u64>,
    pub oom_kill_disable: bool,
    /// Relative weight; Docker's default is 1024.
    pub cpu_shares: Option<u64>,
    /// Microseconds of processor time per period.
    pub cpu_quota: Option<i64>,
    /// Microseconds.
    pub cpu_period: Option<u64>,
    /// Like `0-2,4`.
    pub cpuset_cpus: Option<String>,
    pub cpuset_mems: Option<String>,
    /// Tasks; -1 is unlimited.
    pub pids: Option<i64>,
    /// 10 to 1000.
    pub blkio_weight: Option<u16>,
    pub blkio_weight_device: Vec<WeightDevice>,
    pub read_bps: Vec<Throttle>,
    pub write_bps: Vec<Throttle>,
    pub read_iops: Vec<Throttle>,
    pub write_iops: Vec<Throttle>,
    /// More `type major:minor access` rules, as in `c 42:* rmw`.
    pub device_rules: Vec<String>,
}

/// The weight of one block device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightDevice {
    pub major: i64,
    pub minor: i64,
    pub weight: u16,
}

/// A rate limit of one block device, in bytes or operations per second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttle {
    pub major: i64,
    pub minor: i64,
    pub rate: u64,
}

/// A device node inside, with the right to use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Inside, absolute.
    pub path: String,
    pub kind: DeviceKind,
    pub major: i64,
    pub minor: i64,
    /// Permission bits of the node.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Some of `r`, `w`, `m`.
    pub access: String,
}

/// Character or block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceKind {
    Character,
    Block,
}

impl DeviceKind {
    fn oci(self) -> oci::LinuxDeviceType {
        match self {
            Self::Character => oci::LinuxDeviceType::C,
            Self::Block => oci::LinuxDeviceType::B,
        }
    }
}

/// Nodes every container may use: (major, minor), `*` as `None` (moby
/// `oci/devices_linux.go` and runc's `specconv.AllowedDevices`).
const DEFAULT_NODES: &[(i64, Option<i64>)] = &[
    (1, Some(3)), // null
    (1, Some(5)), // zero
    (1, Some(7)), // full
    (1, Some(8)), // random
    (1, Some(9)), // urandom
    (5, Some(0)), // tty
    (5, Some(1)), // console
    (5, Some(2)), // ptmx
    (136, None),  // pts
];

/// The OCI form, with the device rules of a container that has `devices`.
pub fn oci_resources(limits: &Resources, devices: &[Device], privileged: bool) -> oci::LinuxResources {
    let mut all = oci::LinuxResources::default();
    all.set_devices(Some(device_rules(limits, devices, privileged)));
    all.set_memory(memory(limits)).set_cpu(cpu(limits)).set_block_io(block(limits));
    if let Some(pids) = limits.pids.filter(|limit| *limit != 0) {
        let mut section = oci::LinuxPids::default();
        section.set_limit(pids);
        all.set_pids(Some(section));
    }
    all
}

/// Only the limits, without device rules: what `update` writes.
pub fn oci_limits(limits: &Resources) -> oci::LinuxResources {
    let mut all = oci_resources(limits, &[], false);
    all.set_devices(None);
    all
}

fn memory(limits: &Resources) -> Option<oci::LinuxMemory> {
    let Resources { memory, memory_swap, memory_reservation, swappiness, oom_kill_disable, .. } = limits;
    if memory.or(*memory_reservation).or(*swappiness).is_none() && !oom_kill_disable {
        return None;
    }
    let mut section = oci::LinuxMemory::default();
    section
        .set_limit(memory.map(signed))
        .set_reservation(memory_reservation.map(signed))
        .set_swap(memory_swap.filter(|_| memory.is_some()))
        .set_swappiness(*swappiness)
        .set_disable_oom_killer(oom_kill_disable.then_some(true));
    Some(section)
}

fn cpu(limits: &Resources) -> Option<oci::LinuxCpu> {
    let Resources { cpu_shares, cpu_quota, cpu_period, cpuset_cpus, cpuset_mems, .. } = limits;
    let text = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    let mut section = oci::LinuxCpu::default();
    section
        .set_shares(cpu_shares.filter(|shares| *shares != 0))
        .set_quota(cpu_quota.filter(|quota| *quota != 0))
        .set_period(cpu_period.filter(|period| *period != 0))
        .set_cpus(text(cpuset_cpus))
        .set_mems(text(cpuset_mems));
    (section != oci::LinuxCpu::default()).then_some(section)
}

fn block(limits: &Resources) -> Option<oci::LinuxBlockIo> {
    let rates = |rates: &[Throttle]| {
        let rates: Vec<_> = rates.iter().map(throttle).collect();
        (!rates.is_empty()).then_some(rates)
    };
    let weights: Vec<_> = limits.blkio_weight_device.iter().map(weight).collect();
    let mut section = oci::LinuxBlockIo::default();
    section
        .set_weight(limits.blkio_weight.filter(|weight| *weight != 0))
        .set_weight_device((!weights.is_empty()).then_some(weights))
        .set_throttle_read_bps_device(rates(&limits.read_bps))
        .set_throttle_write_bps_device(rates(&limits.write_bps))
        .set_throttle_read_iops_device(rates(&limits.read_iops))
        .set_throttle_write_iops_device(rates(&limits.write_iops));
    (section != oci::LinuxBlockIo::default()).then_some(section)
}

fn throttle(limit: &Throttle) -> oci::LinuxThrottleDevice {
    let device = oci::LinuxThrottleDeviceBuilder::default();
    let device = device.major(limit.major).minor(limit.minor).rate(limit.rate);
    device.build().expect("all three fields are set")
}

fn weight(limit: &WeightDevice) -> oci::LinuxWeightDevice {
    let device = oci::LinuxWeightDeviceBuilder::default();
    let device = device.major(limit.major).minor(limit.minor).weight(limit.weight);
    device.build().expect("all three fields are set")
}

/// Deny all, then allow: the default nodes, making any node, what was asked for.
fn device_rules(limits: &Resources, devices: &[Device], privileged: bool) -> Vec<oci::LinuxDeviceCgroup> {
    if privileged {
        return vec![rule(true, None, (None, None), "rwm")];
    }
    let character = Some(oci::LinuxDeviceType::C);
    let mut rules = vec![
        rule(false, None, (None, None), "rwm"),
        rule(true, character, (None, None), "m"),
        rule(true, Some(oci::LinuxDeviceType::B), (None, None), "m"),
    ];
    rules.extend(
        DEFAULT_NODES.iter().map(|(major, minor)| rule(true, character, (Some(*major), *minor), "rwm")),
    );
    rules.extend(devices.iter().map(|device| {
        rule(true, Some(device.kind.oci()), (Some(device.major), Some(device.minor)), &device.access)
    }));
    rules.extend(limits.device_rules.iter().filter_map(|text| parse_rule(text)));
    rules
}

/// Reads Docker's `c 42:* rmw`; what is not of this form is refused by the API.
pub fn parse_rule(text: &str) -> Option<oci::LinuxDeviceCgroup> {
    let mut words = text.split_whitespace();
    let kind = match words.next()? {
        "a" => None,
        "b" => Some(oci::LinuxDeviceType::B),
        "c" => Some(oci::LinuxDeviceType::C),
        _ => return None,
    };
    let (major, minor) = words.next()?.split_once(':')?;
    let access = words.next()?;
    let number = |text: &str| if text == "*" { Some(None) } else { text.parse().ok().map(Some) };
    let right = !access.is_empty() && access.chars().all(|letter| "rwm".contains(letter));
    (right && words.next().is_none()).then_some(())?;
    Some(rule(true, kind, (number(major)?, number(minor)?), access))
}

fn rule(
    allow: bool,
    kind: Option<oci::LinuxDeviceType>,
    (major, minor): (Option<i64>, Option<i64>),
    access: &str,
) -> oci::LinuxDeviceCgroup {
    let mut rule = oci::LinuxDeviceCgroup::default();
    rule.set_allow(allow).set_typ(kind).set_major(major).set_minor(minor).set_access(Some(access.to_owned()));
    rule
}

/// The node itself.
pub(super) fn oci_device(device: &Device) -> oci::LinuxDevice {
    let mut node = oci::LinuxDevice::default();
    node.set_path(device.path.clone().into())
        .set_typ(device.kind.oci())
        .set_major(device.major)
        .set_minor(device.minor)
        .set_file_mode(Some(device.mode))
        .set_uid(Some(device.uid))
        .set_gid(Some(device.gid));
    node
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
