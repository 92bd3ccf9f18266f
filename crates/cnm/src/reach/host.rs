//! At an address of the host: published, carried, or the host's own.

use std::net::IpAddr;

use super::{
    Obstacle, Place, Seen, Step, Verdict, Way,
    way::{By, Packet},
};
use crate::{
    Family, Namespace, Network, PortBinding, Sandbox, access::Client, driver::bridge::Egress, model::WayIn,
    splice::splices,
};

impl<'a> Packet<'a> {
    /// To an address of the host.
    pub(super) fn at_host(&mut self, by: By<'a>) -> Verdict {
        self.steps.push(Step::OfHost);
        if let By::Bridge(from) = by
            && egress(from) == Egress::None
        {
            return Verdict::Fails(Obstacle::Egress { network: from.id });
        }
        let Some((sandbox, binding)) = self.published() else { return self.own(by) };
        let gateway = self.model.gateway_endpoint(&sandbox.id, self.family());
        let to = gateway.and_then(|endpoint| endpoint.address(self.family()));
        match (gateway, to) {
            // The kernel does not route ::1.
            (Some(gateway), Some(to)) if !(self.to.is_ipv6() && self.is_loopback6()) => {
                let network = self.model.network_of(gateway);
                self.translated(by, sandbox, network, (to.addr(), self.inner(binding)))
            }
            _ => self.carried(by, sandbox),
        }
    }

    fn is_loopback6(&self) -> bool {
        self.to.is_loopback() || self.to.is_unspecified()
    }

    /// The host's own stack.
    fn own(&self, by: By<'a>) -> Verdict {
        let way = match by {
            By::Bridge(from) if egress(from) != Egress::Any => {
                return Verdict::Fails(Obstacle::Egress { network: from.id });
            }
            By::Own => Way::Within,
            By::Wire => Way::Wire,
            By::Bridge(network) => Way::Link(network.id),
        };
        self.arrives(Place::Host, (self.to, self.port), way, Seen::Own)
    }

    /// Which sandbox the port of the host is published to, and by which binding.
    fn published(&self) -> Option<(&'a Sandbox, &'a PortBinding)> {
        let model = self.model;
        // A client that sends to the unspecified address means a loopback one.
        let at = if self.to.is_unspecified() { self.family().loopback() } else { self.to };
        let sandbox = model.sandbox(model.ports().holder(self.proto?, at, self.port)?)?;
        let is_open =
            Family::BOTH.iter().any(|family| model.gateway_endpoint(&sandbox.id, *family).is_some());
        let is_it = |binding: &&PortBinding| {
            binding.is_of_host()
                && Some(binding.proto) == self.proto
                && binding.host.contains(&self.port)
                && (binding.host_address == at || binding.host_address == self.family().unspecified())
        };
        let binding = sandbox.ports.iter().find(is_it)?;
        let leads = model.way_in(&sandbox.id, self.family()) == WayIn::HostPorts;
        (is_open && leads && sandbox.namespace != Namespace::Host).then_some((sandbox, binding))
    }

    /// The port inside that a port of the host leads to.
    fn inner(&self, binding: &PortBinding) -> u16 {
        binding.container.start() + (self.port - binding.host.start())
    }

    /// Led on by the kernel, into the network of the receiver's gateway.
    fn translated(&mut self, by: By<'a>, to: &Sandbox, network: &Network, at: (IpAddr, u16)) -> Verdict {
        self.steps.push(Step::Published { sandbox: to.id, to: at.0, port: at.1 });
        if let By::Bridge(from) = by
            && from.internal
        {
            return Verdict::Fails(Obstacle::Internal { network: from.id });
        }
        // Neighbours that may talk are let through before anybody asks where from.
        let is_neighbour = matches!(by, By::Bridge(from) if from.id == network.id && talks(from));
        if !is_neighbour && !self.admits(self.client(by), at.0, at.1) {
            return Verdict::Fails(Obstacle::NotAllowed { sandbox: to.id });
        }
        let seen = match by {
            By::Own if self.to.is_loopback() || self.to.is_unspecified() => Seen::Bridge,
            By::Bridge(from) if from.id == network.id && self.from != Place::Sandbox(to.id) => {
                Seen::Neighbour
            }
            By::Bridge(from) if self.is_on(to, from) => Seen::Bridge,
            By::Own | By::Wire | By::Bridge(..) => Seen::Own,
        };
        self.arrives(Place::Sandbox(to.id), at, Way::Published(network.id), seen)
    }

    /// Whether a sandbox has an endpoint on a network: it would answer its neighbours directly.
    fn is_on(&self, sandbox: &Sandbox, network: &Network) -> bool {
        self.model.endpoints_of_sandbox(&sandbox.id).any(|endpoint| endpoint.network == network.id)
    }

    /// Carried on by the engine, which listens at the host's address.
    fn carried(&mut self, by: By<'a>, sandbox: &Sandbox) -> Verdict {
        let found = splices(self.model, &sandbox.id).into_iter().find(|splice| {
            let is_at = splice.listen == self.to
                || splice.listen == self.family().unspecified()
                || (self.to.is_unspecified() && splice.listen == self.family().loopback());
            is_at && Some(splice.proto) == self.proto && splice.target(self.port).is_some()
        });
        let Some(splice) = found else { return self.own(by) };
        let port = splice.target(self.port).unwrap_or(self.port);
        self.steps.push(Step::Carried { sandbox: sandbox.id, to: splice.to, port });
        if !splice.is_carried() {
            return Verdict::Fails(Obstacle::NotCarried { sandbox: sandbox.id });
        }
        if let By::Bridge(from) = by
            && from.internal
        {
            return Verdict::Fails(Obstacle::Internal { network: from.id });
        }
        if let By::Bridge(from) = by
            && egress(from) != Egress::Any
        {
            return Verdict::Fails(Obstacle::Egress { network: from.id });
        }
        // The engine does not know by which link a connection came.
        let client = self.client(by).map(|client| Client { link: None, ..client });
        if !self.admits(client, splice.to, port) {
            return Verdict::Fails(Obstacle::NotAllowed { sandbox: sandbox.id });
        }
        self.arrives(Place::Sandbox(sandbox.id), (splice.to, port), Way::Carried, Seen::Bridge)
    }
}

fn egress(network: &Network) -> Egress {
    network.bridge().map_or(Egress::Any, |config| config.egress)
}

fn talks(network: &Network) -> bool {
    network.bridge().is_some_and(|config| config.inter_container)
}
