//! Archives that come in: load and import.
//!
//! The image store reads from a thread that may block. Progress of a load goes the other way, into the answer, whose
//! status is sent before anything is known to be right: what goes wrong is its last line. An import has none, so that
//! its status says how it went.

use std::sync::Arc;

use api::progress::Progress;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use engine::image::{ImageConfig, ImportOptions, LoadError, Reference};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::app::App;
use crate::convert::{changes, image};
use crate::http::answer::{Answer, Refusal, streaming};
use crate::http::query::Query;
use crate::http::reader::Reader;
use crate::http::stream::{body, line};

/// Lines that wait to be sent.
const QUEUE: usize = 16;

/// Loads the images of an archive.
pub(super) fn load(app: &App, archive: Body, is_loud: bool) -> Response {
    let engine = Arc::clone(&app.engine);
    answer(app, archive, move |reader, lines| {
        let progress = |progress| {
            if let Some(progress) = image::progress(progress).filter(|_| is_loud) {
                // A client that went away does not stop the loading: its body has ended, and that does.
                drop(lines.blocking_send(line(&progress)));
            }
        };
        let loaded = engine.images().load(reader, &progress).map_err(|error| engine::chain(&error))?;
        let mut last = Vec::new();
        for loaded in &loaded {
            let name = loaded.names.first().map_or_else(|| loaded.image.to_string(), Reference::familiar);
            engine.tell("image", "load", &loaded.image.to_string(), [("name".to_owned(), name)].into());
            last.extend(image::loaded(loaded));
        }
        Ok(last)
    })
}

/// What an imported image is told about itself.
#[derive(Debug)]
pub(super) struct Import(ImportOptions);

impl Import {
    pub(super) fn read(query: &Query) -> Result<Self, Refusal> {
        let name = match super::with_tag(query.text("repo"), query.text("tag")) {
            name if name.is_empty() => None,
            name => Some(name.parse::<Reference>()?.or_latest()),
        };
        let mut config = ImageConfig::default();
        for change in query.all("changes") {
            changes::apply(&mut config, change)?;
        }
        let comment = match query.text("message") {
            "" => "Imported from -".to_owned(),
            message => message.to_owned(),
        };
        Ok(Self(ImportOptions { name, comment, config }))
    }
}

/// Makes an image of the archive of a root file system.
pub(super) async fn import(app: &App, archive: Body, Import(options): Import) -> Answer {
    let engine = Arc::clone(&app.engine);
    let work = Work::start(app, archive, move |reader| -> Result<String, LoadError> {
        let name = options.name.as_ref().map(Reference::familiar);
        let id = engine.images().import(reader, options, &|_| {})?.to_string();
        engine.tell("image", "import", &id, [("name".to_owned(), name.unwrap_or_else(|| id.clone()))].into());
        Ok(id)
    });
    let status = work.end().await??;
    Ok(streaming("application/json", Body::from(line(&Progress { status, ..Progress::default() }))))
}

/// Gives the archive to `work` on a thread of its own and answers with its lines, the result's last.
fn answer(
    app: &App,
    archive: Body,
    work: impl FnOnce(Reader, &mpsc::Sender<Bytes>) -> Result<Vec<Progress>, String> + Send + 'static,
) -> Response {
    let (lines, mut outgoing) = mpsc::channel(QUEUE);
    let told = lines.clone();
    let work = Work::start(app, archive, move |reader| work(reader, &told));
    app.hijacks.tasks.spawn(async move {
        let failure = |message| vec![Progress::failure(message)];
        let last = match work.end().await {
            Ok(result) => result.unwrap_or_else(failure),
            Err(refusal) => failure(refusal.message),
        };
        for progress in last {
            drop(lines.send(line(&progress)).await);
        }
    });
    let lines = futures_util::stream::poll_fn(move |context| outgoing.poll_recv(context));
    streaming("application/json", body(lines, app.stop()))
}

/// A thread that reads a body, and the task that feeds it.
pub(in crate::route) struct Work<T> {
    reading: JoinHandle<()>,
    working: JoinHandle<T>,
}

impl<T: Send + 'static> Work<T> {
    pub(in crate::route) fn start(
        app: &App,
        archive: Body,
        work: impl FnOnce(Reader) -> T + Send + 'static,
    ) -> Self {
        let (reader, reading) = Reader::of(app, archive);
        Self { reading, working: app.hijacks.tasks.spawn_blocking(move || work(reader)) }
    }

    /// Waits for both.
    pub(in crate::route) async fn end(self) -> Result<T, Refusal> {
        let result = self.working.await;
        drop(self.reading.await);
        result.map_err(|_| Refusal::lost())
    }
}
