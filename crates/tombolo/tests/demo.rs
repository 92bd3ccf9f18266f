//! The demonstration does what it says.

use std::process::Command;

#[test]
fn every_step_succeeds_and_nothing_is_left() {
    #[expect(clippy::disallowed_methods, reason = "the demonstration is a program")]
    let mut demo = Command::new(env!("CARGO_BIN_EXE_tombolo"));
    let output = demo.arg("demo").output().expect("the binary runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("0 cgroups, 0 links, 0 mounts, 0 namespaces, 0 processes, 0 tables"), "{told}");
}
