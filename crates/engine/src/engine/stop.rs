//! Ending a container: signals, and patience.

use std::{sync::Arc, time::Duration};

use super::{Done, Engine, StopOptions};
use crate::{
    Signal, State,
    container::{Container, Moment},
    error::{KillError, ProcessError, RestartError, StopError},
    process::ProcessId,
    record::Record,
};

/// Docker's patience in seconds, where nothing is said.
const PATIENCE: i64 = 10;
/// How long the kernel may take to end a killed process.
const AFTER_KILL: Duration = Duration::from_secs(10);

impl Engine {
    /// Ends a container: the signal, then, after the timeout, SIGKILL.
    ///
    /// # Errors
    /// If it cannot be signalled, or does not end even when killed.
    pub async fn stop(self: &Arc<Self>, term: &str, options: StopOptions) -> Result<Done, StopError> {
        let container = self.registry.find(term)?;
        let (engine, term) = (Arc::clone(self), term.to_owned());
        self.whole(async move { engine.stop_whole(&container, options, &term).await }).await
    }

    /// Stops, if it runs, and starts. Addresses and sandbox stay.
    ///
    /// # Errors
    /// If it cannot be ended or cannot be started.
    pub async fn restart(self: &Arc<Self>, term: &str, options: StopOptions) -> Result<(), RestartError> {
        let container = self.registry.find(term)?;
        let (engine, term) = (Arc::clone(self), term.to_owned());
        self.whole(async move {
            container.live().restarting = container.record().state.alive().is_some();
            let stopped = engine.stop_whole(&container, options, &term).await;
            container.live().restarting = false;
            let of_stop = |source| RestartError::Stop { term: term.clone(), source };
            stopped.map_err(of_stop)?;
            let _turn = container.turn().await?;
            let mut record = Record::clone(&container.record());
            (record.stopped, record.restart_count) = (false, 0);
            let of_start = |source| RestartError::Start { term: term.clone(), source };
            engine.start_held(&container, record).await.map_err(of_start)?;
            engine.tell_container(&container.record(), "restart", &[]);
            Ok(())
        })
        .await
    }

    /// Sends a signal. SIGKILL is waited for.
    ///
    /// # Errors
    /// If the container does not run.
    pub async fn kill(self: &Arc<Self>, term: &str, signal: Signal) -> Result<(), KillError> {
        let container = self.registry.find(term)?;
        let (engine, term) = (Arc::clone(self), term.to_owned());
        self.whole(async move { engine.kill_whole(&container, signal, &term).await }).await
    }

    async fn kill_whole(&self, container: &Container, signal: Signal, term: &str) -> Result<(), KillError> {
        let of = |source| KillError::Process { term: term.to_owned(), source };
        if matches!(container.record().state, State::Restarting(_)) {
            return self.give_up_restarting(container).await.map_err(of);
        }
        let Some(client) = container.client() else {
            return Err(KillError::NotRunning { term: term.to_owned(), id: container.id.to_string() });
        };
        let record = container.record();
        let is_end = signal == Signal::KILL || signal == record.spec.stop_signal.unwrap_or(Signal::TERM);
        container.live().stopping |= is_end;
        client.kill(ProcessId::Init, signal.number()).await.map_err(|error| of(error.into()))?;
        self.tell_container(&record, "kill", &[("signal", signal.number().to_string())]);
        if signal == Signal::KILL {
            thaw(container, &record).await;
            ended(container, Some(AFTER_KILL)).await;
        }
        Ok(())
    }

    /// Stops without being interrupted.
    pub(super) async fn stop_whole(
        &self,
        container: &Container,
        options: StopOptions,
        term: &str,
    ) -> Result<Done, StopError> {
        let of = |source| StopError::Process { term: term.to_owned(), source };
        let record = container.record();
        if matches!(record.state, State::Restarting(_)) {
            self.give_up_restarting(container).await.map_err(of)?;
            return Ok(Done::Now);
        }
        let Some(client) = container.client() else { return Ok(Done::Already) };
        let signal = options.signal.or(record.spec.stop_signal).unwrap_or(Signal::TERM);
        let patience = options.timeout.or(record.spec.stop_timeout).unwrap_or(PATIENCE);
        container.live().stopping = true;
        // What has ended meanwhile needs no signal.
        let _ended_already = client.kill(ProcessId::Init, signal.number()).await;
        self.tell_container(&record, "kill", &[("signal", signal.number().to_string())]);
        thaw(container, &record).await;
        let patience = u64::try_from(patience).ok().map(Duration::from_secs);
        if !ended(container, patience).await {
            let _ended_already = client.kill(ProcessId::Init, Signal::KILL.number()).await;
            if !ended(container, Some(AFTER_KILL)).await {
                let what = "end the container's processes".to_owned();
                return Err(of(ProcessError::Io { what, source: std::io::ErrorKind::TimedOut.into() }));
            }
        }
        if matches!(container.record().state, State::Restarting(_)) {
            // It had ended by itself just before, and its policy was quicker.
            self.give_up_restarting(container).await.map_err(of)?;
        }
        self.tell_container(&container.record(), "stop", &[]);
        Ok(Done::Now)
    }

    /// Ends the waiting for the next start.
    async fn give_up_restarting(&self, container: &Container) -> Result<(), ProcessError> {
        // One that was removed restarts no more.
        let Ok(_turn) = container.turn().await else { return Ok(()) };
        let mut record = Record::clone(&container.record());
        if let State::Restarting(exited) = record.state.clone() {
            self.release(container, &mut record).await;
            record.state = State::Exited(exited);
            record.stopped = true;
            let what = || "keep the record".to_owned();
            let failed = |error| ProcessError::Io {
                what: what(),
                source: std::io::Error::other(crate::chain(&error)),
            };
            self.keep(container, record).await.map_err(failed)?;
        }
        Ok(())
    }
}

/// Lets a frozen container see its signal.
async fn thaw(container: &Container, record: &Record) {
    if matches!(record.state, State::Paused(_))
        && let Some(client) = container.client()
    {
        let _ended_already = client.resume().await;
    }
}

/// Waits until the container has ended; false when that takes longer than `patience`.
async fn ended(container: &Container, patience: Option<Duration>) -> bool {
    let mut moments = container.watch();
    let is_over = |moment: &Moment| moment.removed || moment.record.state.alive().is_none();
    let over = moments.wait_for(is_over);
    match patience {
        Some(patience) => tokio::time::timeout(patience, over).await.is_ok(),
        None => over.await.is_ok(),
    }
}
