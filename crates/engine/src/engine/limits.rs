//! Changing what a container may use up and which ports it publishes, while it runs or not.

use std::sync::Arc;

use super::{Engine, Update, publish};
use crate::{
    ContainerSpec, Limits, RestartPolicy, State,
    cnm::{Model, access::ALLOW, controller::Request, plan::Plan},
    container::Container,
    error::UpdateError,
    network, process,
    record::Record,
    spec,
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

    /// What an update would change in the kernel's networks.
    ///
    /// # Errors
    /// As for the update itself.
    pub async fn update_plan(&self, term: &str, update: Update) -> Result<Plan, UpdateError> {
        let before = self.registry.find(term)?.record();
        let model = self.network.model();
        let record = after(&before, &model, update)?;
        let requests = republish(&before, &record, &model).into_iter().collect();
        self.preview_network(requests).await.map_err(|error| error.of_endpoint(&record).into())
    }

    async fn update_whole(&self, container: &Container, update: Update) -> Result<Vec<String>, UpdateError> {
        let _turn = container.turn().await?;
        let before = container.record();
        let wished = update.publish.clone();
        let is_wished = !wished.is_empty();
        let model = self.network.model();
        let record = after(&before, &model, update)?;
        let checked = self.check_addresses(record.spec.restart, &wished).await;
        checked.map_err(|error| error.of_endpoint(&record))?;
        let request = republish(&before, &record, &model);
        let is_published = request.is_some();
        if let Some(request) = request {
            self.change_network(vec![request]).await.map_err(|error| error.of_endpoint(&record))?;
        }
        if let Err(error) = self.limit_and_keep(container, &record).await {
            if is_published {
                self.publish_back(&before).await;
            }
            return Err(error);
        }
        self.tell_container(&record, "update", &[]);
        let absent = self.absent_warnings(&record.spec).await;
        let warnings = super::create::warnings(&record.spec).into_iter().chain(absent);
        Ok(warnings.filter(|_| is_wished).collect())
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

/// What an update makes of a container, if it makes sense.
fn after(before: &Record, model: &Model, update: Update) -> Result<Record, UpdateError> {
    if matches!(before.state, State::Dead(_) | State::Removing(_)) {
        return Err(UpdateError::MarkedForRemoval { id: before.id.to_string() });
    }
    let mut spec = ContainerSpec::clone(&before.spec);
    if let Some(restart) = update.restart {
        if spec.auto_remove && restart != RestartPolicy::No {
            return Err(UpdateError::AutoRemove);
        }
        spec.restart = restart;
    }
    merge(&mut spec.limits, update.limits);
    match update.allow {
        Some(list) if list.is_empty() => drop(spec.labels.remove(ALLOW)),
        Some(list) => drop(spec.labels.insert(ALLOW.to_owned(), list)),
        None => {}
    }
    spec.network.publish = publish::after(before, model, &update.publish, &update.withdraw)?;
    spec::check(&spec)?;
    spec::check_available(&spec.limits)?;
    Ok(Record { spec: Arc::new(spec), ..before.clone() })
}

/// Publishes the ports that an update leaves, if they, or those who reach them, are others than before.
fn republish(before: &Record, after: &Record, model: &Model) -> Option<Request> {
    let is_same = before.spec.network.publish == after.spec.network.publish
        && network::allowed(before) == network::allowed(after);
    if is_same { None } else { network::publish_again(after, model) }
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
