//! Who answers to which name: what the resolver of a sandbox says, decided without I/O.
//!
//! A sandbox sees the joined endpoints of the networks it is on, by each of their
//! names and by `name.network`; what its own endpoints link to, by the alias that
//! only it knows; and behind `*.name` every name below it that nobody has. The
//! networks are asked in the order in which they provide default gateways. Who is
//! not ready to serve is answered for only where nobody else has the name there.

mod elsewhere;

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use imbl::OrdSet;

pub use self::elsewhere::HostView;
use self::elsewhere::{Holder, find};

use crate::{
    Endpoint, EndpointId, Family, LinkTarget, Model, NetworkId, Sandbox, SandboxId,
    driver::bridge::{self, Egress},
};

/// What a process in a sandbox wants to know. Names are in lower case, without a final dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question<'a> {
    /// The addresses of a name: A or AAAA.
    Addresses(Family, &'a str),
    /// The names of an address: PTR.
    Names(IpAddr),
    /// Any other type of record.
    Other(&'a str),
}

/// What to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// Addresses in a fixed order; who sends them may turn them for fairness.
    Addresses(&'a [IpAddr]),
    /// A name without the final dot.
    Name(String),
    /// The name exists and has nothing of the kind: NOERROR without records.
    Empty,
    /// Nobody here has the name, and nobody else may be asked: NXDOMAIN.
    NoSuchName,
    /// Nobody here has the name: ask the servers of the sandbox or of the host.
    AskUpstream,
}

/// The names an endpoint answers to where its network resolves names, the first of
/// them being its own.
pub fn dns_names(name: &str, aliases: &[String], short_id: &str, hostname: &str) -> Vec<String> {
    let own = std::iter::once(name).chain(aliases.iter().map(String::as_str));
    distinct(own.chain([short_id, hostname]).map(ToOwned::to_owned).collect())
}

/// The names in their order, each once, whatever its case; empty ones left out.
pub(crate) fn distinct(names: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names.into_iter().filter(|name| !name.is_empty() && seen.insert(name.to_ascii_lowercase())).collect()
}

/// What a name in lower case stands for: all names below `*.`, or itself.
pub(crate) fn below_wildcard(name: &str) -> Option<&str> {
    name.strip_prefix("*.").filter(|rest| !rest.is_empty())
}

/// The host, as seen from networks that users defined (Docker Desktop's name for it).
const HOST: &str = "host.docker.internal";

/// Whether a sandbox gets a resolver of its own: names are resolved there, or the host's servers followed.
pub fn needs_resolver(model: &Model, sandbox: &SandboxId) -> bool {
    resolves_names(model, sandbox) || follows_host(model, sandbox)
}

/// Whether a sandbox finds others by their names: it is on a network that users defined.
pub fn resolves_names(model: &Model, sandbox: &SandboxId) -> bool {
    model.endpoints_of_sandbox(sandbox).any(|endpoint| !model.network_of(endpoint).is_predefined())
}

/// Whether a sandbox on the default network has a resolver, so that it follows the host's servers. One
/// that has servers of its own asks them by itself.
pub(crate) fn follows_host(model: &Model, id: &SandboxId) -> bool {
    let follows = |sandbox: &Sandbox| sandbox.dns.follows_host && sandbox.dns.servers.is_empty();
    model.sandbox(id).is_some_and(|sandbox| follows(sandbox))
        && model.endpoints_of_sandbox(id).any(|endpoint| model.network_of(endpoint).bridge().is_some())
}

/// What a sandbox sees of one model. Made once, it answers without locks, and without
/// allocating but for the name of an address.
#[derive(Clone, Debug)]
pub struct View {
    model: Arc<Model>,
    /// In the order in which they are asked.
    networks: Vec<Seen>,
    /// The host's addresses on the first of them that has any.
    host: Vec<IpAddr>,
    others: Others,
}

/// A network that a sandbox is on.
#[derive(Clone, Debug)]
struct Seen {
    id: NetworkId,
    /// In lower case, as all names here.
    name: String,
    /// Alias and name of who is meant.
    links: Vec<(String, String)>,
}

/// What becomes of names that nobody here has.
#[derive(Clone, Copy, Debug)]
struct Others {
    /// The user said that names with few dots are not to be asked for as they are.
    need_dots: bool,
    /// There is somebody to ask.
    may_ask: bool,
    /// They are looked for on networks that the sandbox is not on.
    networks: bool,
}

impl View {
    /// What a sandbox sees of a model: nothing, if it is not of it.
    pub fn new(model: &Arc<Model>, id: &SandboxId) -> Self {
        let Some(sandbox) = model.sandbox(id) else {
            let others = Others { need_dots: false, may_ask: false, networks: false };
            return Self { model: Arc::clone(model), networks: Vec::new(), host: Vec::new(), others };
        };
        let ranked = model.endpoints_by_rank(id);
        let networks = ranked.iter().map(|endpoint| Seen {
            id: endpoint.network,
            name: model.network_of(endpoint).name.to_ascii_lowercase(),
            links: endpoint.settings.links.iter().filter_map(link).collect(),
        });
        let has_gateway =
            ranked.iter().any(|own| Family::BOTH.iter().any(|family| model.gateway(own, *family).is_some()));
        let others = Others {
            need_dots: names_need_dots(sandbox) && resolves_names(model, id),
            may_ask: has_gateway || !sandbox.dns.servers.is_empty(),
            networks: sandbox.dns.sees_networks && resolves_names(model, id),
        };
        let host = ranked.iter().map(|own| host_addresses(model, own)).find(|host| !host.is_empty());
        Self {
            networks: networks.collect(),
            host: host.unwrap_or_default(),
            others,
            model: Arc::clone(model),
        }
    }

    /// The model that is seen.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// What to say to a process in the sandbox. `found` is room for addresses.
    pub fn answer<'a>(&self, question: &Question<'_>, found: &'a mut Vec<IpAddr>) -> Answer<'a> {
        found.clear();
        let is_known = match *question {
            Question::Addresses(family, name) => self.addresses_anywhere(name, Some(family), found),
            Question::Other(name) => self.addresses_anywhere(name, None, found),
            Question::Names(address) => match self.name(address) {
                Some(name) => return Answer::Name(name),
                None => false,
            },
        };
        match is_known {
            true if found.is_empty() => Answer::Empty,
            true => Answer::Addresses(found),
            false => self.unknown(question),
        }
    }

    /// What to say when nobody on the networks of the sandbox has the name.
    fn unknown(&self, question: &Question<'_>) -> Answer<'static> {
        let is_short = matches!(question, Question::Addresses(_, name) if !name.contains('.'));
        match (is_short && self.others.need_dots, self.others.may_ask) {
            (true, _) => Answer::Empty,
            (false, true) => Answer::AskUpstream,
            (false, false) => Answer::NoSuchName,
        }
    }

    /// Finds addresses of a family under a name: of its networks, of the host, of others' networks if it may.
    fn addresses_anywhere(&self, name: &str, family: Option<Family>, found: &mut Vec<IpAddr>) -> bool {
        self.addresses(name, family, found)
            || self.host(name, family, found)
            || (self.others.networks && find(&self.model, name, family, found) == Holder::Somebody)
    }

    /// Finds addresses of a family under a name, and says whether anybody has the name.
    ///
    /// A name is looked for as a whole, then as `name.network` for every place where it
    /// can be divided; what somebody has comes before what lies below a wildcard.
    fn addresses(&self, name: &str, family: Option<Family>, found: &mut Vec<IpAddr>) -> bool {
        let mut known = false;
        for find in [exact, below] {
            for (word, of) in splits(name) {
                let on = || self.networks.iter().filter(|seen| of.is_none_or(|of| of == seen.name));
                let linked = on().filter_map(|seen| Some((seen, seen.link(word)?)));
                let plain = on().filter(|seen| seen.link(word).is_none()).map(|seen| (seen, word));
                for holders in
                    linked.chain(plain).filter_map(|(seen, word)| find(&self.model, &seen.id, word))
                {
                    known = true;
                    collect(&self.model, holders, family, found);
                    if !found.is_empty() {
                        return true;
                    }
                }
            }
            if known {
                return true;
            }
        }
        false
    }

    /// Finds the host's addresses, if that is what is asked for and it has any here.
    fn host(&self, name: &str, family: Option<Family>, found: &mut Vec<IpAddr>) -> bool {
        let is_host = name == HOST && !self.host.is_empty();
        let of_family = |address: &&IpAddr| Some(Family::of(address)) == family;
        found.extend(self.host.iter().filter(of_family).filter(|_| is_host));
        is_host
    }

    fn name(&self, address: IpAddr) -> Option<String> {
        self.networks.iter().find_map(|seen| name_on(&self.model, &seen.id, address))
    }
}

impl Seen {
    fn link(&self, alias: &str) -> Option<&str> {
        self.links.iter().find(|(of, _)| of == alias).map(|(_, name)| name.as_str())
    }
}

/// Who has a name on a network.
fn exact<'a>(model: &'a Model, network: &NetworkId, word: &str) -> Option<&'a OrdSet<EndpointId>> {
    model.dns_names_of(network)?.get(word)
}

