//! Bodies of requests.
//!
//! Whoever answers before the body was read makes the client fail while it writes, so every body is read to its
//! end: a small one before the route sees it, a large one is drained and refused. Only the paths of [`streamed`]
//! get their body as it arrives.

use api::json::JsonError;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, StatusCode};
use serde::de::DeserializeOwned;

use super::answer::Refusal;

/// The largest body that is read as a whole, in bytes. Docker has no limit; its largest real body, a container with
/// ten thousand published ports, has about one million.
pub(crate) const LARGEST: usize = 16 << 20;
/// Bytes of a refused body that are read so that its sender can read the answer.
const LARGEST_DRAINED: usize = 1 << 30;

/// Reads the body, or refuses it.
pub(crate) async fn read(request: Request, next: Next) -> Response {
    if streamed(request.method(), request.uri().path()) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    match collect(body).await {
        Ok(bytes) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Whether the route reads its body as it arrives.
fn streamed(method: &Method, path: &str) -> bool {
    match *method {
        Method::POST => matches!(path, "/images/load" | "/images/create" | "/build"),
        Method::PUT => path.starts_with("/containers/") && path.ends_with("/archive"),
        _ => false,
    }
}

async fn collect(mut body: Body) -> Result<Bytes, Refusal> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| Refusal::invalid(format!("cannot read the request body: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > LARGEST {
            drop(bytes);
            drain(body).await;
            let text = format!("http: request body too large: more than {LARGEST} bytes");
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, text));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.into())
}

/// Reads what is left of a body and forgets it.
pub(crate) async fn drain(mut body: Body) {
    let mut left = LARGEST_DRAINED;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// A JSON body by Docker's rules (moby `httputils.ReadJSON`): a request without one is the zero value.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let kind = request.headers().get(CONTENT_TYPE).map(|value| value.as_bytes().to_vec());
        let bytes =
            Bytes::from_request(request, state).await.map_err(|error| Refusal::invalid(error.body_text()))?;
        if kind.is_some() || !bytes.is_empty() {
            check_kind(&String::from_utf8_lossy(&kind.unwrap_or_default()))?;
        }
        if bytes.is_empty() {
            return Ok(Self(api::json::from_value(&serde_json::Value::Null).map_err(refused)?));
        }
        api::json::from_slice(&bytes).map(Json).map_err(refused)
    }
}

/// A JSON body that must be there (moby `DecodeCreateRequest`).
#[derive(Debug)]
pub(crate) struct Required<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Required<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let kind =
            request.headers().get(CONTENT_TYPE).map(|value| value.as_bytes().to_vec()).unwrap_or_default();
        let bytes =
            Bytes::from_request(request, state).await.map_err(|error| Refusal::invalid(error.body_text()))?;
        if !bytes.is_empty() || !kind.is_empty() {
            check_kind(&String::from_utf8_lossy(&kind))?;
        }
        api::json::from_slice(&bytes).map(Required).map_err(refused)
    }
}

fn refused(error: JsonError) -> Refusal {
    Refusal::invalid(error.to_string())
}

/// Refuses what is not JSON (moby `matchesContentType`).
fn check_kind(kind: &str) -> Result<(), Refusal> {
    let media = kind.split(';').next().unwrap_or_default().trim();
    if media.is_empty() {
        return Err(Refusal::invalid(format!("malformed Content-Type header ({kind}): mime: no media type")));
    }
    if !media.eq_ignore_ascii_case("application/json") {
        let text = format!("unsupported Content-Type header ({kind}): must be 'application/json'");
        return Err(Refusal::invalid(text));
    }
    Ok(())
}
