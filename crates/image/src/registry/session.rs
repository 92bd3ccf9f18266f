//! One repository on one server: requests that say who asks.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::auth::{Challenge, Credentials, challenge, secret};
use super::endpoint::Endpoint;
use super::error::{ApiError, RegistryError};
use super::retry::{Attempts, is_passing, wish};

/// The most bytes of an answer that says what is wrong, or of a token.
const SMALL: u64 = 1 << 20;
/// How often a small request is made.
const ATTEMPTS: u32 = 3;
/// What we call ourselves to servers of tokens.
const CLIENT: &str = "tombolo";

/// A repository on a server, and who asks.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) endpoint: Endpoint,
    /// Its path; empty for the registry as a whole.
    pub(super) repository: String,
    credentials: Option<Credentials>,
    /// What a token must allow, such as `repository:a:pull`.
    scopes: Vec<String>,
    /// The header that was good last.
    authorization: Mutex<Option<HeaderValue>>,
}

/// A token, and perhaps one that gets further tokens.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Token {
    token: Option<String>,
    access_token: Option<String>,
    pub(super) refresh_token: Option<String>,
}

impl Session {
    pub(super) fn new(
        endpoint: Endpoint,
        repository: &str,
        scopes: Vec<String>,
        credentials: Option<Credentials>,
    ) -> Self {
        let ready = credentials.as_ref().map(|known| known.registry_token.as_str()).unwrap_or_default();
        let ready = (!ready.is_empty()).then(|| secret(&format!("Bearer {ready}")));
        Self {
            endpoint,
            repository: repository.to_owned(),
            credentials,
            scopes,
            authorization: Mutex::new(ready),
        }
    }

    /// The address of something in the repository, such as `manifests/latest`.
    pub(super) fn url(&self, what: &str) -> Url {
        let mut url = self.endpoint.base.clone();
        let slash = if self.repository.is_empty() { "" } else { "/" };
        url.set_path(&format!("v2/{}{slash}{what}", self.repository));
        url
    }

    /// Sends a request; if the server wants to know who asks, once more with the answer. The status may be any.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &Url,
        furnish: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, RegistryError> {
        let mut is_last = false;
        loop {
            let shown = self.authorization.lock().await.clone().filter(|_| self.is_ours(url));
            let mut request = self.endpoint.http.request(method.clone(), url.clone());
            if let Some(shown) = &shown {
                request = request.header(AUTHORIZATION, shown);
            }
            let response = furnish(request).send().await.map_err(|error| transport(&method, url, error))?;
            // A challenge from where a request was sent on to is not the registry's.
            let is_asked = response.status() == StatusCode::UNAUTHORIZED && self.is_ours(response.url());
            if is_last || !is_asked {
                return Ok(response);
            }
            self.answer(&method, &response, shown).await?;
            is_last = true;
        }
    }

