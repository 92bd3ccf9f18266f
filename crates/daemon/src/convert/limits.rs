//! Limits and restart policies.

use api::host_config::{DeviceMapping, Resources, RestartPolicy as ApiPolicy, Ulimit as ApiUlimit};
use engine::{DeviceSpec, Limits, RestartPolicy, Ulimit};

use crate::http::answer::Refusal;

/// The parts of [`Resources`]: what cgroups enforce, and devices.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) limits: Limits,
    pub(crate) devices: Vec<DeviceSpec>,
    pub(crate) device_cgroup_rules: Vec<String>,
    /// What was asked for and cannot be had.
    pub(crate) warnings: Vec<String>,
}

/// Reads limits; 0 is "none".
pub(crate) fn parts(resources: Resources) -> Result<Parts, Refusal> {
    let Resources {
        cpu_shares,
        memory,
        nano_cpus,
        cgroup_parent,
        blkio_weight,
        blkio_weight_device,
        blkio_device_read_bps,
        blkio_device_write_bps,
        blkio_device_read_iops,
        blkio_device_write_iops,
        cpu_period,
        cpu_quota,
        cpu_realtime_period,
        cpu_realtime_runtime,
        cpuset_cpus,
        cpuset_mems,
        devices,
        device_cgroup_rules,
        device_requests,
        memory_reservation,
        memory_swap,
        memory_swappiness,
        oom_kill_disable,
        pids_limit,
        ulimits,
        // Windows only; Docker ignores them on Linux.
        cpu_count: _,
        cpu_percent: _,
        io_maximum_iops: _,
        io_maximum_bandwidth: _,
    } = resources;
    let throttled =
        [blkio_device_read_bps, blkio_device_write_bps, blkio_device_read_iops, blkio_device_write_iops];
    let ignored = [
        (blkio_weight_device.is_some_and(|list| !list.is_empty()), "Block I/O weights by device"),
        (throttled.iter().flatten().any(|list| !list.is_empty()), "Block I/O throttling by device"),
        (cpu_realtime_period != 0 || cpu_realtime_runtime != 0, "CPU real-time scheduling"),
        (device_requests.is_some_and(|list| !list.is_empty()), "Requesting devices by driver"),
    ];
    let limits = Limits {
        memory: unsigned(memory, "Memory")?,
        memory_reservation: unsigned(memory_reservation, "MemoryReservation")?,
        memory_swap: Some(memory_swap).filter(|swap| *swap != 0),
        memory_swappiness: swappiness(memory_swappiness)?,
        oom_kill_disable: oom_kill_disable.filter(|disable| *disable),
        oom_score_adj: None,
        cpu_shares: unsigned(cpu_shares, "CpuShares")?,
        cpu_quota: Some(cpu_quota).filter(|quota| *quota != 0),
        cpu_period: unsigned(cpu_period, "CpuPeriod")?,
        nano_cpus: unsigned(nano_cpus, "NanoCpus")?,
        cpuset_cpus,
        cpuset_mems,
        pids: pids_limit.filter(|pids| *pids != 0).map(|pids| pids.max(-1)),
        blkio_weight: weight(blkio_weight)?,
        cgroup_parent,
        ulimits: ulimits.unwrap_or_default().into_iter().map(ulimit).collect(),
    };
    let warnings = ignored.into_iter().filter(|(is_asked, _)| *is_asked);
    Ok(Parts {
        limits,
        devices: devices.unwrap_or_default().into_iter().map(device).collect(),
        device_cgroup_rules: device_cgroup_rules.unwrap_or_default(),
        warnings: warnings
            .map(|(_, what)| format!("{what} is not supported by this engine. Discarded."))
            .collect(),
    })
}

fn device(mapping: DeviceMapping) -> DeviceSpec {
    let DeviceMapping { path_on_host, path_in_container, cgroup_permissions } = mapping;
    DeviceSpec {
        container: or(&path_in_container, &path_on_host).into(),
        permissions: or(&cgroup_permissions, "rwm").to_owned(),
        host: path_on_host.into(),
    }
}

fn or<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

fn unsigned(number: i64, name: &str) -> Result<Option<u64>, Refusal> {
    match u64::try_from(number) {
        Ok(0) => Ok(None),
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(Refusal::invalid(format!("invalid value for {name}: {number} is negative"))),
    }
}

fn swappiness(swappiness: Option<i64>) -> Result<Option<u64>, Refusal> {
    match swappiness {
        None | Some(-1) => Ok(None),
        Some(value @ 0..=100) => Ok(Some(value.unsigned_abs())),
        Some(value) => {
            let text = format!("Invalid value: {value}, valid memory swappiness range is 0-100");
            Err(Refusal::invalid(text))
        }
    }
}

fn weight(weight: u16) -> Result<Option<u16>, Refusal> {
    match weight {
        0 => Ok(None),
        10..=1000 => Ok(Some(weight)),
        _ => Err(Refusal::invalid("Range of blkio weight is from 10 to 1000")),
    }
}

