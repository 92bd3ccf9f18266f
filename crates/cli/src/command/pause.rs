//! `pause` and `unpause`.

use clap::Args;

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::output;

/// What was typed after `pause` or `unpause`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Pause {
    /// Names or ids of containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Pause {
    pub(crate) async fn run(self, verb: &str, client: &Client) -> Result<(), Failure> {
        output::each(&self.containers, async |name| {
            client.done(Call::post(["containers", name, verb])).await?;
            Ok(name.to_owned())
        })
        .await
    }
}
