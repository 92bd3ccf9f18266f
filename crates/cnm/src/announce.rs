//! Who has to tell neighbours where its addresses are.
//!
//! Neighbours remember for half a minute and longer which MAC address an address is at. Nobody is told
//! what he cannot believe otherwise: a broadcast costs what the network has endpoints.

use std::{collections::BTreeMap, net::IpAddr};

use crate::{
    Attachment, Delta, Endpoint, EndpointId, Mac, Model, Network, NetworkId, SandboxId,
    driver::bridge::{Announcement, asks_for_announcements},
};

/// The MAC address that each address was last at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Neighbours {
    known: BTreeMap<NetworkId, BTreeMap<IpAddr, Mac>>,
}

/// Addresses that have to be told to their neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announce {
    pub sandbox: SandboxId,
    /// The link inside.
    pub interface: String,
    pub mac: Mac,
    pub addresses: Vec<IpAddr>,
    pub how: Announcement,
}

impl Neighbours {
    /// What is true of a model.
    pub fn of(model: &Model) -> Self {
        let mut neighbours = Self::default();
        model.endpoints().for_each(|endpoint| neighbours.remember(endpoint));
        neighbours
    }

    /// Learns what a change brings, and tells what others have to be told: of addresses that
    /// were at another MAC address, and where the network's options ask for it, of all that come.
    ///
    /// `before` leads back to what was before.
    pub fn learn(&mut self, delta: &Delta, before: &Delta, model: &Model) -> Vec<Announce> {
        for (network, _) in delta.networks.iter().filter(|(_, next)| next.is_none()) {
            self.known.remove(network);
        }
        let mut due = Vec::new();
        for endpoint in delta.endpoints.values().flatten() {
            due.extend(self.due(endpoint, before, model.network_of(endpoint)));
            self.remember(endpoint);
        }
        due
    }

    fn due(&self, endpoint: &Endpoint, before: &Delta, network: &Network) -> Option<Announce> {
        let (Some(mac), Attachment::Joined { sandbox, interface, .. }) = (endpoint.mac, &endpoint.attachment)
        else {
            return None;
        };
        let how = network.bridge()?.announcement;
        let is_asked = asks_for_announcements(&network.options) && comes(endpoint, before);
        let last = |address: &IpAddr| self.known.get(&network.id)?.get(address);
        let moved = |address: &IpAddr| is_asked || last(address).is_some_and(|known| *known != mac);
        let addresses: Vec<_> = endpoint.addresses().filter(moved).collect();
        let is_due = how.count > 0 && !addresses.is_empty();
        is_due.then(|| Announce { sandbox: *sandbox, interface: interface.clone(), mac, addresses, how })
    }

    /// What a detached endpoint keeps nobody sees.
    fn remember(&mut self, endpoint: &Endpoint) {
        if let (Some(mac), Some(_)) = (endpoint.mac, endpoint.sandbox()) {
            let known = self.known.entry(endpoint.network).or_default();
            known.extend(endpoint.addresses().map(|address| (address, mac)));
        }
    }
}

/// Whether an endpoint is in another place than before, or has other addresses.
fn comes(endpoint: &Endpoint, before: &Delta) -> bool {
    let id: &EndpointId = &endpoint.id;
    let old = before.endpoints.get(id).and_then(Option::as_ref);
    let what = |it: &Endpoint| (it.sandbox().copied(), it.mac, it.v4, it.v6);
    old.is_none_or(|old| what(old) != what(endpoint))
}
