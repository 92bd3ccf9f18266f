//! Our table with what each of its parts is for.

use std::fmt::Write as _;

use crate::{
    Family, Model, Network,
    nft::{Set, Tuple, Value},
    state::{Key, Object, Scope, State, kernel_state_of},
};

/// The elements of one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkRules {
    pub network: String,
    pub parts: Vec<Part>,
}

/// Some elements of one set, and what the set is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub set: Set,
    pub purpose: &'static str,
    /// In nft's words: `tcp . 80 : 10.0.0.2 . 80`.
    pub elements: Vec<String>,
}

/// What a set is for.
pub const fn purpose(set: Set) -> &'static str {
    match set {
        Set::Bridges => "our bridges: only what enters or leaves one of them is judged",
        Set::Internal => "internal networks: nothing is routed into or out of them",
        Set::Talk => "pairs of bridges whose containers may talk to one another",
        Set::Apart => "bridges whose containers may not talk to one another",
        Set::Open(_) => "networks whose containers are reached at all ports by their own addresses",
        Set::Routed(_) => "networks whose containers are reached at published ports by their own addresses",
        Set::Trusted => {
            "links of the host whose neighbours reach published ports by the containers' own addresses"
        }
        Set::EgressNone => "networks out of which no new flow leads, not even to the host",
        Set::EgressInternet => {
            "networks out of which new flows lead to the internet and to published ports only"
        }
        Set::Local(_) => "local networks: private ones, and those that the host is on",
        Set::Limited(_) => "published ports that only some sources reach",
        Set::AllowLink(_) => "links of the host by which such a port is reached",
        Set::AllowLocal(_) => "such ports that local networks reach",
        Set::Allow(..) => "networks that reach such a port, by the length of their prefixes",
        Set::Source(_) => "networks whose traffic to elsewhere leaves with this address of the host",
        Set::Reach(_) => "published ports by the containers' own addresses",
        Set::Masquerade(_) => "networks whose traffic to elsewhere leaves with an address of the host",
        Set::Hairpin(_) => "published containers and the bridges they are on: clients by these are hidden",
        Set::Itself(_) => "published containers that reach themselves by a published port",
        Set::Publish(_) => "ports published on all addresses of the host, and where they lead",
        Set::PublishAddr(_) => "ports published on one address of the host, and where they lead",
        Set::Range(..) => "ranges published on all addresses under the same numbers, and where they lead",
    }
}

/// What a chain is for; nothing for one that is not ours.
fn purpose_of_chain(name: &str) -> Option<&'static str> {
    Some(match name {
        "raw" => "what comes out of a container cannot claim to be the host's loopback",
        "prerouting" => "published ports, for packets from the wire and from containers",
        "output" => "published ports, for packets of the host itself",
        "publish_ipv4" => "where a published port leads, by IPv4",
        "publish_ipv6" => "where a published port leads, by IPv6",
        "sources_ipv4" => "whether a client reaches a port that only some sources reach, by IPv4",
        "sources_ipv6" => "whether a client reaches a port that only some sources reach, by IPv6",
        "forward" => "who may talk to whom: isolation is the default",
        "postrouting" => "which packets leave with an address of the host",
        _ => return None,
    })
}

/// The table's text with a comment above each set and chain.
pub fn commented(text: &str) -> String {
    let mut output = String::with_capacity(text.len() * 2);
    for line in text.lines() {
        let mut words = line.strip_prefix('\t').unwrap_or_default().split(' ');
        let about = match (words.next(), words.next(), words.next()) {
            (Some("set" | "map"), Some(name), Some("{")) => Set::named(name).map(purpose),
            (Some("chain"), Some(name), Some("{")) => purpose_of_chain(name),
            _ => None,
        };
        if let Some(about) = about {
            writeln!(output, "\t# {about}").expect("a string takes all");
        }
        output.push_str(line);
        output.push('\n');
    }
    output
}

/// The elements that concern a network: what confines it, and what leads into it.
pub fn network_rules(model: &Model, network: &Network) -> NetworkRules {
    let on_it = model.endpoints_of_network(&network.id);
    let sandboxes = on_it.filter_map(|endpoint| endpoint.sandbox().copied()).collect();
    let scope = Scope { networks: [network.id].into(), sandboxes };
    let state = kernel_state_of(model, &scope);
    let parts = Set::ALL.into_iter().filter_map(|set| part(set, &state, network));
    NetworkRules { network: network.name.clone(), parts: parts.collect() }
}

fn part(set: Set, state: &State, network: &Network) -> Option<Part> {
    let elements: Vec<_> =
        state.iter().filter_map(|(key, object)| element(set, key, object, network)).collect();
    (!elements.is_empty()).then(|| Part { set, purpose: purpose(set), elements })
}

/// An element of the set that names the network's bridge or an address of its pools.
fn element(set: Set, key: &Key, object: &Object, network: &Network) -> Option<String> {
    let (Key::Guard(of, key) | Key::Publish(of, key)) = key else { return None };
    let Object::Element(data) = object else { return None };
    let concerns = key.iter().chain(data).any(|value| match value {
        Value::Ifname(name) => network.bridge().is_some_and(|config| config.link == *name),
        Value::Addr(address) => {
            network.ipam.subnets(Family::of(address)).iter().any(|subnet| subnet.pool.contains(address))
        }
        Value::Net(_) => set.is_guard(),
        Value::Proto(_) | Value::Port(_) | Value::Ports(..) => false,
    });
    let separator = if data.is_empty() { "" } else { " : " };
    (*of == set && concerns).then(|| format!("{}{separator}{}", Tuple(key), Tuple(data)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nft::skeleton;

    #[test]
    fn every_part_of_the_table_says_what_it_is_for() {
        let table = skeleton();
        for chain in &table.chains {
            assert!(purpose_of_chain(chain.name).is_some(), "chain {} is for nothing", chain.name);
        }
        let text = commented(&table.to_string());
        let comments = text.lines().filter(|line| line.trim_start().starts_with('#')).count();
        assert_eq!(comments, table.chains.len() + table.sets.len());
        let without: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        assert_eq!(without.join("\n") + "\n", table.to_string(), "nothing else changes");
    }
}
