//! One binary: engine, shim and command line, chosen by its first argument.

fn main() {}
