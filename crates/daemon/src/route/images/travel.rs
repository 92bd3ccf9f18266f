//! Pull and push: what happens becomes lines of the answer.
//!
//! The transfer is part of the answer's body: a client that goes away ends it. As long as there is nothing to
//! tell, what goes wrong has a status of its own; after that it is the last line.

use std::collections::VecDeque;
use std::pin::Pin;

use api::progress::Progress;
use axum::response::Response;
use engine::image::{Events, Platform, PullRequest, PushRequest, Reference, Tags, Transfer};
use futures_util::stream;
use hyper::HeaderMap;
use tokio::sync::mpsc;

use crate::app::App;
use crate::convert::transfer;
use crate::http::answer::{Answer, Refusal, streaming};
use crate::http::query::Query;
use crate::http::stream::{body, line};
use crate::route::registry::credentials;

/// Events that wait to be sent.
const QUEUE: usize = 64;

/// `POST /images/create?fromImage=`.
pub(super) async fn pull(app: &App, query: &Query, headers: &HeaderMap) -> Answer {
    let reference = named(query.text("fromImage"), query.text("tag"))?;
    let is_lone = reference.tag().is_none() && reference.digest().is_none();
    let request = PullRequest {
        tags: if is_lone { Tags::All } else { Tags::One },
        platform: platform(query.text("platform"))?,
        credentials: credentials(headers),
        reference: reference.clone(),
    };
    let (events, incoming) = mpsc::channel(QUEUE);
    let app_ = app.clone();
    let work = async move {
        let is_new = app_.registry.pull(request, Events::new(events)).await?;
        super::tell(&app_, "pull", &reference.familiar(), &reference.familiar_name());
        let name = reference.familiar();
        let status = if is_new { "Downloaded newer image for" } else { "Image is up to date for" };
        Ok(vec![transfer::said(format!("Status: {status} {name}"))])
    };
    let running = Running {
        work: Box::pin(work),
        incoming,
        told: transfer::pulling,
        ready: VecDeque::new(),
        is_done: false,
    };
    running.answer(app).await
}

/// `POST /images/{name}/push`.
pub(super) async fn push(app: &App, name: &str, query: &Query, headers: &HeaderMap) -> Answer {
    let reference = named(name, query.text("tag"))?;
    let repository = reference.to_string();
    let repository = repository.split('@').next().unwrap_or_default();
    let tag = reference.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
    let repository = repository.strip_suffix(&tag).unwrap_or(repository);
    let first = transfer::said(format!("The push refers to repository [{repository}]"));
    let request = PushRequest {
        tags: if reference.tag().is_some() { Tags::One } else { Tags::All },
        platform: platform(query.text("platform"))?,
        credentials: credentials(headers),
        reference: reference.clone(),
    };
    let (events, incoming) = mpsc::channel(QUEUE);
    let app_ = app.clone();
    let work = async move {
        app_.registry.push(request, Events::new(events)).await?;
        super::tell(&app_, "push", &reference.familiar(), &reference.familiar_name());
        Ok(Vec::new())
    };
    let running = Running {
        work: Box::pin(work),
        incoming,
        told: transfer::pushing,
        ready: [first].into(),
        is_done: false,
    };
    running.answer(app).await
}

/// What is meant by a name and a tag, which may be a digest and is preferred to one in the name.
fn named(name: &str, tag: &str) -> Result<Reference, Refusal> {
    let reference: Reference = name.parse()?;
    if tag.is_empty() || reference.digest().is_some() {
        return Ok(reference);
    }
    let repository = reference.familiar_name();
    let separator = if tag.contains(':') { '@' } else { ':' };
    Ok(format!("{repository}{separator}{tag}").parse()?)
}

/// A platform as text, or as OCI's document.
fn platform(text: &str) -> Result<Option<Platform>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let text = match serde_json::from_str::<Platform>(text) {
        Ok(platform) => platform.to_string(),
        Err(_) => text.to_owned(),
    };
    text.parse()
        .map(Some)
        .map_err(|error: engine::image::ParsePlatformError| Refusal::invalid(error.to_string()))
}

type Work = Pin<Box<dyn Future<Output = Result<Vec<Progress>, Refusal>> + Send>>;

/// A transfer, and what is to be told of it.
struct Running {
    work: Work,
    incoming: mpsc::Receiver<Transfer>,
    told: fn(Transfer) -> Vec<Progress>,
    ready: VecDeque<Progress>,
    is_done: bool,
}

impl Running {
    async fn answer(mut self, app: &App) -> Answer {
        if let Some(refusal) = self.next_lines().await {
            return Err(refusal);
        }
        Ok(self.stream(app))
    }

    fn stream(self, app: &App) -> Response {
        let lines = stream::unfold(self, async |mut running| {
            if let Some(refusal) = running.next_lines().await {
                tracing::info!(message = refusal.message, "transfer ended");
                running.ready.push_back(Progress::failure(refusal.message));
            }
            let next = running.ready.pop_front()?;
            Some((line(&next), running))
        });
        streaming("application/json", body(lines, app.stop()))
    }

    /// Waits until there is something to tell, or nothing ever will be.
    async fn next_lines(&mut self) -> Option<Refusal> {
        while self.ready.is_empty() && !self.is_done {
            tokio::select! {
                biased;
                Some(event) = self.incoming.recv() => self.ready.extend((self.told)(event)),
                result = &mut self.work => {
                    self.is_done = true;
                    while let Ok(event) = self.incoming.try_recv() {
                        self.ready.extend((self.told)(event));
                    }
                    match result {
                        Ok(last) => self.ready.extend(last),
                        Err(refusal) => return Some(refusal),
                    }
                }
            }
        }
        None
    }
}
