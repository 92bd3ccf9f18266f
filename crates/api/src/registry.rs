//! Registries: who asks, and what they have.

use serde::{Deserialize, Serialize};

use crate::image::{Descriptor, Platform};
use crate::omit;

/// The name of the header with an [`AuthConfig`] in it, as JSON in base64 for addresses.
pub const AUTH_HEADER: &str = "X-Registry-Auth";

/// The same of all registries, as a document with their names as keys: of a build.
pub const CONFIG_HEADER: &str = "x-registry-config";

/// Credentials for a registry: the body of `POST /auth`, and what [`AUTH_HEADER`] holds.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthConfig {
    /// Who.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// The password.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub password: String,
    /// `name:password` in base64.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub auth: String,
    /// The registry.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub serveraddress: String,
    /// What a login gave instead of a password.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub identitytoken: String,
    /// A token for the registry itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub registrytoken: String,
}

impl std::fmt::Debug for AuthConfig {
    /// Secrets are in no log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { username, serveraddress, .. } = self;
        f.debug_struct("AuthConfig")
            .field("username", username)
            .field("serveraddress", serveraddress)
            .finish_non_exhaustive()
    }
}

/// The answer of `POST /auth`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AuthResponse {
    /// What to show from now on instead of the password; may be empty.
    pub identity_token: String,
    /// `Login Succeeded`.
    pub status: String,
}

/// The answer of `GET /distribution/{name}/json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DistributionInspect {
    /// The manifest, or the list of manifests.
    pub descriptor: Descriptor,
    /// What it is for.
    pub platforms: Vec<Platform>,
}

/// The `aux` of the last line of a push.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PushResult {
    /// The tag.
    pub tag: String,
    /// The manifest.
    pub digest: String,
    /// Bytes of the manifest.
    #[serde(skip_serializing_if = "omit::zero")]
    pub size: i64,
}