/// Who has `*.` and the longest part of the word behind a dot.
fn below<'a>(model: &'a Model, network: &NetworkId, word: &str) -> Option<&'a OrdSet<EndpointId>> {
    let wildcards = model.wildcards_of(network)?;
    word.match_indices('.').find_map(|(dot, _)| wildcards.get(&word[dot + 1..]))
}

/// Finds the addresses of those who are ready to serve, or, if none of them has any, of all.
fn collect(model: &Model, holders: &OrdSet<EndpointId>, family: Option<Family>, found: &mut Vec<IpAddr>) {
    let sandbox = |endpoint: &Endpoint| endpoint.sandbox().and_then(|id| model.sandbox(id));
    let is_ready = |endpoint: &Endpoint| sandbox(endpoint).is_some_and(|sandbox| sandbox.ready);
    for any in [false, true] {
        let endpoints = holders.iter().filter_map(|id| model.endpoint(id));
        let chosen = endpoints.filter(|endpoint| any || is_ready(endpoint));
        found.extend(chosen.filter_map(|endpoint| endpoint.address(family?)).map(|net| net.addr()));
        if !found.is_empty() {
            return;
        }
    }
}

/// The name of an address on a network: that of the endpoint that has it there.
fn name_on(model: &Model, network: &NetworkId, address: IpAddr) -> Option<String> {
    let endpoint = model.endpoint_by_address(network, address)?;
    let first = endpoint.settings.dns_names.first().filter(|_| endpoint.sandbox().is_some())?;
    Some(format!("{first}.{}", model.network_of(endpoint).name))
}

