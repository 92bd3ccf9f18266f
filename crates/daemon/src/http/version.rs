//! The version of the API that a request speaks: cut from the path before routing, checked behind it.

use api::version::Version;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::Uri;
use hyper::http::request::Parts;
use hyper::http::uri::PathAndQuery;

use super::answer::Refusal;

/// The version of the request. A request without one speaks the newest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speaks(pub(crate) Version);

/// Cuts `/v1.NN` from the path, so that every route exists once.
pub(crate) fn strip(mut request: Request<Body>) -> Request<Body> {
    let (version, rest) = Version::split(request.uri().path());
    if version.is_some() {
        let target = match request.uri().query() {
            Some(query) => format!("{rest}?{query}"),
            None => rest.to_owned(),
        };
        if let Ok(target) = PathAndQuery::try_from(target) {
            *request.uri_mut() = Uri::from(target);
        }
    }
    request.extensions_mut().insert(Speaks(version.unwrap_or(Version::MAX)));
    request
}

/// Refuses versions that are not served; only asked for paths that exist, as in Docker.
pub(crate) async fn check(Speaks(version): Speaks, request: Request, next: Next) -> Response {
    match version.supported() {
        Ok(_) => next.run(request).await,
        Err(unsupported) => Refusal::invalid(unsupported.to_string()).into_response(),
    }
}

impl<S: Sync> FromRequestParts<S> for Speaks {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get().copied().unwrap_or(Self(Version::MAX)))
    }
}
