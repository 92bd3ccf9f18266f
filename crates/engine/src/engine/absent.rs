//! Published addresses that the host does not have, or not yet: of a VPN, or by a late DHCP.
//!
//! The rules that lead from such an address are made in any case and count from the moment it
//! comes. Who has a restart policy waits for it; who has none is refused, as by Docker: there
//! an address that is not the host's is most likely a slip.

use std::net::SocketAddr;

use super::{Engine, undone::CANNOT_BIND};
use crate::{
    ContainerSpec, Kind, RestartPolicy,
    cnm::{HostPorts, PortMapping},
    error::NetworkError,
};

impl Engine {
    /// Refuses addresses that the host does not have, unless they are waited for.
    pub(super) async fn check_addresses(
        &self,
        policy: RestartPolicy,
        publish: &[PortMapping],
    ) -> Result<(), NetworkError> {
        if policy != RestartPolicy::No {
            return Ok(());
        }
        match self.absent(publish).await.first() {
            None => Ok(()),
            Some(place) => {
                let message = format!("{CANNOT_BIND} {place}: cannot assign requested address");
                Err(NetworkError::Refused { message, kind: Kind::Refused })
            }
        }
    }

    /// What is said of addresses that are waited for.
    pub(super) async fn absent_warnings(&self, spec: &ContainerSpec) -> Vec<String> {
        if spec.restart == RestartPolicy::No || !spec.network.mode.is_private() {
            return Vec::new();
        }
        let sentence = |place| {
            format!(
                "The host does not have the address of {place} yet: it is published there as soon as it has"
            )
        };
        self.absent(&spec.network.publish).await.into_iter().map(sentence).collect()
    }

    /// The first port of each mapping to an address that the host does not have: `198.51.100.7:80/tcp`.
    async fn absent(&self, publish: &[PortMapping]) -> Vec<String> {
        let mut absent = Vec::new();
        for mapping in publish {
            let Some(address) = mapping.host_address.filter(|address| !address.is_unspecified()) else {
                continue;
            };
            if !self.network.has_address(address).await {
                let port = match &mapping.host {
                    HostPorts::Any => 0,
                    HostPorts::Exact(range) | HostPorts::FirstFree(range) => *range.start(),
                };
                let place = SocketAddr::new(address, port);
                absent.push(format!("{place}/{}", mapping.container.proto));
            }
        }
        absent
    }
}
