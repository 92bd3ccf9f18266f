//! `exec`: a further process in a running container.

use api::exec::{ExecCreateRequest, ExecInspect, ExecStartRequest, IdResponse};
use clap::Args;

use super::run::with_code;
use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::session::{self, End, Streams};
use crate::syntax::pairs;
use crate::terminal;

/// What was typed after `exec`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Exec {
    /// Run in the background
    #[arg(short, long)]
    detach: bool,
    /// Keep STDIN open even if not attached
    #[arg(short, long)]
    interactive: bool,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    tty: bool,
    /// Set environment variables
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    env_file: Vec<String>,
    /// Working directory inside the container
    #[arg(short, long, value_name = "DIR", default_value = "", hide_default_value = true)]
    workdir: String,
    /// User: name or uid, with an optional group
    #[arg(short, long, value_name = "USER[:GROUP]", default_value = "", hide_default_value = true)]
    user: String,
    /// Give extended privileges to the process
    #[arg(long)]
    privileged: bool,
    /// Keys that detach from the process
    #[arg(long, value_name = "KEYS", default_value = "", hide_default_value = true)]
    detach_keys: String,
    /// CONTAINER COMMAND [ARG...]
    #[arg(required = true, num_args = 1.., trailing_var_arg = true, value_name = "CONTAINER COMMAND [ARG...]")]
    words: Vec<String>,
}

impl Exec {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let streams = Streams {
            stdin: self.interactive && !self.detach,
            stdout: !self.detach,
            stderr: !self.detach,
            tty: self.tty,
            keys: self.detach_keys.clone(),
        };
        streams.check()?;
        let is_detached = self.detach;
        let (container, request) = self.request(&streams)?;
        let call = Call::post(["containers", &container, "exec"]).json(&request);
        let IdResponse { id } = client.json(call).await?;
        let start =
            ExecStartRequest { detach: is_detached, tty: streams.tty, console_size: request.console_size };
        let call = Call::post(["exec", &id, "start"]).json(&start);
        if is_detached {
            client.done(call).await?;
            return Ok(());
        }
        let code_of = |failure: Failure| match with_code(failure) {
            failure if failure.code() == crate::failure::ENGINE_ERROR => failure.with_code(1),
            failure => failure,
        };
        let attached = client.hijack(call).await.map_err(|error| code_of(error.into()))?;
        let resize = async || {
            if let Some((columns, rows)) = terminal::size().filter(|_| streams.tty) {
                let call = Call::post(["exec", &id, "resize"]).query("w", &columns.to_string());
                drop(client.done(call.query("h", &rows.to_string())).await);
            }
        };
        resize().await;
        if session::carry(attached, &streams, resize).await? == End::Detached {
            return Ok(());
        }
        let exec: ExecInspect = client.json(Call::get(["exec", &id, "json"])).await?;
        session::code(exec.exit_code.unwrap_or_default())
    }

    /// The container, and what runs in it.
    fn request(self, streams: &Streams) -> Result<(String, ExecCreateRequest), Failure> {
        let mut words = self.words.into_iter();
        let container = words.next().unwrap_or_default();
        let command: Vec<String> = words.collect();
        if command.is_empty() {
            return Err(Failure::Said(
                "a command is needed: tombolo exec CONTAINER COMMAND [ARG...], such as: tombolo exec -it web sh"
                    .to_owned(),
            ));
        }
        let console_size = terminal::size().filter(|_| streams.tty);
        let request = ExecCreateRequest {
            user: self.user,
            privileged: self.privileged,
            tty: self.tty,
            console_size: console_size.map(|(columns, rows)| [rows.into(), columns.into()]),
            attach_stdin: streams.stdin,
            attach_stderr: streams.stderr,
            attach_stdout: streams.stdout,
            detach_keys: self.detach_keys,
            env: Some(pairs::environment(&self.env, &self.env_file)?).filter(|pairs| !pairs.is_empty()),
            working_dir: self.workdir,
            cmd: Some(command),
        };
        Ok((container, request))
    }
}
