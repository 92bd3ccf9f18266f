//! `network why` and `network exposure`: who reaches whom.

use api::explain::{NetworkExposure, NetworkExposures, NetworkWhy};
use clap::Args;

use super::explain::{Form, NO};
use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::table;

/// What was typed after `network why`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Why {
    /// Also send a packet, from where the client is
    #[arg(long)]
    probe: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Form,
    /// A container, host, outside, or an address
    from: String,
    /// The same or a name, with a port: web:80, 10.0.0.2:53/udp, [fd00::2]:80
    #[arg(value_name = "TO:PORT[/PROTO]")]
    to: String,
}

impl Why {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let malformed =
            || Failure::Typed(format!("{} is no target: write NAME:PORT or NAME:PORT/udp", self.to));
        let (target, proto) = self.to.split_once('/').unwrap_or((self.to.as_str(), "tcp"));
        let (to, port) = target.rsplit_once(':').ok_or_else(malformed)?;
        port.parse::<u16>().map_err(|_| malformed())?;
        let to = to.trim_start_matches('[').trim_end_matches(']');
        let call = Call::get(["tombolo", "network", "why"]).query("from", &self.from).query("to", to);
        let call = call.query("port", port).query("proto", proto).switch("probe", self.probe);
        let why: NetworkWhy = client.json(call).await?;
        self.format.print(&why, why_text)?;
        let answered = why.probe.as_ref().is_none_or(|probe| probe.answered);
        if why.reachable && answered { Ok(()) } else { Err(Failure::Exit(NO)) }
    }
}

fn why_text(why: &NetworkWhy) -> String {
    let mut lines: Vec<String> =
        why.steps.iter().map(|step| format!("{:<10} {}", step.about, step.sentence)).collect();
    if why.reachable {
        lines.push(format!("reachable: nothing on the way to {} fails", why.target));
    } else {
        lines.push(format!("not reachable: {} ({})", why.sentence, why.reason));
        lines.push(format!("what to do: {}", why.advice));
    }
    lines.extend(why.probe.as_ref().map(|probe| format!("probe: {}", probe.sentence)));
    lines.into_iter().map(|line| line + "\n").collect()
}

/// What was typed after `network exposure`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Exposure {
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

impl Exposure {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let found: NetworkExposures = client.json(Call::get(["tombolo", "network", "exposure"])).await?;
        self.format.print(&found, |found| exposure_text(&found.exposures))?;
        let warned = found.exposures.iter().any(|exposure| !exposure.warning.is_empty());
        if warned { Err(Failure::Exit(NO)) } else { Ok(()) }
    }
}

fn exposure_text(exposures: &[NetworkExposure]) -> String {
    let mut lines = vec!["CONTAINER\tNETWORK\tADDRESS\tPORTS\tLEADS TO\tREACHED FROM".to_owned()];
    let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    for exposure in exposures {
        let from = [
            (exposure.wire, "wire"),
            (exposure.host, "host"),
            (exposure.other_networks, "other networks"),
            (exposure.same_network, "same network"),
        ];
        let from = from.iter().filter(|(is, _)| *is).map(|(_, who)| (*who).to_owned());
        let from: Vec<_> =
            from.chain(exposure.sources.iter().map(|source| format!("from {source}"))).collect();
        let ports = or(&exposure.ports, "all");
        let proto = if exposure.proto.is_empty() { String::new() } else { format!("/{}", exposure.proto) };
        lines.push(format!(
            "{}\t{}\t{}\t{ports}{proto}\t{}\t{}",
            exposure.container,
            exposure.network,
            exposure.address,
            or(&exposure.container_ports, "the same"),
            or(&from.join(", "), "nowhere"),
        ));
    }
    let mut text = table::tabulate(&lines.join("\n"), 0);
    for exposure in exposures {
        if !exposure.dropped.is_empty() {
            text += &format!("note: {}: {}\n", exposure.container, exposure.dropped);
        }
        if !exposure.warning.is_empty() {
            text += &format!("warning: {}\n", exposure.warning);
        }
    }
    text
}
