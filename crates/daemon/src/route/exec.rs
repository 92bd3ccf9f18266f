//! Exec: further processes in a running container.

use api::exec::{ExecCreateRequest, ExecStartRequest, IdResponse};
use axum::Router;
use axum::extract::{FromRequest, Path, Request, State};
use axum::routing::{get, post};
use engine::error::{ExecError, ProcessError};
use engine::{Attached, ExecSpec, Output, Stream};
use hyper::StatusCode;
use tokio::sync::mpsc;

use super::lifecycle::size;
use crate::app::App;
use crate::convert::exec;
use crate::http::answer::{Answer, empty, json, ok};
use crate::http::body::Json;
use crate::http::hijack::{Session, Wish};
use crate::http::query::Query;
use crate::http::version::Speaks;
use api::detach::DetachKeys;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/containers/{id}/exec", post(create))
        .route("/exec/{id}/start", post(start))
        .route("/exec/{id}/resize", post(resize))
        .route("/exec/{id}/json", get(show))
}

async fn create(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(request): Json<ExecCreateRequest>,
) -> Answer {
    DetachKeys::parse(&request.detach_keys)?;
    let id = app.engine.exec_create(&id, exec::spec(request))?;
    Ok(json(StatusCode::CREATED, &IdResponse { id: id.to_string() }))
}

async fn start(
    State(app): State<App>,
    Speaks(version): Speaks,
    Path(id): Path<String>,
    mut request: Request,
) -> Answer {
    let wish = Wish::of(&mut request);
    let Json(ExecStartRequest { detach, tty: _, console_size }) = Json::from_request(request, &app).await?;
    let ExecSpec { detach_keys, tty, .. } = app.engine.exec_inspect(&id)?.spec;
    let keys = DetachKeys::parse(&detach_keys)?;
    let attached = match app.engine.exec_start(&id, detach).await {
        Ok(Some(attached)) => attached,
        Ok(None) => return Ok(empty(StatusCode::OK)),
        // Docker has answered `101` by then: its client reads the reason as output, and asks for the exit code.
        Err(ExecError::Process(error)) if !detach => said(&error, tty),
        Err(error) => return Err(error.into()),
    };
    if let Some((columns, rows)) = console_size.and_then(exec::console_size) {
        drop(app.engine.exec_resize(&id, columns, rows).await);
    }
    Ok(app.hijacks.join(wish, Session { attached, version, closes_input: true, keys }))
}

/// What a process would have said that could not be started.
fn said(error: &ProcessError, tty: bool) -> Attached {
    let (sender, output) = mpsc::channel(1);
    let data = format!("{}\r\n", engine::chain(error)).into();
    let _has_room = sender.try_send(Output { stream: Stream::Stdout, data });
    Attached { output, input: None, tty }
}

async fn resize(State(app): State<App>, Path(id): Path<String>, query: Query) -> Answer {
    let (columns, rows) = size(&query)?;
    app.engine.exec_resize(&id, columns, rows).await?;
    Ok(empty(StatusCode::OK))
}

async fn show(State(app): State<App>, Path(id): Path<String>) -> Answer {
    Ok(ok(&exec::inspect(app.engine.exec_inspect(&id)?)))
}
