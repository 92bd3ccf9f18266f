//! Answers: JSON, and errors as Docker writes them.

use api::error::ErrorBody;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use tracing::{error, info};

use super::status::status;

/// A request that is not done, with what the client is told.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    /// Whether the engine could not do what it should have done: a mistake of somebody who looks after it.
    is_failure: bool,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let is_failure = status == StatusCode::INTERNAL_SERVER_ERROR;
        Self { status, message: message.into(), is_failure }
    }

    /// The request makes no sense.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// Docker has it, and this engine does not.
    pub(crate) fn not_implemented(what: &str) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, format!("{what} is not supported by this engine"))
    }

    /// No route has this path and method (moby `pageNotFoundError`).
    pub(crate) fn page_not_found() -> Self {
        Self::not_found("page not found")
    }

    /// What a thread was asked to do ended with it.
    pub(crate) fn lost() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the engine made a mistake, which is in its log")
    }

    /// The refusal for an error with this status; whether the engine could not do what it should have done.
    pub(crate) fn told(status: StatusCode, is_failure: bool, error: &dyn std::error::Error) -> Self {
        Self { status, message: engine::chain(error), is_failure }
    }

    /// The refusal for an error of the engine.
    pub(crate) fn of(kind: engine::Kind, error: &dyn std::error::Error) -> Self {
        Self { is_failure: kind == engine::Kind::System, ..Self::new(status(kind), engine::chain(error)) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if self.is_failure {
            error!(status = self.status.as_u16(), message = self.message, "request failed");
        } else {
            info!(status = self.status.as_u16(), message = self.message, "request refused");
        }
        json(self.status, &ErrorBody { message: self.message })
    }
}

/// The refusal for every error of the engine that knows its kind.
macro_rules! refuse {
    ($($error:ident),+ $(,)?) => {
        $(impl From<engine::error::$error> for Refusal {
            fn from(error: engine::error::$error) -> Self {
                Self::of(error.kind(), &error)
            }
        })+
    };
}

refuse! {
    ArchiveError, AttachError, BuildError, ChangesError, CommitError, ConnectError, CreateError, CreateNetworkError, DisconnectError, ExecError, FindError,
    FindNetworkError, KillError, LogsError, NetworkError, PauseError, PruneBuildsError, PruneNetworksError, RemoveError,
    RemoveLinkError, RemoveNetworkError, UpdateNetworkError, RenameError, ResizeError, RestartError, StartError, StopError, TopError, UpdateError,
    VolumeError, WaitError,
}

impl From<engine::ExplainError> for Refusal {
    fn from(error: engine::ExplainError) -> Self {
        Self::of(error.kind(), &error)
    }
}

impl From<engine::ParseSignalError> for Refusal {
    fn from(error: engine::ParseSignalError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<api::detach::UnknownKey> for Refusal {
    fn from(error: api::detach::UnknownKey) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<api::filters::FilterError> for Refusal {
    fn from(error: api::filters::FilterError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// An answer with a JSON body and, as Docker's, a new line at its end.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(mut text) => {
            text.push(b'\n');
            let kind = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
            (status, [kind], text).into_response()
        }
        Err(error) => {
            error!(%error, "cannot write an answer as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// `200` with a JSON body.
pub(crate) fn ok<T: Serialize>(value: &T) -> Response {
    json(StatusCode::OK, value)
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response {
    status.into_response()
}

/// A `200` whose body follows piece by piece; its headers are sent at once.
pub(crate) fn streaming(content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// What a route answers.
pub(crate) type Answer = Result<Response, Refusal>;
