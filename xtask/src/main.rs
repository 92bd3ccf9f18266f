//! Rules about the code, as tests; and what a release needs.

fn main() {}
