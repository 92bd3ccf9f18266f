//! What explains networks: paths of our own, which Docker does not have.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};

use crate::app::App;
use crate::convert::explain;
use crate::http::answer::{Answer, ok};
use crate::http::query::Query;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/tombolo/network/check", get(check))
        .route("/tombolo/network/repair", post(repair))
        .route("/tombolo/network/rules", get(rules))
}

async fn check(State(app): State<App>, query: Query) -> Answer {
    let terms: Vec<_> = query.all("network").collect();
    Ok(ok(&explain::check(&app.engine.network_check(&terms, false).await?)))
}

async fn repair(State(app): State<App>, query: Query) -> Answer {
    let terms: Vec<_> = query.all("network").collect();
    Ok(ok(&explain::check(&app.engine.network_check(&terms, true).await?)))
}

async fn rules(State(app): State<App>, query: Query) -> Answer {
    let document = match query.given("network") {
        Some(term) => {
            let (model, id) = app.engine.network_named(term)?;
            explain::rules(&model, Some(&id))
        }
        None => explain::rules(&app.engine.network().model(), None),
    };
    Ok(ok(&document))
}
