//! Why a registry did not do what it was asked.

use std::fmt;
use std::io;

use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use thiserror::Error;

use super::manifest::ManifestError;
use super::platform::Platform;
use super::tls::TlsError;
use crate::{Digest, LoadError, LookupError, StoreError};

/// What a registry says is wrong, in its words.
#[derive(Clone, Debug, PartialEq, Eq, Error, Deserialize)]
pub struct ApiError {
    /// Such as `MANIFEST_UNKNOWN`.
    #[serde(default)]
    pub code: String,
    #[serde(default)]
    pub message: String,
}

impl fmt::Display for ApiError {
    /// As Docker prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.to_ascii_lowercase().replace('_', " ");
        match (code.is_empty(), self.message.is_empty()) {
            (false, false) => write!(f, "{code}: {}", self.message),
            (false, true) => f.write_str(&code),
            (true, _) => f.write_str(&self.message),
        }
    }
}

/// Why a request to a registry failed; the texts are Docker's where it has them.
#[derive(Debug, Error)]
pub enum RegistryError {
    #[error("invalid address of a registry: {address}")]
    Address { address: String },
    #[error("cannot speak HTTP")]
    Client(#[source] reqwest::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("{} \"{url}\"", go_name(.method))]
    Transport { method: Method, url: Box<Url>, source: reqwest::Error },
    #[error("{} \"{url}\": no basic auth credentials", go_name(.method))]
    NoCredentials { method: Method, url: Box<Url> },
    #[error("{url} wants to know who asks, and not in a way that is known here")]
    Challenge { url: Box<Url> },
    #[error("{url} wants credentials to be sent unencrypted to {realm}")]
    Unencrypted { url: Box<Url>, realm: String },
    #[error("{}", refusal(*.status, .errors))]
    Refused { url: Box<Url>, status: StatusCode, errors: Vec<ApiError> },
    #[error("the answer of {url} cannot be understood")]
    Answer { url: Box<Url>, source: serde_json::Error },
    #[error("the answer of {url} has more than {limit} bytes")]
    TooLarge { url: Box<Url>, limit: u64 },
    #[error("{url} did not say where to send the layer")]
    NoPlace { url: Box<Url> },
    #[error("cannot read what is to be sent")]
    Read(#[source] io::Error),
}

impl RegistryError {
    /// What the registry said, if it is why.
    pub(super) fn said(&self) -> Option<&ApiError> {
        match self {
            Self::Refused { errors, .. } => errors.first(),
            Self::Address { .. }
            | Self::Client(_)
            | Self::Tls(_)
            | Self::Transport { .. }
            | Self::NoCredentials { .. }
            | Self::Challenge { .. }
            | Self::Unencrypted { .. }
            | Self::Answer { .. }
            | Self::TooLarge { .. }
            | Self::NoPlace { .. }
            | Self::Read(_) => None,
        }
    }

    /// Whether there is no such server, or it does not speak what it was spoken to in.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Transport { source, .. } if !source.is_body() && !source.is_decode())
    }

    /// Whether the same may succeed later.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Transport { .. } => true,
            Self::Refused { status, .. } => super::retry::is_passing(*status),
            Self::Address { .. }
            | Self::Client(_)
            | Self::Tls(_)
            | Self::NoCredentials { .. }
            | Self::Challenge { .. }
            | Self::Unencrypted { .. }
            | Self::Answer { .. }
            | Self::TooLarge { .. }
            | Self::NoPlace { .. }
            | Self::Read(_) => false,
        }
    }

    /// Whether the registry wants somebody else, or anybody, to ask.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        match self {
            Self::Refused { status, .. } => *status == StatusCode::UNAUTHORIZED,
            Self::NoCredentials { .. } => true,
            Self::Address { .. }
            | Self::Client(_)
            | Self::Tls(_)
            | Self::Transport { .. }
            | Self::Challenge { .. }
            | Self::Unencrypted { .. }
            | Self::Answer { .. }
            | Self::TooLarge { .. }
            | Self::NoPlace { .. }
            | Self::Read(_) => false,
        }
    }
}

