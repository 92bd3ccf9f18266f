//! Limits that cannot be, or that this machine does not have.

use std::{collections::BTreeSet, fs};

use super::SpecError;
use crate::{Limits, Ulimit};

/// Least memory a container can be given: 6 MiB, as Docker has it.
const LEAST_MEMORY: u64 = 6 << 20;
/// Microseconds the kernel takes for a period of the processor quota.
const PERIOD: std::ops::RangeInclusive<u64> = 1_000..=1_000_000;
/// Microseconds of the least quota.
const LEAST_QUOTA: i64 = 1_000;
/// More processors than any kernel counts; bounds what `0-4000000000` costs (moby `parsers.ParseUintListMaximum`).
const MOST: u32 = 8_192;

/// Refuses limits that contradict one another or that no kernel takes.
pub(super) fn check(limits: &Limits) -> Result<(), SpecError> {
    check_memory(limits)?;
    check_cpu(limits)?;
    if limits.cgroup_parent.split('/').any(|part| part == "..") || limits.cgroup_parent.contains('\0') {
        return Err(SpecError::CgroupParent { parent: limits.cgroup_parent.clone() });
    }
    let inverted = |limit: &&Ulimit| limit.hard >= 0 && (limit.soft < 0 || limit.soft > limit.hard);
    match limits.ulimits.iter().find(inverted) {
        Some(limit) => Err(SpecError::Ulimit { soft: limit.soft, hard: limit.hard }),
        None => Ok(()),
    }
}

fn check_memory(limits: &Limits) -> Result<(), SpecError> {
    if limits.memory.is_some_and(|memory| memory < LEAST_MEMORY) {
        return Err(SpecError::LeastMemory);
    }
    match (limits.memory, limits.memory_swap) {
        (None, Some(swap)) if swap > 0 => return Err(SpecError::SwapWithoutMemory),
        (Some(memory), Some(swap)) if swap > 0 && swap.cast_unsigned() < memory => {
            return Err(SpecError::SwapBelowMemory);
        }
        _ => {}
    }
    match (limits.memory, limits.memory_reservation) {
        (_, Some(reservation)) if (1..LEAST_MEMORY).contains(&reservation) => {
            Err(SpecError::LeastReservation)
        }
        (Some(memory), Some(reservation)) if memory > 0 && memory < reservation => {
            Err(SpecError::MemoryBelowReservation)
        }
        _ => Ok(()),
    }
}

fn check_cpu(limits: &Limits) -> Result<(), SpecError> {
    if limits.nano_cpus.is_some() && limits.cpu_quota.is_some() {
        return Err(SpecError::NanoCpus { what: "Quota" });
    }
    if limits.nano_cpus.is_some() && limits.cpu_period.is_some() {
        return Err(SpecError::NanoCpus { what: "Period" });
    }
    if limits.cpu_period.is_some_and(|period| period != 0 && !PERIOD.contains(&period)) {
        return Err(SpecError::CpuPeriod);
    }
    if limits.cpu_quota.is_some_and(|quota| (1..LEAST_QUOTA).contains(&quota)) {
        return Err(SpecError::CpuQuota);
    }
    Ok(())
}

/// Refuses processors and memory nodes that this machine does not have.
pub(crate) fn check_available(limits: &Limits) -> Result<(), SpecError> {
    if limits.nano_cpus.is_none() && limits.cpuset_cpus.is_empty() && limits.cpuset_mems.is_empty() {
        return Ok(());
    }
    let online = |what: &str| {
        let text = fs::read_to_string(format!("/sys/devices/system/{what}/online")).unwrap_or_default();
        text.trim_end().to_owned()
    };
    check_against(limits, &online("cpu"), &online("node"))
}

/// `cpus` and `nodes` are the lists of what is there; an empty one is unknown.
fn check_against(limits: &Limits, cpus: &str, nodes: &str) -> Result<(), SpecError> {
    let online = numbers(cpus).unwrap_or_default();
    let count = u64::try_from(online.len()).unwrap_or(u64::MAX);
    if count > 0 && limits.nano_cpus.is_some_and(|nano| nano > count.saturating_mul(1_000_000_000)) {
        return Err(SpecError::Cpus { count });
    }
    let sets = [
        ("cpuset cpus", "CPUs", &limits.cpuset_cpus, cpus),
        ("cpuset mems", "memory nodes", &limits.cpuset_mems, nodes),
    ];
    for (option, what, asked, available) in sets {
        let invalid = || SpecError::CpuSet { option, asked: asked.clone() };
        let wanted = numbers(asked).ok_or_else(invalid)?;
        let online = numbers(available).unwrap_or_default();
        if !online.is_empty() && !wanted.is_subset(&online) {
            let available = available.to_owned();
            return Err(SpecError::NotAvailable { what, asked: asked.clone(), available });
        }
    }
    Ok(())
}

/// The numbers of a list like `0-2,4`; none of an empty one.
fn numbers(list: &str) -> Option<BTreeSet<u32>> {
    let mut all = BTreeSet::new();
    for part in list.split(',').filter(|_| !list.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last > MOST {
            return None;
        }
        all.extend(first..=last);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refuses(limits: Limits, text: &str) {
        let error = check(&limits).and_then(|()| check_against(&limits, "0-1", "0")).expect_err(text);
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn processors_must_be_there() {
        let refuses_set = |cpus: &str, text: &str| {
            refuses(Limits { cpuset_cpus: cpus.to_owned(), ..Limits::default() }, text);
        };
        refuses_set("0,2", "Requested CPUs are not available - requested 0,2, available: 0-1");
        refuses_set("x", "Invalid value x for cpuset cpus");
        refuses_set("1-0", "Invalid value 1-0 for cpuset cpus");
        refuses_set("0-4000000000", "Invalid value 0-4000000000 for cpuset cpus");
        let text = "Requested memory nodes are not available - requested 1, available: 0";
        refuses(Limits { cpuset_mems: "1".to_owned(), ..Limits::default() }, text);
        let text = "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available";
        refuses(Limits { nano_cpus: Some(2_000_000_001), ..Limits::default() }, text);
        let fine =
            Limits { nano_cpus: Some(2_000_000_000), cpuset_cpus: "0-1".to_owned(), ..Limits::default() };
        assert_eq!(check_against(&fine, "0-1", "0"), Ok(()));
        assert_eq!(check_against(&fine, "", ""), Ok(()), "what is unknown is the kernel's to refuse");
    }

    #[test]
    fn times_and_groups_are_bounded() {
        let text = "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)";
        refuses(Limits { cpu_period: Some(999), ..Limits::default() }, text);
        let text = "CPU cfs quota can not be less than 1ms (i.e. 1000)";
        refuses(Limits { cpu_quota: Some(999), ..Limits::default() }, text);
        let text = "Minimum memory limit can not be less than memory reservation limit, see usage";
        let memory = (Some(8 << 20), Some(9 << 20));
        refuses(Limits { memory: memory.0, memory_reservation: memory.1, ..Limits::default() }, text);
        let text = "invalid cgroup parent \"/a/../../b\": it must not climb";
        refuses(Limits { cgroup_parent: "/a/../../b".to_owned(), ..Limits::default() }, text);
    }
}
