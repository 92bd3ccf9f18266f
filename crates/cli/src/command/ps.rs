//! `ps`: the containers.

use api::container::{ContainerSummary, PortSummary};
use clap::Args;
use std::collections::BTreeMap;

use super::port::join;
use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::syntax::filter;
use crate::table::{self, Format, Listing, Row};
use crate::units;

/// What was typed after `ps`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Ps {
    /// Show all containers, not only running ones
    #[arg(short, long)]
    all: bool,
    /// Only containers that match, such as status=exited or name=web
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// Show so many containers that were created last, in any state
    #[arg(short = 'n', long, value_name = "NUMBER", allow_hyphen_values = true)]
    last: Option<i64>,
    /// Show the container that was created last, in any state
    #[arg(short, long)]
    latest: bool,
    /// Do not shorten ids and texts
    #[arg(long)]
    no_trunc: bool,
    /// Show sizes
    #[arg(short, long)]
    size: bool,
    #[command(flatten)]
    format: Format,
}

const FIELDS: [(&str, &str); 14] = [
    ("ID", "CONTAINER ID"),
    ("Names", "NAMES"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("Ports", "PORTS"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("Size", "SIZE"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Networks", "NETWORKS"),
];
const COLUMNS: [&str; 8] = ["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names", "Size"];

impl Ps {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let limit = if self.latest { Some(1) } else { self.last.filter(|limit| *limit >= 0) };
        let asks_size = self.size || self.format.format.as_ref().is_some_and(|text| text.contains(".Size"));
        let call = Call::get(["containers", "json"])
            .switch("all", self.all || limit.is_some())
            .switch("size", asks_size)
            .query("limit", &limit.map(|limit| limit.to_string()).unwrap_or_default())
            .filters(&filter::parse(&self.filter)?);
        let containers: Vec<ContainerSummary> = client.json(call).await?;
        let rows = containers.iter().map(|container| row(container, !self.no_trunc)).collect();
        let shown = if self.size { COLUMNS.len() } else { COLUMNS.len() - 1 };
        let listing = Listing { fields: &FIELDS, columns: &COLUMNS[..shown], id: "ID" };
        table::print(listing, &self.format, rows)
    }
}

pub(super) fn row(container: &ContainerSummary, is_short: bool) -> Row {
    let names = container.names.iter().map(|name| name.trim_start_matches('/'));
    let names: Vec<&str> = names.filter(|name| !is_short || !name.contains('/')).collect();
    let command = if is_short { units::ellipsis(&container.command, 20) } else { container.command.clone() };
    let shorten = |id: &str| if is_short { units::short_id(id).to_owned() } else { id.to_owned() };
    let image = match container.image.as_str() {
        "" => "<no image>".to_owned(),
        id if id.starts_with("sha256:") => shorten(id),
        name => name.to_owned(),
    };
    let mounts = container.mounts.iter().map(|mount| {
        let name = if mount.name.is_empty() { &mount.source } else { &mount.name };
        if is_short { units::ellipsis(name, 15) } else { name.clone() }
    });
    let volumes = container.mounts.iter().filter(|mount| mount.driver == "local").count();
    let networks = container.network_settings.iter().flat_map(|settings| settings.networks.iter().flatten());
    Row::default()
        .with("ID", shorten(&container.id))
        .with("Names", names.join(","))
        .with("Image", image)
        .with("Command", format!("{command:?}"))
        .with("CreatedAt", created(container.created))
        .with("RunningFor", units::ago(container.created))
        .with("Ports", ports(container.ports.clone()))
        .with("State", container.state.as_str())
        .with("Status", container.status.as_str())
        .with("Size", size(container))
        .with_labels(Some(&container.labels))
        .with("Mounts", mounts.collect::<Vec<_>>().join(","))
        .with("LocalVolumes", volumes.to_string())
        .with("Networks", networks.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(","))
}

/// A time as Go prints it.
pub(crate) fn created(second: i64) -> String {
    let time =
        jiff::Timestamp::from_second(second).unwrap_or_default().to_zoned(jiff::tz::TimeZone::system());
    time.strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string()
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn size(container: &ContainerSummary) -> String {
    let shown = |bytes: Option<i64>| units::decimal(bytes.unwrap_or_default() as f64, 3);
    let whole = container.size_root_fs.filter(|bytes| *bytes > 0);
    let whole = whole.map(|bytes| format!(" (virtual {})", shown(Some(bytes)))).unwrap_or_default();
    format!("{}{whole}", shown(container.size_rw))
}

/// Ports in Docker's order and words: neighbours in one range, different host ports at the end.
fn ports(mut ports: Vec<PortSummary>) -> String {
    ports.sort_by(|one, other| {
        let key =
            |port: &PortSummary| (port.private_port, port.ip.clone(), port.public_port, port.r#type.clone());
        key(one).cmp(&key(other))
    });
    let (mut shown, mut mapped) = (Vec::new(), Vec::new());
    let mut order: Vec<(String, String)> = Vec::new();
    let mut ranges: BTreeMap<(String, String), (u16, u16)> = BTreeMap::new();
    for PortSummary { ip, private_port, public_port, r#type } in ports {
        if !ip.is_empty() && public_port != private_port {
            mapped.push(format!(
                "{}->{private_port}/{type}",
                join(&ip, &public_port.to_string()),
                r#type = r#type
            ));
            continue;
        }
        let key = (ip, r#type);
        match ranges.get_mut(&key) {
            None => {
                order.push(key.clone());
                ranges.insert(key, (private_port, private_port));
            }
            Some((_, last)) if *last + 1 == private_port => *last = private_port,
            Some(range) => {
                shown.push(range_text(&key, *range));
                *range = (private_port, private_port);
            }
        }
    }
    shown.extend(order.iter().map(|key| range_text(key, ranges[key])));
    shown.extend(mapped);
    shown.join(", ")
}

fn range_text((ip, protocol): &(String, String), (first, last): (u16, u16)) -> String {
    let range = if first == last { first.to_string() } else { format!("{first}-{last}") };
    if ip.is_empty() {
        format!("{range}/{protocol}")
    } else {
        format!("{}->{range}/{protocol}", join(ip, &range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(list: &[(&str, u16, u16, &str)], expected: &str) {
        let port = |&(ip, private_port, public_port, kind): &(&str, u16, u16, &str)| PortSummary {
            ip: ip.to_owned(),
            private_port,
            public_port,
            r#type: kind.to_owned(),
        };
        assert_eq!(ports(list.iter().map(port).collect()), expected);
    }

    #[test]
    fn ports_are_grouped() {
        check(&[], "");
        check(&[("", 80, 0, "tcp"), ("", 81, 0, "tcp")], "80-81/tcp");
        check(
            &[("0.0.0.0", 80, 8080, "tcp"), ("::", 80, 8080, "tcp")],
            "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp",
        );
        check(
            &[("0.0.0.0", 7001, 7001, "tcp"), ("0.0.0.0", 7000, 7000, "tcp"), ("0.0.0.0", 7003, 7003, "tcp")],
            "0.0.0.0:7000-7001->7000-7001/tcp, 0.0.0.0:7003->7003/tcp",
        );
        check(&[("", 80, 0, "tcp"), ("0.0.0.0", 53, 5353, "udp")], "80/tcp, 0.0.0.0:5353->53/udp");
    }
}
