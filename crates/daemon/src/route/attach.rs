//! Attaching to a container's first process.

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::routing::{get, post};
use engine::AttachOptions;

use crate::app::App;
use crate::http::answer::{Answer, Refusal};
use crate::http::hijack::{Session, Wish};
use crate::http::query::Query;
use crate::http::version::Speaks;
use api::detach::DetachKeys;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/containers/{id}/attach", post(attach))
        .route("/containers/{id}/attach/ws", get(web_socket))
}

async fn attach(
    State(app): State<App>,
    Speaks(version): Speaks,
    Path(id): Path<String>,
    query: Query,
    mut request: Request,
) -> Answer {
    let keys = DetachKeys::parse(query.text("detachKeys"))?;
    let container = app.engine.inspect(&id)?;
    let options = AttachOptions {
        stdin: query.switch("stdin"),
        stdout: query.switch("stdout"),
        stderr: query.switch("stderr"),
        logs: query.switch("logs"),
        stream: query.switch("stream"),
    };
    let attached = app.engine.attach(&container.id.to_string(), options).await?;
    let closes_input = container.spec.command.stdin_once;
    let wish = Wish::of(&mut request);
    Ok(app.hijacks.join(wish, Session { attached, version, closes_input, keys }))
}

async fn web_socket() -> Refusal {
    Refusal::not_implemented("attaching by web socket")
}
