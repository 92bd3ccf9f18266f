//! From the client to the host, or to a neighbour on the same network.

use std::net::IpAddr;

use super::{Arrival, Departure, Neighbour, Obstacle, Place, Seen, Step, Verdict, Way};
use crate::{
    Endpoint, Family, Model, Namespace, Network, Proto, SandboxId,
    access::{Client, LinkName, Lists, admits},
    driver::bridge::{Config, Egress, GatewayMode},
};

/// A packet on its way.
#[derive(Debug)]
pub(super) struct Packet<'a> {
    pub(super) model: &'a Model,
    pub(super) from: Place,
    pub(super) to: IpAddr,
    /// The address is one of the host's wires.
    pub(super) of_host: bool,
    /// None for an echo request, which has no port.
    pub(super) proto: Option<Proto>,
    pub(super) port: u16,
    pub(super) steps: Vec<Step>,
}

/// By which link a packet comes to the host.
#[derive(Clone, Copy, Debug)]
pub(super) enum By<'a> {
    /// It is the host's own.
    Own,
    Wire,
    /// From a sandbox, by the bridge of this network.
    Bridge(&'a Network),
}

impl<'a> Packet<'a> {
    pub(super) fn from(&mut self, from: Place) -> Verdict {
        let family = self.family();
        if self.is_loopback() {
            return match self.place(from) {
                Some(Place::Host) => self.at_host(By::Own),
                Some(place) => self.within(place),
                None => Verdict::Fails(no_sandbox(from)),
            };
        }
        if self.to.is_multicast() || is_link_local6(self.to) {
            return Verdict::Fails(Obstacle::NeedsLink(self.to));
        }
        match self.place(from) {
            None => Verdict::Fails(no_sandbox(from)),
            Some(Place::Host) => self.routed(By::Own),
            Some(Place::Outside | Place::Neighbour(_)) => self.routed(By::Wire),
            Some(Place::Sandbox(sandbox)) => self.out_of(&sandbox, family),
        }
    }

    pub(super) fn family(&self) -> Family {
        Family::of(&self.to)
    }

    /// The unspecified address is a loopback address to those who send to it.
    fn is_loopback(&self) -> bool {
        self.to.is_loopback() || self.to.is_unspecified()
    }

    /// Where the client really is; none if its sandbox is not there.
    fn place(&self, from: Place) -> Option<Place> {
        let Place::Sandbox(sandbox) = from else { return Some(from) };
        let on_host = self.model.sandbox(&sandbox)?.namespace == Namespace::Host;
        Some(if on_host { Place::Host } else { from })
    }

    pub(super) fn within(&mut self, place: Place) -> Verdict {
        self.steps.push(Step::Within);
        self.arrives(place, (self.to, self.port), Way::Within, Seen::Own)
    }

    pub(super) fn arrives(&self, at: Place, (address, port): (IpAddr, u16), way: Way, seen: Seen) -> Verdict {
        Verdict::Arrives(Arrival { at, address, port, way, seen })
    }

    /// From a sandbox: to itself, over a bridge, or by the default route.
    fn out_of(&mut self, sandbox: &SandboxId, family: Family) -> Verdict {
        let model = self.model;
        let mut endpoints = model.endpoints_of_sandbox(sandbox);
        if endpoints
            .any(|own| own.addresses().chain(own.settings.link_local.iter().copied()).any(|a| a == self.to))
        {
            return self.within(Place::Sandbox(*sandbox));
        }
        let mut endpoints = model.endpoints_of_sandbox(sandbox);
        if let Some(own) = endpoints.find(|own| is_on_link(own, self.to)) {
            return self.on_link(own);
        }
        let mut endpoints = model.endpoints_of_sandbox(sandbox);
        let Some(own) = model.gateway_endpoint(sandbox, family) else {
            let has_address = endpoints.any(|own| own.address(family).is_some());
            let obstacle =
                if has_address { Obstacle::NoGateway(family) } else { Obstacle::NoAddress(family) };
            return Verdict::Fails(obstacle);
        };
        let network = model.network_of(own);
        if network.upper().is_some() {
            self.steps.push(Step::Wire(network.id));
            return Verdict::Leaves(Departure { by: Some(network.id), hidden: false });
        }
        let Some(gateway) = model.gateway(own, family) else {
            return Verdict::Fails(Obstacle::NoGateway(family));
        };
        self.steps.push(Step::Gateway(network.id, gateway));
        if !is_host_on(network, gateway) {
            // Somebody else is the gateway of this network.
            return Verdict::Leaves(Departure { by: Some(network.id), hidden: false });
        }
        self.routed(By::Bridge(network))
    }