fn ulimit(ApiUlimit { name, hard, soft }: ApiUlimit) -> Ulimit {
    Ulimit { name, soft, hard }
}

/// The adjustment of the OOM killer's score; 0 is none.
pub(crate) fn oom_score_adj(value: i64) -> Result<Option<i32>, Refusal> {
    match i32::try_from(value) {
        Ok(0) => Ok(None),
        Ok(value @ -1000..=1000) => Ok(Some(value)),
        Ok(_) | Err(_) => {
            let text = format!("Invalid value {value}, range for oom score adj is [-1000, 1000]");
            Err(Refusal::invalid(text))
        }
    }
}

/// Reads a restart policy; an empty name is `None`.
pub(crate) fn restart(
    ApiPolicy { name, maximum_retry_count }: ApiPolicy,
) -> Result<Option<RestartPolicy>, Refusal> {
    let invalid = |text: &str| Err(Refusal::invalid(format!("invalid restart policy: {text}")));
    let policy = match name.as_str() {
        "" | "no" => RestartPolicy::No,
        "always" => RestartPolicy::Always,
        "unless-stopped" => RestartPolicy::UnlessStopped,
        "on-failure" => match u32::try_from(maximum_retry_count) {
            Ok(retries) => return Ok(Some(RestartPolicy::OnFailure { retries })),
            Err(_) => return invalid("maximum retry count cannot be negative"),
        },
        unknown => {
            return invalid(&format!(
                "unknown policy '{unknown}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
            ));
        }
    };
    if maximum_retry_count != 0 {
        return invalid("maximum retry count can only be used with 'on-failure'");
    }
    Ok(Some(policy).filter(|_| !name.is_empty()))
}

/// Shows limits as they are now, over what the request said.
pub(crate) fn show(limits: &Limits, resources: &mut Resources) {
    let signed = |value: Option<u64>| i64::try_from(value.unwrap_or_default()).unwrap_or(i64::MAX);
    resources.memory = signed(limits.memory);
    resources.memory_reservation = signed(limits.memory_reservation);
    resources.memory_swap = limits.memory_swap.unwrap_or_default();
    resources.cpu_shares = signed(limits.cpu_shares);
    resources.cpu_quota = limits.cpu_quota.unwrap_or_default();
    resources.cpu_period = signed(limits.cpu_period);
    resources.nano_cpus = signed(limits.nano_cpus);
    resources.cpuset_cpus.clone_from(&limits.cpuset_cpus);
    resources.cpuset_mems.clone_from(&limits.cpuset_mems);
    resources.blkio_weight = limits.blkio_weight.unwrap_or_default();
    resources.pids_limit = limits.pids;
    resources.memory_swappiness = limits.memory_swappiness.and_then(|value| i64::try_from(value).ok());
    resources.oom_kill_disable = Some(limits.oom_kill_disable.unwrap_or(false));
}

/// Shows a restart policy.
pub(crate) fn show_restart(policy: RestartPolicy) -> ApiPolicy {
    let maximum_retry_count = match policy {
        RestartPolicy::OnFailure { retries } => i64::from(retries),
        RestartPolicy::No | RestartPolicy::Always | RestartPolicy::UnlessStopped => 0,
    };
    ApiPolicy { name: policy.name().to_owned(), maximum_retry_count }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, count: i64, expected: Result<Option<RestartPolicy>, &str>) {
        let policy = ApiPolicy { name: name.to_owned(), maximum_retry_count: count };
        let got = restart(policy).map_err(|refusal| refusal.message);
        assert_eq!(got, expected.map_err(|text| format!("invalid restart policy: {text}")));
    }

    #[test]
    fn restart_policies_have_dockers_rules() {
        check("", 0, Ok(None));
        check("no", 0, Ok(Some(RestartPolicy::No)));
        check("always", 0, Ok(Some(RestartPolicy::Always)));
        check("on-failure", 3, Ok(Some(RestartPolicy::OnFailure { retries: 3 })));
        check("on-failure", -1, Err("maximum retry count cannot be negative"));
        check("always", 3, Err("maximum retry count can only be used with 'on-failure'"));
        check(
            "x",
            0,
            Err("unknown policy 'x'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"),
        );
    }

    #[test]
    fn what_nobody_asked_for_is_absent() {
        let plain = Resources { memory_swappiness: Some(-1), pids_limit: Some(0), ..Resources::default() };
        let got = parts(plain).expect("limits");
        assert_eq!(got.limits, Limits::default());
        assert_eq!(got.warnings, Vec::<String>::new());
    }

    #[test]
    fn negative_and_absurd_numbers_are_refused() {
        assert!(parts(Resources { memory: -1, ..Resources::default() }).is_err());
        assert!(parts(Resources { memory_swappiness: Some(101), ..Resources::default() }).is_err());
        assert!(parts(Resources { blkio_weight: 5, ..Resources::default() }).is_err());
        assert!(oom_score_adj(1001).is_err());
    }
}
