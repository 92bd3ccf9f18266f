//! Removing a container and all that is its own.

use std::sync::Arc;

use super::{Engine, RemoveOptions, StopOptions, blocking, shown};
use crate::{
    Signal, State, cnm::controller::Request, container::Container, error::RemoveError, network,
    record::Record, rootfs, volume,
};

impl Engine {
    /// Removes a container.
    ///
    /// # Errors
    /// If it runs and is not to be killed; or if something of it stays, in which
    /// case it is `dead` and can only be removed again.
    pub async fn remove(self: &Arc<Self>, term: &str, options: RemoveOptions) -> Result<(), RemoveError> {
        let (engine, term) = (Arc::clone(self), term.to_owned());
        self.whole(async move { engine.remove_whole(&term, options).await }).await
    }

    /// Removes without being interrupted.
    pub(super) async fn remove_whole(&self, term: &str, options: RemoveOptions) -> Result<(), RemoveError> {
        let container = self.registry.find(term)?;
        let name = container.record().name.clone();
        if options.force
            && matches!(container.record().state, State::Running(_) | State::Paused(_) | State::Restarting(_))
        {
            let kill = StopOptions { signal: Some(Signal::KILL), timeout: Some(0) };
            let of = |source| RemoveError::Kill { name: name.clone(), source };
            self.stop_whole(&container, kill, term).await.map_err(of)?;
        }
        let Ok(_turn) = container.turn().await else {
            // Somebody was quicker: with force, it was the same wish.
            let in_progress = RemoveError::InProgress { term: term.to_owned() };
            return if options.force { Ok(()) } else { Err(in_progress) };
        };
        self.remove_held(&container, options).await
    }

    async fn remove_held(&self, container: &Container, options: RemoveOptions) -> Result<(), RemoveError> {
        let mut record = Record::clone(&container.record());
        let name = record.name.clone();
        let exited = record.state.exited().cloned();
        record.state = match record.state {
            State::Running(_) => return Err(RemoveError::Running { name }),
            State::Paused(_) => return Err(RemoveError::Paused { name }),
            State::Restarting(_) => return Err(RemoveError::Restarting { name }),
            State::Created { .. } | State::Exited(_) | State::Removing(_) | State::Dead(_) => {
                State::Removing(exited.clone())
            }
        };
        container.show(record.state.clone());
        match self.take_apart(container, &mut record, options).await {
            Ok(()) => {
                self.registry.remove(container);
                container.publish_removed();
                self.tell_container(&record, "destroy", &[]);
                Ok(())
            }
            Err(error) => {
                record.state = State::Dead(exited);
                if let Err(error) = self.keep(container, record).await {
                    tracing::error!(container = %container.id, error = crate::chain(&error), "cannot keep the record");
                }
                Err(error)
            }
        }
    }

    /// Every part of a container; the record last, so that what fails can be tried again.
    async fn take_apart(
        &self,
        container: &Container,
        record: &mut Record,
        options: RemoveOptions,
    ) -> Result<(), RemoveError> {
        self.release_process(container).await;
        let requests = self.farewell(container, record);
        self.change_network(requests).await?;
        let (images, id) = (Arc::clone(&self.images), record.id);
        blocking(move || rootfs::remove(&images, &id)).await?;
        let directory = self.directory(&record.id);
        let failed = |source| RemoveError::Directory { path: shown(&directory), source };
        volume::ignore_missing(std::fs::remove_dir_all(&directory)).map_err(failed)?;
        self.store.delete(&record.id).await?;
        self.leave_volumes(record, options.volumes).await;
        Ok(())
    }

    /// Removes endpoints and sandbox. A sandbox that others live in stays with them, without networks.
    fn farewell(&self, container: &Container, record: &Record) -> Vec<Request> {
        let model = self.network.model();
        let inhabited = record.sandbox.filter(|id| self.is_inhabited(container, id));
        let Some(sandbox) = inhabited else { return network::remove(record, &model) };
        let leave = model.endpoints_of_sandbox(&sandbox).map(|endpoint| Request::Leave(endpoint.id));
        let own = network::remove(record, &model).into_iter();
        leave.chain(own.filter(|request| *request != Request::DeleteSandbox(sandbox))).collect()
    }
}