    /// To an address on a network that the sandbox is on.
    fn on_link(&mut self, own: &'a Endpoint) -> Verdict {
        let network = self.model.network_of(own);
        self.steps.push(Step::OnLink(network.id));
        if is_host_on(network, self.to) {
            return self.at_host(By::Bridge(network));
        }
        let Some((_, sandbox)) = holder(self.model, network, self.to) else {
            if network.upper().is_some_and(|config| !config.is_closed()) {
                // Somebody on the wire may have it.
                return Verdict::Leaves(Departure { by: Some(network.id), hidden: false });
            }
            return Verdict::Fails(Obstacle::Nobody { network: network.id, address: self.to });
        };
        let is_apart = network.bridge().is_some_and(|config| !config.inter_container)
            || network.upper().is_some_and(|config| !config.kind.is_meshed());
        if is_apart {
            return Verdict::Fails(Obstacle::Apart { network: network.id });
        }
        self.arrives(Place::Sandbox(sandbox), (self.to, self.port), Way::Link(network.id), Seen::Own)
    }

    /// What the host routes: to itself, into a network, or to elsewhere.
    pub(super) fn routed(&mut self, by: By<'a>) -> Verdict {
        let found = self.model.network_by_pool(&self.to.into());
        if self.of_host || found.is_some_and(|network| is_host_on(network, self.to)) {
            return self.at_host(by);
        }
        if let Some(network) = found.filter(|network| network.upper().is_some())
            && holder(self.model, network, self.to).is_some()
            && !matches!(by, By::Wire)
        {
            return Verdict::Fails(Obstacle::Below { network: network.id });
        }
        match found.filter(|network| has_route(network, self.to)) {
            Some(network) => self.entering(by, network),
            None => self.elsewhere(by),
        }
    }

    fn elsewhere(&mut self, by: By<'a>) -> Verdict {
        self.steps.push(Step::Elsewhere);
        let By::Bridge(network) = by else {
            return Verdict::Leaves(Departure { by: None, hidden: false });
        };
        if network.internal {
            return Verdict::Fails(Obstacle::Internal { network: network.id });
        }
        if self.is_kept_in(network) {
            return Verdict::Fails(Obstacle::Egress { network: network.id });
        }
        let family = self.family();
        let hides = |config: &Config| config.masquerade && config.gateway_mode(family).translates();
        let hidden = network.bridge().is_some_and(hides);
        Verdict::Leaves(Departure { by: Some(network.id), hidden })
    }

    /// Into a network that the client is not on, by an address of it.
    fn entering(&mut self, by: By<'a>, network: &'a Network) -> Verdict {
        self.steps.push(Step::Into(network.id));
        let id = network.id;
        match by {
            // What the host sends itself is not forwarded.
            By::Own => match holder(self.model, network, self.to) {
                Some((_, sandbox)) => {
                    self.arrives(Place::Sandbox(sandbox), (self.to, self.port), Way::Link(id), Seen::Own)
                }
                None => Verdict::Fails(Obstacle::Nobody { network: id, address: self.to }),
            },
            By::Bridge(from) if from.internal => Verdict::Fails(Obstacle::Internal { network: from.id }),
            By::Wire | By::Bridge(..) if network.internal => {
                Verdict::Fails(Obstacle::Internal { network: id })
            }
            By::Bridge(from) if self.is_kept_in(from) => {
                Verdict::Fails(Obstacle::Egress { network: from.id })
            }
            By::Wire | By::Bridge(..) => self.foreign(by, network),
        }
    }

    /// Into a network by an address of it, as its gateway mode allows.
    fn foreign(&self, by: By<'a>, network: &Network) -> Verdict {
        let from = if let By::Bridge(from) = by { Some(from) } else { None };
        let (id, held) = (network.id, holder(self.model, network, self.to));
        let mode = network.bridge().map(|config| config.gateway_mode(self.family()));
        let open = match (mode, held) {
            (Some(GatewayMode::Unprotected), _) => true,
            (Some(GatewayMode::Routed), Some((_, sandbox))) => {
                self.proto.is_none() || self.is_published_inside(&sandbox)
            }
            (Some(GatewayMode::Nat), Some((endpoint, sandbox))) => {
                let gateway = self.model.gateway_endpoint(&sandbox, self.family());
                gateway.is_some_and(|gateway| gateway.id == endpoint.id)
                    && is_trusted(from, network)
                    && self.is_published_inside(&sandbox)
            }
            _ => false,
        };
        let answers = |sandbox: &SandboxId| from.is_none_or(|from| self.may_answer_by(sandbox, from));
        match held {
            Some((_, sandbox)) if open && !answers(&sandbox) => {
                Verdict::Fails(Obstacle::AnswersApart { network: from.map_or(id, |from| from.id) })
            }
            Some((_, sandbox))
                if open
                    && self.is_published_inside(&sandbox)
                    && !self.admits(self.client(by), self.to, self.port) =>
            {
                Verdict::Fails(Obstacle::NotAllowed { sandbox })
            }
            Some((_, sandbox)) if open => {
                self.arrives(Place::Sandbox(sandbox), (self.to, self.port), Way::Routed(id), Seen::Own)
            }
            None if open => Verdict::Fails(Obstacle::Nobody { network: id, address: self.to }),
            _ => Verdict::Fails(Obstacle::NotPublished { network: id }),
        }
    }

    /// Whether new flows out of a network do not lead to where the packet goes.
    fn is_kept_in(&self, network: &Network) -> bool {
        match network.bridge().map_or(Egress::Any, |config| config.egress) {
            Egress::Any => false,
            Egress::Internet => self.model.is_local(self.to),
            Egress::None => true,
        }
    }

