//! `system df`: what takes up space.

use api::container::ContainerSummary;
use api::image::ImageSummary;
use api::system::DiskUsage;
use api::volume::Volume;
use clap::Args;

use super::ps;
use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::table::{self, Format, Listing, Row};
use crate::{output, units};

/// What was typed after `system df`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Df {
    /// `table`, `json`, or a Go template
    #[arg(long, value_name = "FORMAT", conflicts_with = "verbose")]
    format: Option<String>,
    /// Show everything that takes up space
    #[arg(short, long)]
    verbose: bool,
}

const KINDS: [(&str, &str); 5] = [
    ("Type", "TYPE"),
    ("TotalCount", "TOTAL"),
    ("Active", "ACTIVE"),
    ("Size", "SIZE"),
    ("Reclaimable", "RECLAIMABLE"),
];
const IMAGES: [(&str, &str); 8] = [
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("ID", "IMAGE ID"),
    ("CreatedSince", "CREATED"),
    ("Size", "SIZE"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
    ("Containers", "CONTAINERS"),
];
const CONTAINERS: [(&str, &str); 8] = [
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Size", "SIZE"),
    ("RunningFor", "CREATED"),
    ("Status", "STATUS"),
    ("Names", "NAMES"),
];
const VOLUMES: [(&str, &str); 3] = [("Name", "VOLUME NAME"), ("Links", "LINKS"), ("Size", "SIZE")];

impl Df {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let usage: DiskUsage = client.json(Call::get(["system", "df"])).await?;
        if !self.verbose {
            let format = Format { quiet: false, format: self.format };
            return table::print(listing(&KINDS), &format, kinds(&usage));
        }
        let part = |title: &str, fields: &'static [(&'static str, &'static str)], rows: Vec<Row>| {
            output::line(&format!("{title} space usage:\n"))?;
            table::print(listing(fields), &Format { quiet: false, format: None }, rows)?;
            output::line("")
        };
        part("Images", &IMAGES, usage.images.iter().map(image).collect())?;
        part("Containers", &CONTAINERS, usage.containers.iter().map(container).collect())?;
        part("Local Volumes", &VOLUMES, usage.volumes.iter().map(volume).collect())?;
        output::line(&format!("Build cache usage: {} steps of builds", usage.build_cache.len()))
    }
}

fn listing(fields: &'static [(&'static str, &'static str)]) -> Listing<'static> {
    let columns: &'static [&'static str] = match fields.first() {
        Some(("Type", _)) => &["Type", "TotalCount", "Active", "Size", "Reclaimable"],
        Some(("Repository", _)) => {
            &["Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers"]
        }
        Some(("ID", _)) => {
            &["ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names"]
        }
        _ => &["Name", "Links", "Size"],
    };
    Listing { fields, columns, id: columns[0] }
}

/// A line for each kind of things.
fn kinds(usage: &DiskUsage) -> Vec<Row> {
    let (images, containers, volumes) = (&usage.images, &usage.containers, &usage.volumes);
    let active: Vec<_> = images.iter().filter(|image| image.containers > 0).collect();
    let used: i64 = active.iter().map(|image| image.size - image.shared_size.max(0)).sum();
    let running = |one: &&ContainerSummary| matches!(one.state.as_str(), "running" | "paused" | "restarting");
    let written = |one: &ContainerSummary| one.size_rw.unwrap_or(0);
    let bytes = |volume: &Volume| volume.usage_data.as_ref().map_or(0, |usage| usage.size.max(0));
    let is_used = |volume: &&Volume| volume.usage_data.as_ref().is_some_and(|usage| usage.ref_count > 0);
    let (all_written, all_volumes) =
        (containers.iter().map(written).sum::<i64>(), volumes.iter().map(bytes).sum::<i64>());
    let idle: i64 = containers.iter().filter(|one| !running(one)).map(written).sum();
    let free: i64 = volumes.iter().filter(|volume| !is_used(volume)).map(bytes).sum();
    vec![
        kind("Images", (images.len(), active.len()), usage.layers_size, usage.layers_size - used),
        kind("Containers", (containers.len(), containers.iter().filter(running).count()), all_written, idle),
        kind("Local Volumes", (volumes.len(), volumes.iter().filter(is_used).count()), all_volumes, free),
        kind("Build Cache", (usage.build_cache.len(), 0), 0, 0),
    ]
}

fn kind(name: &str, (total, active): (usize, usize), bytes: i64, reclaimable: i64) -> Row {
    let reclaimable = reclaimable.clamp(0, bytes.max(0));
    let share = if bytes > 0 { format!(" ({}%)", reclaimable * 100 / bytes) } else { String::new() };
    Row::default()
        .with("Type", name)
        .with("TotalCount", total.to_string())
        .with("Active", active.to_string())
        .with("Size", size(bytes))
        .with("Reclaimable", size(reclaimable) + &share)
}

#[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
fn size(bytes: i64) -> String {
    units::decimal(bytes.max(0) as f64, 4)
}

fn image(image: &ImageSummary) -> Row {
    let name = image.repo_tags.first().map_or("<none>:<none>", String::as_str);
    let (repository, tag) = name.rsplit_once(':').unwrap_or((name, "<none>"));
    let shared = image.shared_size.max(0);
    Row::default()
        .with("Repository", repository)
        .with("Tag", tag)
        .with("ID", units::short_id(&image.id))
        .with("CreatedSince", units::ago(image.created))
        .with("Size", size(image.size))
        .with("SharedSize", size(shared))
        .with("UniqueSize", size(image.size - shared))
        .with("Containers", image.containers.to_string())
}

fn container(container: &ContainerSummary) -> Row {
    ps::row(container, true).with("Size", size(container.size_rw.unwrap_or(0)))
}

fn volume(volume: &Volume) -> Row {
    let usage = volume.usage_data.clone().unwrap_or_default();
    Row::default()
        .with("Name", volume.name.as_str())
        .with("Links", usage.ref_count.max(0).to_string())
        .with("Size", size(usage.size))
}
