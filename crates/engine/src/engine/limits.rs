//! Changing what a container may use up and which ports it publishes, while it runs or not.

use std::sync::Arc;

use super::{Engine, Update, publish};
use crate::{
    ContainerSpec, Limits, RestartPolicy, State, container::Container, error::UpdateError, network, process,
    record::Record, spec,
};

impl Engine {
    /// Changes limits, the restart policy and published ports; gives warnings.
    ///
    /// # Errors
    /// If what is asked for makes no sense, or the kernel refuses it; nothing has changed then.
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
        let model = self.network.model();
        spec.network.publish = publish::after(&record, &model, &update.publish, &update.withdraw)?;
        spec::check(&spec)?;
        spec::check_available(&spec.limits)?;
        let is_published = record.spec.network.publish != spec.network.publish;
        let before = record.clone();
        record.spec = Arc::new(spec);
        if is_published {
            let requests = network::publish_again(&record, &model).into_iter().collect();
            self.change_network(requests).await.map_err(|error| error.of_endpoint(&record))?;
        }
        if let Err(error) = self.limit_and_keep(container, &record).await {
            if is_published {
                self.publish_back(&before).await;
            }
            return Err(error);
        }
        self.tell_container(&record, "update", &[]);
        let is_wished = !update.publish.is_empty();
        Ok(super::create::warnings(&record.spec).into_iter().filter(|_| is_wished).collect())
    }

    async fn limit_and_keep(&self, container: &Container, record: &Record) -> Result<(), UpdateError> {
        if let Some(client) = container.client() {
            let resources = process::resources(&record.spec.limits, &[]);
            let id = record.id.to_string();
            let of = |error: process::ClientError| UpdateError::Process { id, source: error.into() };
            client.update(resources).await.map_err(of)?;
        }
        Ok(self.keep(container, record.clone()).await?)
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
