//! Images from registries and to them, by the distribution protocol.
//!
//! A [`Registry`] is how this machine speaks with all registries. What it gets is hostile until its digest
//! was computed: every manifest, configuration and layer is bounded by the size its descriptor gives and
//! compared with the digest it was asked for by.
//!
//! ```text
//! endpoint   which servers a name means: mirrors, TLS or not, whose certificates
//! session    one repository on one server: requests with credentials, retries
//! manifest   what documents say; pure
//! fetch      one blob, resumed where it broke
//! arrival    the half of a pull that blocks: unpacks and stores
//! ```

mod arrival;
mod auth;
mod endpoint;
mod error;
mod event;
mod fetch;
mod login;
mod look;
mod manifest;
mod platform;
mod pull;
mod push;
mod retry;
mod send;
mod session;
mod tls;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;
use tokio::sync::Semaphore;

use crate::Images;

pub use auth::Credentials;
pub use error::{ApiError, PullError, PushError, RegistryError};
pub use event::{Events, Stage, Transfer};
pub use login::LoginError;
pub use look::Found;
pub use manifest::{Descriptor, ManifestError, read_anything};
pub use platform::{ParsePlatformError, Platform};
pub use pull::{PullRequest, Tags};
pub use push::PushRequest;

/// How registries are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrySettings {
    /// Servers that are asked first for what is on the default registry, each `http://…` or `https://…`.
    pub mirrors: Vec<String>,
    /// Registries that may lack TLS, or certificates that anybody trusts; loopback ones always may.
    pub insecure: Vec<Insecure>,
    /// Directories with one directory for each registry, which has its certificates.
    pub certificates: Vec<PathBuf>,
    /// Layers that are fetched at the same time.
    pub downloads: usize,
    /// Layers that are sent at the same time.
    pub uploads: usize,
    /// How often a layer is asked for that does not come.
    pub attempts: u32,
}

/// Registries that may be insecure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Insecure {
    /// By name, with the port if there is one.
    Name(String),
    /// By the addresses their names stand for.
    Net(IpNet),
}

impl From<String> for Insecure {
    fn from(text: String) -> Self {
        text.parse().map_or(Self::Name(text), Self::Net)
    }
}

impl fmt::Display for Insecure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Net(net) => net.fmt(f),
        }
    }
}

impl Default for RegistrySettings {
    /// Docker's numbers.
    fn default() -> Self {
        Self {
            mirrors: Vec::new(),
            insecure: Vec::new(),
            certificates: Vec::new(),
            downloads: 3,
            uploads: 5,
            attempts: 5,
        }
    }
}

/// All registries, as this machine reaches them.
#[derive(Debug)]
pub struct Registry {
    images: Arc<Images>,
    settings: RegistrySettings,
    trust: tls::Trust,
    downloads: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
}

impl Registry {
    /// Nothing is asked yet.
    #[must_use]
    pub fn new(images: Arc<Images>, settings: RegistrySettings) -> Self {
        Self {
            images,
            trust: tls::Trust::default(),
            downloads: Arc::new(Semaphore::new(settings.downloads.max(1))),
            uploads: Arc::new(Semaphore::new(settings.uploads.max(1))),
            settings,
        }
    }

    /// How registries are reached.
    #[must_use]
    pub fn settings(&self) -> &RegistrySettings {
        &self.settings
    }
}
