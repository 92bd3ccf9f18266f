//! `rmi`: remove names of images, and images without names.

use api::image::ImageDeleteItem;
use clap::Args;

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::output;

/// What was typed after `rmi`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Rmi {
    /// Remove it also if stopped containers use it
    #[arg(short, long)]
    force: bool,
    /// Keep images below that have no name
    #[arg(long)]
    no_prune: bool,
    /// Names or ids of images
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

impl Rmi {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        output::each(&self.images, async |name| {
            let call = Call::delete(["images"]).at(name.split('/'));
            let call = call.switch("force", self.force).switch("noprune", self.no_prune);
            let items: Vec<ImageDeleteItem> = match client.json(call).await {
                Err(error) if self.force && error.is_not_found() => {
                    output::warn(&error.to_string());
                    Vec::new()
                }
                result => result?,
            };
            let line = |item: &ImageDeleteItem| {
                if item.deleted.is_empty() {
                    format!("Untagged: {}", item.untagged)
                } else {
                    format!("Deleted: {}", item.deleted)
                }
            };
            Ok(items.iter().map(line).collect::<Vec<_>>().join("\n"))
        })
        .await
    }
}
