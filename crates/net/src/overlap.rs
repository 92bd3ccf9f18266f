//! Routes and addresses of the host that appear over a subnet of ours. What they lead to and
//! our containers cannot both be reached; whose fault it is only people can say.

use std::collections::BTreeSet;

use cnm::{Model, Network, NetworkId};
use ipnet::IpNet;
use linux::rtnl::{Event, RtnlError};
use tokio::sync::broadcast;

use crate::{
    facts,
    host::{Host, WeakHost},
};

/// How many may be told before somebody listens.
const UNHEARD: usize = 64;

/// Somebody else's addresses within a subnet of ours, or around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    pub network: NetworkId,
    /// The subnet of the network.
    pub subnet: IpNet,
    /// What has appeared.
    pub found: IpNet,
    /// The link it is on, if it is on one.
    pub link: Option<String>,
}

/// Who is told of overlaps.
#[derive(Clone, Debug)]
pub(crate) struct Overlaps(broadcast::Sender<Overlap>);

impl Overlaps {
    pub(crate) fn new() -> Self {
        Self(broadcast::channel(UNHEARD).0)
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Overlap> {
        self.0.subscribe()
    }
}

/// Follows the host's routes and addresses; says each overlap once, until it is gone.
#[derive(Debug)]
pub(crate) struct Lookout {
    host: WeakHost,
    told: BTreeSet<(IpNet, Option<u32>)>,
    overlaps: Overlaps,
}

impl Lookout {
    pub(crate) fn new(host: &Host, overlaps: Overlaps) -> Self {
        Self { host: host.downgrade(), told: BTreeSet::new(), overlaps }
    }

    /// The networks of the host's links that are not ours.
    pub(crate) async fn networks(host: &Host) -> Result<BTreeSet<IpNet>, RtnlError> {
        let host = host.clone();
        let read = tokio::task::spawn_blocking(move || facts::networks(|link| host.is_ours(link)));
        read.await.expect("reading does not panic")
    }

    /// These networks, if what happened may have made them others than the model knows.
    pub(crate) async fn moved(&self, event: &Event, model: &Model) -> Option<BTreeSet<IpNet>> {
        let matters = match event {
            Event::Addr(addr) | Event::AddrGone(addr) => {
                let net = addr.net.trunc();
                let is_ours = model.networks().any(|network| network.ipam.all().any(|it| it.pool == net));
                !facts::is_everyones(&net) && !is_ours
            }
            Event::Overrun => true,
            Event::Link(_) | Event::LinkGone(_) | Event::Route(_) | Event::RouteGone(_) => false,
            Event::Forwarding { .. } => false,
        };
        let host = self.host.upgrade().filter(|_| matters)?;
        match Self::networks(&host).await {
            Ok(networks) => Some(networks).filter(|networks| networks != model.networks_of_host()),
            Err(error) => {
                tracing::warn!(error = crate::chain(&error), "which networks are local is as before");
                None
            }
        }
    }

    /// Looks at what happened to the host.
    pub(crate) fn see(&mut self, event: &Event, model: &Model) {
        match event {
            Event::Addr(addr) => self.came(addr.net.trunc(), Some(addr.index), model),
            Event::Route(route) => self.came(route.destination.trunc(), route.index, model),
            Event::AddrGone(addr) => self.went(addr.net.trunc(), Some(addr.index)),
            Event::RouteGone(route) => self.went(route.destination.trunc(), route.index),
            Event::Link(_) | Event::LinkGone(_) | Event::Forwarding { .. } | Event::Overrun => {}
        }
    }

    fn came(&mut self, found: IpNet, index: Option<u32>, model: &Model) {
        // Default routes and their halves say nothing about who uses which address.
        if found.prefix_len() <= 1 || model.network_by_pool(&found).is_none() {
            return;
        }
        let Some(host) = self.host.upgrade() else { return };
        let link = index.map(|index| host.link(index));
        let Some(link) = link.map_or(Some(None), |link| link.map(Some)) else { return };
        if link.as_ref().is_some_and(|link| host.is_ours(link)) || !self.told.insert((found, index)) {
            return;
        }
        let link = link.map(|link| link.name);
        for (network, subnet) in
            model.networks().filter_map(|network| Some((network, meets(network, found)?)))
        {
            let name = &network.name;
            tracing::warn!(
                network = name,
                %subnet,
                %found,
                link,
                "the host has a route or an address that overlaps a network's subnet"
            );
            let overlap = Overlap { network: network.id, subnet, found, link: link.clone() };
            // Nobody may be listening.
            drop(self.overlaps.0.send(overlap));
        }
    }

    fn went(&mut self, found: IpNet, index: Option<u32>) {
        self.told.remove(&(found, index));
    }
}

/// The subnet of a network that has addresses in common with `found`.
fn meets(network: &Network, found: IpNet) -> Option<IpNet> {
    let mut pools = network.ipam.all().map(|subnet| subnet.pool.trunc());
    pools.find(|pool| pool.contains(&found) || found.contains(pool))
}
