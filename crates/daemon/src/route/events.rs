//! Events as they happen, and as they happened.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use crate::app::App;
use crate::convert::{event, time};
use crate::http::answer::{Answer, Refusal, streaming};
use crate::http::query::Query;
use crate::http::stream::{body, line};
use crate::http::version::Speaks;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/events", get(events))
}

async fn events(State(app): State<App>, Speaks(version): Speaks, query: Query) -> Answer {
    let filters = query.filters(&event::FILTERS)?;
    let since = time::parse(query.text("since"))?;
    let until = time::parse(query.text("until"))?;
    if since.zip(until).is_some_and(|(since, until)| until < since) {
        let (since, until) = (query.text("since"), query.text("until"));
        return Err(Refusal::invalid(format!(
            "`since` time ({since}) cannot be after `until` time ({until})"
        )));
    }
    let subscription = app.engine.events(since);
    let is_over = until.is_some_and(|until| until <= Timestamp::now());
    let events = stream::unfold(subscription, move |mut subscription| async move {
        let event = if is_over { subscription.next_past() } else { subscription.next().await };
        event.map(|event| (event, subscription))
    });
    let events =
        events.take_while(move |event| std::future::ready(until.is_none_or(|until| event.time <= until)));
    let lines = events.filter_map(move |event| {
        let event = event::event(event);
        let line = event::passes(&filters, &event).then(|| line(&event.shaped(version)));
        std::future::ready(line)
    });
    Ok(streaming("application/json", body(lines.take_until(at(until)).map(Bytes::from), app.stop())))
}

/// Comes when the time has, or never.
async fn at(until: Option<Timestamp>) {
    let Some(until) = until else { return std::future::pending().await };
    let left = until.duration_since(Timestamp::now());
    let left = std::time::Duration::try_from(left).unwrap_or_default();
    // Past events are told first, even if the time is over.
    tokio::time::sleep(left.max(std::time::Duration::from_millis(10))).await;
}
