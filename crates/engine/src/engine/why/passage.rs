//! Which chains of others a packet meets, and what is known of it there.

use std::net::IpAddr;

use net::{host::Surroundings, look::Packet};

use super::WhyQuestion;
use crate::cnm::{
    Model, NetworkId,
    reach::{Arrival, Neighbour, Place, Step, Target, Verdict, Way},
};

/// A packet's ends, and all that there is to know between them.
pub(super) struct Flow<'a> {
    pub(super) question: &'a WhyQuestion,
    pub(super) around: &'a Surroundings,
    pub(super) model: &'a Model,
    pub(super) from: Place,
    pub(super) to: Target,
}

/// One hook that the packet passes.
pub(super) struct Passage {
    pub(super) hook: &'static str,
    pub(super) packet: Packet,
    /// The bridge of ours that it comes or leaves by.
    pub(super) link: Option<String>,
}

/// Where a packet goes when it passes the hook: to which address and port, by which links.
struct Goes {
    address: IpAddr,
    port: u16,
    links: Vec<Option<String>>,
    translated: bool,
}

impl Flow<'_> {
    pub(super) fn passages(&self, steps: &[Step], verdict: &Verdict) -> Vec<Passage> {
        let Some(goes) = self.goes(verdict) else { return Vec::new() };
        let client = steps.iter().find_map(client_network).and_then(|id| self.link(&id));
        let comes = match self.from {
            Place::Host => vec![Some(String::new())],
            Place::Outside | Place::Neighbour(Neighbour { link: None, .. }) => self.wires(),
            Place::Neighbour(Neighbour { link: Some(link), .. }) => vec![Some(link.as_str().to_owned())],
            Place::Sandbox(_) => vec![client.clone()],
        };
        let pairs = comes.iter().flat_map(|iif| goes.links.iter().map(move |oif| (iif.clone(), oif.clone())));
        let passage = |(iif, oif): (Option<String>, Option<String>)| {
            let hook = match (iif.as_deref(), oif.as_deref()) {
                (Some(""), _) => "output",
                (_, Some("")) => "input",
                _ => "forward",
            };
            let bridge = oif.clone().filter(|name| !name.is_empty() && !self.around.wires.contains(name));
            let packet = Packet {
                v6: goes.address.is_ipv6(),
                iif,
                oif,
                source: None,
                destination: Some(goes.address),
                proto: Some(self.question.proto.number()),
                port: Some(goes.port),
                translated: goes.translated,
            };
            Passage { hook, packet, link: bridge.or_else(|| client.clone()) }
        };
        pairs.map(passage).collect()
    }

    /// Nowhere if the packet meets no chain of the host's.
    fn goes(&self, verdict: &Verdict) -> Option<Goes> {
        let (address, port) = (self.to.address(), self.question.port);
        match verdict {
            Verdict::Fails(_) => None,
            Verdict::Leaves(_) => Some(Goes { address, port, links: self.wires(), translated: false }),
            Verdict::Arrives(arrival) => self.arrives(arrival),
        }
    }

    fn arrives(&self, arrival: &Arrival) -> Option<Goes> {
        let into = |id: &NetworkId, translated| {
            let links = vec![self.link(id)];
            Some(Goes { address: arrival.address, port: arrival.port, links, translated })
        };
        let to_host = || {
            let links = vec![Some(String::new())];
            Some(Goes { address: self.to.address(), port: self.question.port, links, translated: false })
        };
        let only_crosses = self.from != Place::Host && arrival.at != Place::Host;
        match &arrival.way {
            Way::Within => None,
            // A frame that crosses a bridge is seen by nobody, unless frames are filtered.
            Way::Link(_) if only_crosses && !self.around.bridged => None,
            Way::Link(id) if arrival.at != Place::Host => into(id, false),
            Way::Published(id) => into(id, true),
            Way::Routed(id) => into(id, false),
            Way::Link(_) | Way::Wire | Way::Carried => to_host(),
        }
    }

    fn link(&self, id: &NetworkId) -> Option<String> {
        Some(self.model.network(id)?.bridge()?.link.clone())
    }

    /// The links that lead to neighbours; one that is not known if there is none.
    fn wires(&self) -> Vec<Option<String>> {
        let wires: Vec<_> = self.around.wires.iter().cloned().map(Some).collect();
        if wires.is_empty() { vec![None] } else { wires }
    }
}

/// The network by which the client sends.
fn client_network(step: &Step) -> Option<NetworkId> {
    match step {
        Step::Gateway(id, _) | Step::OnLink(id) | Step::Wire(id) => Some(*id),
        Step::Within
        | Step::OfHost
        | Step::Published { .. }
        | Step::Carried { .. }
        | Step::Into(_)
        | Step::Elsewhere => None,
    }
}
