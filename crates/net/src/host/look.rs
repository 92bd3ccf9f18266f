//! What of the host is not ours and has to be known to explain what is: its wires and addresses.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cnm::SandboxId;
use cnm::apply::Refusal;
use linux::rtnl::{Link, RtnlError};

use super::{Host, lock};

/// What is the host's own, apart from what is ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Links that lead to neighbours: those with a default route, else all that are up.
    pub wires: Vec<String>,
    /// The host's addresses, but for loopback and link-local ones and those on our bridges.
    pub addresses: BTreeSet<IpAddr>,
    /// Frames that cross a bridge pass the chains of forwarded packets, too (`br_netfilter`).
    pub bridged: bool,
}

impl Host {
    /// Runs `f` in the host's namespace.
    ///
    /// # Errors
    /// If the namespace cannot be entered.
    pub fn within<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T, Refusal> {
        self.shared.in_host(f)
    }

    /// Runs `f` in the namespace of a sandbox.
    ///
    /// # Errors
    /// If there is none, or it cannot be entered.
    pub fn within_sandbox<T: Send>(
        &self,
        sandbox: &SandboxId,
        f: impl FnOnce() -> T + Send,
    ) -> Result<T, Refusal> {
        self.shared.inside(sandbox)?.netns.enter(f).map_err(super::refused)
    }

    /// Reads the links, addresses and routes of the host.
    ///
    /// # Errors
    /// What the kernel says to the dumps.
    pub fn surroundings(&self) -> Result<Surroundings, RtnlError> {
        let mut socket = lock(&self.shared.rtnl).pop();
        let rtnl = match &mut socket {
            Some(socket) => socket,
            None => socket.insert(linux::rtnl::Rtnl::open()?),
        };
        let (links, routes, addresses) = (rtnl.link_list()?, rtnl.route_list()?, rtnl.addr_list()?);
        lock(&self.shared.rtnl).extend(socket);
        let foreign = |link: &&Link| link.up && !self.shared.mark.is_on(link);
        let wires: Vec<_> = links.iter().filter(foreign).filter(|link| link.name != "lo").collect();
        let routed: BTreeSet<_> = routes
            .iter()
            .filter(|route| route.destination.prefix_len() == 0)
            .filter_map(|route| route.index)
            .collect();
        let has_default = |link: &&&Link| routed.contains(&link.index);
        let mut names: Vec<_> = wires.iter().filter(has_default).map(|link| link.name.clone()).collect();
        if names.is_empty() {
            names = wires.iter().map(|link| link.name.clone()).collect();
        }
        let ours = |index: u32| links.iter().any(|link| link.index == index && self.shared.mark.is_on(link));
        let own = addresses.iter().filter(|addr| !ours(addr.index)).map(|addr| addr.net.addr());
        let addresses = own.filter(|address| !is_everyones(address)).collect();
        let bridged = self.shared.bridged_frames_are_filtered().unwrap_or(false);
        Ok(Surroundings { wires: names, addresses, bridged })
    }
}

fn is_everyones(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local(),
    }
}
