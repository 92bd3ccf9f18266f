//! Why somebody does not reach somebody: the first thing that fails.

mod passage;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use net::{
    host::Surroundings,
    look::{Foreign, Probe},
};

use super::{Engine, explain::ExplainError};
use crate::{
    cnm::{
        Family, Model, Proto, SandboxId,
        access::LinkName,
        explain::Difference,
        names::{self, Answer, Question as Asked},
        reach::{Neighbour, Obstacle, Place, Step, Target, Verdict, label, walk},
    },
    container::Container,
};

/// Stands for everything that is not ours: an address that nobody has (RFC 5737, TEST-NET-1).
const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// Who wants to reach whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhyQuestion {
    /// A container, `host`, `outside`, or an address, also with the link it comes by: `10.9.8.7@wg0`.
    pub from: String,
    /// The same, or a name as the client would write it.
    pub to: String,
    pub port: u16,
    pub proto: Proto,
    /// Whether to send a packet, too.
    pub probe: bool,
}

/// What a packet would meet, and the first thing that fails.
#[derive(Clone, Debug, Default)]
pub struct Why {
    /// Where the client sends to.
    pub target: Option<SocketAddr>,
    pub steps: Vec<WhyStep>,
    /// None if it is reached.
    pub failure: Option<WhyFailure>,
    pub probe: Option<Probe>,
}

/// One thing that was found in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhyStep {
    /// `name`, `address`, `route`, `kernel`, `foreign` or `listening`.
    pub about: &'static str,
    pub sentence: String,
}

/// What fails, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhyFailure {
    /// A word for programs.
    pub reason: &'static str,
    pub sentence: String,
    pub advice: String,
}

impl Engine {
    /// Walks from a client to a server, and says the first thing that fails.
    ///
    /// # Errors
    /// If the kernel cannot be read.
    pub async fn network_why(&self, question: &WhyQuestion) -> Result<Why, ExplainError> {
        let (foreign, around) = (self.network.foreign().await?, self.network.surroundings().await?);
        let check = self.network.check(false).await?;
        let mut inquiry = Inquiry {
            engine: self,
            model: check.model,
            question,
            around,
            foreign,
            differences: check.differences,
            why: Why::default(),
        };
        let outcome = inquiry.run().await?;
        inquiry.why.failure = outcome.err();
        Ok(inquiry.why)
    }
}

/// What goes on, or the failure that ends the walk.
type Found<T> = Result<T, WhyFailure>;

struct Inquiry<'a> {
    engine: &'a Engine,
    model: Arc<Model>,
    question: &'a WhyQuestion,
    around: Surroundings,
    foreign: Foreign,
    differences: Vec<Difference>,
    why: Why,
}

