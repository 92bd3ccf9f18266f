//! Which packets of which networks others drop, and what would let them pass.

use std::collections::BTreeMap;

use cnm::{Family, Model, NetworkId};

use super::{Drop, Foreign, Packet};
use crate::host::Surroundings;

/// A chain of somebody else's that drops packets of some networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub drop: Drop,
    /// Which packets: `into network web`.
    pub packets: Vec<String>,
    /// What would let them pass.
    pub commands: Vec<String>,
}

impl Drop {
    /// Which chain drops, and by what.
    pub fn sentence(&self) -> String {
        let Self { chain, rule } = self;
        let (table, name, hook, priority) = (&chain.table, &chain.name, &chain.hook, chain.priority);
        let what = if rule.certain { "drops" } else { "may drop some of" };
        let by = match rule.handle {
            None => "by its policy".to_owned(),
            Some(handle) if rule.chain == *name => format!("by its rule with handle {handle}"),
            Some(handle) => format!("by the rule with handle {handle} of chain {}", rule.chain),
        };
        format!("chain {name} of table {table} (hook {hook}, priority {priority}) {what} these packets {by}")
    }

    /// What lets packets pass this chain that come by or leave by a link of ours.
    pub fn commands(&self, link: &str) -> Vec<String> {
        let chain = &self.chain;
        if chain.table == "inet firewalld" {
            return vec![
                format!("firewall-cmd --permanent --zone=trusted --add-interface={link}"),
                "firewall-cmd --reload".to_owned(),
            ];
        }
        let of_iptables = ["INPUT", "FORWARD", "OUTPUT"].contains(&chain.name.as_str());
        match chain.table.as_str() {
            "ip filter" if of_iptables => iptables("iptables", &chain.name, link),
            "ip6 filter" if of_iptables => iptables("ip6tables", &chain.name, link),
            table => nft(table, &chain.name, &chain.hook, link),
        }
    }
}

fn nft(table: &str, chain: &str, hook: &str, link: &str) -> Vec<String> {
    let insert = |rule: String| format!("nft 'insert rule {table} {chain} {rule}'");
    let out = insert(format!("iifname {link:?} accept"));
    let to = insert(format!("oifname {link:?} accept"));
    match hook {
        "input" | "prerouting" => vec![out],
        "output" | "postrouting" => vec![to],
        _ => vec![
            out,
            insert(format!("oifname {link:?} ct status dnat accept")),
            insert(format!("oifname {link:?} ct state established,related accept")),
        ],
    }
}

fn iptables(program: &str, chain: &str, link: &str) -> Vec<String> {
    let insert = |rule: String| format!("{program} -I {chain} {rule} -j ACCEPT");
    match chain {
        "INPUT" => vec![insert(format!("-i {link}"))],
        "OUTPUT" => vec![insert(format!("-o {link}"))],
        _ => vec![
            insert(format!("-i {link}")),
            insert(format!("-o {link} -m conntrack --ctstatus DNAT")),
            insert(format!("-o {link} -m conntrack --ctstate ESTABLISHED,RELATED")),
        ],
    }
}

/// Who drops what is forwarded into and out of these networks, or all of them.
pub fn findings(
    foreign: &Foreign,
    around: &Surroundings,
    model: &Model,
    networks: &[NetworkId],
) -> Vec<Finding> {
    let mut found: BTreeMap<Drop, Finding> = BTreeMap::new();
    let wanted = model.networks().filter(|network| networks.is_empty() || networks.contains(&network.id));
    for network in wanted.filter(|network| !network.internal) {
        let Some(link) = network.bridge().map(|config| config.link.clone()) else { continue };
        for (packet, way) in packets(&link, around, |family| !network.ipam.subnets(family).is_empty()) {
            let what = format!("{way} network {}", network.name);
            for drop in foreign.drops(&["forward"], &packet) {
                let new = || Finding { drop: drop.clone(), packets: Vec::new(), commands: Vec::new() };
                let finding = found.entry(drop.clone()).or_insert_with(new);
                if !finding.packets.contains(&what) {
                    finding.packets.push(what.clone());
                }
                let more: Vec<_> =
                    drop.commands(&link).into_iter().filter(|it| !finding.commands.contains(it)).collect();
                finding.commands.extend(more);
            }
        }
    }
    found.into_values().collect()
}

/// What is forwarded between a network and the wires, and within it; in which way.
fn packets(link: &str, around: &Surroundings, has: impl Fn(Family) -> bool) -> Vec<(Packet, &'static str)> {
    let mut wires: Vec<_> = around.wires.iter().cloned().map(Some).collect();
    if wires.is_empty() {
        wires.push(None);
    }
    let mut packets = Vec::new();
    for v6 in [false, true].into_iter().filter(|v6| has(if *v6 { Family::V6 } else { Family::V4 })) {
        if around.bridged {
            let link = Some(link.to_owned());
            packets.push((Packet { v6, iif: link.clone(), oif: link, ..Packet::default() }, "within"));
        }
        for wire in &wires {
            let (link, wire) = (Some(link.to_owned()), wire.clone());
            let out = Packet { v6, iif: link.clone(), oif: wire.clone(), ..Packet::default() };
            let into = Packet { v6, iif: wire, oif: link, translated: true, ..Packet::default() };
            packets.extend([(out, "out of"), (into, "into")]);
        }
    }
    packets
}
