//! The body of every answer that is an error.

use serde::{Deserialize, Serialize};

/// `{"message": "…"}`, the body of every answer with a status of 400 or more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorBody {
    /// A sentence for a person; clients compare some of them.
    pub message: String,
}
