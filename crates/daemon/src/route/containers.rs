//! Looking at containers: list, inspect, top, stats, changes, wait.

use api::container::{
    ContainerSummary, ContainerTopResponse, ContainerWaitResponse, ContainersPruneResponse, WaitError,
};
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use engine::{RemoveOptions, WaitCondition, WaitExit};
use futures_util::FutureExt;
use futures_util::stream;
use jiff::Timestamp;

use super::list;
use crate::app::App;
use crate::convert::{inspect, summary, time};
use crate::http::answer::{Answer, Refusal, ok, streaming};
use crate::http::query::Query;
use crate::http::stream::{body, line};
use crate::http::version::Speaks;

const PRUNE_FILTERS: [&str; 3] = ["label", "label!", "until"];

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/containers/json", get(list))
        .route("/containers/ps", get(list))
        .route("/containers/prune", post(prune))
        .route("/containers/{id}/json", get(show))
        .route("/containers/{id}/top", get(top))
        .route("/containers/{id}/wait", post(wait))
}

async fn list(State(app): State<App>, Speaks(version): Speaks, query: Query) -> Answer {
    let wanted = list::Wanted::read(&query)?;
    let now = Timestamp::now();
    let containers = app.engine.list();
    let chosen = wanted.choose(&containers)?;
    let mut lines: Vec<ContainerSummary> = Vec::with_capacity(chosen.len());
    for container in chosen {
        let mut line = summary::summary(container, now, version);
        if query.switch("size") {
            (line.size_rw, line.size_root_fs) = sizes(&app, &container.id).await;
        }
        lines.push(line);
    }
    Ok(ok(&lines))
}

/// What a container has written, and all that it sees, in bytes.
async fn sizes(app: &App, id: &engine::ContainerId) -> (Option<i64>, Option<i64>) {
    let engine::ContainerSizes { written, root, kept: _ } = app.engine.container_sizes(id).await;
    (i64::try_from(written).ok(), i64::try_from(root).ok())
}

async fn show(
    State(app): State<App>,
    Speaks(version): Speaks,
    Path(id): Path<String>,
    query: Query,
) -> Answer {
    let container = app.engine.inspect(&id)?;
    let (id, graph) = (container.id, app.engine.graph_driver(&container.id));
    let mut shown = inspect::inspect(container, graph);
    if query.switch("size") {
        (shown.size_rw, shown.size_root_fs) = sizes(&app, &id).await;
    }
    Ok(ok(&shown.shaped(version)))
}

async fn top(State(app): State<App>, Path(id): Path<String>) -> Answer {
    let engine::Top { titles, processes } = app.engine.top(&id).await?;
    Ok(ok(&ContainerTopResponse { processes: Some(processes), titles: Some(titles) }))
}

/// Removes what does not run and passes the filters.
async fn prune(State(app): State<App>, query: Query) -> Answer {
    let filters = query.filters(&PRUNE_FILTERS)?;
    let until = filters.get("until").last().map(time::parse).transpose()?.flatten();
    let is_wanted = |container: &engine::Inspect| {
        let is_idle = matches!(container.state, engine::State::Created { .. } | engine::State::Exited(_));
        is_idle
            && until.is_none_or(|until| container.created < until)
            && filters.accept_labels(&container.spec.labels)
    };
    let (mut removed, mut space_reclaimed) = (Vec::new(), 0);
    for container in app.engine.list().into_iter().filter(is_wanted) {
        let id = container.id.to_string();
        let sizes = app.engine.container_sizes(&container.id).await;
        // One that was started in the meantime stays.
        if app.engine.remove(&id, RemoveOptions::default()).await.is_ok() {
            removed.push(id);
            space_reclaimed += sizes.written + sizes.kept;
        }
    }
    let told = [("reclaimed".to_owned(), space_reclaimed.to_string())];
    app.engine.tell("container", "prune", "", told.into());
    let containers_deleted = Some(removed).filter(|removed| !removed.is_empty());
    Ok(ok(&ContainersPruneResponse { containers_deleted, space_reclaimed }))
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
