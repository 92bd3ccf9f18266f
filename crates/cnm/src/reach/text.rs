//! What a packet meets, for people.

use super::{Obstacle, Place, Seen, Step, Verdict, Way};
use crate::{
    Model, NetworkId, SandboxId,
    access::ALLOW,
    driver::{
        bridge::{EGRESS, Egress},
        upper::Kind,
    },
};

/// What a person calls a sandbox: the name of its first endpoint, else whose it is.
pub fn label(model: &Model, sandbox: &SandboxId) -> String {
    let of_endpoint = || model.endpoints_of_sandbox(sandbox).map(|endpoint| endpoint.name.clone()).next();
    let of_owner = || model.sandbox(sandbox).map(|sandbox| sandbox.owner.chars().take(12).collect());
    let named = of_endpoint().or_else(of_owner).filter(|name: &String| !name.is_empty());
    named.unwrap_or_else(|| sandbox.short())
}

fn network(model: &Model, id: &NetworkId) -> String {
    model.network(id).map_or_else(|| id.short(), |network| network.name.clone())
}

fn egress(model: &Model, id: &NetworkId) -> &'static str {
    let config = model.network(id).and_then(|network| network.bridge());
    config.map_or(Egress::Any, |config| config.egress).name()
}

impl Place {
    /// `the host`, `outside`, or the sandbox's label.
    pub fn label(&self, model: &Model) -> String {
        match self {
            Self::Host => "the host".to_owned(),
            Self::Outside => "outside".to_owned(),
            Self::Neighbour(neighbour) => neighbour.address.to_string(),
            Self::Sandbox(sandbox) => label(model, sandbox),
        }
    }
}

impl Step {
    /// What is met, as a sentence without a full stop.
    pub fn sentence(&self, model: &Model) -> String {
        let name = |id: &NetworkId| network(model, id);
        match self {
            Self::Within => "the address is the client's own".to_owned(),
            Self::OnLink(id) => format!("the address is on network {}, which the client is on", name(id)),
            Self::Gateway(id, gateway) => {
                format!("the client's default route leads by network {} to {gateway}", name(id))
            }
            Self::Wire(id) => {
                format!("the client's default route leads onto the wire of network {}", name(id))
            }
            Self::OfHost => "the address is the host's".to_owned(),
            Self::Published { sandbox, to, port } => {
                format!("the port is published: it leads to {} at {}", label(model, sandbox), at(*to, *port))
            }
            Self::Carried { sandbox, to, port } => {
                let to = at(*to, *port);
                format!(
                    "the kernel cannot translate this: the engine connects to {} at {to}",
                    label(model, sandbox)
                )
            }
            Self::Into(id) => format!("the host routes the address into network {}", name(id)),
            Self::Elsewhere => "the host routes the address to elsewhere".to_owned(),
        }
    }
}

fn at(address: std::net::IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(address, port).to_string()
}

