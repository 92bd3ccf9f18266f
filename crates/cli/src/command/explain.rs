//! `network check` and `network rules`: what the kernel holds, and whether it should.

use api::explain::{ForeignDrop, NetworkCheck, NetworkRules};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::output;

/// How an explanation is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people
    #[default]
    Text,
    /// A document whose fields keep their meaning
    Json,
}

impl Form {
    /// Prints a document as it is, or as `text` says it.
    pub(crate) fn print<T: Serialize>(
        self,
        document: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        match self {
            Self::Text => output::print(&text(document)),
            Self::Json => {
                let text = serde_json::to_string_pretty(document).expect("the API's types can be written");
                output::line(&text)
            }
        }
    }
}

/// Docker's code for a command whose answer is no.
pub(crate) const NO: u8 = 1;

/// What was typed after `network check`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Check {
    /// Take the kernel to where it should be, and say what that took
    #[arg(long)]
    repair: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Form,
    /// Names or ids of networks; all there is if none is given
    #[arg(value_name = "NETWORK")]
    networks: Vec<String>,
}

impl Check {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let call = if self.repair {
            Call::post(["tombolo", "network", "repair"])
        } else {
            Call::get(["tombolo", "network", "check"])
        };
        let call = self.networks.iter().fold(call, |call, network| call.query("network", network));
        let found: NetworkCheck = client.json(call).await?;
        self.format.print(&found, check_text)?;
        if found.clean { Ok(()) } else { Err(Failure::Exit(NO)) }
    }
}

fn check_text(found: &NetworkCheck) -> String {
    let mut lines: Vec<String> = Vec::new();
    lines.extend(
        found.differences.iter().map(|difference| format!("{}: {}", difference.kind, difference.sentence)),
    );
    if let Some(done) = &found.repaired {
        let done = done.iter().flat_map(|command| command.lines());
        lines.extend(done.map(|line| format!("repaired: {line}")));
    }
    lines.extend(found.errors.iter().map(|error| format!("not repaired: {error}")));
    found.foreign.iter().for_each(|drop| lines.extend(foreign_lines(drop)));
    lines.extend(found.notes.iter().map(|note| format!("note: {note}")));
    if found.clean && found.differences.is_empty() {
        lines.push("the kernel is as it should be".to_owned());
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// What drops which packets, and what would let them pass.
pub(crate) fn foreign_lines(drop: &ForeignDrop) -> Vec<String> {
    let kind = if drop.certain { "dropped" } else { "may be dropped" };
    let mut lines = vec![format!("{kind}: packets {}: {}", drop.packets.join(", "), drop.sentence)];
    lines.extend(drop.commands.iter().map(|command| format!("    let ours pass: {command}")));
    lines
}

/// What was typed after `network rules`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Rules {
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Form,
    /// Name or id of a network whose elements are wanted; the whole table if none is given
    #[arg(default_value = "", hide_default_value = true)]
    network: String,
}

impl Rules {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let call = Call::get(["tombolo", "network", "rules"]).query("network", &self.network);
        let rules: NetworkRules = client.json(call).await?;
        self.format.print(&rules, rules_text)
    }
}

fn rules_text(rules: &NetworkRules) -> String {
    if !rules.table.is_empty() {
        return rules.table.clone();
    }
    let mut text = String::new();
    for network in &rules.networks {
        text += &format!("# network {}\n", network.network);
        for part in &network.parts {
            text += &format!("# {}\n", part.purpose);
            let elements = part.elements.iter();
            text.extend(elements.map(|it| format!("add element inet tombolo {} {{ {it} }}\n", part.set)));
        }
    }
    text
}
