//! The README's program is the example, and the example runs.

#[path = "../../examples/two_sandboxes.rs"]
mod two_sandboxes;

#[test]
fn the_readme_shows_the_example() {
    let readme = include_str!("../../README.md");
    let example = include_str!("../../examples/two_sandboxes.rs");
    assert!(readme.contains(example), "copy examples/two_sandboxes.rs into README.md");
}

#[test]
fn the_example_runs() {
    two_sandboxes::main().expect("two sandboxes");
}
