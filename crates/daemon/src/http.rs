//! HTTP on sockets: connections, and what is the same for every route.
//!
//! [`serve`] accepts connections and ends them gracefully. A request passes, from the outside in: the version is
//! cut from its path ([`version`]), the answer gets Docker's headers and the request a span and a net for panics
//! ([`guard`]), the body is read or drained ([`body`]); then comes the route.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod guard;
pub(crate) mod hijack;
pub(crate) mod query;
pub(crate) mod reader;
pub(crate) mod status;
pub(crate) mod stream;
pub(crate) mod version;

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, warn};

/// How long open connections may take to end when the engine stops.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long to wait when no connection can be accepted, for want of descriptors.
const BREATH: Duration = Duration::from_millis(100);

/// Serves `routes` on a socket until `stop` is cancelled and the open requests have ended.
pub(crate) async fn serve(listener: UnixListener, routes: Router, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, routes.clone(), stop.clone()));
                }
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(BREATH).await;
                }
            },
            Some(_ended) = connections.join_next() => {}
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, all).await.is_err() {
        warn!("some connections did not end in time");
    }
}

/// Serves one connection, request by request.
async fn connection(stream: UnixStream, routes: Router, stop: CancellationToken) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let routes = routes.clone();
        async move { answer(request, routes).await }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        debug!(error = %engine::chain(&error), "a connection broke");
    }
}

async fn answer(request: Request<Incoming>, routes: Router) -> Result<hyper::Response<Body>, Infallible> {
    routes.oneshot(version::strip(request.map(Body::new))).await
}

/// Makes a listening socket that only its group may use, replacing one that nobody listens on.
pub(crate) fn listen(path: &std::path::Path) -> io::Result<std::os::unix::net::UnixListener> {
    use std::os::unix::net;
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match net::UnixStream::connect(path) {
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AddrInUse, "another engine listens on it")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(_) => std::fs::remove_file(path)?,
    }
    net::UnixListener::bind(path)
}
