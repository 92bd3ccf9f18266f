//! `prune`: remove what is not used; asks first.

use std::io::{self, BufRead, IsTerminal};

use api::build::BuildPruneResponse;
use api::container::ContainersPruneResponse;
use api::image::{ImageDeleteItem, ImagesPruneResponse};
use api::network::NetworksPruneResponse;
use api::volume::VolumesPruneResponse;
use clap::Args;

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::syntax::{filter, size};
use crate::{output, units};

/// What was typed after `prune`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Prune {
    /// Do not ask
    #[arg(short, long)]
    pub(super) force: bool,
    /// Only what matches, such as label=NAME
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) filter: Vec<String>,
}

/// The same with `--all`.
#[derive(Args, Clone, Debug)]
pub(crate) struct PruneAll {
    /// Remove everything that is not used, not only what has no name
    #[arg(short, long)]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) prune: Prune,
}

/// What was typed after `builder prune`.
#[derive(Args, Clone, Debug)]
pub(crate) struct PruneBuilds {
    /// Bytes that may stay, such as 2GB
    #[arg(long, alias = "keep-storage", value_name = "BYTES")]
    reserved_space: Option<String>,
    #[command(flatten)]
    all: PruneAll,
}

impl PruneBuilds {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let PruneAll { all, prune } = self.all;
        let what = if all {
            "This will remove all build cache."
        } else {
            "This will remove all dangling build cache."
        };
        if !prune.agreed(what)? {
            return Ok(());
        }
        let keep = self.reserved_space.as_deref().map(size::parse).transpose()?;
        let call = Call::post(["build", "prune"])
            .switch("all", all)
            .query("reserved-space", &keep.map(|bytes| bytes.to_string()).unwrap_or_default())
            .filters(&filter::parse(&prune.filter)?);
        let BuildPruneResponse { caches_deleted, space_reclaimed } = client.json(call).await?;
        tell("build cache objects", &caches_deleted.unwrap_or_default())?;
        tell_total(space_reclaimed)
    }
}

impl Prune {
    pub(crate) async fn containers(self, client: &Client) -> Result<(), Failure> {
        if !self.agreed("This will remove all stopped containers.")? {
            return Ok(());
        }
        tell_total(remove_containers(&self, client).await?)
    }

    pub(crate) async fn networks(self, client: &Client) -> Result<(), Failure> {
        if !self.agreed("This will remove all custom networks not used by at least one container.")? {
            return Ok(());
        }
        remove_networks(&self, client).await
    }

    /// Whether the person agrees.
    pub(super) fn agreed(&self, warning: &str) -> Result<bool, Failure> {
        if self.force {
            return Ok(true);
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::Said(format!("{warning} Nobody can be asked here: say --force to agree")));
        }
        output::print(&format!("WARNING! {warning}\nAre you sure you want to continue? [y/N] "))?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map_err(Failure::file("cannot read the answer"))?;
        Ok(matches!(answer.trim(), "y" | "Y"))
    }
}

impl PruneAll {
    pub(crate) async fn images(self, client: &Client) -> Result<(), Failure> {
        let warning = if self.all {
            "This will remove all images without at least one container associated to them."
        } else {
            "This will remove all dangling images."
        };
        if !self.prune.agreed(warning)? {
            return Ok(());
        }
        tell_total(remove_images(&self.prune, self.all, client).await?)
    }

    pub(crate) async fn volumes(self, client: &Client) -> Result<(), Failure> {
        let warning = if self.all {
            "This will remove all local volumes not used by at least one container."
        } else {
            "This will remove anonymous local volumes not used by at least one container."
        };
        if !self.prune.agreed(warning)? {
            return Ok(());
        }
        tell_total(remove_volumes(&self.prune, self.all, client).await?)
    }
}

/// Removes stopped containers, and tells which; gives the bytes that are free now, as all of these do.
pub(super) async fn remove_containers(prune: &Prune, client: &Client) -> Result<u64, Failure> {
    let call = Call::post(["containers", "prune"]).filters(&filter::parse(&prune.filter)?);
    let ContainersPruneResponse { containers_deleted, space_reclaimed } = client.json(call).await?;
    tell("Containers", &containers_deleted.unwrap_or_default())?;
    Ok(space_reclaimed)
}

pub(super) async fn remove_networks(prune: &Prune, client: &Client) -> Result<(), Failure> {
    let call = Call::post(["networks", "prune"]).filters(&filter::parse(&prune.filter)?);
    let NetworksPruneResponse { networks_deleted } = client.json(call).await?;
    tell("Networks", &networks_deleted.unwrap_or_default())
}

pub(super) async fn remove_images(prune: &Prune, all: bool, client: &Client) -> Result<u64, Failure> {
    let mut filters = filter::parse(&prune.filter)?;
    filters.add("dangling", if all { "false" } else { "true" });
    let call = Call::post(["images", "prune"]).filters(&filters);
    let ImagesPruneResponse { images_deleted, space_reclaimed } = client.json(call).await?;
    tell("Images", &lines(images_deleted.unwrap_or_default()))?;
    Ok(space_reclaimed)
}

pub(super) async fn remove_volumes(prune: &Prune, all: bool, client: &Client) -> Result<u64, Failure> {
    let mut filters = filter::parse(&prune.filter)?;
    if all {
        filters.add("all", "true");
    }
    let call = Call::post(["volumes", "prune"]).filters(&filters);
    let VolumesPruneResponse { volumes_deleted, space_reclaimed } = client.json(call).await?;
    tell("Volumes", &volumes_deleted.unwrap_or_default())?;
    Ok(space_reclaimed)
}

/// A line for each name and image that went.
pub(super) fn lines(items: Vec<ImageDeleteItem>) -> Vec<String> {
    let line = |item: ImageDeleteItem| {
        if item.deleted.is_empty() {
            format!("untagged: {}", item.untagged)
        } else {
            format!("deleted: {}", item.deleted)
        }
    };
    items.into_iter().map(line).collect()
}

fn tell(what: &str, names: &[String]) -> Result<(), Failure> {
    if names.is_empty() {
        return Ok(());
    }
    output::line(&format!("Deleted {what}:\n{}\n", names.join("\n")))
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(super) fn tell_total(bytes: u64) -> Result<(), Failure> {
    output::line(&format!("Total reclaimed space: {}", units::decimal(bytes as f64, 4)))
}