/// `Get`, as Go writes it.
fn go_name(method: &Method) -> String {
    let (first, rest) = method.as_str().split_at(1);
    first.to_owned() + &rest.to_ascii_lowercase()
}

fn refusal(status: StatusCode, errors: &[ApiError]) -> String {
    match errors {
        [] => format!("received unexpected HTTP status: {status}"),
        [one] => one.to_string(),
        several => several.iter().fold("errors:".to_owned(), |text, error| format!("{text}\n{error}")),
    }
}

/// Why an image was not pulled.
#[derive(Debug, Error)]
pub enum PullError {
    #[error("pull access denied for {repository}, repository does not exist or may require 'docker login'")]
    Denied { repository: String, source: ApiError },
    #[error("manifest for {reference} not found")]
    NoManifest { reference: String, source: ApiError },
    #[error("repository {repository} not found")]
    NoRepository { repository: String, source: ApiError },
    #[error("tag can't be used with --all-tags/-a")]
    TagWithAll,
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("no matching manifest for {wanted} in the manifest list entries: there are {}", found.join(", "))]
    NoPlatform { wanted: Box<Platform>, found: Vec<String> },
    #[error("{what} of {reference} has the digest {actual}, not {wanted}")]
    WrongDigest { what: &'static str, reference: String, wanted: Digest, actual: Digest },
    /// Docker's text for layers.
    #[error("filesystem layer verification failed for digest {digest}")]
    WrongLayer { digest: Digest },
    #[error("{digest} has {actual} bytes, not the {size} its manifest gives")]
    WrongSize { digest: Digest, size: u64, actual: u64 },
    #[error("cannot get {digest}")]
    Layer { digest: Digest, source: Box<RegistryError> },
    #[error("the configuration {digest} cannot be understood")]
    Document { digest: Digest, source: serde_json::Error },
    #[error("image operating system \"{os}\" cannot be used on this platform")]
    WrongSystem { os: String },
    #[error("the image has {layers} layers, but its configuration names {diff_ids}")]
    LayerCount { layers: usize, diff_ids: usize },
    #[error("cannot write to the image store")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Lookup(#[from] LookupError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the engine made a mistake, which is in its log")]
    Lost,
}

/// Why an image was not pushed.
#[derive(Debug, Error)]
pub enum PushError {
    #[error("An image does not exist locally with the tag: {repository}")]
    NoImage { repository: String },
    #[error("tag does not exist: {reference}")]
    NoTag { reference: String },
    #[error("cannot push a digest reference")]
    Digest,
    #[error("image {reference} is for {actual}, not for {wanted}")]
    WrongPlatform { reference: String, wanted: Box<Platform>, actual: Box<Platform> },
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("the registry says the manifest's digest is {actual}, but it is {wanted}")]
    WrongDigest { wanted: Digest, actual: String },
    #[error("cannot read the image store")]
    Io(#[from] io::Error),
    #[error("the stored manifest cannot be understood")]
    Document(#[source] serde_json::Error),
    #[error(transparent)]
    Lookup(#[from] LookupError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the engine made a mistake, which is in its log")]
    Lost,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_registries_say_reads_as_with_docker() {
        let said = |code: &str, message: &str| {
            let [code, message] = [code, message].map(str::to_owned);
            ApiError { code, message }
        };
        let unknown = said("MANIFEST_UNKNOWN", "manifest unknown");
        assert_eq!(unknown.to_string(), "manifest unknown: manifest unknown");
        assert_eq!(said("", "text").to_string(), "text");
        assert_eq!(said("DENIED", "").to_string(), "denied");
        let refused =
            |status: u16, errors: &[ApiError]| refusal(StatusCode::from_u16(status).unwrap(), errors);
        assert_eq!(refused(500, &[]), "received unexpected HTTP status: 500 Internal Server Error");
        assert_eq!(refused(404, std::slice::from_ref(&unknown)), "manifest unknown: manifest unknown");
        assert!(refused(404, &[unknown.clone(), unknown]).starts_with("errors:\nmanifest"));
    }
}
