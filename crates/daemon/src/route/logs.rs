//! What a container wrote.

use api::stream::{RAW, Stream};
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use bytes::Bytes;
use engine::{LogEntry, LogOptions};
use futures_util::{StreamExt, stream};

use crate::app::App;
use crate::convert::time;
use crate::http::answer::{Answer, streaming};
use crate::http::query::Query;
use crate::http::stream::{Framing, body};
use crate::http::version::Speaks;

/// So many entries are sent at once at most.
const TOGETHER: usize = 256;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/containers/{id}/logs", get(logs))
}

async fn logs(
    State(app): State<App>,
    Speaks(version): Speaks,
    Path(id): Path<String>,
    query: Query,
) -> Answer {
    let options = LogOptions {
        stdout: query.switch("stdout"),
        stderr: query.switch("stderr"),
        follow: query.switch("follow"),
        // `all`, and whatever else is no number, is everything.
        tail: query.text("tail").parse().ok(),
        since: time::parse(query.text("since"))?,
        until: time::parse(query.text("until"))?,
    };
    let has_times = query.switch("timestamps");
    let container = app.engine.inspect(&id)?;
    let framing = Framing::of_tty(container.spec.command.tty);
    let entries = app.engine.logs(&container.id.to_string(), options).await?;
    let entries =
        stream::unfold(entries, |mut entries| async { entries.recv().await.map(|entry| (entry, entries)) });
    // What is there already travels together: a line for itself would cost a system call.
    let pieces = entries.ready_chunks(TOGETHER).map(move |entries| {
        let pieces = entries.into_iter().map(|entry| match entry {
            Ok(entry) => piece(entry, has_times, framing),
            Err(error) => failure(&error, framing),
        });
        Bytes::from(pieces.collect::<Vec<_>>().concat())
    });
    let media_type = if framing == Framing::Raw { RAW } else { framing.media_type(version) };
    Ok(streaming(media_type, body(pieces, app.stop())))
}

fn piece(LogEntry { time, stream, line }: LogEntry, has_times: bool, framing: Framing) -> Bytes {
    if !has_times {
        return framing.wrap(stream, line);
    }
    let mut text = time::fixed(time).into_bytes();
    text.push(b' ');
    text.extend_from_slice(&line);
    framing.wrap(stream, text.into())
}

/// The status was sent long ago: an error is a frame of the engine's own, or a line.
fn failure(error: &std::io::Error, framing: Framing) -> Bytes {
    let text = format!("Error grabbing logs: {error}\n");
    if framing == Framing::Raw {
        return text.into();
    }
    let mut frame = Vec::new();
    Stream::System.frame(text.as_bytes(), &mut frame);
    frame.into()
}
