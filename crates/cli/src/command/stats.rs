//! `stats`: what containers use up.

use std::io::{self, IsTerminal};
use std::time::Duration;

use api::container::ContainerSummary;
use api::stats::{BlkioEntry, ContainerStats, CpuStats};
use clap::Args;

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::table::{self, Format, Listing, Row};
use crate::{output, units};

/// The time between two pictures.
const INTERVAL: Duration = Duration::from_secs(1);

/// What was typed after `stats`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Stats {
    /// Show all containers, not only running ones
    #[arg(short, long)]
    all: bool,
    /// Show one picture and end
    #[arg(long)]
    no_stream: bool,
    /// Do not shorten ids
    #[arg(long)]
    no_trunc: bool,
    /// `table`, `json`, or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Names or ids of containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

const FIELDS: [(&str, &str); 9] = [
    ("ID", "CONTAINER ID"),
    ("Container", "CONTAINER"),
    ("Name", "NAME"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET I/O"),
    ("BlockIO", "BLOCK I/O"),
    ("PIDs", "PIDS"),
];
const COLUMNS: [&str; 8] = ["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"];

impl Stats {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let format = Format { quiet: false, format: self.format.clone() };
        let listing = Listing { fields: &FIELDS, columns: &COLUMNS, id: "ID" };
        loop {
            let mut rows = Vec::new();
            for name in self.names(client).await? {
                let call = Call::get(["containers", &name, "stats"]).query("stream", "false");
                let sample: ContainerStats = client.json(call).await?;
                rows.push(row(&name, &sample, !self.no_trunc));
            }
            let picture = table::render(listing, &format, rows)?;
            if self.no_stream {
                return output::print(&picture);
            }
            // A new picture takes the place of the old one.
            let clear = if io::stdout().is_terminal() { "\x1b[2J\x1b[H" } else { "" };
            output::print(&format!("{clear}{picture}"))?;
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn names(&self, client: &Client) -> Result<Vec<String>, Failure> {
        if !self.containers.is_empty() {
            return Ok(self.containers.clone());
        }
        let call = Call::get(["containers", "json"]).switch("all", self.all);
        let containers: Vec<ContainerSummary> = client.json(call).await?;
        Ok(containers.into_iter().map(|container| container.id).collect())
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few digits are shown")]
fn row(name: &str, sample: &ContainerStats, is_short: bool) -> Row {
    // Files that can be dropped do not count (docker/cli `calculateMemUsageUnixNoCache`).
    let memory = &sample.memory_stats;
    let cache = memory.stats.get("inactive_file").or_else(|| memory.stats.get("total_inactive_file"));
    let used = memory.usage.saturating_sub(*cache.unwrap_or(&0)) as f64;
    let limit = memory.limit as f64;
    let share = if limit > 0.0 { used / limit * 100.0 } else { 0.0 };
    let networks = || sample.networks.iter().flatten();
    let received: u64 = networks().map(|(_, counters)| counters.rx_bytes).sum();
    let sent: u64 = networks().map(|(_, counters)| counters.tx_bytes).sum();
    let (read, written) =
        blocks(sample.blkio_stats.io_service_bytes_recursive.as_deref().unwrap_or_default());
    let pair = |one: u64, other: u64| {
        format!("{} / {}", units::decimal(one as f64, 3), units::decimal(other as f64, 3))
    };
    Row::default()
        .with("ID", if is_short { units::short_id(&sample.id) } else { &sample.id })
        .with("Container", name)
        .with("Name", sample.name.trim_start_matches('/'))
        .with("CPUPerc", format!("{:.2}%", cpu(&sample.precpu_stats, &sample.cpu_stats)))
        .with("MemUsage", format!("{} / {}", units::binary(used), units::binary(limit)))
        .with("MemPerc", format!("{share:.2}%"))
        .with("NetIO", pair(received, sent))
        .with("BlockIO", pair(read, written))
        .with("PIDs", sample.pids_stats.current.to_string())
}

/// Percent of one CPU between two samples.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn cpu(before: &CpuStats, now: &CpuStats) -> f64 {
    let used = now.cpu_usage.total_usage.saturating_sub(before.cpu_usage.total_usage) as f64;
    let all = now.system_cpu_usage.saturating_sub(before.system_cpu_usage) as f64;
    if used > 0.0 && all > 0.0 { used / all * f64::from(now.online_cpus.max(1)) * 100.0 } else { 0.0 }
}

/// Bytes read and written.
fn blocks(entries: &[BlkioEntry]) -> (u64, u64) {
    let sum = |letter: char| {
        let of = entries.iter().filter(|entry| entry.op.to_ascii_lowercase().starts_with(letter));
        of.map(|entry| entry.value).sum()
    };
    (sum('r'), sum('w'))
}
