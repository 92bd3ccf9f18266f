//! One binary: engine, shim and command line, chosen by its first argument.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next() {
        // First, and with nothing before it: a shim starts in a millisecond, without a runtime.
        Some(word) if word == "shim" => shim::main(args),
        Some(word) if word == "daemon" => {
            daemon::main(std::env::args_os().skip(1), linux::process::inherited)
        }
        Some(_) | None => ExitCode::from(2),
    }
}
