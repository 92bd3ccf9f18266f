//! `top`: the processes of a container.

use api::container::ContainerTopResponse;
use clap::Args;

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::{output, table};

/// The least width of a column (docker/cli `container.runTop`).
const LEAST: usize = 20;

/// What was typed after `top`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Top {
    /// CONTAINER [ps OPTIONS]
    #[arg(required = true, num_args = 1.., trailing_var_arg = true, value_name = "CONTAINER [OPTION...]")]
    words: Vec<String>,
}

impl Top {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let (container, options) = self.words.split_first().expect("clap asks for one");
        let call = Call::get(["containers", container, "top"]).query("ps_args", &options.join(" "));
        let ContainerTopResponse { processes, titles } = client.json(call).await?;
        let rows = std::iter::once(titles.unwrap_or_default()).chain(processes.unwrap_or_default());
        let lines: Vec<String> = rows.map(|cells| cells.join("\t")).collect();
        output::print(&table::tabulate(&lines.join("\n"), LEAST))
    }
}
