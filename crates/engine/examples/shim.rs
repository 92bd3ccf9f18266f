//! The shim alone, as `tombolo shim` runs it: what the engine's tests start.

use std::process::ExitCode;

fn main() -> ExitCode {
    shim::main(std::env::args_os().skip(2))
}
