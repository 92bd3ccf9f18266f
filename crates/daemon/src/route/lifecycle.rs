//! Create, start, stop, restart, kill, remove, rename, pause, update, resize.

use std::net::IpAddr;

use api::container::{
    ContainerCreateRequest, ContainerCreateResponse, ContainerUpdateRequest, ContainerUpdateResponse,
};
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{delete, post};
use engine::image::ImageDocument;
use engine::{Done, MountKind, MountSpec, RemoveOptions, Root, Signal, StopOptions, Update};
use hyper::StatusCode;

use crate::app::App;
use crate::convert::container::Circumstances;
use crate::convert::{container, limits, mount, port};
use crate::http::answer::{Answer, Refusal, empty, json, ok};
use crate::http::body::{Json, Required};
use crate::http::query::Query;
use crate::http::version::Speaks;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/containers/create", post(create))
        .route("/containers/{id}", delete(remove))
        .route("/containers/{id}/{alias}", delete(remove_link))
        .route("/containers/{id}/start", post(start))
        .route("/containers/{id}/stop", post(stop))
        .route("/containers/{id}/restart", post(restart))
        .route("/containers/{id}/kill", post(kill))
        .route("/containers/{id}/rename", post(rename))
        .route("/containers/{id}/pause", post(pause))
        .route("/containers/{id}/unpause", post(unpause))
        .route("/containers/{id}/update", post(update))
        .route("/containers/{id}/resize", post(resize))
}

async fn create(
    State(app): State<App>,
    Speaks(version): Speaks,
    query: Query,
    Required(request): Required<ContainerCreateRequest>,
) -> Answer {
    let volumes_from = request.host_config.as_ref().and_then(|host| host.volumes_from.clone());
    let asked = Circumstances { name: query.text("name"), version, gateways: gateways(&app) };
    let mut wanted = container::wanted(request, &asked)?;
    for text in volumes_from.unwrap_or_default() {
        let (term, read_only) = volumes_of(&text)?;
        mount::add_those_of(&app.engine.inspect(term)?, read_only, &mut wanted.spec.mounts);
    }
    check_sources(&wanted.spec.mounts).await?;
    check_platform(&app, &wanted.spec.root, query.text("platform"))?;
    let created = app.engine.create(wanted.spec).await?;
    let warnings = wanted.warnings.into_iter().chain(created.warnings).collect();
    Ok(json(StatusCode::CREATED, &ContainerCreateResponse { id: created.id.to_string(), warnings }))
}

/// The image must be of the platform that `--platform` names: `linux`, `linux/arm64` or `linux/arm64/v8`.
fn check_platform(app: &App, root: &Root, platform: &str) -> Result<(), Refusal> {
    let Root::Image(reference) = root else { return Ok(()) };
    if platform.is_empty() {
        return Ok(());
    }
    let Ok(image) = app.engine.images().find(reference) else { return Ok(()) };
    let ImageDocument { os, architecture, variant, .. } = &image.document;
    let mut have = [os, architecture, variant].into_iter();
    let differs =
        |part: &str| have.next().is_some_and(|have| !part.is_empty() && !have.is_empty() && have != part);
    if !platform.split('/').any(differs) {
        return Ok(());
    }
    let text = format!(
        "image with reference {reference} was found but does not provide the specified platform ({platform})"
    );
    Err(Refusal::not_found(text))
}

/// A source that `--mount` names must be there; `-v` would make it.
async fn check_sources(mounts: &[MountSpec]) -> Result<(), Refusal> {
    for mount in mounts {
        let MountKind::Bind { source, options } = &mount.kind else { continue };
        if !options.create_source && !tokio::fs::try_exists(source).await.unwrap_or(true) {
            let path = source.display();
            let text =
                format!("invalid mount config for type \"bind\": bind source path does not exist: {path}");
            return Err(Refusal::invalid(text));
        }
    }
    Ok(())
}

/// The default network's own addresses.
pub(crate) fn gateways(app: &App) -> Vec<IpAddr> {
    let network = app.engine.network_inspect("bridge").map(|found| found.network);
    network
        .map(|network| network.ipam.all().filter_map(|subnet| subnet.gateway).collect())
        .unwrap_or_default()
}

/// `container[:ro|:rw]` of `VolumesFrom`.
fn volumes_of(text: &str) -> Result<(&str, bool), Refusal> {
    match text.split_once(':') {
        None => Ok((text, false)),
        Some((term, "rw")) => Ok((term, false)),
        Some((term, "ro")) => Ok((term, true)),
        Some((_, mode)) => Err(Refusal::invalid(format!("invalid mode: {mode}"))),
    }
}

