//! Configuration, HTTP on a unix socket, signals: the Engine API in front of the engine.
//!
//! [`main`] is `tombolo daemon`. [`route`] has a file for each family of paths, [`convert`] turns what travels
//! into what the engine thinks in and back, [`http`] is what all routes share.

mod app;
mod convert;
mod facts;
mod http;
mod log;
mod pidfile;
mod route;
mod run;
mod settings;
mod socket;
mod systemd;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use settings::{Flags, Settings};

pub use systemd::Inherit;

/// Runs `tombolo daemon` until a signal ends it. `args` begin with the program's name.
///
/// `inherit` takes over the descriptors of socket activation.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>, inherit: Inherit) -> ExitCode {
    let flags = match Flags::try_parse_from(args) {
        Ok(flags) => flags,
        Err(shown) => {
            drop(shown.print());
            return ExitCode::from(u8::try_from(shown.exit_code()).unwrap_or(2));
        }
    };
    match run(flags, inherit) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "tombolo daemon: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(flags: Flags, inherit: Inherit) -> anyhow::Result<()> {
    let settings = Settings::read(flags.clone())?;
    if flags.validate {
        writeln!(std::io::stdout(), "configuration OK")?;
        return Ok(());
    }
    let log = log::begin(settings.log).context("cannot begin to log")?;
    end_with_a_broken_task();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")?;
    let result = runtime.block_on(run::run(flags, settings, log, inherit));
    runtime.shutdown_background();
    result
}

/// A panic inside a request ends the request. One anywhere else leaves a part of the engine dead while the rest
/// waits for it: then the process ends, its supervisor starts it again, and containers notice nothing.
fn end_with_a_broken_task() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        tracing::error!(%panic, "the engine made a mistake");
        if !http::guard::is_inside_request() {
            std::process::abort();
        }
    }));
}
