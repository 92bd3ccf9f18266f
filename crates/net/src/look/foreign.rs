//! The base chains of others that packets of ours pass.

use std::{io, path::Path};

use cnm::apply::Refusal;
use linux::netlink;
use linux::nfnl::{Chain, ChainType, Family, Hook, ListError, Nfnl, RuleEntry, Table};
use linux::rtnl::RtnlError;
use thiserror::Error;

use super::judge::{Packet, Rule, judge};
use crate::host::Host;

/// Where the kernel names the tables of iptables-legacy: their rules are not nftables'.
const LEGACY: [(&str, &str); 2] =
    [("iptables-legacy", "ip_tables_names"), ("ip6tables-legacy", "ip6_tables_names")];

/// Why the rules of others could not be read.
#[derive(Debug, Error)]
pub enum LookError {
    #[error(transparent)]
    Rules(#[from] ListError),
    #[error("cannot read the links, addresses and routes of the host")]
    Links(#[from] RtnlError),
    #[error("cannot enter a network namespace")]
    Enter(#[from] Refusal),
    #[error(transparent)]
    Sockets(#[from] linux::sock_diag::SockDiagError),
    #[error("cannot use netlink")]
    Socket(#[from] netlink::Error),
    #[error("the network service has stopped")]
    Stopped,
}

/// What others have on the way of our packets.
#[derive(Clone, Debug, Default)]
pub struct Foreign {
    chains: Vec<(ForeignChain, Chain, Vec<RuleEntry>)>,
    /// Tables of iptables-legacy, which cannot be read: program and table.
    pub legacy: Vec<(String, String)>,
}

/// A base chain of somebody else's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForeignChain {
    /// Family and name: `inet filter`.
    pub table: String,
    pub name: String,
    pub hook: String,
    pub priority: i32,
}

/// A drop by somebody else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Drop {
    pub chain: ForeignChain,
    pub rule: Rule,
}

impl Foreign {
    /// Who drops this packet at these hooks, in the order in which it meets them.
    pub fn drops(&self, hooks: &[&str], packet: &Packet) -> Vec<Drop> {
        let mut drops = Vec::new();
        for hook in hooks {
            let mut met: Vec<_> = self.chains.iter().filter(|(chain, ..)| chain.hook == *hook).collect();
            met.sort_by_key(|(chain, ..)| chain.priority);
            for (chain, base, rules) in met {
                let sees = match chain.table.split(' ').next() {
                    Some("ip") => !packet.v6,
                    Some("ip6") => packet.v6,
                    Some("inet") => true,
                    _ => false,
                };
                if sees && let Some(rule) = judge(base, rules, packet) {
                    drops.push(Drop { chain: chain.clone(), rule });
                }
            }
        }
        drops
    }
}

/// Reads what others have.
pub(super) fn look(host: &Host) -> Result<Foreign, LookError> {
    let (nfnl, legacy) = host.within(|| (Nfnl::open(), legacy()))?;
    let mut nfnl = nfnl?;
    let mut foreign = Foreign { legacy, ..Foreign::default() };
    let ours = Table::new(Family::Inet, cnm::nft::TABLE);
    for table in nfnl.tables()? {
        if table == ours {
            continue;
        }
        let chains: Vec<_> = nfnl.chains(&table)?.into_iter().filter(is_filter).collect();
        if chains.is_empty() {
            continue;
        }
        let rules = nfnl.rules(&table)?;
        for chain in chains {
            let Some(base) = &chain.base else { continue };
            let shown = ForeignChain {
                table: table.to_string(),
                name: chain.name.clone(),
                hook: base.hook.to_string(),
                priority: base.priority,
            };
            foreign.chains.push((shown, chain, rules.clone()));
        }
    }
    Ok(foreign)
}

/// Chains that translate see the first packet of a flow only and seldom drop it; links' own are not ours.
fn is_filter(chain: &Chain) -> bool {
    chain
        .base
        .as_ref()
        .is_some_and(|base| base.kind != ChainType::Nat && !matches!(base.hook, Hook::Ingress | Hook::Egress))
}

fn legacy() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (program, file) in LEGACY {
        let tables = read(&Path::new("/proc/thread-self/net").join(file)).unwrap_or_default();
        found.extend(tables.lines().map(|table| (program.to_owned(), table.to_owned())));
    }
    found
}

fn read(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path)
}
