//! Reads arbitrary text as a Dockerfile, fills in its variables, and reads it as a `.dockerignore`.
#![no_main]

use dockerfile::{Dockerfile, Expander, Ignore};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(ignore) = Ignore::parse(text) {
        let _excluded = ignore.excludes("some/file.txt");
    }
    let Ok(file) = Dockerfile::parse(text) else { return };
    let variables = |name: &str| (name.len() % 2 == 0).then(|| name.to_owned());
    let expander = Expander::new(file.escape, &variables);
    for step in file.stages.into_iter().flat_map(|stage| stage.steps) {
        drop(step.instruction.expanded(&expander));
    }
});