impl Obstacle {
    /// One word for programs; it never changes its meaning.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NoSandbox(_) => "no-sandbox",
            Self::NeedsLink(_) => "needs-link",
            Self::NoAddress(_) => "no-address",
            Self::NoGateway(_) => "no-gateway",
            Self::Nobody { .. } => "nobody",
            Self::Apart { .. } => "apart",
            Self::AnswersApart { .. } => "answers-apart",
            Self::Below { .. } => "below",
            Self::Internal { .. } => "internal",
            Self::NotPublished { .. } => "not-published",
            Self::Egress { .. } => "egress",
            Self::NotAllowed { .. } => "not-allowed",
            Self::NotCarried { .. } => "not-carried",
        }
    }

    /// What is wrong, as a sentence without a full stop.
    pub fn sentence(&self, model: &Model) -> String {
        let name = |id: &NetworkId| network(model, id);
        match self {
            Self::NoSandbox(id) => format!("there is no sandbox {}", id.short()),
            Self::NeedsLink(address) => format!("{address} means nothing without a link"),
            Self::NoAddress(family) => format!("the client has no {family} address"),
            Self::NoGateway(family) => {
                format!(
                    "the client has no {family} default route: its networks are internal or have no gateway"
                )
            }
            Self::Nobody { network: id, address } => {
                format!("nobody on network {} has the address {address}", name(id))
            }
            Self::AnswersApart { network: id } => format!(
                "the answer goes over network {}, whose containers may not talk to one another",
                name(id)
            ),
            Self::Apart { network: id } => {
                format!(
                    "containers on network {} may not talk to one another ({})",
                    name(id),
                    apart_by(model, id)
                )
            }
            Self::Below { network: id } => {
                format!(
                    "network {} is on a link of the host, and the kernel leads nothing to it from there",
                    name(id)
                )
            }
            Self::Internal { network: id } => {
                format!("network {} is internal: nothing is routed into or out of it", name(id))
            }
            Self::NotPublished { network: id } => {
                format!(
                    "containers on network {} are reached from elsewhere by published ports only",
                    name(id)
                )
            }
            Self::Egress { network: id } => {
                format!(
                    "new flows out of network {} do not lead there ({EGRESS}={})",
                    name(id),
                    egress(model, id)
                )
            }
            Self::NotAllowed { sandbox } => {
                format!(
                    "the port of {} is reached from some sources only, and this is none",
                    label(model, sandbox)
                )
            }
            Self::NotCarried { sandbox } => {
                let sandbox = label(model, sandbox);
                format!(
                    "{sandbox} has no address of this family, and the engine carries TCP of small ranges only"
                )
            }
        }
    }

    /// What to do about it, as a sentence without a full stop.
    pub fn advice(&self, model: &Model) -> String {
        let name = |id: &NetworkId| network(model, id);
        match self {
            Self::NoSandbox(_) => "start the container".to_owned(),
            Self::NeedsLink(_) => "use an address of global scope, or a name".to_owned(),
            Self::NoAddress(family) => {
                format!("connect the client to a network with {family} (network create --{})", flag(*family))
            }
            Self::NoGateway(_) => {
                "connect both to one network, or the client to one that is not internal".to_owned()
            }
            Self::Nobody { network: id, .. } => {
                format!(
                    "see who is on it: tombolo network inspect {}; start the container, or use its name",
                    name(id)
                )
            }
            Self::Apart { network: id } if model.network(id).is_some_and(|it| it.upper().is_some()) => {
                "make the network in mode bridge, or connect both to another one".to_owned()
            }
            Self::Below { network: id } => format!(
                "ask from another machine on its wire, or connect the client: tombolo network connect {} CLIENT",
                name(id)
            ),
            Self::Apart { network: id } | Self::AnswersApart { network: id } => format!(
                "publish the port, or connect both to a network without com.docker.network.bridge.enable_icc=false; {} stays as it is",
                name(id)
            ),
            Self::Internal { network: id } => {
                format!("connect the client to the network: tombolo network connect {} CLIENT", name(id))
            }
            Self::NotPublished { network: id } => format!(
                "publish the port (run -p) and use an address of the host, or connect the client: tombolo network connect {} CLIENT",
                name(id)
            ),
            Self::Egress { .. } => {
                "connect the client to a network that leads there, or to that of the server".to_owned()
            }
            Self::NotAllowed { sandbox } => format!(
                "add the client to the list: tombolo update --publish-allow …, or see {ALLOW} of {} and its network",
                label(model, sandbox)
            ),
            Self::NotCarried { sandbox } => format!(
                "use an address of the host of the other family, or connect {} to a network with both",
                label(model, sandbox)
            ),
        }
    }
}

/// What keeps the endpoints of a network apart.
fn apart_by(model: &Model, id: &NetworkId) -> String {
    let kind = model.network(id).and_then(|network| network.upper()).map(|config| config.kind);
    match kind {
        Some(Kind::Macvlan(mode)) => format!("macvlan_mode={}", mode.name()),
        Some(Kind::Ipvlan(_, flag)) => format!("ipvlan_flag={}", flag.name()),
        None => "enable_icc=false".to_owned(),
    }
}

const fn flag(family: crate::Family) -> &'static str {
    match family {
        crate::Family::V4 => "ipv4",
        crate::Family::V6 => "ipv6",
    }
}

impl Verdict {
    /// What becomes of the packet, as a sentence without a full stop.
    pub fn sentence(&self, model: &Model) -> String {
        match self {
            Self::Arrives(arrival) => {
                let (place, to) = (arrival.at.label(model), at(arrival.address, arrival.port));
                let way = match &arrival.way {
                    Way::Within => String::new(),
                    Way::Link(id) => format!(" by network {}", network(model, id)),
                    Way::Routed(id) => format!(" routed into network {}", network(model, id)),
                    Way::Wire => " by the wire".to_owned(),
                    Way::Published(id) => format!(" by a published port and network {}", network(model, id)),
                    Way::Carried => " by the engine".to_owned(),
                };
                let seen = match arrival.seen {
                    Seen::Own => "",
                    Seen::Bridge | Seen::Neighbour => "; the server sees an address of the host",
                };
                format!("packets arrive at {place}, {to}{way}{seen}")
            }
            Self::Leaves(departure) if departure.hidden => {
                "packets leave with an address of the host".to_owned()
            }
            Self::Leaves(_) => "packets leave with the client's own address".to_owned(),
            Self::Fails(obstacle) => obstacle.sentence(model),
        }
    }
}