    /// The same for small requests that may be repeated, and only a success is an answer.
    pub(super) async fn ask(
        &self,
        method: Method,
        url: &Url,
        furnish: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, RegistryError> {
        let mut attempts = Attempts::new(ATTEMPTS);
        loop {
            let sent = self.send(method.clone(), url, &furnish).await;
            let (error, wish) = match sent {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => {
                    let (status, wish) = (response.status(), wish(response.headers()));
                    let error = refused(response).await;
                    if !is_passing(status) {
                        return Err(error);
                    }
                    (error, wish)
                }
                Err(error) if error.is_cut() => (error, None),
                Err(error) => return Err(error),
            };
            match attempts.pause(wish) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error),
            }
        }
    }

    /// Gets a document of at most `limit` bytes, and its media type.
    pub(super) async fn document(
        &self,
        url: &Url,
        accepted: &[&str],
        limit: u64,
    ) -> Result<(String, Vec<u8>), RegistryError> {
        let accept = |request: RequestBuilder| {
            accepted.iter().fold(request, |request, media_type| request.header(ACCEPT, *media_type))
        };
        let mut attempts = Attempts::new(ATTEMPTS);
        loop {
            let response = self.ask(Method::GET, url, accept).await?;
            let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let media_type = media_type.unwrap_or_default().to_owned();
            match read(response, limit).await {
                Ok(bytes) => return Ok((media_type, bytes)),
                Err(error) if error.is_cut() => match attempts.pause(None) {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(error),
                },
                Err(error) => return Err(error),
            }
        }
    }

    fn is_ours(&self, url: &Url) -> bool {
        url.origin() == self.endpoint.base.origin()
    }

    /// Gets what the server wants to see, unless somebody else has just got it.
    async fn answer(
        &self,
        method: &Method,
        response: &Response,
        shown: Option<HeaderValue>,
    ) -> Result<(), RegistryError> {
        let url = Box::new(response.url().clone());
        let mut authorization = self.authorization.lock().await;
        if *authorization != shown {
            return Ok(());
        }
        match challenge(response.headers()) {
            None => return Err(RegistryError::Challenge { url }),
            Some(Challenge::Basic) => {
                let known = self.credentials.as_ref().filter(|known| known.has_password());
                let known = known.ok_or(RegistryError::NoCredentials { method: method.clone(), url })?;
                *authorization = Some(known.basic());
            }
            Some(bearer @ Challenge::Bearer { .. }) => {
                let token = self.token(&url, &bearer, false).await?;
                *authorization = token.header();
            }
        }
        Ok(())
    }

    /// Gets a token. `is_login` asks for one that gets further ones.
    pub(super) async fn token(
        &self,
        url: &Url,
        bearer: &Challenge,
        is_login: bool,
    ) -> Result<Token, RegistryError> {
        let Challenge::Bearer { realm, service, scope } = bearer else {
            return Err(RegistryError::Challenge { url: Box::new(url.clone()) });
        };
        let place: Url =
            realm.parse().map_err(|_| RegistryError::Challenge { url: Box::new(url.clone()) })?;
        let known = self.credentials.as_ref();
        let has_secret = known.is_some_and(|known| known.has_password() || !known.identity_token.is_empty());
        if has_secret && place.scheme() != "https" && self.endpoint.base.scheme() == "https" {
            return Err(RegistryError::Unencrypted { url: Box::new(url.clone()), realm: realm.clone() });
        }
        let own = if self.scopes.is_empty() && !scope.is_empty() {
            std::slice::from_ref(scope)
        } else {
            self.scopes.as_slice()
        };
        let http = &self.endpoint.http;
        let identity = known.map(|known| known.identity_token.as_str()).filter(|token| !token.is_empty());
        let request = if let Some(identity) = identity {
            let scope = own.join(" ");
            let form = [
                ("grant_type", "refresh_token"),
                ("service", service),
                ("client_id", CLIENT),
                ("scope", &scope),
                ("refresh_token", identity),
            ];
            http.post(place.clone()).form(&form)
        } else {
            let mut query = vec![("service", service.as_str())];
            query.extend(own.iter().map(|scope| ("scope", scope.as_str())));
            let mut request = http.get(place.clone());
            if let Some(known) = known.filter(|known| known.has_password()) {
                query.push(("account", &known.username));
                request = request.header(AUTHORIZATION, known.basic());
            }
            if is_login {
                query.extend([("client_id", CLIENT), ("offline_token", "true")]);
            }
            request.query(&query)
        };
        let method = if identity.is_some() { Method::POST } else { Method::GET };
        let response = request.send().await.map_err(|error| transport(&method, &place, error))?;
        if !response.status().is_success() {
            return Err(refused(response).await);
        }
        let bytes = read(response, SMALL).await?;
        serde_json::from_slice(&bytes)
            .map_err(|source| RegistryError::Answer { url: Box::new(place), source })
    }
}

impl Token {
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let token = self.token.as_ref().filter(|token| !token.is_empty()).or(self.access_token.as_ref());
        token.map(|token| secret(&format!("Bearer {token}")))
    }
}

impl RegistryError {
    /// Whether the connection broke after it was made: then asking again may help.
    fn is_cut(&self) -> bool {
        matches!(self, Self::Transport { source, .. } if !source.is_connect() && !source.is_redirect())
    }
}

/// The error of a request that was not answered.
pub(super) fn transport(method: &Method, url: &Url, error: reqwest::Error) -> RegistryError {
    RegistryError::Transport {
        method: method.clone(),
        url: Box::new(url.clone()),
        source: error.without_url(),
    }
}

/// What an answer says that is no success.
pub(super) async fn refused(response: Response) -> RegistryError {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        errors: Vec<ApiError>,
        /// Servers of tokens say it in one of these.
        details: Option<String>,
        message: Option<String>,
    }
    let (url, status) = (Box::new(response.url().clone()), response.status());
    let body = tokio::time::timeout(Duration::from_secs(10), read(response, SMALL)).await;
    let body = body.ok().and_then(Result::ok).and_then(|bytes| serde_json::from_slice::<Body>(&bytes).ok());
    let errors = body.map_or_else(Vec::new, |Body { errors, details, message }| {
        let code = if status == StatusCode::UNAUTHORIZED { "UNAUTHORIZED" } else { "" };
        let lone = details.or(message).map(|message| ApiError { code: code.to_owned(), message });
        if errors.is_empty() { lone.into_iter().collect() } else { errors }
    });
    let errors = if errors.is_empty() { implied(status).into_iter().collect() } else { errors };
    RegistryError::Refused { url, status, errors }
}

/// What a status means that comes without a body, as those of HEAD do.
fn implied(status: StatusCode) -> Option<ApiError> {
    let (code, message) = match status {
        StatusCode::UNAUTHORIZED => ("UNAUTHORIZED", "authentication required"),
        StatusCode::FORBIDDEN => ("DENIED", "requested access to the resource is denied"),
        _ => return None,
    };
    Some(ApiError { code: code.to_owned(), message: message.to_owned() })
}

/// The body of an answer, if it has at most `limit` bytes.
pub(super) async fn read(mut response: Response, limit: u64) -> Result<Vec<u8>, RegistryError> {
    let url = Box::new(response.url().clone());
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(RegistryError::TooLarge { url, limit });
    }
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| transport(&Method::GET, &url, error))? {
        if (bytes.len() + piece.len()) as u64 > limit {
            return Err(RegistryError::TooLarge { url, limit });
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}
