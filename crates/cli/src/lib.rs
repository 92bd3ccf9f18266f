//! The command line, over the API's types and a socket; it knows nothing of the engine.
//!
//! [`main`] reads what was typed (`args`, one file for each command below `command`), turns it into what is meant
//! (`create`, `syntax`), asks the engine ([`client`]), and prints what it says (`table`, `template`, `session`).

mod args;
pub mod client;
mod command;
mod context;
mod create;
mod credentials;
mod failure;
mod output;
mod pages;
mod session;
mod signals;
mod stdio;
mod syntax;
mod table;
mod template;
mod terminal;
mod transfer;
mod units;
mod value;

use std::ffi::OsString;
use std::process::ExitCode;

use args::Chosen;
use client::{Client, ClientError, Host};
use failure::Failure;

/// Runs the command line; `args` begin with the program's name.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let typed = match args::parse(args) {
        Ok(typed) => typed,
        Err(shown) => {
            drop(shown.print());
            // Docker's code for what cannot be meant.
            return if shown.use_stderr() {
                ExitCode::from(failure::ENGINE_ERROR)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match run(typed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Docker's sentences say themselves that they are errors.
            let prefix = |text: &str| if text.starts_with("Error") { "" } else { "tombolo: " };
            failure.text().iter().for_each(|text| output::warn(&format!("{}{text}", prefix(text))));
            ExitCode::from(failure.code())
        }
    }
}

fn run(typed: args::Typed) -> Result<(), Failure> {
    match typed.command {
        Chosen::Completion { shell } => pages::completion(shell),
        Chosen::Man { out } => pages::manual(&out),
        Chosen::Daemon | Chosen::Demo => {
            Err(Failure::Typed("write daemon and demo before all flags: tombolo daemon …".to_owned()))
        }
        Chosen::Asked(command) => {
            let host = Host::of(typed.host.as_deref()).map_err(ClientError::from)?;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(Failure::file("cannot start"))?;
            let result = runtime.block_on(async { command.run(&Client::new(host)).await });
            runtime.shutdown_background();
            result
        }
    }
}
