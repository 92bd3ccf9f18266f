//! Volumes renamed, cloned, kept and restored, which Docker does not have.

use std::time::Duration;

use api::volume::{VolumeCloneRequest, VolumeCopyStatus};
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{delete, get, post};
use bytes::Bytes;
use engine::{VolumeCopy, VolumeInspect, VolumeTask};
use futures_util::stream;
use hyper::StatusCode;

use crate::app::App;
use crate::convert::volume;
use crate::http::answer::{Answer, Refusal, empty, ok, streaming};
use crate::http::body::Json;
use crate::http::query::Query;
use crate::http::stream::{body, line};

/// Between two lines that tell how far a copy is.
const PAUSE: Duration = Duration::from_millis(250);

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/volumes/{name}/rename", post(rename))
        .route("/volumes/{name}/clone", post(clone))
        .route("/volumes/{name}/snapshots", get(snapshots).post(snapshot))
        .route("/volumes/{name}/snapshots/{snapshot}", delete(forget))
        .route("/volumes/{name}/snapshots/{snapshot}/restore", post(restore))
}

async fn rename(State(app): State<App>, Path(name): Path<String>, query: Query) -> Answer {
    app.engine.volume_rename(&name, query.text("name")).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

async fn clone(
    State(app): State<App>,
    Path(name): Path<String>,
    Json(request): Json<VolumeCloneRequest>,
) -> Answer {
    let VolumeCloneRequest { name: new, labels } = request;
    let task = VolumeTask::Clone { name: new, labels: labels.unwrap_or_default() };
    follow(&app, app.engine.volume_copy(&name, task)?).await
}

async fn snapshots(State(app): State<App>, Path(name): Path<String>) -> Answer {
    Ok(ok(&volume::snapshots(&app.engine.volume_inspect(&name)?)))
}

async fn snapshot(State(app): State<App>, Path(name): Path<String>, query: Query) -> Answer {
    let task = VolumeTask::Snapshot { name: query.text("name").to_owned(), pause: query.switch("pause") };
    follow(&app, app.engine.volume_copy(&name, task)?).await
}

async fn restore(State(app): State<App>, Path((name, snapshot)): Path<(String, String)>) -> Answer {
    follow(&app, app.engine.volume_copy(&name, VolumeTask::Restore { snapshot })?).await
}

async fn forget(State(app): State<App>, Path((name, snapshot)): Path<(String, String)>) -> Answer {
    app.engine.volume_forget_snapshot(&name, &snapshot).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

type Outcome = Result<VolumeInspect, Refusal>;

/// Waits for the next thing to tell of a copy: its end, or that it goes on.
async fn next(copy: &mut VolumeCopy) -> Option<Outcome> {
    match tokio::time::timeout(PAUSE, &mut copy.outcome).await {
        Ok(Ok(outcome)) => Some(outcome.map_err(Refusal::from)),
        Ok(Err(_)) => Some(Err(Refusal::lost())),
        Err(_) => None,
    }
}

/// Tells how far a copy is until it is done. What fails at once has a status of its own.
async fn follow(app: &App, mut copy: VolumeCopy) -> Answer {
    let first = next(&mut copy).await.transpose()?;
    let lines = stream::unfold(Some((copy, first)), |state| async {
        let (mut copy, done) = state?;
        let done = match done {
            Some(volume) => Some(Ok(volume)),
            None => next(&mut copy).await,
        };
        let told = told(&copy, done.as_ref());
        Some((told, Some((copy, None)).filter(|_| done.is_none())))
    });
    Ok(streaming("application/json", body(lines, app.stop())))
}

fn told(copy: &VolumeCopy, done: Option<&Outcome>) -> Bytes {
    let so_far = volume::progress(&copy.progress);
    line(&match done {
        None => so_far,
        Some(Ok(done)) => VolumeCopyStatus { volume: Some(volume::show(done)), ..so_far },
        Some(Err(refusal)) => VolumeCopyStatus { error: refusal.message.clone(), ..so_far },
    })
}
