//! Which servers a registry's name means, in the order they are asked.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::{Client, Url, redirect};

use super::error::RegistryError;
use super::tls::Proof;
use super::{Insecure, Registry};
use crate::reference::DEFAULT_DOMAIN;

/// The server of the default registry.
const DEFAULT_SERVER: &str = "registry-1.docker.io";
/// How long a connection may take to be made.
const CONNECTING: Duration = Duration::from_secs(15);
/// How long a server may say nothing.
const SILENCE: Duration = Duration::from_mins(1);
/// How often a request is sent elsewhere.
const REDIRECTS: usize = 10;

/// A server, and how to speak with it.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// `https://name:port/`.
    pub(super) base: Url,
    pub(super) http: Client,
    /// Whether this is not the registry itself, so that it may lack what the registry has.
    pub(super) is_mirror: bool,
}

/// What is asked of a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Pull,
    Push,
}

impl Registry {
    /// The servers for a registry's name. An insecure one is asked with TLS first.
    pub(super) async fn endpoints(
        &self,
        domain: &str,
        purpose: Purpose,
    ) -> Result<Vec<Endpoint>, RegistryError> {
        if domain != DEFAULT_DOMAIN {
            return self.both_ways(domain).await;
        }
        let mut endpoints = Vec::new();
        let mirrors = self.settings.mirrors.iter().filter(|_| purpose == Purpose::Pull);
        for mirror in mirrors {
            let invalid = || RegistryError::Address { address: mirror.clone() };
            let url: Url = mirror.parse().map_err(|_| invalid())?;
            let name = authority(&url).ok_or_else(invalid)?;
            let proof = self.proof(&name).await;
            endpoints.push(self.endpoint(url.scheme(), &name, proof, true)?);
        }
        endpoints.push(self.endpoint("https", DEFAULT_SERVER, Proof::Needed, false)?);
        Ok(endpoints)
    }

    async fn both_ways(&self, domain: &str) -> Result<Vec<Endpoint>, RegistryError> {
        let proof = self.proof(domain).await;
        let mut endpoints = vec![self.endpoint("https", domain, proof, false)?];
        if proof == Proof::Waived {
            endpoints.push(self.endpoint("http", domain, proof, false)?);
        }
        Ok(endpoints)
    }

    fn endpoint(
        &self,
        scheme: &str,
        name: &str,
        proof: Proof,
        is_mirror: bool,
    ) -> Result<Endpoint, RegistryError> {
        let address = format!("{scheme}://{name}/");
        let base = address.parse().map_err(|_| RegistryError::Address { address })?;
        let directories: Vec<_> = self.settings.certificates.iter().map(|all| all.join(name)).collect();
        let http = Client::builder()
            .tls_backend_preconfigured(self.trust.config(&directories, proof)?)
            .user_agent(concat!("tombolo/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECTING)
            .read_timeout(SILENCE)
            .redirect(redirect::Policy::limited(REDIRECTS))
            .referer(false);
        let http = http.build().map_err(RegistryError::Client)?;
        Ok(Endpoint { base, http, is_mirror })
    }

    /// Whether a registry has to prove who it is: not on this machine, and not where somebody said so.
    async fn proof(&self, name: &str) -> Proof {
        let is_named = |insecure: &Insecure| matches!(insecure, Insecure::Name(it) if it == name);
        if self.settings.insecure.iter().any(is_named) {
            return Proof::Waived;
        }
        let address = if has_port(name) { name.to_owned() } else { format!("{name}:443") };
        let Ok(addresses) = tokio::net::lookup_host(address).await else { return Proof::Needed };
        let holds = |address: IpAddr| {
            let nets = self.settings.insecure.iter();
            let mut nets = nets.filter_map(|it| if let Insecure::Net(net) = it { Some(net) } else { None });
            address.is_loopback() || nets.any(|net| net.contains(&address))
        };
        let waived = addresses.into_iter().any(|address| holds(address.ip().to_canonical()));
        if waived { Proof::Waived } else { Proof::Needed }
    }
}

fn has_port(name: &str) -> bool {
    name.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `name` or `name:port`.
fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}
