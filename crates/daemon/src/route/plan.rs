//! What requests would change in the kernel: paths of our own, with Docker's bodies.

use api::container::{ContainerCreateRequest, ContainerUpdateRequest};
use api::explain::NetworkPlan;
use api::network::{
    NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest, NetworkUpdateRequest,
};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use engine::cnm::plan::Plan;

use super::lifecycle;
use crate::app::App;
use crate::convert::container::{self, Circumstances};
use crate::convert::network;
use crate::http::answer::{Answer, ok};
use crate::http::body::{Json, Required};
use crate::http::query::Query;
use crate::http::version::Speaks;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/tombolo/plan/container/create", post(create_container))
        .route("/tombolo/plan/container/update", post(update_container))
        .route("/tombolo/plan/network/create", post(create_network))
        .route("/tombolo/plan/network/remove", post(remove))
        .route("/tombolo/plan/network/update", post(update))
        .route("/tombolo/plan/network/connect", post(connect))
        .route("/tombolo/plan/network/disconnect", post(disconnect))
}

fn shown(plan: &Plan) -> Answer {
    Ok(ok(&NetworkPlan { operations: plan.ops().map(ToString::to_string).collect() }))
}

async fn create_container(
    State(app): State<App>,
    Speaks(version): Speaks,
    query: Query,
    Required(request): Required<ContainerCreateRequest>,
) -> Answer {
    let asked = Circumstances { name: query.text("name"), version, gateways: lifecycle::gateways(&app) };
    let wanted = container::wanted(request, &asked)?;
    shown(&app.engine.create_plan(wanted.spec).await?)
}

async fn update_container(
    State(app): State<App>,
    query: Query,
    Json(request): Json<ContainerUpdateRequest>,
) -> Answer {
    let (update, _) = lifecycle::wanted_update(request)?;
    shown(&app.engine.update_plan(query.text("container"), update).await?)
}

async fn create_network(
    State(app): State<App>,
    Speaks(version): Speaks,
    Json(request): Json<NetworkCreateRequest>,
) -> Answer {
    shown(&app.engine.network_create_plan(network::form(request, version)?).await?)
}

async fn remove(State(app): State<App>, query: Query) -> Answer {
    shown(&app.engine.network_remove_plan(query.text("network")).await?)
}

async fn update(State(app): State<App>, query: Query, Json(request): Json<NetworkUpdateRequest>) -> Answer {
    shown(&app.engine.network_update_plan(query.text("network"), network::update(request)).await?)
}

async fn connect(
    State(app): State<App>,
    Speaks(version): Speaks,
    query: Query,
    Json(NetworkConnectRequest { container, endpoint_config }): Json<NetworkConnectRequest>,
) -> Answer {
    let settings = network::endpoint(endpoint_config.unwrap_or_default(), version);
    shown(&app.engine.connect_plan(&container, query.text("network"), settings).await?)
}

async fn disconnect(
    State(app): State<App>,
    query: Query,
    Json(NetworkDisconnectRequest { container, force: _ }): Json<NetworkDisconnectRequest>,
) -> Answer {
    shown(&app.engine.disconnect_plan(&container, query.text("network")).await?)
}
