//! What explains the data path: documents of our own, below `/tombolo`. A field keeps its name and its meaning.

use serde::{Deserialize, Serialize};

/// The answer of `GET /tombolo/network/check` and `POST /tombolo/network/repair`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkCheck {
    /// Whether nothing differs and nobody drops all packets of a network.
    pub clean: bool,
    /// What is not as it should be; before the repair, if there was one.
    pub differences: Vec<Difference>,
    /// Chains of others that drop packets of ours, or may drop some.
    pub foreign: Vec<ForeignDrop>,
    /// What could not be looked at, and why.
    pub notes: Vec<String>,
    /// What a repair did, as one would type it; absent if none was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repaired: Option<Vec<String>>,
    /// What a repair could not do.
    pub errors: Vec<String>,
}

/// One object of the kernel that is not as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Difference {
    /// `missing`, `changed` or `unwanted`.
    pub kind: String,
    /// Which object: `bridge p0`.
    pub object: String,
    /// What is wrong with it.
    pub sentence: String,
}

/// A chain of somebody else's that drops packets of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ForeignDrop {
    /// Family and name: `inet filter`.
    pub table: String,
    /// The chain that has the rule.
    pub chain: String,
    /// The chain that the kernel calls: its hook and priority.
    pub hook: String,
    /// Lower runs earlier.
    pub priority: i32,
    /// The rule; absent if it is the chain's policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<u64>,
    /// Whether it drops all of these packets, or may drop some.
    pub certain: bool,
    /// Which packets: `into network web`.
    pub packets: Vec<String>,
    /// All of this.
    pub sentence: String,
    /// What would let ours pass.
    pub commands: Vec<String>,
}

/// The answer of `GET /tombolo/network/rules`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkRules {
    /// The whole table as nft(8) reads it; empty when a network was asked for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub table: String,
    /// What belongs to which network.
    pub networks: Vec<RulesOfNetwork>,
}

/// The elements of one network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RulesOfNetwork {
    /// The network's name.
    pub network: String,
    /// Its elements, set by set.
    pub parts: Vec<RulesPart>,
}

/// Elements of one set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RulesPart {
    /// The set's name in the table.
    pub set: String,
    /// What it is for.
    pub purpose: String,
    /// In nft's words: `tcp . 80 : 10.0.0.2 . 80`.
    pub elements: Vec<String>,
}

/// The answer of `GET /tombolo/network/exposure`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkExposures {
    /// Every way to every container, by container.
    pub exposures: Vec<NetworkExposure>,
}

/// A way to a container, and who gets there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkExposure {
    /// The container's name.
    pub container: String,
    /// The network by which it is reached.
    pub network: String,
    /// `tcp`, `udp`, `sctp`; empty for all ports of the container's own address.
    pub proto: String,
    /// The address that clients send to; `0.0.0.0` and `::` stand for all of the host's.
    pub address: String,
    /// `8080` or `7000-7009`; empty for all.
    pub ports: String,
    /// Where these lead: the same for the container.
    pub container_ports: String,
    /// Neighbours on the host's wires get there.
    pub wire: bool,
    /// The host gets there.
    pub host: bool,
    /// Containers of other networks get there.
    pub other_networks: bool,
    /// Containers of the same network get there.
    pub same_network: bool,
    /// Where those must come from who come from elsewhere: `10.0.0.0/8`, `wg0`; empty if it does not matter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Whether nobody from elsewhere gets there: a list has no source of the family.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub nobody: bool,
    /// Whose chain keeps the wire out, although we would not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub dropped: String,
    /// What a person should think about.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub warning: String,
}

/// The answer of `GET /tombolo/network/why`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkWhy {
    /// Whether nothing was found that fails.
    pub reachable: bool,
    /// `reachable`, or a word for what fails.
    pub reason: String,
    /// Where the client sends to: `10.0.0.2:80`; empty if that could not be found out.
    pub target: String,
    /// What was found, in order.
    pub steps: Vec<WhyStep>,
    /// What fails.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sentence: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub advice: String,
    /// What came of a packet that was really sent; absent if none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<WhyProbe>,
}

/// One thing that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WhyStep {
    /// `name`, `address`, `route`, `kernel`, `foreign` or `listening`.
    pub about: String,
    /// What was found.
    pub sentence: String,
}

/// What came of a packet that was really sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WhyProbe {
    /// Whether somebody answered; a datagram that nobody refuses counts.
    pub answered: bool,
    /// What happened.
    pub sentence: String,
}

/// The answer of the paths below `/tombolo/plan`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkPlan {
    /// What would be asked of the kernel, in order, as one would type it.
    pub operations: Vec<String>,
}
