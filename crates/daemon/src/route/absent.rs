//! What Docker has and this engine does not: the answers of an engine without it.

use axum::Router;
use axum::routing::{any, get};
use hyper::StatusCode;

use crate::app::App;
use crate::http::answer::{Answer, Refusal, ok};

/// Docker's text on a node that is in no swarm.
const NO_SWARM: &str = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.";

pub(crate) fn routes() -> Router<App> {
    let mut routes = Router::new()
        .route("/plugins", get(no_plugins))
        .route("/plugins/{*rest}", any(async || Refusal::not_implemented("managing plugins")));
    for family in ["swarm", "nodes", "services", "tasks", "secrets", "configs"] {
        routes = routes
            .route(&format!("/{family}"), any(no_swarm))
            .route(&format!("/{family}/{{*rest}}"), any(no_swarm));
    }
    routes
}

async fn no_swarm() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, NO_SWARM)
}

async fn no_plugins() -> Answer {
    Ok(ok::<[(); 0]>(&[]))
}
