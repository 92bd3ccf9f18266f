//! Testing containers whether they are well, again and again while they run.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::{sleep, timeout};

use super::Engine;
use crate::{
    Attached, ExecId, ExecSpec, ExecState, Health, HealthProbe, HealthStatus, State,
    container::{Container, Moment},
    health::ProbeOutput,
    network,
    record::Record,
};

/// How long the start of a test may take; it does not count as the test's own time.
const START: Duration = Duration::from_secs(30);

/// One run of a container that is tested.
struct Tested {
    engine: Arc<Engine>,
    container: Arc<Container>,
    /// When it began: another run is another's business.
    started: Timestamp,
    program: Vec<String>,
}

impl Engine {
    /// Tests a container that runs, if it has a test, in a task that ends with the run or the engine.
    pub(super) fn watch_health(self: &Arc<Self>, container: &Arc<Container>) {
        let record = container.record();
        let (Some(running), Some(program)) = (record.state.alive(), record.spec.tester()) else { return };
        let (engine, container) = (Arc::clone(self), Arc::clone(container));
        self.tasks.spawn(Tested { engine, container, started: running.started, program }.run());
    }

    /// Lets resolvers know whether a container that is tested is ready to serve.
    pub(super) async fn tell_names(&self, record: &Record) {
        let model = self.network.model();
        let Some(sandbox) = record.sandbox.and_then(|id| model.sandbox(&id)) else { return };
        let health = record.health.as_ref();
        let ready = health.is_none_or(|health| health.status == HealthStatus::Healthy);
        if sandbox.ready == ready || !network::is_own(record, &sandbox.id, &model) {
            return;
        }
        if let Err(error) = self.change_network(vec![network::ready(sandbox.id, ready)]).await {
            tracing::error!(container = %record.id, error = crate::chain(&error), "names do not follow its health");
        }
    }
}

/// What is known of the health of a container that is just started.
pub(super) fn at_start(record: &Record) -> Option<Health> {
    record.spec.tester().map(|_| Health::starting(record.health.clone()))
}

/// What is shown of the health of one that has ended: as in Docker, nobody is well who is not there.
pub(super) fn at_end(health: &mut Option<Health>) {
    health.iter_mut().for_each(|health| health.status = HealthStatus::Unhealthy);
}

impl Tested {
    async fn run(self) {
        while self.runs().await {
            tokio::select! {
                () = sleep(self.wait()) => {}
                () = self.interrupted() => continue,
            }
            if let Some(probe) = self.probe().await {
                self.note(probe).await;
            }
        }
    }

    /// Waits while the container is frozen. False once this run of it is over, or the engine ends.
    async fn runs(&self) -> bool {
        let mut moments = self.container.watch();
        let is_frozen =
            |state: &State| matches!(state, State::Paused(running) if running.started == self.started);
        let is_decided = |moment: &Moment| !is_frozen(&moment.record.state);
        tokio::select! {
            moment = moments.wait_for(is_decided) => moment.is_ok_and(|moment| self.is_running(&moment.record)),
            () = self.engine.closing.cancelled() => false,
        }
    }

    /// Waits for the end of this run, for its being frozen, or for the engine's end.
    async fn interrupted(&self) {
        let mut moments = self.container.watch();
        let is_over = |moment: &Moment| !self.is_running(&moment.record);
        tokio::select! {
            _ = moments.wait_for(is_over) => {}
            () = self.engine.closing.cancelled() => {}
        }
    }

    fn is_running(&self, record: &Record) -> bool {
        matches!(&record.state, State::Running(running) if running.started == self.started)
    }

    /// How long to wait for the next test.
    fn wait(&self) -> Duration {
        let record = self.container.record();
        let is_starting = record.health.as_ref().is_none_or(|health| health.status == HealthStatus::Starting);
        let age = Timestamp::now().duration_since(self.started).unsigned_abs();
        record.spec.health.wait(is_starting, age)
    }

    /// Makes one test; none that is interrupted.
    async fn probe(&self) -> Option<HealthProbe> {
        let start = Timestamp::now();
        let spec = ExecSpec { args: self.program.clone(), stdout: true, stderr: true, ..ExecSpec::default() };
        let (code, output) = match self.engine.exec_create_in(&self.container, spec.clone()) {
            Ok(id) => {
                let tested = tokio::select! {
                    tested = self.test(id, spec) => Some(tested),
                    () = self.interrupted() => None,
                };
                self.end(id).await;
                tested?
            }
            Err(error) => (-1, crate::chain(&error)),
        };
        Some(HealthProbe { start, end: Timestamp::now(), code, output })
    }

    /// Runs a prepared test to its end: its exit code, and what it wrote.
    async fn test(&self, id: ExecId, spec: ExecSpec) -> (i32, String) {
        let started = self.engine.exec_start_in(&self.container, (id, spec), false);
        let attached = match timeout(START, started).await {
            Ok(Ok(Some(attached))) => attached,
            Ok(Ok(None)) => unreachable!("a test is not detached"),
            Ok(Err(error)) => return (-1, crate::chain(&error)),
            Err(_) => {
                return (-1, format!("timed out starting health check for container {}", self.container.id));
            }
        };
        let mut output = ProbeOutput::default();
        let limit = self.container.record().spec.health.timeout();
        match timeout(limit, read(attached, &mut output)).await {
            Ok(()) => (self.exit_code(id), output.text()),
            Err(_) => (-1, exceeded(limit, &output.text())),
        }
    }

    /// What a test that has written all has ended with.
    fn exit_code(&self, id: ExecId) -> i32 {
        match self.container.live().execs.get(&id).map(|exec| exec.state) {
            Some(ExecState::Exited { code, .. }) => code,
            // Its container has ended, and nobody waits for the result.
            Some(ExecState::Created | ExecState::Running { .. }) | None => -1,
        }
    }

    /// Forgets a test, and kills what still runs of it.
    async fn end(&self, id: ExecId) {
        let ended = self.container.live().execs.remove(&id);
        let still_runs = ended.is_some_and(|exec| !matches!(exec.state, ExecState::Exited { .. }));
        if let Some(client) = self.container.client().filter(|_| still_runs) {
            let _ended_already = client.exec_remove(&id.to_string()).await;
        }
    }

    /// Keeps what a test has shown, and tells everyone when that changes something.
    async fn note(&self, probe: HealthProbe) {
        let turn = tokio::select! {
            turn = self.container.turn() => turn,
            () = self.interrupted() => return,
        };
        let Ok(_turn) = turn else { return };
        let mut record = Record::clone(&self.container.record());
        if !self.is_running(&record) {
            return;
        }
        let health = record.health.get_or_insert_default();
        let before = health.status;
        health.note(probe, &record.spec.health, self.started);
        let status = health.status;
        if status != before {
            self.engine.tell_names(&record).await;
            // What changes nothing is not worth a write to the disk: a new engine begins another log.
            if let Err(error) = self.engine.store.put(&record).await {
                tracing::error!(container = %record.id, error = crate::chain(&error), "cannot keep the record");
            }
            self.engine.tell_container(&record, &format!("health_status: {}", status.name()), &[]);
        }
        self.container.publish(record);
    }
}

async fn read(mut attached: Attached, output: &mut ProbeOutput) {
    while let Some(piece) = attached.output.recv().await {
        output.add(&piece.data);
    }
}

/// Docker's words for a test that takes too long.
fn exceeded(limit: Duration, output: &str) -> String {
    let text = format!("Health check exceeded timeout ({limit:?})");
    if output.is_empty() { text } else { format!("{text}: {output}") }
}
