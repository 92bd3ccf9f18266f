//! Why a request was not answered as hoped.

use std::io;

use hyper::StatusCode;
use thiserror::Error;

use super::Host;

/// Why a request was not answered as hoped. The texts are Docker's where scripts compare them.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("{}", unreachable(.host, .source))]
    Unreachable {
        /// Where the engine was expected.
        host: Host,
        /// Why there is no connection.
        #[source]
        source: io::Error,
    },
    /// The place of the engine is not one.
    #[error(transparent)]
    Host(#[from] super::HostError),
    /// The engine says no.
    #[error("Error response from daemon: {message}")]
    Refused {
        /// The status of the answer.
        status: StatusCode,
        /// Why, in the engine's words.
        message: String,
    },
    /// The engine said no after it had begun to answer.
    #[error("{message}")]
    Late {
        /// Why, in the engine's words.
        message: String,
    },
    /// The connection was lost.
    #[error("the engine ended the connection")]
    Lost(#[source] hyper::Error),
    /// The connection was lost after it stopped being HTTP.
    #[error("the connection to the engine failed")]
    Stream(#[from] io::Error),
    /// The answer is not what the API says.
    #[error("the engine's answer cannot be read")]
    Answer(#[source] serde_json::Error),
    /// The engine answered without giving up the connection.
    #[error("the engine answered {status} where it should have given up HTTP")]
    NotHijacked {
        /// The status of the answer.
        status: StatusCode,
    },
    /// A path or a header that HTTP does not allow.
    #[error("the request cannot be sent")]
    Request(#[from] hyper::http::Error),
}

impl ClientError {
    /// The connection was lost, if that is why.
    pub(super) const fn exchange(error: hyper::Error) -> Self {
        Self::Lost(error)
    }

    /// Whether the engine says that there is no such thing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::NOT_FOUND)
    }
}

/// What is wrong, and what to do about it.
fn unreachable(host: &Host, source: &io::Error) -> String {
    if source.kind() == io::ErrorKind::PermissionDenied {
        return format!(
            "permission denied while trying to connect to the engine at {host}. Use sudo, or join the group of \
             the socket: sudo usermod -aG tombolo $USER"
        );
    }
    format!(
        "Cannot connect to the engine at {host}. Is it running? Start it with: sudo tombolo daemon (or: sudo \
         systemctl start tombolo); if it listens elsewhere, say where with -H or TOMBOLO_HOST"
    )
}
