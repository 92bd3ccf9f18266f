//! Who answers to which name: what the resolver of a sandbox says, decided without I/O.
//!
//! A sandbox sees the joined endpoints of the networks it is on, by each of their
//! names and by `name.network`. The networks are asked in the order in which they
//! provide default gateways.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use crate::{Endpoint, Family, Model, Sandbox, SandboxId};

/// What a process in a sandbox wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The addresses of a name: A or AAAA.
    Addresses(Family, String),
    /// The names of an address: PTR.
    Names(IpAddr),
    /// Any other type of record.
    Other(String),
}

/// What to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Addresses in a fixed order; who sends them may turn them for fairness.
    Addresses(Vec<IpAddr>),
    /// Names without the final dot.
    Names(Vec<String>),
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

/// Whether a sandbox gets a resolver of its own: it is on a network that users defined.
pub fn needs_resolver(model: &Model, sandbox: &SandboxId) -> bool {
    model.endpoints_of_sandbox(sandbox).any(|endpoint| !model.network_of(endpoint).is_predefined())
}

/// What to say to a process in a sandbox.
pub fn answer(model: &Model, sandbox: &SandboxId, question: &Question) -> Answer {
    let Some(sandbox) = model.sandbox(sandbox) else {
        return Answer::NoSuchName;
    };
    let known = match question {
        Question::Addresses(family, name) => addresses(model, sandbox, *family, &normal(name)),
        Question::Names(address) => names(model, sandbox, *address),
        Question::Other(name) => is_known(model, sandbox, &normal(name)).then_some(Answer::Empty),
    };
    known.unwrap_or_else(|| unknown(model, sandbox, question))
}

/// A name as the index has it.
fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// What to say when nobody on the networks of the sandbox has the name.
fn unknown(model: &Model, sandbox: &Sandbox, question: &Question) -> Answer {
    let single = matches!(question, Question::Addresses(_, name) if !normal(name).contains('.'));
    if single && names_need_dots(sandbox) {
        return Answer::Empty;
    }
    let mut gateways = Family::BOTH.iter().filter_map(|family| model.gateway_endpoint(&sandbox.id, *family));
    match gateways.next() {
        None if sandbox.dns.servers.is_empty() => Answer::NoSuchName,
        _ => Answer::AskUpstream,
    }
}

/// Whether the user said that names with few dots are not to be asked for as they are.
fn names_need_dots(sandbox: &Sandbox) -> bool {
    let ndots = sandbox.dns.options.iter().filter_map(|option| option.strip_prefix("ndots:"));
    ndots.filter_map(|number| number.parse().ok()).next_back().is_some_and(|number: u32| number > 0)
}

fn addresses(model: &Model, sandbox: &Sandbox, family: Family, name: &str) -> Option<Answer> {
    let of_family = |endpoint: &Arc<Endpoint>| endpoint.address(family).map(|net| net.addr());
    let mut known = false;
    for endpoints in holders(model, sandbox, name) {
        let addresses: Vec<_> = endpoints.iter().copied().filter_map(of_family).collect();
        if !addresses.is_empty() {
            return Some(Answer::Addresses(addresses));
        }
        known |= !endpoints.is_empty();
    }
    known.then_some(Answer::Empty)
}

fn is_known(model: &Model, sandbox: &Sandbox, name: &str) -> bool {
    holders(model, sandbox, name).any(|endpoints| !endpoints.is_empty())
}

/// Who has the name, network by network: first as a whole, then as `name.network`
/// for every place where it can be divided.
fn holders<'a>(
    model: &'a Model,
    sandbox: &Sandbox,
    name: &str,
) -> impl Iterator<Item = Vec<&'a Arc<Endpoint>>> {
    let own = model.endpoints_by_rank(&sandbox.id);
    let dots = name.match_indices('.').map(|(dot, _)| (&name[..dot], Some(&name[dot + 1..])));
    let splits: Vec<_> = std::iter::once((name, None)).chain(dots).collect();
    let asked = splits.into_iter().flat_map(|(name, of)| own.iter().map(move |own| (name, of, *own)));
    let found = asked.filter(|(_, of, own)| {
        of.is_none_or(|network| model.network_of(own).name.eq_ignore_ascii_case(network))
    });
    let found = found.map(|(name, _, own)| model.endpoints_by_dns_name(&own.network, name).collect());
    found.collect::<Vec<_>>().into_iter()
}

fn names(model: &Model, sandbox: &Sandbox, address: IpAddr) -> Option<Answer> {
    let ranked = model.endpoints_by_rank(&sandbox.id);
    let mut found = ranked.iter().filter_map(|own| {
        let endpoint = model.endpoint_by_address(&own.network, address)?;
        let first = endpoint.settings.dns_names.first().filter(|_| endpoint.sandbox().is_some())?;
        Some(format!("{first}.{}", model.network_of(endpoint).name))
    });
    found.next().map(|name| Answer::Names(vec![name]))
}
