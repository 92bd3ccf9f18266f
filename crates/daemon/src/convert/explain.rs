//! Explanations as documents.

use std::ops::RangeInclusive;

use api::explain::{
    Difference, ForeignDrop, NetworkCheck, NetworkExposure, NetworkExposures, NetworkRules, NetworkWhy,
    RulesOfNetwork, RulesPart, WhyProbe, WhyStep,
};
use engine::cnm::{
    Model, NetworkId,
    explain::{Differs, commented, network_rules},
    nft::Ruleset,
    state::kernel_state,
};

/// What a check found.
pub(crate) fn check(found: &engine::NetworkCheck) -> NetworkCheck {
    let differences: Vec<_> = found.differences.iter().map(difference).collect();
    let foreign: Vec<_> = found.findings.iter().map(foreign).collect();
    let left = if found.repaired.is_some() { !found.errors.is_empty() } else { !differences.is_empty() };
    let notes = found.legacy.iter().map(|(program, table)| {
        format!(
            "table {table} of {program} is loaded: its rules cannot be read here, look with {program}-save"
        )
    });
    let commands = |plan: &engine::cnm::plan::Plan| plan.ops().map(ToString::to_string).collect();
    NetworkCheck {
        clean: !left && !foreign.iter().any(|drop| drop.certain),
        differences,
        notes: notes.collect(),
        repaired: found.repaired.as_ref().map(commands),
        errors: found.errors.iter().map(|error| engine::chain(error)).collect(),
        foreign,
    }
}

fn difference(difference: &engine::cnm::explain::Difference) -> Difference {
    let kind = match difference.differs() {
        Differs::Missing => "missing",
        Differs::Changed => "changed",
        Differs::Unwanted => "unwanted",
    };
    Difference { kind: kind.to_owned(), object: difference.key.to_string(), sentence: difference.to_string() }
}

fn foreign(finding: &engine::Finding) -> ForeignDrop {
    let engine::Finding { drop, packets, commands } = finding;
    ForeignDrop {
        table: drop.chain.table.clone(),
        chain: drop.rule.chain.clone(),
        hook: drop.chain.hook.clone(),
        priority: drop.chain.priority,
        handle: drop.rule.handle,
        certain: drop.rule.certain,
        packets: packets.clone(),
        sentence: drop.sentence(),
        commands: commands.clone(),
    }
}

/// The table, or the elements of one network.
pub(crate) fn rules(model: &Model, of: Option<&NetworkId>) -> NetworkRules {
    let networks = model.networks().filter(|network| of.is_none_or(|id| *id == network.id));
    let networks = networks.filter(|network| network.bridge().is_some()).map(|network| {
        let rules = network_rules(model, network);
        let part = |part: engine::cnm::explain::Part| RulesPart {
            set: part.set.to_string(),
            purpose: part.purpose.to_owned(),
            elements: part.elements,
        };
        RulesOfNetwork { network: rules.network, parts: rules.parts.into_iter().map(part).collect() }
    });
    let whole = || commented(&Ruleset::All(&kernel_state(model)).to_string());
    let table = if of.is_none() { whole() } else { String::new() };
    NetworkRules { table, networks: networks.collect() }
}

/// Who reaches what.
pub(crate) fn exposures(all: &[engine::NetworkExposure]) -> NetworkExposures {
    let mut exposures: Vec<_> = all.iter().map(exposure).collect();
    exposures.sort_by(|one, other| one.container.cmp(&other.container));
    NetworkExposures { exposures }
}

fn exposure(
    engine::NetworkExposure { exposure, network, dropped }: &engine::NetworkExposure,
) -> NetworkExposure {
    let published = exposure.published.as_ref();
    let from = exposure.from;
    NetworkExposure {
        container: exposure.name.clone(),
        network: network.clone(),
        proto: published.map(|it| it.proto.to_string()).unwrap_or_default(),
        address: published.map_or(exposure.address, |it| it.address).to_string(),
        ports: published.map(|it| ports(&it.ports)).unwrap_or_default(),
        container_ports: published.map(|it| ports(&it.container)).unwrap_or_default(),
        wire: from.wire,
        host: from.host,
        other_networks: from.others,
        same_network: from.same,
        sources: exposure.sources.iter().flatten().map(ToString::to_string).collect(),
        nobody: exposure.sources.as_ref().is_some_and(Vec::is_empty),
        dropped: dropped.clone().unwrap_or_default(),
        warning: exposure.warning().unwrap_or_default(),
    }
}

fn ports(range: &RangeInclusive<u16>) -> String {
    let (first, last) = (range.start(), range.end());
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

/// Why somebody does not reach somebody.
pub(crate) fn why(found: &engine::Why) -> NetworkWhy {
    let failure = found.failure.as_ref();
    let step =
        |step: &engine::WhyStep| WhyStep { about: step.about.to_owned(), sentence: step.sentence.clone() };
    NetworkWhy {
        reachable: failure.is_none(),
        reason: failure.map_or("reachable", |failure| failure.reason).to_owned(),
        target: found.target.map(|target| target.to_string()).unwrap_or_default(),
        steps: found.steps.iter().map(step).collect(),
        sentence: failure.map(|failure| failure.sentence.clone()).unwrap_or_default(),
        advice: failure.map(|failure| failure.advice.clone()).unwrap_or_default(),
        probe: found.probe.as_ref().map(probe),
    }
}

fn probe(probe: &engine::Probe) -> WhyProbe {
    let (answered, sentence) = match probe {
        engine::Probe::Answered => (true, "somebody answered".to_owned()),
        engine::Probe::NotRefused => (true, "the datagram was not refused".to_owned()),
        engine::Probe::Failed(error) => (false, error.clone()),
    };
    WhyProbe { answered, sentence }
}
