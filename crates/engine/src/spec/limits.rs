//! What a container may use up, and what happens when it ends.

use serde::{Deserialize, Serialize};

/// Bounds that cgroups enforce. Absent means unbounded, or the kernel's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Bytes.
    pub memory: Option<u64>,
    /// Bytes that reclaim tries to keep to under pressure.
    pub memory_reservation: Option<u64>,
    /// Bytes of memory and swap together; -1 is unlimited swap.
    pub memory_swap: Option<i64>,
    /// 0 to 100; cgroup v1 only.
    pub memory_swappiness: Option<u64>,
    pub oom_kill_disable: Option<bool>,
    /// -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// Relative weight; 1,024 is the default.
    pub cpu_shares: Option<u64>,
    /// Microseconds per period.
    pub cpu_quota: Option<i64>,
    /// Microseconds.
    pub cpu_period: Option<u64>,
    /// Billionths of a processor; excludes quota and period.
    pub nano_cpus: Option<u64>,
    /// `0-2,4`
    pub cpuset_cpus: String,
    pub cpuset_mems: String,
    /// -1 is unlimited.
    pub pids: Option<i64>,
    /// 10 to 1000.
    pub blkio_weight: Option<u16>,
    /// The parent of the container's cgroup; the engine's if empty.
    pub cgroup_parent: String,
    pub ulimits: Vec<Ulimit>,
}

/// One resource limit of processes, setrlimit(2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// `nofile`, `core`, …
    pub name: String,
    /// -1 is unlimited.
    pub soft: i64,
    pub hard: i64,
}

/// What happens when the first process ends without having been told to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartPolicy {
    #[default]
    No,
    Always,
    UnlessStopped,
    /// Only after a failure, at most so often; 0 is without end.
    OnFailure {
        retries: u32,
    },
}

impl RestartPolicy {
    /// Docker's name of the policy.
    pub const fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Always => "always",
            Self::UnlessStopped => "unless-stopped",
            Self::OnFailure { .. } => "on-failure",
        }
    }

    /// Whether to start again after this exit, having restarted so often since the last start by hand.
    pub const fn restarts(self, exit_code: i32, restarts: u32) -> bool {
        match self {
            Self::No => false,
            Self::Always | Self::UnlessStopped => true,
            Self::OnFailure { retries } => exit_code != 0 && (retries == 0 || restarts < retries),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RestartPolicy::{self, Always, No, OnFailure, UnlessStopped};

    #[track_caller]
    fn check(policy: RestartPolicy, exit_code: i32, restarts: u32, expected: bool) {
        assert_eq!(policy.restarts(exit_code, restarts), expected, "{policy:?} {exit_code} {restarts}");
    }

    #[test]
    fn restarts_as_often_as_the_policy_says() {
        check(No, 1, 0, false);
        check(Always, 0, 1000, true);
        check(UnlessStopped, 0, 0, true);
        check(OnFailure { retries: 2 }, 0, 0, false);
        check(OnFailure { retries: 2 }, 1, 1, true);
        check(OnFailure { retries: 2 }, 1, 2, false);
        check(OnFailure { retries: 0 }, 1, 1000, true);
    }
}
