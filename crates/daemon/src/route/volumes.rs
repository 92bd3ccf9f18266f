//! Volumes: list, inspect, create, remove, prune.

use api::version::Version;
use api::volume::{Volume, VolumeCreateRequest, VolumeListResponse, VolumesPruneResponse};
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use engine::VolumeInspect;
use hyper::StatusCode;

use crate::app::App;
use crate::convert::volume;
use crate::http::answer::{Answer, empty, json, ok};
use crate::http::body::Json;
use crate::http::query::Query;
use crate::http::version::Speaks;

const FILTERS: [&str; 5] = ["dangling", "driver", "label", "label!", "name"];
const PRUNE_FILTERS: [&str; 3] = ["all", "label", "label!"];

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/volumes", get(list))
        .route("/volumes/create", post(create))
        .route("/volumes/prune", post(prune))
        .route("/volumes/{name}", get(show).delete(remove))
}

async fn list(State(app): State<App>, query: Query) -> Answer {
    let filters = query.filters(&FILTERS)?;
    let dangling = filters.boolean("dangling")?;
    let is_wanted = |volume: &&VolumeInspect| {
        filters.matches("name", &volume.record.name)
            && filters.exact("driver", &volume.record.driver)
            && filters.accept_labels(&volume.record.labels)
            && dangling.is_none_or(|dangling| dangling == (volume.users == 0))
    };
    let (all, warnings) = app.engine.volume_list_all().await;
    let volumes: Vec<Volume> = all.iter().filter(is_wanted).map(volume::show).collect();
    Ok(ok(&VolumeListResponse {
        volumes: Some(volumes),
        warnings: Some(warnings).filter(|warnings| !warnings.is_empty()),
    }))
}

/// All volumes with what they take up, for `GET /system/df`.
pub(super) async fn usage(app: &App) -> Vec<Volume> {
    let mut all = Vec::new();
    for found in app.engine.volume_list() {
        let bytes = app.engine.volume_size(&found.record.name).await;
        all.push(volume::show_used(&found, bytes));
    }
    all
}

async fn show(State(app): State<App>, Path(name): Path<String>) -> Answer {
    Ok(ok(&volume::show(&app.engine.volume_show(&name).await?)))
}

async fn create(State(app): State<App>, Json(request): Json<VolumeCreateRequest>) -> Answer {
    let made = app.engine.volume_create(volume::spec(request)).await?;
    Ok(json(StatusCode::CREATED, &volume::show(&made)))
}

async fn remove(State(app): State<App>, Path(name): Path<String>, query: Query) -> Answer {
    let force = query.switch("force");
    match app.engine.volume_remove(&name, force).await {
        Err(error) if error.kind() == engine::Kind::NotFound && force => {}
        outcome => outcome?,
    }
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Since 1.42 only anonymous volumes, unless `all` says otherwise.
async fn prune(State(app): State<App>, Speaks(version): Speaks, query: Query) -> Answer {
    let filters = query.filters(&PRUNE_FILTERS)?;
    let all = filters.boolean("all")?.unwrap_or(version < Version::v1(42));
    let (mut removed, mut space_reclaimed) = (Vec::new(), 0);
    for volume in app.engine.volume_list() {
        let record = volume.record;
        let is_wanted = (all || record.anonymous) && filters.accept_labels(&record.labels);
        if !is_wanted || volume.users > 0 || record.driver != engine::LOCAL {
            continue;
        }
        let bytes = app.engine.volume_size(&record.name).await;
        // One that somebody has begun to use stays.
        if app.engine.volume_remove(&record.name, false).await.is_ok() {
            removed.push(record.name.clone());
            space_reclaimed += bytes.unwrap_or(0);
        }
    }
    let told = [("reclaimed".to_owned(), space_reclaimed.to_string())];
    app.engine.tell("volume", "prune", "", told.into());
    Ok(ok(&VolumesPruneResponse { volumes_deleted: Some(removed), space_reclaimed }))
}
