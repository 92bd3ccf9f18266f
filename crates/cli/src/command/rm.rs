//! `rm`: remove containers.

use clap::Args;

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::output;

/// What was typed after `rm`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Rm {
    /// Kill it first if it runs
    #[arg(short, long)]
    force: bool,
    /// Remove a link and not a container: /web/store
    #[arg(short, long)]
    link: bool,
    /// Remove its anonymous volumes too
    #[arg(short, long)]
    volumes: bool,
    /// Names or ids of containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Rm {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        output::each(&self.containers, async |name| {
            let path = std::iter::once("containers").chain(name.trim_start_matches('/').split('/'));
            let call = Call::delete(path).switch("link", self.link);
            match client.done(call.switch("force", self.force).switch("v", self.volumes)).await {
                // What was to be gone is gone.
                Err(error) if self.force && error.is_not_found() => {
                    output::warn(&error.to_string());
                    Ok(String::new())
                }
                result => result.map(|_| name.to_owned()).map_err(Failure::from),
            }
        })
        .await
    }
}
