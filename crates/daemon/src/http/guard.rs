//! What surrounds every request: a span with an id, Docker's headers, a net for panics.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};

use api::version::Version;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue, SERVER};
use tracing::{Instrument, debug, info_span};

use super::answer::Refusal;

static NEXT: AtomicU64 = AtomicU64::new(1);

tokio::task_local! {
    /// Set while a request is served; see [`is_inside_request`].
    static REQUEST: u64;
}

/// Whether the running code belongs to a request, whose panics end the request and nothing else.
pub(crate) fn is_inside_request() -> bool {
    REQUEST.try_with(|_| ()).is_ok()
}

/// Surrounds a request.
pub(crate) async fn surround(request: Request, next: Next) -> Response {
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let span = info_span!("request", id, method = %request.method(), path = request.uri().path());
    let serving = REQUEST.scope(id, AssertUnwindSafe(next.run(request)).catch_unwind());
    let mut response = async {
        let response = serving.await.unwrap_or_else(|_panic| {
            let text = "the engine made a mistake, which is in its log";
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        });
        debug!(status = response.status().as_u16(), "answered");
        response
    }
    .instrument(span)
    .await;
    add_headers(&mut response);
    response
}

/// The headers that every answer of Docker has.
fn add_headers(response: &mut Response) {
    let version = HeaderValue::try_from(Version::MAX.to_string());
    let headers = response.headers_mut();
    if let Ok(version) = version {
        headers.insert(HeaderName::from_static("api-version"), version);
    }
    headers.insert(HeaderName::from_static("docker-experimental"), HeaderValue::from_static("false"));
    headers.insert(HeaderName::from_static("ostype"), HeaderValue::from_static("linux"));
    let server = concat!("Tombolo/", env!("CARGO_PKG_VERSION"), " (linux)");
    headers.insert(SERVER, HeaderValue::from_static(server));
}
