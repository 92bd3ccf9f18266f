//! Health checks and what they have shown.

use api::container::{HealthConfig, HealthSummary};
use api::inspect::{Health as ApiHealth, HealthcheckResult};
use api::version::Version;
use engine::image::Healthcheck;
use engine::{Health, HealthCheck, HealthProbe, Inspect};

use super::time;
use crate::http::answer::Refusal;

/// Reads a health check; start intervals are of API 1.44.
pub(crate) fn wanted(config: Option<HealthConfig>, version: Version) -> Result<HealthCheck, Refusal> {
    let HealthConfig { test, interval, timeout, start_period, start_interval, retries } =
        config.unwrap_or_default();
    let start_interval = if version < Version::v1(44) { 0 } else { start_interval };
    let test = test.unwrap_or_default();
    let said = Healthcheck { test, interval, timeout, start_period, start_interval, retries };
    HealthCheck::try_from(said).map_err(|error| Refusal::invalid(error.to_string()))
}

/// What is shown of a health check; nothing of one that says nothing.
pub(crate) fn config(check: HealthCheck) -> Option<HealthConfig> {
    (check != HealthCheck::default()).then(|| image_config(check.into()))
}

/// What is shown of an image's.
pub(crate) fn image_config(said: Healthcheck) -> HealthConfig {
    let Healthcheck { test, interval, timeout, start_period, start_interval, retries } = said;
    HealthConfig { test: Some(test), interval, timeout, start_period, start_interval, retries }
}

/// All that is known of a container's health.
pub(crate) fn health(health: Health) -> ApiHealth {
    let Health { status, failing_streak, log } = health;
    ApiHealth {
        status: status.name().to_owned(),
        failing_streak: failing_streak.into(),
        log: Some(log.into_iter().map(probe).collect()),
    }
}

fn probe(probe: HealthProbe) -> HealthcheckResult {
    let HealthProbe { start, end, code, output } = probe;
    HealthcheckResult {
        start: time::text(Some(start)),
        end: time::text(Some(end)),
        exit_code: code.into(),
        output,
    }
}

/// The word for a container's health in lists: `none` for one without a test, or that does not run.
pub(crate) fn status(container: &Inspect) -> &'static str {
    known(container).map_or("none", |health| health.status.name())
}

/// The same with the failures in a row.
pub(crate) fn summary(container: &Inspect) -> HealthSummary {
    HealthSummary {
        status: status(container).to_owned(),
        failing_streak: known(container).map_or(0, |health| health.failing_streak.into()),
    }
}

/// The health of a container that runs.
fn known(container: &Inspect) -> Option<&Health> {
    container.health.as_ref().filter(|_| container.state.alive().is_some())
}
