//! Who may depend on whom.

use std::{collections::BTreeMap, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Each crate with the crates it may name. Nothing else of the workspace.
const MAY_NAME: [(&str, &[&str]); 15] = [
    ("api", &[]),
    ("cnm", &[]),
    ("dockerfile", &[]),
    ("linux", &[]),
    ("runtime", &["linux"]),
    ("image", &["linux"]),
    ("net", &["cnm", "linux"]),
    ("shim", &["linux", "runtime"]),
    ("engine", &["net", "image", "runtime", "linux", "cnm", "dockerfile"]),
    ("daemon", &["api", "engine"]),
    ("cli", &["api", "dockerfile"]),
    ("testkit", &["linux", "api", "image"]),
    ("tombolo", &["cli", "daemon", "linux", "shim", "testkit"]),
    ("benches", &["linux", "testkit"]),
    ("xtask", &[]),
];

/// What tests may name besides.
const TESTS_MAY_NAME: &str = "testkit";

/// Crates of others that only one of ours may name.
const RESERVED: [(&str, &str); 6] = [
    ("libcontainer", "shim"),
    ("libcgroups", "shim"),
    ("netlink-packet-route", "linux"),
    ("netlink-sys", "linux"),
    ("libc", "linux"),
    ("axum", "daemon"),
];

/// What is wrong with the dependencies.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let allowed: BTreeMap<&str, &[&str]> = MAY_NAME.into_iter().collect();
    let mut complaints = Vec::new();
    for package in packages(root)? {
        let name = package["name"].as_str().context("a package has a name")?;
        let Some(may_name) = allowed.get(name) else {
            complaints.push(format!("{name}: not in the table of layers (xtask/src/layers.rs)"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let target = dependency["name"].as_str().context("a dependency has a name")?;
            let is_test = dependency["kind"].as_str() == Some("dev");
            let ours = allowed.contains_key(target);
            if ours && !may_name.contains(&target) && !(is_test && may_be_tested_with(name, target)) {
                complaints.push(format!("{name} may not depend on {target}"));
            }
            let reserved = RESERVED.iter().find(|(theirs, _)| *theirs == target);
            if let Some((_, owner)) = reserved.filter(|(_, owner)| *owner != name && !is_test) {
                complaints.push(format!("{target} is reserved for {owner}; {name} names it"));
            }
        }
    }
    Ok(complaints)
}

/// Tests of the shell around the core may look at everything below them.
fn may_be_tested_with(name: &str, target: &str) -> bool {
    target == TESTS_MAY_NAME || target == name || matches!(name, "engine" | "daemon" | "tombolo" | "net")
}

#[expect(clippy::disallowed_methods, reason = "cargo knows the dependencies; this is no request path")]
fn packages(root: &Path) -> Result<Vec<Value>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .context("cannot start cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    Ok(metadata["packages"].as_array().cloned().unwrap_or_default())
}
