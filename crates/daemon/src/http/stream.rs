//! Bodies of answers that follow piece by piece.

use std::convert::Infallible;

use api::stream::{MULTIPLEXED, RAW, Stream};
use api::version::Version;
use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream as Pieces, StreamExt};
use tokio_util::sync::CancellationToken;

/// A body of pieces that ends when the pieces do, or when the engine stops.
pub(crate) fn body(pieces: impl Pieces<Item = Bytes> + Send + 'static, stop: CancellationToken) -> Body {
    let pieces = pieces.take_until(stop.cancelled_owned()).map(Ok::<_, Infallible>);
    Body::from_stream(pieces)
}

/// An archive as a body; one that ends with an error is cut off, so that its reader knows.
pub(crate) fn archive(mut pieces: engine::Pieces) -> Body {
    Body::from_stream(futures_util::stream::poll_fn(move |context| pieces.poll_recv(context)))
}

/// One line of JSON.
pub(crate) fn line<T: serde::Serialize>(value: &T) -> Bytes {
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    text.push(b'\n');
    text.into()
}

/// Whether a process's output is one raw stream or several in frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Raw,
    Frames,
}

impl Framing {
    pub(crate) const fn of_tty(tty: bool) -> Self {
        if tty { Self::Raw } else { Self::Frames }
    }

    /// The media type that a client of this version is told; before 1.42 there was one for both.
    pub(crate) fn media_type(self, version: Version) -> &'static str {
        match self {
            Self::Frames if version >= Version::v1(42) => MULTIPLEXED,
            Self::Frames | Self::Raw => RAW,
        }
    }

    /// A piece of output as it is sent.
    pub(crate) fn wrap(self, stream: engine::Stream, data: Bytes) -> Bytes {
        let stream = match stream {
            engine::Stream::Stdout => Stream::Stdout,
            engine::Stream::Stderr => Stream::Stderr,
        };
        match self {
            Self::Raw => data,
            Self::Frames => {
                let mut framed = Vec::with_capacity(data.len() + api::stream::HEADER);
                stream.frame(&data, &mut framed);
                framed.into()
            }
        }
    }
}
