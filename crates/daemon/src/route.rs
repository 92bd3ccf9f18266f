//! The routes of the Engine API, one file for each family.

mod absent;
mod archive;
mod attach;
mod build;
mod commit;
mod containers;
mod events;
mod exec;
mod explain;
mod images;

mod lifecycle;
mod list;
mod logs;
mod networks;
mod plan;
pub(crate) mod registry;
mod stats;
pub(crate) mod system;
mod volume_copies;
mod volumes;

use axum::Router;
use axum::middleware::from_fn;

use crate::app::App;
use crate::http::answer::Refusal;
use crate::http::{body, guard, version};

/// All routes, with what surrounds them.
pub(crate) fn routes(app: App) -> Router {
    let routes = Router::new()
        .merge(system::routes())
        .merge(containers::routes())
        .merge(lifecycle::routes())
        .merge(attach::routes())
        .merge(logs::routes())
        .merge(stats::routes())
        .merge(archive::routes())
        .merge(commit::routes())
        .merge(exec::routes())
        .merge(networks::routes())
        .merge(explain::routes())
        .merge(plan::routes())
        .merge(images::routes())
        .merge(registry::routes())
        .merge(volumes::routes())
        .merge(volume_copies::routes())
        .merge(events::routes())
        .merge(build::routes())
        .merge(absent::routes())
        .with_state(app);
    surrounded(routes)
}

/// Adds to routes what is the same for all of them.
pub(crate) fn surrounded(routes: Router) -> Router {
    routes
        .route_layer(from_fn(version::check))
        .fallback(async || Refusal::page_not_found())
        .method_not_allowed_fallback(async || Refusal::page_not_found())
        .layer(axum::extract::DefaultBodyLimit::disable())
        .layer(from_fn(body::read))
        .layer(from_fn(guard::surround))
}

pub(crate) use lifecycle::gateways;

#[cfg(test)]
mod tests;