/// `204`, or `304` when there was nothing to do.
fn done(done: Done) -> Answer {
    Ok(empty(match done {
        Done::Now => StatusCode::NO_CONTENT,
        Done::Already => StatusCode::NOT_MODIFIED,
    }))
}

async fn start(State(app): State<App>, Path(id): Path<String>) -> Answer {
    done(app.engine.start(&id).await?)
}

fn stop_options(query: &Query) -> Result<StopOptions, Refusal> {
    Ok(StopOptions { signal: signal(query)?, timeout: query.number("t")? })
}

fn signal(query: &Query) -> Result<Option<Signal>, Refusal> {
    let text = query.text("signal");
    if text.is_empty() { Ok(None) } else { Ok(Some(text.parse::<Signal>()?)) }
}

async fn stop(State(app): State<App>, Path(id): Path<String>, query: Query) -> Answer {
    done(app.engine.stop(&id, stop_options(&query)?).await?)
}

async fn restart(State(app): State<App>, Path(id): Path<String>, query: Query) -> Answer {
    app.engine.restart(&id, stop_options(&query)?).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

async fn kill(State(app): State<App>, Path(id): Path<String>, query: Query) -> Answer {
    app.engine.kill(&id, signal(&query)?.unwrap_or(Signal::KILL)).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

async fn remove(State(app): State<App>, Path(id): Path<String>, query: Query) -> Answer {
    if query.switch("link") {
        app.engine.remove_link(&id).await?;
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    app.engine
        .remove(&id, RemoveOptions { force: query.switch("force"), volumes: query.switch("v") })
        .await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// A link by the name of who has it and its alias.
async fn remove_link(
    State(app): State<App>,
    Path((id, alias)): Path<(String, String)>,
    query: Query,
) -> Answer {
    let term = format!("{id}/{alias}");
    if !query.switch("link") {
        return Err(Refusal::not_found(format!("No such container: {term}")));
    }
    app.engine.remove_link(&term).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

async fn rename(State(app): State<App>, Path(id): Path<String>, query: Query) -> Answer {
    app.engine.rename(&id, query.text("name").trim_start_matches('/')).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

async fn pause(State(app): State<App>, Path(id): Path<String>) -> Answer {
    app.engine.pause(&id).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

async fn unpause(State(app): State<App>, Path(id): Path<String>) -> Answer {
    app.engine.unpause(&id).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(request): Json<ContainerUpdateRequest>,
) -> Answer {
    let (update, unheard) = wanted_update(request)?;
    let more = app.engine.update(&id, update).await?;
    let warnings: Vec<String> = unheard.into_iter().chain(more).collect();
    Ok(ok(&ContainerUpdateResponse { warnings: Some(warnings).filter(|warnings| !warnings.is_empty()) }))
}

/// What the engine is to change, and warnings of what it does not heed.
pub(crate) fn wanted_update(request: ContainerUpdateRequest) -> Result<(Update, Vec<String>), Refusal> {
    let ContainerUpdateRequest { resources, restart_policy, publish_add, publish_remove, publish_allow } =
        request;
    let parts = limits::parts(resources)?;
    let update = Update {
        limits: parts.limits,
        restart: limits::restart(restart_policy)?,
        publish: port::publish(publish_add)?,
        withdraw: port::withdraw(&publish_remove.unwrap_or_default())?,
        allow: publish_allow.map(|lines| lines.join(",")),
    };
    Ok((update, parts.warnings))
}

async fn resize(State(app): State<App>, Path(id): Path<String>, query: Query) -> Answer {
    let (columns, rows) = size(&query)?;
    app.engine.resize(&id, columns, rows).await?;
    Ok(empty(StatusCode::OK))
}

/// Columns and rows from the parameters `w` and `h`, which must both be there.
pub(crate) fn size(query: &Query) -> Result<(u16, u16), Refusal> {
    let cells = |name: &str| {
        let text = query.text(name);
        let syntax = || Refusal::invalid(format!("strconv.ParseUint: parsing {text:?}: invalid syntax"));
        text.parse::<u32>().map(|cells| u16::try_from(cells).unwrap_or(u16::MAX)).map_err(|_| syntax())
    };
    let rows = cells("h")?;
    Ok((cells("w")?, rows))
}
