//! `diff`: what a container has changed in its files.

use api::container::FilesystemChange;
use clap::Args;

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::output;

/// What was typed after `diff`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Diff {
    /// Name or id of a container
    container: String,
}

impl Diff {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let call = Call::get(["containers", &self.container, "changes"]);
        let changes: Option<Vec<FilesystemChange>> = client.json(call).await?;
        for FilesystemChange { kind, path } in changes.unwrap_or_default() {
            let letter = match kind {
                0 => 'C',
                1 => 'A',
                _ => 'D',
            };
            output::line(&format!("{letter} {path}"))?;
        }
        Ok(())
    }
}