impl Inquiry<'_> {
    async fn run(&mut self) -> Result<Found<()>, ExplainError> {
        let found = self.decide();
        if let (true, Some((from, target))) = (self.question.probe, self.ends()) {
            let from = match from {
                Place::Sandbox(sandbox) => Some(Some(sandbox)),
                Place::Host => Some(None),
                Place::Outside | Place::Neighbour(_) => None,
            };
            if let Some(from) = from {
                self.why.probe = Some(self.engine.network.probe(from, target, self.question.proto).await?);
            }
        }
        match found {
            Err(failure) => Ok(Err(failure)),
            Ok(None) => Ok(Ok(())),
            Ok(Some((at, address, port))) => self.listening(at, address, port).await,
        }
    }

    fn ends(&self) -> Option<(Place, SocketAddr)> {
        Some((self.from().ok()?, self.why.target?))
    }

    /// All that needs no look into a stack; where the packet arrives, if that is ours.
    fn decide(&mut self) -> Found<Option<(Place, IpAddr, u16)>> {
        let from = self.from()?;
        let to = self.to(from)?;
        self.why.target = Some(SocketAddr::new(to.address(), self.question.port));
        let model = Arc::clone(&self.model);
        let walk = walk(&model, from, to, self.question.proto, self.question.port);
        self.why.steps.extend(walk.steps.iter().map(|step| route(step.sentence(&model))));
        if let Verdict::Fails(obstacle) = &walk.verdict {
            return Err(self.obstacle(obstacle, to));
        }
        self.why.steps.push(route(walk.verdict.sentence(&model)));
        self.kernel(from, &walk.verdict)?;
        self.others(from, to, &walk.steps, &walk.verdict)?;
        Ok(match walk.verdict {
            Verdict::Arrives(arrival) => Some((arrival.at, arrival.address, arrival.port)),
            Verdict::Leaves(_) | Verdict::Fails(_) => None,
        })
    }

    /// Who asks.
    fn from(&self) -> Found<Place> {
        let term = self.question.from.as_str();
        match term {
            "host" => return Ok(Place::Host),
            "outside" => return Ok(Place::Outside),
            _ => {}
        }
        if let Ok(container) = self.engine.registry.find(term) {
            return self.place(&container);
        }
        let (address, link) =
            term.split_once('@').map_or((term, None), |(address, link)| (address, Some(link)));
        let Ok(address) = address.parse::<IpAddr>() else {
            return Err(failure(
                "no-client",
                format!("there is no container {term}"),
                "name a container, host, outside or an address",
            ));
        };
        let network = self.model.network_by_pool(&address.into());
        let holder =
            network.and_then(|network| self.model.endpoint_by_address(&network.id, address)?.sandbox());
        let own = address.is_loopback() || self.around.addresses.contains(&address);
        Ok(match holder {
            Some(sandbox) => Place::Sandbox(*sandbox),
            None if own => Place::Host,
            None => Place::Neighbour(Neighbour { address, link: self.link_of(link) }),
        })
    }

    /// The link that a neighbour comes by: the one that was named, or the only one there is.
    fn link_of(&self, named: Option<&str>) -> Option<LinkName> {
        let only = || Some(self.around.wires.first()?.as_str()).filter(|_| self.around.wires.len() == 1);
        named.or_else(only).and_then(LinkName::new)
    }

    /// Where a container is: it has a stack only while it runs.
    fn place(&self, container: &Container) -> Found<Place> {
        let record = container.record();
        if record.spec.network.mode == crate::NetworkMode::Host {
            return Ok(Place::Host);
        }
        let sandbox =
            record.sandbox.filter(|id| record.state.alive().is_some() && self.model.sandbox(id).is_some());
        sandbox.map(Place::Sandbox).ok_or_else(|| {
            let name = &record.name;
            failure(
                "not-running",
                format!("container {name} is not running"),
                &format!("tombolo start {name}"),
            )
        })
    }

    /// The address that the client sends to.
    fn to(&mut self, from: Place) -> Found<Target> {
        let term = self.question.to.clone();
        if let Ok(address) = term.parse::<IpAddr>() {
            return Ok(self.target(address));
        }
        match term.as_str() {
            "host" => return self.host(from),
            "outside" => return Ok(Target::Address(ELSEWHERE)),
            _ => {}
        }
        if let Some(address) = self.resolved(from, &term)? {
            return Ok(self.target(address));
        }
        let Ok(container) = self.engine.registry.find(&term) else {
            let name = failure(
                "no-name",
                format!("nobody is called {term}"),
                "tombolo ps -a shows who is called what",
            );
            return Err(name);
        };
        let Place::Sandbox(sandbox) = self.place(&container)? else { return self.host(from) };
        let address = self.address_of(&sandbox, from).ok_or_else(|| {
            failure(
                "no-network",
                format!("container {term} is on no network"),
                &format!("tombolo network connect NETWORK {term}"),
            )
        })?;
        self.why
            .steps
            .push(WhyStep { about: "address", sentence: format!("{term} has the address {address}") });
        Ok(self.target(address))
    }

    fn target(&self, address: IpAddr) -> Target {
        if self.around.addresses.contains(&address) {
            Target::Host(address)
        } else {
            Target::Address(address)
        }
    }

    /// An address by which the client reaches the host.
    fn host(&mut self, from: Place) -> Found<Target> {
        let gateway = |sandbox: &SandboxId| {
            let own = self.model.gateway_endpoint(sandbox, Family::V4)?;
            self.model.gateway(own, Family::V4)
        };
        let target = match from {
            Place::Host => Some(Target::Address(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST))),
            Place::Sandbox(sandbox) => gateway(&sandbox).map(Target::Address),
            Place::Outside | Place::Neighbour(_) => None,
        };
        let wire = self.around.addresses.iter().next().copied().map(Target::Host);
        let target = target.or(wire).ok_or_else(|| {
            failure(
                "no-address",
                "the host has no address but loopback".to_owned(),
                "give the host an address",
            )
        })?;
        let sentence = format!("the host has the address {}", target.address());
        self.why.steps.push(WhyStep { about: "address", sentence });
        Ok(target)
    }

    /// What the resolver in the client's sandbox says; nothing where there is none, or it is not its to say.
    fn resolved(&mut self, from: Place, name: &str) -> Found<Option<IpAddr>> {
        let Place::Sandbox(sandbox) = from else { return Ok(None) };
        if !names::resolves_names(&self.model, &sandbox) {
            let sentence = "the client's network resolves no names: use addresses, or a network of your own";
            self.why.steps.push(WhyStep { about: "name", sentence: sentence.to_owned() });
            return Ok(None);
        }
        let (view, mut found) = (names::View::new(&self.model, &sandbox), Vec::new());
        let plain = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        for family in Family::BOTH {
            if let Answer::Addresses(addresses) = view.answer(&Asked::Addresses(family, &plain), &mut found)
                && let Some(address) = addresses.first()
            {
                let sentence = format!("{name} is resolved to {address}");
                self.why.steps.push(WhyStep { about: "name", sentence });
                return Ok(Some(*address));
            }
        }
        let client = label(&self.model, &sandbox);
        if self.engine.registry.find(name).is_err() {
            let sentence = format!("{client} finds nobody called {name} on its networks");
            return Err(failure(
                "no-name",
                sentence,
                "connect both to one network: tombolo network connect NETWORK CONTAINER",
            ));
        }
        let sentence = format!("{client} cannot resolve {name}: they share no network that resolves names");
        self.why.steps.push(WhyStep { about: "name", sentence });
        Ok(None)
    }

    /// The address of a sandbox that the client is nearest to.
    fn address_of(&self, sandbox: &SandboxId, from: Place) -> Option<IpAddr> {
        let networks: Vec<_> = match from {
            Place::Sandbox(client) => {
                self.model.endpoints_of_sandbox(&client).map(|own| own.network).collect()
            }
            Place::Host | Place::Outside | Place::Neighbour(_) => Vec::new(),
        };
        let mut endpoints = self.model.endpoints_by_rank(sandbox);
        endpoints.sort_by_key(|endpoint| !networks.contains(&endpoint.network));
        endpoints.iter().find_map(|endpoint| endpoint.addresses().next())
    }

    fn obstacle(&self, obstacle: &Obstacle, to: Target) -> WhyFailure {
        let mut advice = obstacle.advice(&self.model);
        if matches!(obstacle, Obstacle::NotPublished { .. })
            && let Some(published) = self.published(to.address())
        {
            advice = format!("the port is published: use {published}");
        }
        failure(obstacle.reason(), obstacle.sentence(&self.model), &advice)
    }

    /// Where on the host the port of an address is published.
    fn published(&self, address: IpAddr) -> Option<String> {
        let network = self.model.network_by_pool(&address.into())?;
        let sandbox = self.model.endpoint_by_address(&network.id, address)?.sandbox()?;
        let ports = &self.model.sandbox(sandbox)?.ports;
        let of_port = ports.iter().find(|binding| {
            binding.is_of_host()
                && binding.proto == self.question.proto
                && binding.container.contains(&self.question.port)
        })?;
        let port = of_port.host.start() + (self.question.port - of_port.container.start());
        Some(if of_port.host_address.is_unspecified() {
            format!("port {port} of any address of the host")
        } else {
            SocketAddr::new(of_port.host_address, port).to_string()
        })
    }

    /// Whether the kernel is as the model says, for the networks of both ends.
    fn kernel(&mut self, from: Place, verdict: &Verdict) -> Found<()> {
        let at = match verdict {
            Verdict::Arrives(arrival) => Some(arrival.at),
            Verdict::Leaves(_) | Verdict::Fails(_) => None,
        };
        let sandboxes = [Some(from), at].into_iter().flatten().filter_map(|place| match place {
            Place::Sandbox(sandbox) => Some(sandbox),
            Place::Host | Place::Outside | Place::Neighbour(_) => None,
        });
        let endpoints =
            sandboxes.flat_map(|sandbox| self.model.endpoints_of_sandbox(&sandbox).collect::<Vec<_>>());
        let networks: Vec<_> = endpoints.map(|endpoint| endpoint.network).collect();
        let concerns = |it: &&Difference| networks.iter().any(|network| it.concerns(&self.model, network));
        if let Some(first) = self.differences.iter().find(concerns) {
            let sentence = format!("the kernel is not as it should be: {first}");
            return Err(failure("kernel", sentence, "tombolo network check --repair"));
        }
        let sentence = "the kernel is as it should be on the way".to_owned();
        self.why.steps.push(WhyStep { about: "kernel", sentence });
        Ok(())
    }

    /// Whether somebody else drops the packet.
    fn others(&mut self, from: Place, to: Target, steps: &[Step], verdict: &Verdict) -> Found<()> {
        let way =
            passage::Flow { question: self.question, around: &self.around, model: &self.model, from, to };
        for passage::Passage { hook, packet, link } in way.passages(steps, verdict) {
            for drop in self.foreign.drops(&[hook], &packet) {
                let sentence = drop.sentence();
                if drop.rule.certain {
                    let commands = link.as_deref().map(|link| drop.commands(link)).unwrap_or_default();
                    return Err(failure(
                        "foreign-drop",
                        sentence,
                        &format!("let ours pass: {}", commands.join(" && ")),
                    ));
                }
                self.why.steps.push(WhyStep { about: "foreign", sentence });
            }
        }
        Ok(())
    }

    /// Whether anybody listens where the packet arrives.
    async fn listening(&mut self, at: Place, address: IpAddr, port: u16) -> Result<Found<()>, ExplainError> {
        let sandbox = match at {
            Place::Sandbox(sandbox) => Some(sandbox),
            Place::Host => None,
            Place::Outside | Place::Neighbour(_) => return Ok(Ok(())),
        };
        let listeners = self.engine.network.listeners(sandbox, self.question.proto).await?;
        let (place, proto) = (at.label(&self.model), self.question.proto);
        if let Some(listener) = listeners.iter().find(|listener| listener.serves(address, port)) {
            let sentence = format!("{place} listens at {}", listener.local());
            self.why.steps.push(WhyStep { about: "listening", sentence });
            return Ok(Ok(()));
        }
        let elsewhere = listeners.iter().find(|listener| listener.local().port() == port);
        Ok(Err(match elsewhere {
            Some(listener) => failure(
                "listens-elsewhere",
                format!("{place} listens at {} only, not at {address}", listener.local()),
                "have the server listen on all addresses: 0.0.0.0 or [::]",
            ),
            None => failure(
                "nobody-listens",
                format!("nobody listens at port {port}/{proto} in {place}"),
                "start the server, or use the port that it listens on",
            ),
        }))
    }
}

fn route(sentence: String) -> WhyStep {
    WhyStep { about: "route", sentence }
}

fn failure(reason: &'static str, sentence: String, advice: &str) -> WhyFailure {
    WhyFailure { reason, sentence, advice: advice.to_owned() }
}
