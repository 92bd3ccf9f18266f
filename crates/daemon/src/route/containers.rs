//! Looking at containers: list, inspect, top, stats, changes, wait.

use api::container::{ContainerSummary, ContainerTopResponse, ContainerWaitResponse, WaitError};
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use engine::{WaitCondition, WaitExit};
use futures_util::FutureExt;
use futures_util::stream;
use jiff::Timestamp;

use super::list;
use crate::app::App;
use crate::convert::{inspect, summary};
use crate::http::answer::{Answer, Refusal, ok, streaming};
use crate::http::query::Query;
use crate::http::stream::{body, line};
use crate::http::version::Speaks;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/containers/json", get(list))
        .route("/containers/ps", get(list))
        .route("/containers/{id}/json", get(show))
        .route("/containers/{id}/top", get(top))
        .route("/containers/{id}/wait", post(wait))
}

async fn list(State(app): State<App>, query: Query) -> Answer {
    let wanted = list::Wanted::read(&query)?;
    let now = Timestamp::now();
    let containers = app.engine.list();
    let chosen = wanted.choose(&containers)?;
    let lines: Vec<ContainerSummary> =
        chosen.into_iter().map(|container| summary::summary(container, now)).collect();
    Ok(ok(&lines))
}

async fn show(State(app): State<App>, Speaks(version): Speaks, Path(id): Path<String>) -> Answer {
    let container = app.engine.inspect(&id)?;
    let graph = app.engine.graph_driver(&container.id);
    Ok(ok(&inspect::inspect(container, graph).shaped(version)))
}

async fn top(State(app): State<App>, Path(id): Path<String>) -> Answer {
    let engine::Top { titles, processes } = app.engine.top(&id).await?;
    Ok(ok(&ContainerTopResponse { processes: Some(processes), titles: Some(titles) }))
}

/// The headers are sent at once: a client that has them may start the container and miss nothing.
async fn wait(State(app): State<App>, Path(id): Path<String>, query: Query) -> Answer {
    let exit = app.engine.wait(&id, condition(query.text("condition"))?)?;
    let answer = exit.map(|WaitExit { code, error }| {
        let error = error.map(|message| WaitError { message });
        line(&ContainerWaitResponse { error, status_code: i64::from(code) })
    });
    Ok(streaming("application/json", body(stream::once(answer), app.stop())))
}

fn condition(text: &str) -> Result<WaitCondition, Refusal> {
    match text {
        "" | "not-running" => Ok(WaitCondition::NotRunning),
        "next-exit" => Ok(WaitCondition::NextExit),
        "removed" => Ok(WaitCondition::Removed),
        other => Err(Refusal::invalid(format!("invalid condition: {other:?}"))),
    }
}
