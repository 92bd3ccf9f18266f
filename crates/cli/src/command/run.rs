//! `run`: create, start, and stay.

use clap::Args;

use super::plan::PlanOnly;
use crate::client::{Call, Client};
use crate::create::{self, CreateFlags};
use crate::failure::{ENGINE_ERROR, Failure};
use crate::output;
use crate::session::{Attachment, Streams};

/// What was typed after `run`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Run {
    /// Run in the background and print the container's id
    #[arg(short, long)]
    detach: bool,
    /// Pass signals on to the process
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    sig_proxy: bool,
    /// Keys that detach from the container, such as ctrl-p,ctrl-q
    #[arg(long, value_name = "KEYS", default_value = "", hide_default_value = true)]
    detach_keys: String,
    #[command(flatten)]
    plan: PlanOnly,
    #[command(flatten)]
    flags: CreateFlags,
}

impl Run {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        self.all(client).await.map_err(with_code)
    }

    async fn all(self, client: &Client) -> Result<(), Failure> {
        if self.detach && !self.flags.process.attach.is_empty() {
            return Err(Failure::Typed(
                "conflicting options: cannot specify both --attach and --detach".to_owned(),
            ));
        }
        let plan = self.plan;
        let wanted = create::wanted(self.flags, self.detach)?;
        if plan.is_wanted() {
            return plan.print(client, create::plan(&wanted)).await;
        }
        let config = &wanted.request.config;
        let streams = Streams {
            stdin: config.attach_stdin,
            stdout: config.attach_stdout,
            stderr: config.attach_stderr,
            tty: config.tty,
            keys: self.detach_keys,
        };
        streams.check()?;
        let is_removed = wanted.request.host_config.as_ref().is_some_and(|host| host.auto_remove);
        let id = create::create(client, &wanted).await?;
        if self.detach {
            client.done(Call::post(["containers", &id, "start"])).await?;
            return output::line(&id);
        }
        let condition = if is_removed { "removed" } else { "next-exit" };
        let attachment = Attachment { client, id: &id, streams, passes_signals: self.sig_proxy, condition };
        attachment.stay(true).await
    }
}

/// Docker's exit codes for programs that cannot be run: 127 if there is none, 126 if it is none, else 125.
pub(crate) fn with_code(failure: Failure) -> Failure {
    let Some(text) = failure.text() else { return failure };
    let says = |words: &[&str]| words.iter().any(|words| text.contains(words));
    let is_engines = matches!(failure, Failure::Client(_));
    let code = if is_engines
        && says(&["executable file not found", "no such file or directory", "No such file or directory"])
    {
        127
    } else if is_engines
        && says(&["permission denied", "Permission denied", "is a directory", "Is a directory"])
    {
        126
    } else {
        ENGINE_ERROR
    };
    failure.with_code(code)
}
