//! `rename`: give a container another name.

use clap::Args;

use crate::client::{Call, Client};
use crate::failure::Failure;

/// What was typed after `rename`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Rename {
    /// Name or id of a container
    container: String,
    /// Its new name
    new_name: String,
}

impl Rename {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let call = Call::post(["containers", &self.container, "rename"]).query("name", &self.new_name);
        client.done(call).await?;
        Ok(())
    }
}
