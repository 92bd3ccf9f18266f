//! Whether a registry takes credentials.

use reqwest::header::AUTHORIZATION;
use reqwest::{Method, StatusCode, Url};
use thiserror::Error;

use super::Registry;
use super::auth::{Challenge, Credentials, challenge};
use super::endpoint::{Endpoint, Purpose};
use super::error::RegistryError;
use super::session::{Session, transport};
use crate::reference::DEFAULT_DOMAIN;

/// Why a login failed.
#[derive(Debug, Error)]
pub enum LoginError {
    /// Docker's text.
    #[error("login attempt to {url} failed with status: {status}")]
    Refused { url: Box<Url>, status: StatusCode },
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl Registry {
    /// Shows a registry credentials. Gives the token that it wants to see from now on, if it gives one.
    pub async fn login(&self, address: &str, credentials: Credentials) -> Result<Option<String>, LoginError> {
        let domain = domain(address);
        let mut last = RegistryError::Address { address: address.to_owned() };
        for endpoint in self.endpoints(&domain, Purpose::Push).await? {
            match attempt(endpoint, credentials.clone()).await {
                Err(LoginError::Registry(error)) if error.is_unreachable() => last = error,
                other => return other,
            }
        }
        Err(last.into())
    }
}

/// The registry that an address of Docker's configuration file means.
fn domain(address: &str) -> String {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    match rest.split('/').next().unwrap_or_default() {
        "" | "index.docker.io" | "registry-1.docker.io" => DEFAULT_DOMAIN.to_owned(),
        name => name.to_owned(),
    }
}

async fn attempt(endpoint: Endpoint, credentials: Credentials) -> Result<Option<String>, LoginError> {
    let session = Session::new(endpoint, "", Vec::new(), Some(credentials.clone()));
    let http = &session.endpoint.http;
    let url = session.url("");
    let failed = |error| transport(&Method::GET, &url, error);
    let first = http.get(url.clone()).send().await.map_err(failed)?;
    if first.status() != StatusCode::UNAUTHORIZED {
        return accepted(&url, first.status(), None);
    }
    let (header, identity) = match challenge(first.headers()) {
        None => return Err(RegistryError::Challenge { url: Box::new(url) }.into()),
        Some(Challenge::Basic) => (Some(credentials.basic()), None),
        Some(bearer @ Challenge::Bearer { .. }) => {
            let token = session.token(&url, &bearer, true).await?;
            (token.header(), token.refresh_token)
        }
    };
    let request = http.get(url.clone());
    let request = if let Some(header) = header { request.header(AUTHORIZATION, header) } else { request };
    let second = request.send().await.map_err(failed)?;
    accepted(&url, second.status(), identity)
}

fn accepted(url: &Url, status: StatusCode, identity: Option<String>) -> Result<Option<String>, LoginError> {
    if status.is_success() {
        return Ok(identity.filter(|token| !token.is_empty()));
    }
    Err(LoginError::Refused { url: Box::new(url.clone()), status })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_configuration_files_mean_registries() {
        for (address, expected) in [
            ("https://index.docker.io/v1/", "docker.io"),
            ("docker.io", "docker.io"),
            ("localhost:5000", "localhost:5000"),
            ("http://localhost:5000/v2/", "localhost:5000"),
            ("", "docker.io"),
        ] {
            assert_eq!(domain(address), expected, "{address}");
        }
    }
}