/// The addresses that the host has on an endpoint's network, if users defined it and it leads out.
fn host_addresses(model: &Model, endpoint: &Endpoint) -> Vec<IpAddr> {
    let network = model.network_of(endpoint);
    let leads_out = |bridge: &&bridge::Config| !bridge.default && bridge.egress == Egress::Any;
    let Some(bridge) = network.bridge().filter(leads_out).filter(|_| !network.internal) else {
        return Vec::new();
    };
    let families = Family::BOTH.into_iter().filter(|family| bridge.has_gateway(*family));
    let own = families.filter_map(|family| {
        let address = endpoint.address(family)?.addr();
        network.ipam.subnets(family).iter().find(|subnet| subnet.pool.contains(&address))?.gateway
    });
    own.collect()
}

fn link(link: &crate::Link) -> Option<(String, String)> {
    match &link.target {
        LinkTarget::Name(name) => Some((link.alias.to_ascii_lowercase(), name.to_ascii_lowercase())),
        LinkTarget::Owner(_) => None,
    }
}

/// The whole name, and its two parts at every dot.
fn splits(name: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let dots = name.match_indices('.').map(move |(dot, _)| (&name[..dot], Some(&name[dot + 1..])));
    std::iter::once((name, None)).chain(dots)
}

/// Whether the user said that names with few dots are not to be asked for as they are.
fn names_need_dots(sandbox: &Sandbox) -> bool {
    let ndots = sandbox.dns.options.iter().filter_map(|option| option.strip_prefix("ndots:"));
    ndots.filter_map(|number| number.parse().ok()).next_back().is_some_and(|number: u32| number > 0)
}
