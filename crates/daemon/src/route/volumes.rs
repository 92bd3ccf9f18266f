//! Volumes: list, inspect, create, remove, prune.

use api::volume::{Volume, VolumeCreateRequest, VolumeListResponse, VolumesPruneResponse};
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use engine::VolumeRecord;
use hyper::StatusCode;

use crate::app::App;
use crate::convert::{mount, time};
use crate::http::answer::{Answer, Refusal, empty, json, ok};
use crate::http::body::Json;
use crate::http::query::Query;
use crate::http::version::Speaks;
use api::version::Version;

const FILTERS: [&str; 5] = ["dangling", "driver", "label", "label!", "name"];
const PRUNE_FILTERS: [&str; 3] = ["all", "label", "label!"];

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/volumes", get(list))
        .route("/volumes/create", post(create))
        .route("/volumes/prune", post(prune))
        .route("/volumes/{name}", get(show).delete(remove))
}

fn volume(app: &App, record: &VolumeRecord) -> Result<Volume, Refusal> {
    let (VolumeRecord { name, created, labels, anonymous }, path) =
        app.engine.volume_inspect(&record.name)?;
    let mut labels = labels;
    if anonymous {
        labels.insert("com.docker.volume.anonymous".to_owned(), String::new());
    }
    Ok(Volume {
        created_at: time::text(Some(created)),
        driver: "local".to_owned(),
        labels: mount::some(labels),
        mountpoint: path.display().to_string(),
        name,
        options: None,
        scope: "local".to_owned(),
    })
}

/// Whether some container, running or not, mounts the volume.
fn is_used(app: &App, name: &str) -> bool {
    let mounts = |container: &engine::Inspect| {
        container.mounts.iter().any(|mount| mount.name.as_deref() == Some(name))
    };
    app.engine.list().iter().any(mounts)
}

async fn list(State(app): State<App>, query: Query) -> Answer {
    let filters = query.filters(&FILTERS)?;
    let dangling = filters.boolean("dangling")?;
    let is_wanted = |record: &&VolumeRecord| {
        filters.matches("name", &record.name)
            && filters.exact("driver", "local")
            && filters.accept_labels(&record.labels)
            && dangling.is_none_or(|dangling| dangling != is_used(&app, &record.name))
    };
    let records = app.engine.volume_list();
    let volumes: Result<Vec<Volume>, Refusal> =
        records.iter().filter(is_wanted).map(|record| volume(&app, record)).collect();
    Ok(ok(&VolumeListResponse { volumes: Some(volumes?), warnings: None }))
}

async fn show(State(app): State<App>, Path(name): Path<String>) -> Answer {
    let (record, _) = app.engine.volume_inspect(&name)?;
    Ok(ok(&volume(&app, &record)?))
}

async fn create(State(app): State<App>, Json(request): Json<VolumeCreateRequest>) -> Answer {
    let VolumeCreateRequest { name, driver, driver_opts, labels } = request;
    if !matches!(driver.as_str(), "" | "local") {
        let text =
            format!("create {name}: error looking up volume plugin {driver}: plugin \"{driver}\" not found");
        return Err(Refusal::not_found(text));
    }
    if let Some(option) = driver_opts.unwrap_or_default().keys().next() {
        return Err(Refusal::invalid(format!("create {name}: invalid option: {option:?}")));
    }
    let record = app.engine.volume_create(&name, labels.unwrap_or_default()).await?;
    Ok(json(StatusCode::CREATED, &volume(&app, &record)?))
}

async fn remove(State(app): State<App>, Path(name): Path<String>, query: Query) -> Answer {
    match app.engine.volume_remove(&name).await {
        Err(error) if error.kind() == engine::Kind::NotFound && query.switch("force") => {}
        outcome => outcome?,
    }
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Since 1.42 only anonymous volumes, unless `all` says otherwise.
async fn prune(State(app): State<App>, Speaks(version): Speaks, query: Query) -> Answer {
    let filters = query.filters(&PRUNE_FILTERS)?;
    let all = filters.boolean("all")?.unwrap_or(version < Version::v1(42));
    let mut removed = Vec::new();
    for record in app.engine.volume_list() {
        let is_wanted = (all || record.anonymous) && filters.accept_labels(&record.labels);
        // One that is used stays.
        if is_wanted && app.engine.volume_remove(&record.name).await.is_ok() {
            removed.push(record.name);
        }
    }
    app.engine.tell("volume", "prune", "", [("reclaimed".to_owned(), "0".to_owned())].into());
    Ok(ok(&VolumesPruneResponse { volumes_deleted: Some(removed), space_reclaimed: 0 }))
}
