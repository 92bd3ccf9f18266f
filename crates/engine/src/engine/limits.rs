//! Changing what a container may use up, while it runs or not.

use std::sync::Arc;

use super::{Engine, Update};
use crate::{
    ContainerSpec, Limits, RestartPolicy, State, container::Container, error::UpdateError, process,
    record::Record, spec,
};

impl Engine {
    /// Changes limits and the restart policy; gives warnings.
    ///
    /// # Errors
    /// If the new limits make no sense, or the kernel refuses them.
    pub async fn update(self: &Arc<Self>, term: &str, update: Update) -> Result<Vec<String>, UpdateError> {
        let container = self.registry.find(term)?;
        let engine = Arc::clone(self);
        self.whole(async move { engine.update_whole(&container, update).await }).await
    }

    async fn update_whole(&self, container: &Container, update: Update) -> Result<Vec<String>, UpdateError> {
        let _turn = container.turn().await?;
        let mut record = Record::clone(&container.record());
        let id = record.id.to_string();
        if matches!(record.state, State::Dead(_) | State::Removing(_)) {
            return Err(UpdateError::MarkedForRemoval { id });
        }
        let mut spec = ContainerSpec::clone(&record.spec);
        if let Some(restart) = update.restart {
            if spec.auto_remove && restart != RestartPolicy::No {
                return Err(UpdateError::AutoRemove);
            }
            spec.restart = restart;
        }
        merge(&mut spec.limits, update.limits);
        spec::check(&spec)?;
        spec::check_available(&spec.limits)?;
        if let Some(client) = container.client() {
            let resources = process::resources(&spec.limits, &[]);
            let of = |error: process::ClientError| UpdateError::Process { id, source: error.into() };
            client.update(resources).await.map_err(of)?;
        }
        record.spec = Arc::new(spec);
        self.keep(container, record.clone()).await?;
        self.tell_container(&record, "update", &[]);
        Ok(Vec::new())
    }
}

/// Takes over what was given.
fn merge(limits: &mut Limits, given: Limits) {
    fn take<T>(to: &mut Option<T>, from: Option<T>) {
        if from.is_some() {
            *to = from;
        }
    }
    let Limits {
        memory,
        memory_reservation,
        memory_swap,
        memory_swappiness,
        oom_kill_disable,
        oom_score_adj,
        cpu_shares,
        cpu_quota,
        cpu_period,
        nano_cpus,
        cpuset_cpus,
        cpuset_mems,
        pids,
        blkio_weight,
        cgroup_parent: _,
        ulimits: _,
    } = given;
    take(&mut limits.memory, memory);
    take(&mut limits.memory_reservation, memory_reservation);
    take(&mut limits.memory_swap, memory_swap);
    take(&mut limits.memory_swappiness, memory_swappiness);
    take(&mut limits.oom_kill_disable, oom_kill_disable);
    take(&mut limits.oom_score_adj, oom_score_adj);
    take(&mut limits.cpu_shares, cpu_shares);
    take(&mut limits.cpu_quota, cpu_quota);
    take(&mut limits.cpu_period, cpu_period);
    take(&mut limits.nano_cpus, nano_cpus);
    take(&mut limits.pids, pids);
    take(&mut limits.blkio_weight, blkio_weight);
    for (to, from) in [(&mut limits.cpuset_cpus, cpuset_cpus), (&mut limits.cpuset_mems, cpuset_mems)] {
        if !from.is_empty() {
            *to = from;
        }
    }
}
