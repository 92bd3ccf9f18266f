//! `system prune`: remove all that is not used, or keep images within a budget.

use api::image::ImagesPruneResponse;
use clap::Args;

use super::prune::{self, Prune, PruneAll};
use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::output;
use crate::syntax::{filter, size};

/// What was typed after `system prune`.
#[derive(Args, Clone, Debug)]
pub(crate) struct SystemPrune {
    /// Also remove anonymous volumes that no container uses
    #[arg(long)]
    volumes: bool,
    /// Instead, remove only images, those named longest ago first, until all take up at most SIZE
    #[arg(long, value_name = "SIZE", conflicts_with_all = ["volumes", "all"])]
    keep: Option<String>,
    /// Only say which images --keep would remove
    #[arg(long, requires = "keep")]
    dry_run: bool,
    #[command(flatten)]
    all: PruneAll,
}

impl SystemPrune {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let Self { volumes, keep, dry_run, all } = self;
        if let Some(keep) = keep {
            return budget(client, &keep, dry_run, &all.prune).await;
        }
        let images = if all.all {
            "all images without at least one container associated to them"
        } else {
            "all dangling images"
        };
        let of_volumes =
            if volumes { "\n  - all anonymous volumes not used by at least one container" } else { "" };
        let warning = format!(
            "This will remove:\n  - all stopped containers\n  - all networks not used by at least one \
             container{of_volumes}\n  - {images}\n"
        );
        if !all.prune.agreed(&warning)? {
            return Ok(());
        }
        let agreed = |prune: &Prune| Prune { force: true, ..prune.clone() };
        let prune = agreed(&all.prune);
        let mut bytes = prune::remove_containers(&prune, client).await?;
        prune::remove_networks(&prune, client).await?;
        if volumes {
            bytes += prune::remove_volumes(&prune, false, client).await?;
        }
        bytes += prune::remove_images(&prune, all.all, client).await?;
        prune::tell_total(bytes)
    }
}

/// Removes images that are beyond a budget, or says which are.
async fn budget(client: &Client, keep: &str, is_dry: bool, prune: &Prune) -> Result<(), Failure> {
    let bytes = size::parse(keep).map_err(|error| Failure::Typed(error.to_string()))?;
    let warning = format!("This will remove images that no container uses until all take up at most {keep}.");
    if !is_dry && !prune.agreed(&warning)? {
        return Ok(());
    }
    let call = Call::post(["images", "prune"])
        .query("keep", &bytes.to_string())
        .switch("dry-run", is_dry)
        .filters(&filter::parse(&prune.filter)?);
    let ImagesPruneResponse { images_deleted, space_reclaimed } = client.json(call).await?;
    let images = images_deleted.unwrap_or_default();
    if !images.is_empty() {
        let verb = if is_dry { "Would delete" } else { "Deleted" };
        output::line(&format!("{verb} Images:\n{}\n", prune::lines(images).join("\n")))?;
    }
    prune::tell_total(space_reclaimed)
}
