//! What a container uses up: once, or every second.

use std::time::Duration;

use api::stats::ContainerStats;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use futures_util::stream;

use crate::app::App;
use crate::convert::stats;
use crate::http::answer::{Answer, Refusal, ok, streaming};
use crate::http::query::Query;
use crate::http::stream::{body, line};

/// The time between two samples, Docker's.
const INTERVAL: Duration = Duration::from_secs(1);

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/containers/{id}/stats", get(show))
}

async fn show(State(app): State<App>, Path(id): Path<String>, query: Query) -> Answer {
    let container = app.engine.inspect(&id)?;
    let sampler =
        Sampler { app: app.clone(), id: container.id.to_string(), name: container.name, last: None };
    if query.switch_or("stream", true) {
        let samples = stream::unfold(sampler, |mut sampler| async {
            if sampler.last.is_some() {
                tokio::time::sleep(INTERVAL).await;
            }
            let sample = sampler.next().await.ok()?;
            Some((line(&sample), sampler))
        });
        return Ok(streaming("application/json", body(samples, app.stop())));
    }
    let mut sampler = sampler;
    let mut sample = sampler.next().await?;
    if !query.switch("one-shot") && container.state.alive().is_some() {
        tokio::time::sleep(INTERVAL).await;
        sample = sampler.next().await?;
    }
    Ok(ok(&sample))
}

/// Takes samples of one container; each has the one before it.
struct Sampler {
    app: App,
    id: String,
    name: String,
    last: Option<ContainerStats>,
}

impl Sampler {
    async fn next(&mut self) -> Result<ContainerStats, Refusal> {
        let now = self.app.engine.stats(&self.id).await?;
        let mut sample = stats::stats(now, self.app.facts.memory);
        sample.id.clone_from(&self.id);
        sample.name = format!("/{}", self.name);
        if let Some(last) = &self.last {
            sample.preread.clone_from(&last.read);
            sample.precpu_stats = last.cpu_stats.clone();
        }
        self.last = Some(sample.clone());
        Ok(sample)
    }
}
