//! `POST /build`: the classic builder.
//!
//! The context is read to its end before anything is answered, so that what is wrong with the
//! request or the Dockerfile has a status. From then on there is a line for all that happens,
//! and the last one says what went wrong. A client that goes away ends its build.

use std::sync::Arc;

use api::build::BuildPruneResponse;
use api::progress::{ErrorDetail, Progress};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{any, post};
use bytes::Bytes;
use engine::error::BuildError;
use engine::image::{CachedStep, ImageId};
use engine::{BuildEvent, PruneBuilds, Recipe, Source};
use serde_json::json;
use tokio::sync::mpsc;

use super::images::upload::Work;
use crate::app::App;
use crate::convert::build::{self, NO_BUILDKIT, WantedBuild};
use crate::convert::{time, transfer};
use crate::http::answer::{Answer, Refusal, ok, streaming};
use crate::http::body::drain;
use crate::http::query::Query;
use crate::http::stream::{body, line};
use crate::http::version::Speaks;
use crate::route::registry::all_credentials;

const FILTERS: [&str; 8] = ["until", "id", "parent", "description", "type", "inuse", "shared", "private"];
/// Events that wait to be sent.
const QUEUE: usize = 64;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/build", post(start))
        .route("/build/prune", post(prune))
        .route("/build/cancel", post(no_buildkit))
        .route("/session", any(no_buildkit))
        .route("/grpc", any(no_buildkit))
}

/// An engine without BuildKit does not know these paths.
async fn no_buildkit() -> Refusal {
    Refusal::not_found(format!("page not found: {NO_BUILDKIT}"))
}

async fn start(
    State(app): State<App>,
    Speaks(version): Speaks,
    query: Query,
    request: Request<Body>,
) -> Answer {
    let (parts, archive) = request.into_parts();
    let WantedBuild { mut spec, is_quiet } = match build::wanted(&query, version, &app) {
        Ok(wanted) => wanted,
        Err(refusal) => {
            drain(archive).await;
            return Err(refusal);
        }
    };
    let (registry, credentials) = (Arc::clone(&app.registry), all_credentials(&parts.headers));
    spec.source = Some(Source { registry, credentials });
    let engine = Arc::clone(&app.engine);
    let reading = Work::start(&app, archive, move |reader| -> Result<Recipe, BuildError> {
        Recipe::new(spec, engine.images().context(reader)?)
    });
    let recipe = reading.end().await??;
    let (events, told) = mpsc::channel(QUEUE);
    if is_quiet { quietly(&app, recipe, events, told).await } else { Ok(loudly(&app, recipe, events, told)) }
}

/// Removes what builds have made before: what no image was built on, or with `all` that, too.
async fn prune(State(app): State<App>, query: Query) -> Answer {
    let filters = query.filters(&FILTERS)?;
    let until = filters.get("until").last().map(time::parse).transpose()?.flatten();
    let keep = ["reserved-space", "keep-storage", "max-used-space"]
        .into_iter()
        .find_map(|name| query.number::<u64>(name).transpose());
    let prune = PruneBuilds { all: query.switch("all"), keep: keep.transpose()?.unwrap_or_default() };
    let wanted = move |step: &CachedStep| {
        let is = |key: &str, text: &str| {
            !filters.contains(key) || filters.get(key).any(|known| text.contains(known))
        };
        let created = time::parse(&step.created).ok().flatten();
        until.is_none_or(|until| created.is_some_and(|created| created < until))
            && is("id", &step.image.to_string())
            && is("parent", &step.parent.map(|parent| parent.to_string()).unwrap_or_default())
            && is("description", &step.created_by)
            && (!filters.contains("inuse") || step.is_needed)
            && (!filters.contains("shared") || step.is_shared)
            && (!filters.contains("private") || !step.is_shared)
    };
    let (removed, space_reclaimed) = app.engine.prune_builds(prune, wanted).await?;
    let removed: Vec<_> = removed.iter().map(ToString::to_string).collect();
    let caches_deleted = Some(removed).filter(|removed| !removed.is_empty());
    Ok(ok(&BuildPruneResponse { caches_deleted, space_reclaimed }))
}

/// Answers with a line for everything.
fn loudly(
    app: &App,
    recipe: Recipe,
    events: mpsc::Sender<BuildEvent>,
    mut told: mpsc::Receiver<BuildEvent>,
) -> Response {
    let (lines, mut outgoing) = mpsc::channel(QUEUE);
    let engine = Arc::clone(&app.engine);
    app.hijacks.tasks.spawn(async move {
        let passing = async {
            'told: while let Some(event) = told.recv().await {
                for progress in progress(event) {
                    if send(&lines, progress).await.is_err() {
                        break 'told;
                    }
                }
            }
            // To listen no longer is to end the build.
            drop(told);
        };
        let watched = async {
            tokio::select! {
                () = passing => {}
                () = lines.closed() => {}
            }
        };
        let (outcome, ()) = tokio::join!(engine.build_image(recipe, events), watched);
        if let Err(error) = outcome {
            let _gone = send(&lines, failure(&error)).await;
        }
    });
    let lines = futures_util::stream::poll_fn(move |context| outgoing.poll_recv(context));
    streaming("application/json", body(lines, app.stop()))
}

/// Answers with the image's id, or with everything if it goes wrong.
async fn quietly(
    app: &App,
    recipe: Recipe,
    events: mpsc::Sender<BuildEvent>,
    mut told: mpsc::Receiver<BuildEvent>,
) -> Answer {
    let gathering = async {
        let mut lines = Vec::new();
        while let Some(event) = told.recv().await {
            progress(event).iter().for_each(|progress| lines.extend(line(progress)));
        }
        lines
    };
    let (outcome, mut lines) = tokio::join!(app.engine.build_image(recipe, events), gathering);
    match outcome {
        Ok(image) => lines = line(&said(image)).to_vec(),
        Err(error) => lines.extend(line(&failure(&error))),
    }
    Ok(streaming("application/json", Body::from(lines)))
}

fn said(image: ImageId) -> Progress {
    Progress::text(format!("{image}\n"))
}

async fn send(lines: &mpsc::Sender<Bytes>, progress: Progress) -> Result<(), ()> {
    lines.send(line(&progress)).await.map_err(drop)
}

fn progress(event: BuildEvent) -> Vec<Progress> {
    vec![match event {
        BuildEvent::Text(text) => Progress::text(text),
        // Docker's builder makes it red.
        BuildEvent::Error(text) => Progress::text(format!("\u{1b}[91m{text}\u{1b}[0m")),
        BuildEvent::Image(image) => {
            Progress { aux: Some(json!({ "ID": image.to_string() })), ..Progress::default() }
        }
        BuildEvent::Pull(transfer) => return transfer::pulling(transfer),
        BuildEvent::Status(text) => transfer::said(text),
    }]
}

fn failure(error: &BuildError) -> Progress {
    let message = engine::chain(error);
    let error_detail = Some(ErrorDetail { code: error.code().into(), message: message.clone() });
    Progress { error_detail, error: message, ..Progress::default() }
}
