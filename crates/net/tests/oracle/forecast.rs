//! What is sent, and what the model says becomes of it.

use std::{fmt, net::IpAddr};

use cnm::{
    Family, Model, Proto,
    access::LinkName,
    reach::{Neighbour, Obstacle, Place, Seen, Target, Verdict, ping, reach},
};

use super::{
    topology::{SERVED, short},
    world::{LAN, LAN6, Machine, OUTSIDE, OUTSIDE6, PEER, PEER6, WIRE, WIRE6, peer_place},
};

/// One packet and the prediction.
#[derive(Debug)]
pub(crate) struct Forecast {
    pub(crate) from: Place,
    pub(crate) to: IpAddr,
    pub(crate) port: u16,
    /// None for an echo request.
    pub(crate) proto: Option<Proto>,
    verdict: Verdict,
    /// Who is to answer, and whom it is to see; none if nobody does.
    pub(crate) expected: Option<(Place, Client)>,
}

/// Whose address a server sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// The sender's.
    Own,
    /// Another one, of the host.
    Other,
}

/// What became of a packet: who answered, whose address it saw, and whose the sender had.
pub(crate) type Outcome = Option<(String, IpAddr, IpAddr)>;

/// Predicts every packet between all stacks.
pub(crate) fn forecasts(model: &Model, machine: &Machine) -> Vec<Forecast> {
    let mut all = Vec::new();
    for from in machine.stacks.keys() {
        for (to, ports) in targets(model, machine, *from) {
            all.extend(Forecast::new(model, machine, (*from, to, 0), None));
            for port in ports {
                for proto in [Proto::Tcp, Proto::Udp] {
                    all.extend(Forecast::new(model, machine, (*from, to, port), Some(proto)));
                }
            }
        }
    }
    all
}

/// Every address that means something, with the ports that do there.
fn targets(model: &Model, machine: &Machine, from: Place) -> Vec<(IpAddr, Vec<u16>)> {
    let bindings = || model.sandboxes().flat_map(|sandbox| &sandbox.ports);
    let mut published: Vec<u16> =
        bindings().flat_map(|binding| [*binding.host.start(), *binding.host.end()]).collect();
    published.push(SERVED[0]);
    published.sort_unstable();
    published.dedup();
    let mut targets = Vec::new();
    for (place, stack) in &machine.stacks {
        let ports = if *place == Place::Host { published.clone() } else { SERVED.to_vec() };
        targets.extend(stack.addresses.iter().map(|address| (*address, ports.clone())));
    }
    if from != Place::Outside && from != peer_place() {
        let loopback = ["127.0.0.1", "::1"].map(|text| text.parse().expect("an address"));
        let ports = if from == Place::Host { published } else { SERVED.to_vec() };
        targets.extend(loopback.map(|address| (address, ports.clone())));
    }
    targets
}

impl Forecast {
    /// None for what neither the model nor anybody else promises.
    fn new(
        model: &Model,
        machine: &Machine,
        (from, to, port): (Place, IpAddr, u16),
        proto: Option<Proto>,
    ) -> Option<Self> {
        let is = |texts: [&str; 2]| texts.iter().any(|text| text.parse() == Ok(to));
        // From one wire to another is not our business.
        if [Place::Outside, peer_place()].contains(&from) && (is([OUTSIDE, OUTSIDE6]) || is([PEER, PEER6])) {
            return None;
        }
        let target =
            if is([WIRE, WIRE6]) || is([LAN, LAN6]) { Target::Host(to) } else { Target::Address(to) };
        let verdict = match proto {
            Some(proto) => reach(model, client(from, to), target, proto, port),
            None => ping(model, client(from, to), target),
        };
        if machine.filters_bridged && matches!(verdict, Verdict::Fails(Obstacle::AnswersApart { .. })) {
            return None;
        }
        let expected = match &verdict {
            Verdict::Arrives(arrival) => {
                // Whoever gets an echo request replies.
                let serves = proto.is_none()
                    || machine
                        .stacks
                        .get(&arrival.at)
                        .is_some_and(|it| it.serves(arrival.address, arrival.port));
                let seen = match arrival.seen {
                    Seen::Own => Client::Own,
                    Seen::Neighbour if machine.filters_bridged => Client::Own,
                    Seen::Neighbour | Seen::Bridge => Client::Other,
                };
                serves.then_some((arrival.at, seen))
            }
            Verdict::Leaves(departure) => {
                let outside = is([OUTSIDE, OUTSIDE6]).then_some(Place::Outside);
                let place = outside.or(is([PEER, PEER6]).then_some(peer_place()));
                place.map(|place| (place, if departure.hidden { Client::Other } else { Client::Own }))
            }
            Verdict::Fails(_) => None,
        };
        Some(Self { from, to, port, proto, verdict, expected })
    }

    /// Compares with what became of it.
    pub(crate) fn check(&self, outcome: &Outcome) -> Result<(), String> {
        let found = outcome
            .as_ref()
            .map(|(who, seen, own)| (who.clone(), if seen == own { Client::Own } else { Client::Other }));
        let expected = self.expected.map(|(who, seen)| (name(who), seen));
        let is_as_said =
            if self.proto.is_none() { found.is_some() == expected.is_some() } else { found == expected };
        if is_as_said {
            return Ok(());
        }
        Err(format!("{self}: {outcome:?}, predicted {expected:?} by {:?}", self.verdict))
    }
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, port, proto, .. } = self;
        let from = name(*from);
        match proto {
            Some(proto) => write!(f, "{from} to {to} port {port} {proto:?} ({:?})", Family::of(to)),
            None => write!(f, "{from} pings {to}"),
        }
    }
}

/// What a list knows of who sends: a neighbour's address is that of the family.
fn client(from: Place, to: IpAddr) -> Place {
    let (addresses, link) = match from {
        Place::Outside => ([OUTSIDE, OUTSIDE6], "wire"),
        Place::Neighbour(_) => ([PEER, PEER6], "lan"),
        Place::Host | Place::Sandbox(_) => return from,
    };
    let address = addresses[usize::from(to.is_ipv6())].parse().expect("an address");
    Place::Neighbour(Neighbour { address, link: LinkName::new(link) })
}

/// How a stack is called where packets say who answers.
pub(crate) fn name(place: Place) -> String {
    match place {
        Place::Host => "host".to_owned(),
        Place::Outside => "outside".to_owned(),
        Place::Neighbour(_) => "peer".to_owned(),
        Place::Sandbox(sandbox) => short(&sandbox),
    }
}
