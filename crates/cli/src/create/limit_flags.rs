//! Limits, of `run`, `create` and `update`.

use api::host_config::{HostConfig, Resources};
use clap::Args;

use super::flags::RightsFlags;
use crate::syntax::{Malformed, limit, size};

/// Limits that `update` can change too.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Limits")]
pub(crate) struct CommonLimits {
    /// Memory, such as 512m
    #[arg(short, long, value_name = "BYTES")]
    pub(crate) memory: Option<String>,
    /// Memory that is kept when it is short
    #[arg(long, value_name = "BYTES")]
    pub(crate) memory_reservation: Option<String>,
    /// Memory and swap; -1 is no limit
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    pub(crate) memory_swap: Option<String>,
    /// Number of CPUs, such as 1.5
    #[arg(long, value_name = "NUMBER")]
    pub(crate) cpus: Option<String>,
    /// CPU shares (relative weight)
    #[arg(short, long, value_name = "WEIGHT")]
    pub(crate) cpu_shares: Option<i64>,
    /// Period of the CPU quota in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub(crate) cpu_period: Option<i64>,
    /// CPU time in each period in microseconds
    #[arg(long, value_name = "MICROSECONDS", allow_hyphen_values = true)]
    pub(crate) cpu_quota: Option<i64>,
    /// CPUs in which to allow execution, such as 0-3
    #[arg(long, value_name = "LIST", default_value = "", hide_default_value = true)]
    pub(crate) cpuset_cpus: String,
    /// Memory nodes in which to allow execution
    #[arg(long, value_name = "LIST", default_value = "", hide_default_value = true)]
    pub(crate) cpuset_mems: String,
    /// Block IO (relative weight), between 10 and 1000
    #[arg(long, value_name = "WEIGHT")]
    pub(crate) blkio_weight: Option<u16>,
    /// Number of processes; -1 is no limit
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub(crate) pids_limit: Option<i64>,
}

impl CommonLimits {
    /// What the API calls them.
    pub(crate) fn resources(&self) -> Result<Resources, Malformed> {
        let bytes = |text: &Option<String>| text.as_deref().map_or(Ok(0), size::parse_or_unlimited);
        Ok(Resources {
            memory: bytes(&self.memory)?,
            memory_reservation: bytes(&self.memory_reservation)?,
            memory_swap: bytes(&self.memory_swap)?,
            nano_cpus: self.cpus.as_deref().map_or(Ok(0), limit::cpus)?,
            cpu_shares: self.cpu_shares.unwrap_or_default(),
            cpu_period: self.cpu_period.unwrap_or_default(),
            cpu_quota: self.cpu_quota.unwrap_or_default(),
            cpuset_cpus: self.cpuset_cpus.clone(),
            cpuset_mems: self.cpuset_mems.clone(),
            blkio_weight: self.blkio_weight.unwrap_or_default(),
            pids_limit: self.pids_limit,
            ..Resources::default()
        })
    }
}

/// All limits of a new container.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitFlags {
    #[command(flatten)]
    pub(crate) common: CommonLimits,
    /// Limits of each process: NAME=SOFT[:HARD]
    #[arg(long, value_name = "LIMIT")]
    pub(crate) ulimit: Vec<String>,
    /// Size of /dev/shm
    #[arg(long, value_name = "BYTES")]
    pub(crate) shm_size: Option<String>,
    /// Parent cgroup of the container
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true)]
    pub(crate) cgroup_parent: String,
    /// How willingly the kernel swaps, between 0 and 100
    #[arg(long, value_name = "PERCENT", allow_hyphen_values = true)]
    pub(crate) memory_swappiness: Option<i64>,
    /// Disable the OOM killer
    #[arg(long)]
    pub(crate) oom_kill_disable: bool,
    /// How willingly the kernel kills it, between -1000 and 1000
    #[arg(long, value_name = "SCORE", allow_hyphen_values = true)]
    pub(crate) oom_score_adj: Option<i64>,
}

impl LimitFlags {
    /// Writes them where the API has them.
    pub(crate) fn write(&self, host: &mut HostConfig) -> Result<(), Malformed> {
        let mut resources = self.common.resources()?;
        resources.cgroup_parent.clone_from(&self.cgroup_parent);
        resources.memory_swappiness = self.memory_swappiness;
        resources.oom_kill_disable = self.oom_kill_disable.then_some(true);
        let ulimits = self.ulimit.iter().map(|text| limit::ulimit(text)).collect::<Result<Vec<_>, _>>()?;
        resources.ulimits = Some(ulimits).filter(|limits| !limits.is_empty());
        host.resources = resources;
        host.shm_size = self.shm_size.as_deref().map_or(Ok(0), size::parse)?;
        host.oom_score_adj = self.oom_score_adj.unwrap_or_default();
        Ok(())
    }
}

impl RightsFlags {
    /// Writes them where the API has them.
    pub(crate) fn write(&self, host: &mut HostConfig) -> Result<(), Malformed> {
        let Self {
            cap_add,
            cap_drop,
            privileged,
            security_opt,
            pid,
            ipc,
            uts,
            userns,
            cgroupns,
            sysctl,
            runtime,
        } = self.clone();
        host.cap_add = super::request::some(cap_add);
        host.cap_drop = super::request::some(cap_drop);
        host.privileged = privileged;
        host.security_opt = super::request::some(security_options(security_opt)?);
        host.pid_mode = pid;
        host.ipc_mode = ipc;
        host.uts_mode = uts;
        host.userns_mode = userns;
        host.cgroupns_mode = cgroupns;
        host.sysctls = Some(crate::syntax::pairs::strict("sysctl", &sysctl)?).filter(|map| !map.is_empty());
        host.runtime = runtime;
        Ok(())
    }
}

/// A seccomp profile is read here: the engine may be on another machine.
fn security_options(options: Vec<String>) -> Result<Vec<String>, Malformed> {
    let option = |text: String| {
        let profile = text.strip_prefix("seccomp=").or_else(|| text.strip_prefix("seccomp:"));
        match profile {
            None | Some("unconfined" | "builtin") => Ok(text),
            Some(path) => {
                let json = crate::syntax::file::text(path).map_err(|Malformed(why)| {
                    Malformed(format!("opening seccomp profile ({path}) failed: {why}"))
                })?;
                let document: serde_json::Value = serde_json::from_str(&json).map_err(|error| {
                    Malformed(format!("compacting json for seccomp profile ({path}) failed: {error}"))
                })?;
                Ok(format!("seccomp={document}"))
            }
        }
    };
    options.into_iter().map(option).collect()
}
