//! Looking into a running container: its processes, its numbers, its terminal.

use super::Engine;
use crate::{
    Stats, Top,
    error::{ResizeError, TopError},
    process::{ProcessId, TerminalSize},
    top,
};

impl Engine {
    /// The processes of a container, as `ps -ef` shows them.
    ///
    /// # Errors
    /// If the container does not run.
    pub async fn top(&self, term: &str) -> Result<Top, TopError> {
        let container = self.registry.find(term)?;
        let id = container.id.to_string();
        let client = container.client().ok_or_else(|| TopError::NotRunning { id: id.clone() })?;
        let pids = client.pids().await.map_err(|error| TopError::Process { id, source: error.into() })?;
        Ok(super::blocking(move || top::processes(&pids)).await)
    }

    /// What a container uses now; nothing of one that does not run.
    ///
    /// # Errors
    /// If there is no such container, or its numbers cannot be read.
    pub async fn stats(&self, term: &str) -> Result<Option<Stats>, TopError> {
        let (container, pid) = self.find_alive(term)?;
        let (Some(client), Some(pid)) = (container.client(), pid) else { return Ok(None) };
        let id = container.id.to_string();
        let usage = client.stats().await.map_err(|error| TopError::Process { id, source: error.into() })?;
        let on_host = container.record().sandbox.is_some_and(|sandbox| self.is_host(&sandbox));
        let interfaces =
            if on_host { Vec::new() } else { super::blocking(move || top::interfaces(pid)).await };
        Ok(Some(Stats { usage, interfaces }))
    }

    /// Tells the first process's terminal its size.
    ///
    /// # Errors
    /// If the container does not run, or has no terminal.
    pub async fn resize(&self, term: &str, columns: u16, rows: u16) -> Result<(), ResizeError> {
        let container = self.registry.find(term)?;
        let id = container.id.to_string();
        let client = container.client().ok_or_else(|| ResizeError::NotRunning { id: id.clone() })?;
        let resized = client.resize(ProcessId::Init, TerminalSize { rows, columns }).await;
        resized.map_err(|error| ResizeError::Process { id, source: error.into() })?;
        let size = [("height", rows.to_string()), ("width", columns.to_string())];
        self.tell_container(&container.record(), "resize", &size);
        Ok(())
    }
}