    /// Whether a client is one of those who reach the published port of whoever holds an address.
    pub(super) fn admits(&self, client: Option<Client<'_>>, at: IpAddr, port: u16) -> bool {
        let network = self.model.network_by_pool(&at.into());
        let endpoint = network.and_then(|network| self.model.endpoint_by_address(&network.id, at));
        let sandbox = endpoint.and_then(|endpoint| self.model.sandbox(endpoint.sandbox()?));
        let (Some(network), Some(endpoint), Some(sandbox)) = (network, endpoint, sandbox) else {
            return true;
        };
        let (Some(client), Some(proto)) = (client, self.proto) else { return true };
        let lists = Lists::of(sandbox, endpoint, network);
        lists.sources(self.family(), proto, port).is_none_or(|sources| admits(self.model, &sources, client))
    }

    /// What lists of sources know of the client; none of the host, which they do not concern.
    pub(super) fn client(&self, by: By<'a>) -> Option<Client<'_>> {
        Some(match (by, &self.from) {
            (By::Own, _) => return None,
            (By::Wire, Place::Neighbour(Neighbour { address, link })) => {
                Client { address: Some(*address), link: link.as_ref().map(LinkName::as_str) }
            }
            (By::Bridge(network), Place::Sandbox(sandbox)) => {
                let mut own = self.model.endpoints_of_sandbox(sandbox);
                let own = own.find(|endpoint| endpoint.network == network.id);
                let address = own.and_then(|endpoint| endpoint.address(self.family()));
                let link = network.bridge().map(|config| config.link.as_str());
                Client { address: address.map(|net| net.addr()), link }
            }
            (By::Wire | By::Bridge(_), _) => Client::default(),
        })
    }

    /// Whether the answer of a sandbox gets back to a client on this network: one that is on it, too,
    /// answers its neighbours directly.
    fn may_answer_by(&self, sandbox: &SandboxId, network: &Network) -> bool {
        let mut own = self.model.endpoints_of_sandbox(sandbox).filter(|own| own.network == network.id);
        network.bridge().is_none_or(|config| config.inter_container)
            || !own.any(|own| own.address(self.family()).is_some())
    }

    /// Whether a sandbox publishes the port by its own number, under whatever number on the host.
    fn is_published_inside(&self, sandbox: &SandboxId) -> bool {
        let bindings = self.model.sandbox(sandbox).into_iter().flat_map(|sandbox| &sandbox.ports);
        bindings.into_iter().any(|binding| {
            Some(binding.proto) == self.proto
                && Family::of(&binding.host_address) == self.family()
                && binding.container.contains(&self.port)
        })
    }
}

fn no_sandbox(from: Place) -> Obstacle {
    match from {
        Place::Sandbox(sandbox) => Obstacle::NoSandbox(sandbox),
        Place::Host | Place::Outside | Place::Neighbour(_) => {
            unreachable!("the host and its neighbours are always there")
        }
    }
}

/// Whether an endpoint reaches an address without a router: it is of the endpoint's own pool, or link-local to it.
fn is_on_link(own: &Endpoint, to: IpAddr) -> bool {
    let of_pool = Family::BOTH.iter().filter_map(|family| own.address(*family)).any(|net| net.contains(&to));
    let by_link = |own: &IpAddr| matches!((own, to), (IpAddr::V4(own), IpAddr::V4(to)) if own.is_link_local() && to.is_link_local());
    of_pool || own.settings.link_local.iter().any(by_link)
}

fn is_link_local6(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// Whether the host has this address on the bridge of the network.
pub(super) fn is_host_on(network: &Network, address: IpAddr) -> bool {
    has_gateway(network, address) && network.ipam.all().any(|subnet| subnet.gateway == Some(address))
}

/// Whether the host has a route to the address by the bridge of the network: an address of the same subnet.
fn has_route(network: &Network, address: IpAddr) -> bool {
    let of_subnet = network.ipam.all().find(|subnet| subnet.pool.contains(&address));
    has_gateway(network, address) && of_subnet.is_some_and(|subnet| subnet.gateway.is_some())
}

/// Whether the bridge has an address of its own of the same family.
fn has_gateway(network: &Network, address: IpAddr) -> bool {
    network.bridge().is_some_and(|config| config.has_gateway(Family::of(&address)))
}

/// Whether a network trusts what comes by the bridge of another one.
fn is_trusted(from: Option<&Network>, network: &Network) -> bool {
    let link = from.and_then(|from| from.bridge()).map(|config| &config.link);
    link.is_some_and(|link| network.bridge().is_some_and(|config| config.trusted.contains(link)))
}

/// Who holds an address on a network and has joined a sandbox.
fn holder<'a>(model: &'a Model, network: &Network, address: IpAddr) -> Option<(&'a Endpoint, SandboxId)> {
    let by_link =
        || model.endpoints_of_network(&network.id).find(|it| it.settings.link_local.contains(&address));
    let endpoint = model.endpoint_by_address(&network.id, address).or_else(by_link)?;
    Some((endpoint, *endpoint.sandbox()?))
}
