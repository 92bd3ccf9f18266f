//! A client of the Engine API over a socket.
//!
//! ```no_run
//! # async fn example() -> Result<(), cli::client::ClientError> {
//! use cli::client::{Call, Client, Host};
//!
//! let client = Client::new(Host::of(None)?);
//! let version: api::system::SystemVersion = client.json(Call::get(["version"])).await?;
//! # drop(version);
//! # Ok(())
//! # }
//! ```
//!
//! Connections are kept for the next request, except those that a request keeps busy: a second request at the
//! same time gets a connection of its own.

mod answer;
mod call;
mod connection;
mod error;
mod hijack;
mod host;

pub use answer::{Answer, Lines};
pub use call::Call;
pub use error::ClientError;
pub(crate) use hijack::take;
pub use hijack::{Hijacked, HijackedReader, HijackedWriter};
pub use host::{Host, HostError};

use std::sync::{Mutex, PoisonError};

use api::version::Version;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{HeaderValue, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use call::Body;

/// The newest version that is asked for: the last one whose `inspect` repeats the default network's endpoint at
/// the top, where templates of the last ten years look for an address (`{{.NetworkSettings.IPAddress}}`).
const NEWEST: Version = Version::v1(51);

/// A client of one engine. It is cheap to ask several things at the same time.
#[derive(Debug)]
pub struct Client {
    host: Host,
    version: OnceCell<Version>,
    idle: Mutex<Vec<SendRequest<Body>>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Client {
    /// A client that has not connected yet.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self { host, version: OnceCell::new(), idle: Mutex::default(), tasks: Mutex::default() }
    }

    /// The same, with a version of the API that is not negotiated.
    #[must_use]
    pub fn with_version(host: Host, version: Version) -> Self {
        Self { version: OnceCell::new_with(Some(version)), ..Self::new(host) }
    }

    /// Where the engine is.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The version of the API that both sides speak: the engine's newest, at most 1.51.
    ///
    /// # Errors
    /// The engine is not there.
    pub async fn version(&self) -> Result<Version, ClientError> {
        self.version.get_or_try_init(|| self.negotiate()).await.copied()
    }

    async fn negotiate(&self) -> Result<Version, ClientError> {
        let response = self.exchange(Call::head(["_ping"]).request("")?).await?;
        let text = response.headers().get("api-version").and_then(|value| value.to_str().ok());
        let newest = text.and_then(|text| text.parse().ok()).unwrap_or(Version::MIN);
        Ok(NEWEST.min(newest))
    }

    /// Asks, and gives the answer if it is not an error.
    ///
    /// # Errors
    /// The engine is not there, or refuses.
    pub async fn send(&self, call: Call) -> Result<Answer, ClientError> {
        let prefix = format!("/v{}", self.version().await?);
        let response = self.exchange(call.request(&prefix)?).await?;
        let status = response.status();
        let answer = Answer::new(response);
        if status.is_client_error() || status.is_server_error() {
            return Err(answer.refusal().await);
        }
        Ok(answer)
    }

    /// Asks for a document.
    ///
    /// # Errors
    /// The engine is not there, refuses, or sends something else.
    pub async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<T, ClientError> {
        self.send(call).await?.json().await
    }

    /// Asks for something to be done.
    ///
    /// # Errors
    /// The engine is not there, or refuses.
    pub async fn done(&self, call: Call) -> Result<StatusCode, ClientError> {
        let answer = self.send(call).await?;
        let status = answer.status();
        answer.bytes().await?;
        Ok(status)
    }

    /// Asks for a connection that stops being HTTP.
    ///
    /// # Errors
    /// The engine is not there, or refuses.
    pub async fn hijack(&self, call: Call) -> Result<Hijacked, ClientError> {
        let prefix = format!("/v{}", self.version().await?);
        let response = self.exchange(call.upgrading().request(&prefix)?).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Hijacked::of(response).await;
        }
        let status = response.status();
        let answer = Answer::new(response);
        if status.is_success() {
            return Err(ClientError::NotHijacked { status });
        }
        Err(answer.refusal().await)
    }

    async fn exchange(&self, mut request: Request<Body>) -> Result<Response<Incoming>, ClientError> {
        let agent = HeaderValue::from_static(concat!("tombolo/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(USER_AGENT, agent);
        let mut sender = match self.idle() {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let response = sender.send_request(request).await.map_err(ClientError::exchange)?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        Ok(response)
    }

    /// A connection that waits for a request. Those that ended are forgotten.
    fn idle(&self) -> Option<SendRequest<Body>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|sender| !sender.is_closed());
        let ready = idle.iter().position(SendRequest::is_ready)?;
        Some(idle.swap_remove(ready))
    }

    async fn connect(&self) -> Result<SendRequest<Body>, ClientError> {
        let unreachable = |source| ClientError::Unreachable { host: self.host.clone(), source };
        let stream = connection::open(&self.host).await.map_err(unreachable)?;
        let (sender, carrying) =
            hyper::client::conn::http1::handshake(stream).await.map_err(ClientError::exchange)?;
        let carrying = async { drop(carrying.with_upgrades().await) };
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(carrying);
        Ok(sender)
    }
}

#[cfg(test)]
mod tests;
