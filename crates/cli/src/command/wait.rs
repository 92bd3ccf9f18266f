//! `wait`: wait for the end and print the exit code.

use api::container::ContainerWaitResponse;
use clap::Args;

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::output;

/// What was typed after `wait`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Wait {
    /// Names or ids of containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Wait {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        output::each(&self.containers, async |name| {
            let exit: ContainerWaitResponse = client.json(Call::post(["containers", name, "wait"])).await?;
            match exit.error.filter(|error| !error.message.is_empty()) {
                Some(error) => Err(Failure::Said(error.message)),
                None => Ok(exit.status_code.to_string()),
            }
        })
        .await
    }
}
