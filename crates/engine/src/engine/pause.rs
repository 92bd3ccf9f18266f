//! Freezing and thawing.

use std::sync::Arc;

use super::Engine;
use crate::{
    State,
    container::Container,
    error::{PauseError, ProcessError},
    record::Record,
};

impl Engine {
    /// Freezes all processes of a container.
    ///
    /// # Errors
    /// If it does not run, or is frozen.
    pub async fn pause(self: &Arc<Self>, term: &str) -> Result<(), PauseError> {
        let container = self.registry.find(term)?;
        let engine = Arc::clone(self);
        self.whole(async move { engine.pause_whole(&container).await }).await
    }

    /// Thaws them.
    ///
    /// # Errors
    /// If it is not frozen.
    pub async fn unpause(self: &Arc<Self>, term: &str) -> Result<(), PauseError> {
        let container = self.registry.find(term)?;
        let engine = Arc::clone(self);
        self.whole(async move { engine.unpause_whole(&container).await }).await
    }

    async fn pause_whole(&self, container: &Container) -> Result<(), PauseError> {
        let _turn = container.turn().await?;
        self.pause_now(container).await
    }

    async fn unpause_whole(&self, container: &Container) -> Result<(), PauseError> {
        let _turn = container.turn().await?;
        self.unpause_now(container).await
    }

    /// Freezes a container whose turn is held.
    pub(super) async fn pause_now(&self, container: &Container) -> Result<(), PauseError> {
        let id = container.id.to_string();
        let mut record = Record::clone(&container.record());
        record.state = match record.state {
            State::Running(running) => State::Paused(running),
            State::Paused(_) => return Err(PauseError::AlreadyPaused { id }),
            State::Created { .. }
            | State::Restarting(_)
            | State::Exited(_)
            | State::Removing(_)
            | State::Dead(_) => return Err(PauseError::NotRunning { id }),
        };
        let of = |source| PauseError::Process { id: id.clone(), source };
        let client = container.client().ok_or_else(|| of(ProcessError::Gone))?;
        client.pause().await.map_err(|error| of(error.into()))?;
        self.tell_container(&record, "pause", &[]);
        Ok(self.keep(container, record).await?)
    }

    /// Thaws a container whose turn is held.
    pub(super) async fn unpause_now(&self, container: &Container) -> Result<(), PauseError> {
        let id = container.id.to_string();
        let mut record = Record::clone(&container.record());
        record.state = match record.state {
            State::Paused(running) => State::Running(running),
            State::Running(_)
            | State::Created { .. }
            | State::Restarting(_)
            | State::Exited(_)
            | State::Removing(_)
            | State::Dead(_) => return Err(PauseError::NotPaused { id }),
        };
        let of = |source| PauseError::Process { id: id.clone(), source };
        let client = container.client().ok_or_else(|| of(ProcessError::Gone))?;
        client.resume().await.map_err(|error| of(error.into()))?;
        self.tell_container(&record, "unpause", &[]);
        Ok(self.keep(container, record).await?)
    }
}
