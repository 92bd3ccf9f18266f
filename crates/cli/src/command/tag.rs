//! `tag`: a further name for an image.

use clap::Args;

use super::load::split;
use crate::client::{Call, Client};
use crate::failure::Failure;

/// What was typed after `tag`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Tag {
    /// Name or id of an image
    #[arg(value_name = "IMAGE")]
    image: String,
    /// The further name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: String,
}

impl Tag {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let (repository, tag) = split(&self.name);
        let call = Call::post(["images"]).at(self.image.split('/')).at(["tag"]);
        client.done(call.query("repo", repository).query("tag", tag)).await?;
        Ok(())
    }
}
