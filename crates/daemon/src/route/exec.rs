//! Exec: further processes in a running container.

use api::exec::{ExecCreateRequest, ExecStartRequest, IdResponse};
use axum::Router;
use axum::extract::{FromRequest, Path, Request, State};
use axum::routing::{get, post};
use hyper::StatusCode;

use super::lifecycle::size;
use crate::app::App;
use crate::convert::exec;
use crate::http::answer::{Answer, empty, json, ok};
use crate::http::body::Json;
use crate::http::detach::DetachKeys;
use crate::http::hijack::{Session, Wish};
use crate::http::query::Query;
use crate::http::version::Speaks;

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
    let keys = app.engine.exec_inspect(&id)?.spec.detach_keys;
    let keys = DetachKeys::parse(&keys)?;
    let Some(attached) = app.engine.exec_start(&id, detach).await? else { return Ok(empty(StatusCode::OK)) };
    if let Some((columns, rows)) = console_size.and_then(exec::console_size) {
        drop(app.engine.exec_resize(&id, columns, rows).await);
    }
    Ok(app.hijacks.join(wish, Session { attached, version, closes_input: true, keys }))
}

async fn resize(State(app): State<App>, Path(id): Path<String>, query: Query) -> Answer {
    let (columns, rows) = size(&query)?;
    app.engine.exec_resize(&id, columns, rows).await?;
    Ok(empty(StatusCode::OK))
}

async fn show(State(app): State<App>, Path(id): Path<String>) -> Answer {
    Ok(ok(&exec::inspect(app.engine.exec_inspect(&id)?)))
}
