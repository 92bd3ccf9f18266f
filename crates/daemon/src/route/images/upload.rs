//! Archives that come in: load and import.
//!
//! The image store reads from a thread that may block; the body arrives in a task. Between them is a short queue.
//! Progress goes the other way, into the answer, whose status is sent before anything is known to be right: what
//! goes wrong is its last line. The body is read to its end whatever happens, so that the client reads that line.

use std::io::{self, Read};
use std::sync::Arc;

use api::progress::Progress;
use axum::body::Body;
use axum::response::Response;
use bytes::{Buf, Bytes};
use engine::image::{ImageConfig, ImportOptions, Reference};
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tracing::{Instrument, Span};

use crate::app::App;
use crate::convert::{changes, image};
use crate::http::answer::{Refusal, streaming};
use crate::http::query::Query;
use crate::http::stream::{body, line};

/// Pieces of a body that wait to be read, and lines that wait to be sent.
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
pub(super) fn import(app: &App, archive: Body, Import(options): Import) -> Response {
    let engine = Arc::clone(&app.engine);
    answer(app, archive, move |reader, _| {
        let name = options.name.as_ref().map(Reference::familiar);
        let id = engine.images().import(reader, options, &|_| {}).map_err(|error| engine::chain(&error))?;
        let id = id.to_string();
        engine.tell("image", "import", &id, [("name".to_owned(), name.unwrap_or_else(|| id.clone()))].into());
        Ok(vec![Progress { status: id, ..Progress::default() }])
    })
}

/// Gives the archive to `work` on a thread of its own and answers with its lines, the result's last.
fn answer(
    app: &App,
    archive: Body,
    work: impl FnOnce(Reader, &mpsc::Sender<Bytes>) -> Result<Vec<Progress>, String> + Send + 'static,
) -> Response {
    let (pieces, incoming) = mpsc::channel(QUEUE);
    let (lines, mut outgoing) = mpsc::channel(QUEUE);
    let reading = app.hijacks.tasks.spawn(feed(archive, pieces).instrument(Span::current()));
    let told = lines.clone();
    let reader = Reader { pieces: incoming, piece: Bytes::new() };
    let working = app.hijacks.tasks.spawn_blocking(move || work(reader, &told));
    app.hijacks.tasks.spawn(async move {
        let lost = |_| Err("the engine made a mistake, which is in its log".to_owned());
        let last =
            working.await.unwrap_or_else(lost).unwrap_or_else(|message| vec![Progress::failure(message)]);
        drop(reading.await);
        for progress in last {
            drop(lines.send(line(&progress)).await);
        }
    });
    let lines = futures_util::stream::poll_fn(move |context| outgoing.poll_recv(context));
    streaming("application/json", body(lines, app.stop()))
}

/// Carries the body to the reader, and on to its end when nobody reads any more.
async fn feed(mut archive: Body, pieces: mpsc::Sender<io::Result<Bytes>>) {
    let mut is_read = true;
    while let Some(frame) = archive.frame().await {
        let piece = match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => Ok(data),
            Ok(Err(_trailers)) => continue,
            Err(error) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, error)),
        };
        let is_broken = piece.is_err();
        is_read = is_read && pieces.send(piece).await.is_ok();
        if is_broken {
            return;
        }
    }
}

/// A body as something that can be read by a thread.
struct Reader {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
