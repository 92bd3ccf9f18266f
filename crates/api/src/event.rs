//! Events.

use serde::{Deserialize, Serialize};

use crate::StringMap;
use crate::omit;
use crate::version::Version;

/// One event of `GET /events`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Event {
    /// The action again; before API 1.52, for containers and images.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// The actor's id again; before API 1.52, for containers and images.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The image of the container; before API 1.52.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// `container`, `image`, `network`, `volume`, `daemon`, …
    #[serde(rename = "Type")]
    pub r#type: String,
    /// Such as `start` or `exec_create: ls`.
    #[serde(rename = "Action")]
    pub action: String,
    /// To whom it happened.
    #[serde(rename = "Actor")]
    pub actor: Actor,
    /// `local` or `swarm`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "omit::zero")]
    pub time: i64,
    /// Nanoseconds since 1970.
    #[serde(rename = "timeNano", skip_serializing_if = "omit::zero")]
    pub time_nano: i64,
}

impl Event {
    /// The shape that `version` has: before 1.52 the members `status`, `id` and `from` repeat others.
    #[must_use]
    pub fn shaped(mut self, version: Version) -> Self {
        let repeats = version < Version::v1(52) && matches!(self.r#type.as_str(), "container" | "image");
        self.status = if repeats { self.action.clone() } else { String::new() };
        self.id = if repeats { self.actor.id.clone() } else { String::new() };
        let image = self.actor.attributes.get("image").filter(|_| repeats && self.r#type == "container");
        self.from = image.cloned().unwrap_or_default();
        self
    }
}

/// To whom an event happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Actor {
    /// The id of the object.
    #[serde(rename = "ID")]
    pub id: String,
    /// Facts, among them `name` and the object's labels.
    #[serde(rename = "Attributes")]
    pub attributes: StringMap,
}
