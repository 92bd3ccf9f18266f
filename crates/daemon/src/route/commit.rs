//! Making an image of a container.

use api::container::ContainerConfig;
use api::exec::IdResponse;
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use engine::Commit;
use engine::image::Reference;
use hyper::StatusCode;

use super::images::with_tag;
use crate::app::App;
use crate::convert::{changes, commit, inspect};
use crate::http::answer::{Answer, json};
use crate::http::body::Json;
use crate::http::query::Query;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/commit", post(commit))
}

async fn commit(State(app): State<App>, query: Query, Json(asked): Json<ContainerConfig>) -> Answer {
    let container = app.engine.inspect(query.text("container"))?;
    let name = match with_tag(query.text("repo"), query.text("tag")) {
        name if name.is_empty() => None,
        name => Some(name.parse::<Reference>()?.or_latest()),
    };
    // What was asked for may be part of it, or all.
    let own = commit::image_config(inspect::config(&container.spec, String::new()));
    let mut config = commit::image_config(asked);
    commit::merge(&mut config, own);
    for change in query.all("changes").flat_map(str::lines).filter(|line| !line.trim().is_empty()) {
        changes::apply(&mut config, change)?;
    }
    let commit = Commit {
        name,
        config,
        author: query.text("author").to_owned(),
        comment: query.text("comment").to_owned(),
        pause: query.switch_or("pause", true),
    };
    let id = app.engine.commit(&container.id.to_string(), commit).await?;
    Ok(json(StatusCode::CREATED, &IdResponse { id: id.to_string() }))
}
