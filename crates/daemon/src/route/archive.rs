//! Files of a container, as archives.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::get;

use crate::app::App;
use crate::http::answer::Refusal;
use crate::http::body::drain;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/containers/{id}/archive", get(copy).head(copy).put(receive))
        .route("/containers/{id}/changes", get(async || Refusal::not_implemented("listing changed files")))
        .route("/containers/{id}/export", get(async || Refusal::not_implemented("exporting a container")))
}

async fn copy() -> Refusal {
    Refusal::not_implemented("copying files of a container")
}

async fn receive(request: Request<Body>) -> Refusal {
    drain(request.into_body()).await;
    Refusal::not_implemented("copying files into a container")
}
