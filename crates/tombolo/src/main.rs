//! One binary: engine, shim and command line, chosen by its first argument.

mod demo;

use std::{ffi::OsStr, io, io::Write, process::ExitCode};

fn main() -> ExitCode {
    let args = || std::env::args_os().skip(1);
    match args().next().as_deref().and_then(OsStr::to_str) {
        // First, and with nothing before it: a shim starts in a millisecond, without a runtime.
        Some("shim") => shim::main(args().skip(1)),
        Some("daemon") => daemon::main(args(), linux::process::inherited),
        Some("demo") => tell(demo::run()),
        Some(_) | None => cli::main(std::env::args_os()),
    }
}

fn tell(outcome: anyhow::Result<()>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    drop(writeln!(io::stderr(), "tombolo: {error:#}"));
    ExitCode::FAILURE
}
