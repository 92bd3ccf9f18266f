//! Registries: login, and what they have.

use std::collections::BTreeMap;

use api::registry::{AUTH_HEADER, AuthConfig, AuthResponse, CONFIG_HEADER, DistributionInspect};
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use engine::image::{Credentials, Found, LoginError, PullError, PullRequest, PushError, Reference, Tags};
use hyper::{HeaderMap, StatusCode};

use crate::app::App;
use crate::convert::image;
use crate::http::answer::{Answer, Refusal, ok};
use crate::http::body::Json;

/// Go pads or does not.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/auth", post(login)).route("/distribution/{*path}", get(look))
}

/// Who asks, as the header says; without it, or if it cannot be read, nobody.
pub(crate) fn credentials(headers: &HeaderMap) -> Option<Credentials> {
    let text = headers.get(AUTH_HEADER)?.to_str().ok()?;
    let config: AuthConfig = serde_json::from_slice(&LENIENT.decode(text.trim()).ok()?).ok()?;
    Some(known(config)).filter(|known| *known != Credentials::default())
}

/// Who asks which registry, as `X-Registry-Config` says.
pub(crate) fn all_credentials(headers: &HeaderMap) -> BTreeMap<String, Credentials> {
    let read = || -> Option<BTreeMap<String, AuthConfig>> {
        let text = headers.get(CONFIG_HEADER)?.to_str().ok()?;
        serde_json::from_slice(&LENIENT.decode(text.trim()).ok()?).ok()
    };
    let named = |(address, config): (String, AuthConfig)| {
        let name = address.trim_start_matches("https://").trim_start_matches("http://");
        let name = name.split('/').next().unwrap_or_default();
        let name = if name == "index.docker.io" { "docker.io" } else { name };
        (name.to_owned(), known(config))
    };
    read().unwrap_or_default().into_iter().map(named).collect()
}

fn known(config: AuthConfig) -> Credentials {
    let AuthConfig { mut username, mut password, auth, serveraddress: _, identitytoken, registrytoken } =
        config;
    if username.is_empty() && password.is_empty() && !auth.is_empty() {
        let plain = base64::engine::general_purpose::STANDARD.decode(&auth).unwrap_or_default();
        let plain = String::from_utf8_lossy(&plain).into_owned();
        if let Some((name, secret)) = plain.split_once(':') {
            (username, password) = (name.to_owned(), secret.trim_end_matches('\0').to_owned());
        }
    }
    Credentials { username, password, identity_token: identitytoken, registry_token: registrytoken }
}

/// `POST /auth`: whether a registry takes the credentials.
async fn login(State(app): State<App>, Json(config): Json<AuthConfig>) -> Answer {
    let address = config.serveraddress.clone();
    let identity_token = app.registry.login(&address, known(config)).await?.unwrap_or_default();
    Ok(ok(&AuthResponse { identity_token, status: "Login Succeeded".to_owned() }))
}

/// `GET /distribution/{name}/json`.
async fn look(State(app): State<App>, Path(path): Path<String>, headers: HeaderMap) -> Answer {
    let name = path.strip_suffix("/json").ok_or_else(Refusal::page_not_found)?;
    let reference: Reference = name.parse()?;
    let request =
        PullRequest { reference, tags: Tags::One, platform: None, credentials: credentials(&headers) };
    let Found { descriptor, platforms } = app.registry.look(request).await?;
    Ok(ok(&DistributionInspect {
        descriptor: image::descriptor(descriptor),
        platforms: platforms.into_iter().map(image::platform).collect(),
    }))
}

/// The status of every error of registries. A new one does not compile until it has one.
impl From<PullError> for Refusal {
    fn from(error: PullError) -> Self {
        let status = match &error {
            PullError::Denied { .. }
            | PullError::NoManifest { .. }
            | PullError::NoRepository { .. }
            | PullError::NoPlatform { .. } => StatusCode::NOT_FOUND,
            PullError::TagWithAll => StatusCode::BAD_REQUEST,
            PullError::Lookup(error) => super::images::lookup_status(error),
            PullError::Registry(_)
            | PullError::Manifest(_)
            | PullError::WrongDigest { .. }
            | PullError::WrongLayer { .. }
            | PullError::WrongSize { .. }
            | PullError::Layer { .. }
            | PullError::Document { .. }
            | PullError::WrongSystem { .. }
            | PullError::LayerCount { .. }
            | PullError::Io(_)
            | PullError::Load(_)
            | PullError::Store(_)
            | PullError::Lost => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let is_ours = matches!(&error, PullError::Io(_) | PullError::Store(_) | PullError::Lost);
        Self::told(status, is_ours, &error)
    }
}

impl From<PushError> for Refusal {
    fn from(error: PushError) -> Self {
        let status = match &error {
            PushError::NoImage { .. } | PushError::NoTag { .. } => StatusCode::NOT_FOUND,
            PushError::Digest | PushError::WrongPlatform { .. } => StatusCode::BAD_REQUEST,
            PushError::Lookup(error) => super::images::lookup_status(error),
            PushError::Registry(_)
            | PushError::WrongDigest { .. }
            | PushError::Io(_)
            | PushError::Document(_)
            | PushError::Store(_)
            | PushError::Lost => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let is_ours = matches!(&error, PushError::Io(_) | PushError::Store(_) | PushError::Lost);
        Self::told(status, is_ours, &error)
    }
}

impl From<LoginError> for Refusal {
    fn from(error: LoginError) -> Self {
        let status = match &error {
            LoginError::Refused { status, .. } if *status == StatusCode::UNAUTHORIZED => {
                StatusCode::UNAUTHORIZED
            }
            LoginError::Registry(error) if error.is_unauthorized() => StatusCode::UNAUTHORIZED,
            LoginError::Refused { .. } | LoginError::Registry(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::told(status, false, &error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, expected: Option<(&str, &str, &str)>) {
        let mut headers = HeaderMap::new();
        headers.insert(AUTH_HEADER, header.parse().expect("a header"));
        let known = credentials(&headers);
        let known = known.as_ref().map(|it| (&*it.username, &*it.password, &*it.identity_token));
        assert_eq!(known, expected, "{header}");
    }

    #[test]
    fn credentials_are_read_as_clients_write_them() {
        let header = |text: &str| LENIENT.encode(text);
        check(&header(r#"{"username":"a","password":"b?>","serveraddress":"x"}"#), Some(("a", "b?>", "")));
        let padded = header(r#"{"identitytoken":"t"}"#);
        check(&padded, Some(("", "", "t")));
        check(padded.trim_end_matches('='), Some(("", "", "t")));
        check(&header(r#"{"auth":"YTpiOmM="}"#), Some(("a", "b:c", "")));
        for nobody in ["", "e30=", "%%%", &header("[]")] {
            check(nobody, None);
        }
    }
}
