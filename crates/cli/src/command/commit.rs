//! `commit`: an image of a container.

use api::container::ContainerConfig;
use api::exec::IdResponse;
use clap::Args;

use super::load::split;
use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::output;

/// What was typed after `commit`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Commit {
    /// Who made it
    #[arg(short, long, value_name = "AUTHOR", default_value = "", hide_default_value = true)]
    author: String,
    /// Apply an instruction, such as 'CMD ["sh"]'
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// Set a message
    #[arg(short, long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    message: String,
    /// Do not freeze the container meanwhile
    #[arg(long)]
    no_pause: bool,
    /// Freeze the container meanwhile
    #[arg(short, long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", hide = true)]
    pause: Option<bool>,
    /// Name or id of a container
    container: String,
    /// A name for the image
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
}

impl Commit {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let name = self.name.unwrap_or_default();
        let (repository, tag) = split(&name);
        let pauses = self.pause.unwrap_or(true) && !self.no_pause;
        let mut call = Call::post(["commit"])
            .query("container", &self.container)
            .query("repo", repository)
            .query("tag", tag)
            .query("comment", &self.message)
            .query("author", &self.author)
            .query("pause", if pauses { "1" } else { "0" });
        for change in &self.change {
            call = call.query("changes", change);
        }
        let IdResponse { id } = client.json(call.json(&None::<ContainerConfig>)).await?;
        output::line(&id)
    }
}
