//! The lines of answers that report progress: load, import, pull.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::omit;

/// One line of `POST /images/load` and `POST /images/create`. An `error` line ends the stream; the status of the
/// answer was sent long before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Progress {
    /// Text to print as it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stream: String,
    /// What happens to `id`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// How far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_detail: Option<ProgressDetail>,
    /// The same as a bar, for clients that cannot draw one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub progress: String,
    /// The object it is about, such as a layer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_detail: Option<ErrorDetail>,
    /// The same sentence again.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// Facts for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aux: Option<Value>,
}

impl Progress {
    /// A line of text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { stream: text.into(), ..Self::default() }
    }

    /// The line that says what went wrong, and is the last one.
    #[must_use]
    pub fn failure(message: impl Into<String>) -> Self {
        let message = message.into();
        let error_detail = Some(ErrorDetail { code: 0, message: message.clone() });
        Self { error_detail, error: message, ..Self::default() }
    }
}

/// How far a transfer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgressDetail {
    /// Done.
    #[serde(skip_serializing_if = "omit::zero")]
    pub current: i64,
    /// All; 0 when unknown.
    #[serde(skip_serializing_if = "omit::zero")]
    pub total: i64,
}

/// What went wrong during a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorDetail {
    /// 0, or the exit status of a build step.
    #[serde(skip_serializing_if = "omit::zero")]
    pub code: i64,
    /// The sentence.
    pub message: String,
}
