//! What explains networks: paths of our own, which Docker does not have.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use engine::WhyQuestion;
use engine::cnm::Proto;

use crate::app::App;
use crate::convert::explain;
use crate::http::answer::{Answer, Refusal, ok};
use crate::http::query::Query;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/tombolo/network/check", get(check))
        .route("/tombolo/network/repair", post(repair))
        .route("/tombolo/network/rules", get(rules))
        .route("/tombolo/network/exposure", get(exposure))
        .route("/tombolo/network/why", get(why))
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

async fn exposure(State(app): State<App>) -> Answer {
    Ok(ok(&explain::exposures(&app.engine.network_exposure().await?)))
}

async fn why(State(app): State<App>, query: Query) -> Answer {
    let missing = |name: &str| Refusal::invalid(format!("parameter {name} is missing"));
    let text = |name: &str| query.given(name).map(str::to_owned).ok_or_else(|| missing(name));
    let port = query.number("port")?.ok_or_else(|| missing("port"))?;
    let proto = match query.text("proto") {
        "" | "tcp" => Proto::Tcp,
        "udp" => Proto::Udp,
        "sctp" => Proto::Sctp,
        other => return Err(Refusal::invalid(format!("unknown protocol {other}"))),
    };
    let question =
        WhyQuestion { from: text("from")?, to: text("to")?, port, proto, probe: query.switch("probe") };
    Ok(ok(&explain::why(&app.engine.network_why(&question).await?)))
}
