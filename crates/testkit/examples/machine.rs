//! Runs a shell script on a scratch machine with an engine, and shows what is left.
//!
//! `cargo run -p testkit --example machine -- target/debug/tombolo 'docker ps'`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use anyhow::{Context, Result};
use testkit::Machine;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let binary = args.next().context("usage: machine BINARY SCRIPT")?;
    let script = args.next().context("usage: machine BINARY SCRIPT")?;
    let machine = Machine::start(std::path::absolute(binary)?)?;
    let output = machine.sh(&script);
    println!("{}\n{}\nexit code {}", output.stdout, output.stderr, output.code);
    if std::env::var_os("ENGINE_LOG").is_some() {
        println!("{}", machine.engine_log());
    }
    println!("{:#?}", machine.leftovers().counts());
    Ok(())
}
