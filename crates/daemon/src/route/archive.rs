//! Files of a container, as archives.

use api::container::{FilesystemChange, PathStat};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use engine::CopyIn;
use hyper::StatusCode;
use hyper::header::HeaderValue;

use crate::app::App;
use crate::convert::files;
use crate::http::answer::{Answer, Refusal, empty, ok, streaming};
use crate::http::body::drain;
use crate::http::query::Query;
use crate::http::reader::Reader;
use crate::http::stream::archive;

const TAR: &str = "application/x-tar";
/// Where the answer says what is at the path.
const STAT: &str = "x-docker-container-path-stat";

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/containers/{id}/archive", get(copy).head(stat).put(receive))
        .route("/containers/{id}/changes", get(changes))
        .route("/containers/{id}/export", get(export))
}

async fn stat(State(app): State<App>, Path(id): Path<String>, query: Query) -> Answer {
    let found = app.engine.path_stat(&id, path(&query)?).await?;
    Ok(told(empty(StatusCode::OK), &files::stat(found)))
}

async fn copy(State(app): State<App>, Path(id): Path<String>, query: Query) -> Answer {
    let (found, pieces) = app.engine.copy_out(&id, path(&query)?).await?;
    Ok(told(streaming(TAR, archive(pieces)), &files::stat(found)))
}

async fn export(State(app): State<App>, Path(id): Path<String>) -> Answer {
    Ok(streaming("application/octet-stream", archive(app.engine.export(&id).await?)))
}

async fn receive(
    State(app): State<App>,
    Path(id): Path<String>,
    query: Query,
    request: Request<Body>,
) -> Answer {
    let path = match path(&query) {
        Ok(path) => path,
        Err(refusal) => {
            drain(request.into_body()).await;
            return Err(refusal);
        }
    };
    let how = CopyIn { keep_kinds: query.switch("noOverwriteDirNonDir"), own: query.switch("copyUIDGID") };
    let (reader, reading) = Reader::of(&app, request.into_body());
    let done = app.engine.copy_in(&id, path, how, reader).await;
    drop(reading.await);
    done?;
    Ok(empty(StatusCode::OK))
}

async fn changes(State(app): State<App>, Path(id): Path<String>) -> Answer {
    let changes: Vec<FilesystemChange> =
        app.engine.changes(&id).await?.into_iter().map(files::change).collect();
    Ok(ok(&Some(changes).filter(|changes| !changes.is_empty())))
}

fn path(query: &Query) -> Result<&str, Refusal> {
    match query.text("path") {
        "" => Err(Refusal::invalid("bad parameter: path cannot be empty")),
        path => Ok(path),
    }
}

fn told(mut response: Response, stat: &PathStat) -> Response {
    let text = BASE64.encode(serde_json::to_vec(stat).unwrap_or_default());
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(STAT, value);
    }
    response
}
