//! `start`: start stopped containers.

use api::inspect::ContainerInspect;
use clap::Args;

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::output;
use crate::session::{Attachment, Streams};

/// What was typed after `start`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Start {
    /// Attach STDOUT and STDERR, and pass signals on
    #[arg(short, long)]
    attach: bool,
    /// Attach the container's STDIN
    #[arg(short, long)]
    interactive: bool,
    /// Keys that detach from the container
    #[arg(long, value_name = "KEYS", default_value = "", hide_default_value = true)]
    detach_keys: String,
    /// Names or ids of containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Start {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        if !self.attach && !self.interactive {
            return output::each(&self.containers, async |name| {
                client.done(Call::post(["containers", name, "start"])).await?;
                Ok(name.to_owned())
            })
            .await;
        }
        let [name] = self.containers.as_slice() else {
            return Err(Failure::Said("you cannot start and attach multiple containers at once".to_owned()));
        };
        let container: ContainerInspect = client.json(Call::get(["containers", name, "json"])).await?;
        let streams = Streams {
            stdin: self.interactive && container.config.open_stdin,
            stdout: true,
            stderr: true,
            tty: container.config.tty,
            keys: self.detach_keys,
        };
        streams.check()?;
        let condition = if container.host_config.auto_remove { "removed" } else { "next-exit" };
        let attachment = Attachment { client, id: &container.id, streams, passes_signals: true, condition };
        attachment.stay(true).await
    }
}
