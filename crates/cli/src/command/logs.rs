//! `logs`: what a container wrote.

use api::inspect::ContainerInspect;
use api::stream::Decoder;
use clap::Args;

use crate::client::{self, Call, Client};
use crate::failure::Failure;
use crate::stdio::Output;
use crate::syntax::time;

/// What was typed after `logs`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Logs {
    /// Wait for more
    #[arg(short, long)]
    follow: bool,
    /// Show logs since a time, such as 2026-01-02T13:23:37Z or 42m
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Show logs before a time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Show times
    #[arg(short, long)]
    timestamps: bool,
    /// Lines to show from the end
    #[arg(short = 'n', long, value_name = "NUMBER", default_value = "all")]
    tail: String,
    /// Show details given to the logging driver
    #[arg(long)]
    details: bool,
    /// Name or id of a container
    container: String,
}

impl Logs {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let container: ContainerInspect =
            client.json(Call::get(["containers", &self.container, "json"])).await?;
        let call = Call::get(["containers", &container.id, "logs"])
            .switch("stdout", true)
            .switch("stderr", true)
            .switch("follow", self.follow)
            .switch("timestamps", self.timestamps)
            .switch("details", self.details)
            .query("tail", &self.tail)
            .query("since", &time::optional(self.since.as_deref())?)
            .query("until", &time::optional(self.until.as_deref())?);
        let mut answer = client.send(call).await?;
        let mut decoder = (!container.config.tty).then(Decoder::default);
        let output = Output::new();
        while let Some(mut input) = answer.piece().await? {
            while !input.is_empty() {
                let Some((stream, piece)) = client::take(decoder.as_mut(), &mut input)? else { break };
                if !output.write(stream, piece).await {
                    return output.finish().await;
                }
            }
        }
        output.finish().await
    }
}
