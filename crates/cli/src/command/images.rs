//! `images`: the images.

use api::image::ImageSummary;
use clap::Args;

use super::ps::created;
use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::syntax::filter;
use crate::table::{self, Format, Listing, Row};
use crate::units;

/// What was typed after `images`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Images {
    /// Show all images, also intermediate ones
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Only images that match, such as dangling=true
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// Do not shorten ids
    #[arg(long)]
    no_trunc: bool,
    #[command(flatten)]
    format: Format,
    /// Only images of this name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
}

const FIELDS: [(&str, &str); 9] = [
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("ID", "IMAGE ID"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("Containers", "CONTAINERS"),
    ("SharedSize", "SHARED SIZE"),
];
const COLUMNS: [&str; 5] = ["Repository", "Tag", "ID", "CreatedSince", "Size"];
const WITH_DIGESTS: [&str; 6] = ["Repository", "Tag", "Digest", "ID", "CreatedSince", "Size"];

impl Images {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let mut filters = filter::parse(&self.filter)?;
        if let Some(name) = &self.name {
            filters.add("reference", name.as_str());
        }
        let call = Call::get(["images", "json"]).switch("all", self.all).filters(&filters);
        let images: Vec<ImageSummary> = client.json(call).await?;
        let rows = images.iter().flat_map(|image| rows(image, !self.no_trunc)).collect();
        let columns: &[&str] = if self.digests { &WITH_DIGESTS } else { &COLUMNS };
        table::print(Listing { fields: &FIELDS, columns, id: "ID" }, &self.format, rows)
    }
}

/// One row for each name of an image.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn rows(image: &ImageSummary, is_short: bool) -> Vec<Row> {
    let split = |name: &String, sign: char| {
        let (repository, rest) = name.rsplit_once(sign).unwrap_or((name, "<none>"));
        (repository.to_owned(), rest.to_owned())
    };
    let digest_of = |repository: &str| {
        let digests = image.repo_digests.iter().map(|name| split(name, '@'));
        let mut matching = digests.filter(|(name, _)| name == repository).map(|(_, digest)| digest);
        matching.next().unwrap_or_else(|| "<none>".to_owned())
    };
    let mut names: Vec<(String, String)> = image.repo_tags.iter().map(|name| split(name, ':')).collect();
    if names.is_empty() {
        let repository = image.repo_digests.first().map(|name| split(name, '@').0);
        names.push((repository.unwrap_or_else(|| "<none>".to_owned()), "<none>".to_owned()));
    }
    let id = if is_short { units::short_id(&image.id) } else { &image.id };
    let count = |number: i64| if number < 0 { "N/A".to_owned() } else { number.to_string() };
    let row = |(repository, tag): (String, String)| {
        let shared = match image.shared_size {
            size if size < 0 => "N/A".to_owned(),
            size => units::decimal(size as f64, 3),
        };
        Row::default()
            .with("Digest", digest_of(&repository))
            .with("Repository", repository)
            .with("Tag", tag)
            .with("ID", id)
            .with("CreatedSince", units::ago(image.created))
            .with("CreatedAt", created(image.created))
            .with("Size", units::decimal(image.size as f64, 3))
            .with("Containers", count(image.containers))
            .with("SharedSize", shared)
            .with("UniqueSize", "N/A")
            .with("VirtualSize", units::decimal(image.size as f64, 3))
    };
    names.into_iter().map(row).collect()
}
