//! `stop` and `restart`.

use clap::Args;

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::output;

/// What was typed after `stop` or `restart`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Stop {
    /// Signal to send first
    #[arg(short, long, value_name = "SIGNAL", default_value = "", hide_default_value = true)]
    signal: String,
    /// Seconds to wait before killing the container; -1 waits for ever
    #[arg(short, long, visible_alias = "time", value_name = "SECONDS", allow_hyphen_values = true)]
    timeout: Option<i64>,
    /// Names or ids of containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Stop {
    /// Stops, or does what else the API knows by this `verb`.
    pub(crate) async fn run(self, verb: &str, client: &Client) -> Result<(), Failure> {
        let timeout = self.timeout.map(|seconds| seconds.to_string()).unwrap_or_default();
        output::each(&self.containers, async |name| {
            let call = Call::post(["containers", name, verb]).query("t", &timeout);
            client.done(call.query("signal", &self.signal)).await?;
            Ok(name.to_owned())
        })
        .await
    }
}
