//! `attach`: join a running container.

use api::inspect::ContainerInspect;
use clap::Args;

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::session::{Attachment, Streams};

/// What was typed after `attach`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Attach {
    /// Do not attach STDIN
    #[arg(long)]
    no_stdin: bool,
    /// Pass signals on to the process
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    sig_proxy: bool,
    /// Keys that detach from the container
    #[arg(long, value_name = "KEYS", default_value = "", hide_default_value = true)]
    detach_keys: String,
    /// Name or id of a container
    container: String,
}

impl Attach {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let container: ContainerInspect =
            client.json(Call::get(["containers", &self.container, "json"])).await?;
        let state = &container.state;
        if !state.running {
            let text = "You cannot attach to a stopped container, start it first";
            return Err(Failure::Said(text.to_owned()));
        }
        if state.paused {
            return Err(Failure::Said(
                "You cannot attach to a paused container, unpause it first".to_owned(),
            ));
        }
        if state.restarting {
            let text = "You cannot attach to a restarting container, wait until it is running";
            return Err(Failure::Said(text.to_owned()));
        }
        let streams = Streams {
            stdin: !self.no_stdin && container.config.open_stdin,
            stdout: true,
            stderr: true,
            tty: container.config.tty,
            keys: self.detach_keys,
        };
        streams.check()?;
        let attachment =
            Attachment { client, id: &container.id, streams, passes_signals: self.sig_proxy, condition: "" };
        attachment.stay(false).await
    }
}
