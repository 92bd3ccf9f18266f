//! Networks: list, inspect, create, remove, prune, connect, disconnect.

use std::collections::BTreeMap;

use api::filters::{FilterError, Filters};
use api::network::{
    EndpointResource, NetworkConnectRequest, NetworkCreateRequest, NetworkCreateResponse,
    NetworkDisconnectRequest, NetworkUpdateRequest, NetworksPruneResponse,
};
use api::version::Version;
use axum::Router;
use axum::extract::{FromRequest, Path, Request, State};
use axum::routing::get;
use engine::cnm::Network;
use engine::{NetworkInspect, NetworkMember};
use hyper::StatusCode;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::convert::{network, time};
use crate::http::answer::{Answer, Refusal, empty, json, ok};
use crate::http::body::Json;
use crate::http::query::Query;
use crate::http::version::Speaks;

const FILTERS: [&str; 8] = ["dangling", "driver", "id", "label", "label!", "name", "scope", "type"];
const PRUNE_FILTERS: [&str; 3] = ["label", "label!", "until"];

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/networks", get(list))
        .route("/networks/", get(list))
        .route("/networks/{*path}", get(show).delete(remove).post(act))
}

/// `POST` to a path: a network's name may have slashes, and be `create`.
async fn act(
    State(app): State<App>,
    Speaks(version): Speaks,
    Path(path): Path<String>,
    query: Query,
    request: Request,
) -> Answer {
    match path.rsplit_once('/') {
        None if path == "create" => create(&app, version, body(request).await?).await,
        None if path == "prune" => prune(&app, &query).await,
        Some((id, "connect")) => connect(&app, version, id, body(request).await?).await,
        Some((id, "disconnect")) => disconnect(&app, id, body(request).await?).await,
        Some((id, "update")) => update(&app, id, body(request).await?).await,
        None | Some(_) => Err(Refusal::page_not_found()),
    }
}

async fn body<T: DeserializeOwned>(request: Request) -> Result<T, Refusal> {
    Json::from_request(request, &()).await.map(|Json(value)| value)
}

async fn list(State(app): State<App>, Speaks(version): Speaks, query: Query) -> Answer {
    let filters = query.filters(&FILTERS)?;
    let dangling = filters.boolean("dangling")?;
    check_type(&filters)?;
    // Only a few requests need to know who is on a network: those of before 1.28, and for `dangling`.
    let needs_members = dangling.is_some() || version < Version::v1(28);
    let mut shown = Vec::new();
    for wanted in app.engine.network_list() {
        if !passes(&filters, &wanted) {
            continue;
        }
        let mut line = network::network(&wanted);
        if needs_members {
            let members = app.engine.network_inspect(&wanted.id.to_string())?.endpoints;
            let is_dangling = members.is_empty() && !wanted.is_predefined();
            if dangling.is_some_and(|dangling| dangling != is_dangling) {
                continue;
            }
            line.containers = (version < Version::v1(28)).then(|| containers(&members));
        }
        shown.push(line);
    }
    Ok(ok(&shown))
}

fn check_type(filters: &Filters) -> Result<(), FilterError> {
    match filters.get("type").find(|value| !matches!(*value, "builtin" | "custom")) {
        Some(value) => {
            Err(FilterError::InvalidValue { key: "type".to_owned(), values: vec![value.to_owned()] })
        }
        None => Ok(()),
    }
}

fn passes(filters: &Filters, network: &Network) -> bool {
    let kind = if network.is_predefined() { "builtin" } else { "custom" };
    filters.exact("driver", network.driver.name())
        && filters.matches("id", &network.id.to_string())
        && filters.matches("name", &network.name)
        && filters.exact("scope", "local")
        && filters.exact("type", kind)
        && filters.accept_labels(&network.labels)
}

/// The endpoints of a network by container; one that is no container's has a name of its own.
fn containers(members: &[NetworkMember]) -> BTreeMap<String, EndpointResource> {
    let entry = |member: &NetworkMember| {
        let NetworkMember { container, name, endpoint } = member;
        let key = container.map_or_else(|| format!("ep-{}", endpoint.id), |id| id.to_string());
        (key, network::resource(name, endpoint))
    };
    members.iter().map(entry).collect()
}

async fn show(
    State(app): State<App>,
    Speaks(version): Speaks,
    Path(id): Path<String>,
    query: Query,
) -> Answer {
    let verbose = query.text("verbose");
    if !matches!(
        verbose,
        "" | "0" | "1" | "t" | "f" | "T" | "F" | "true" | "false" | "TRUE" | "FALSE" | "True" | "False"
    ) {
        return Err(Refusal::invalid(format!("invalid value for verbose: {verbose}")));
    }
    if !matches!(query.text("scope"), "" | "local") {
        return Err(Refusal::not_found(format!("network {id} not found")));
    }
    let NetworkInspect { network: found, endpoints, pools } = app.engine.network_inspect(&id)?;
    let mut shown = network::network(&found);
    shown.containers = Some(containers(&endpoints));
    shown.status = (version >= Version::v1(52)).then(|| network::status(&pools));
    Ok(ok(&shown))
}

async fn create(app: &App, version: Version, request: NetworkCreateRequest) -> Answer {
    let id = app.engine.network_create(network::form(request, version)?).await?;
    let answer = NetworkCreateResponse { id: id.to_string(), warning: String::new() };
    Ok(json(StatusCode::CREATED, &answer))
}

async fn update(app: &App, id: &str, request: NetworkUpdateRequest) -> Answer {
    app.engine.network_update(id, network::update(request)).await?;
    Ok(empty(StatusCode::OK))
}

async fn remove(State(app): State<App>, Path(id): Path<String>) -> Answer {
    app.engine.network_remove(&id).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

async fn prune(app: &App, query: &Query) -> Answer {
    let filters = query.filters(&PRUNE_FILTERS)?;
    let until = filters.get("until").last().map(time::parse).transpose()?.flatten();
    let is_wanted = |network: &Network| {
        let is_old = until.is_none_or(|until| i128::from(network.created) < until.as_nanosecond());
        is_old && filters.accept_labels(&network.labels)
    };
    let removed = app.engine.network_prune(is_wanted).await?;
    Ok(ok(&NetworksPruneResponse { networks_deleted: Some(removed).filter(|removed| !removed.is_empty()) }))
}

async fn connect(app: &App, version: Version, id: &str, request: NetworkConnectRequest) -> Answer {
    let NetworkConnectRequest { container, endpoint_config } = request;
    let mut settings = endpoint_config.unwrap_or_default();
    if version < Version::v1(44) {
        // Before 1.44 clients sent back what they had seen, which was no wish.
        settings.mac_address.clear();
    }
    app.engine.connect(&container, id, network::endpoint(settings, version)).await?;
    Ok(empty(StatusCode::OK))
}

async fn disconnect(app: &App, id: &str, request: NetworkDisconnectRequest) -> Answer {
    let NetworkDisconnectRequest { container, force } = request;
    app.engine.disconnect(&container, id, force).await?;
    Ok(empty(StatusCode::OK))
}
