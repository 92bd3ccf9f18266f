//! `kill`: send a signal.

use clap::Args;

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::output;

/// What was typed after `kill`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Kill {
    /// Signal to send
    #[arg(short, long, value_name = "SIGNAL", default_value = "KILL")]
    signal: String,
    /// Names or ids of containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Kill {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        output::each(&self.containers, async |name| {
            client.done(Call::post(["containers", name, "kill"]).query("signal", &self.signal)).await?;
            Ok(name.to_owned())
        })
        .await
    }
}
