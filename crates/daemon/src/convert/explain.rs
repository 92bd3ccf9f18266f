//! Explanations as documents.

use api::explain::{Difference, ForeignDrop, NetworkCheck, NetworkRules, RulesOfNetwork, RulesPart};
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
