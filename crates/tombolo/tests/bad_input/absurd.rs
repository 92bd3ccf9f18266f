//! Names nobody would give.

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::Machine;

use crate::{furnished, unharmed};

/// Names, each absurd in its own way.
fn names() -> Vec<String> {
    let mut names = vec!["x".repeat(1000), "é".repeat(500), format!("a{}", "/..".repeat(300))];
    let texts = [
        "..",
        ".",
        "-",
        "._",
        " ",
        "a b",
        "a\nb",
        "a\u{0}b",
        "\u{1b}[31mred",
        "\t",
        "ünïcode",
        "名前",
        "🦀",
        "\u{202e}rtl",
        "a/../../b",
        "/",
        "//",
        "..%2f..",
        "%00",
        "a:b:c",
        "a@b",
        "@sha256:",
        "sha256:x",
        "$(id)",
        "`id`",
        "a;b",
        "'",
        "\"",
        "\\",
        "--help",
        "{{.ID}}",
        "a\r\nX: y",
        "\u{feff}",
        "ｆｕｌｌ",
    ];
    names.extend(texts.map(str::to_owned));
    names
}

/// A text as a part of a query, every byte of it escaped.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Asks with every name, and tells which are neither refused clearly nor, where `may` says so, taken and removed.
fn each(
    machine: &Machine,
    may: bool,
    ask: impl Fn(&str) -> (String, String),
    remove: impl Fn(&str, &str) -> String,
) -> Result<()> {
    let mut others = Vec::new();
    for name in names() {
        let (path, body) = ask(&name);
        let answer = machine.call("POST", &path, &body)?;
        match answer.status {
            400 if !answer.message().is_empty() => {}
            201 if may => {
                let id = answer.body["Id"].as_str().unwrap_or_default();
                let removed = machine.call("DELETE", &remove(&name, id), "")?;
                if removed.status >= 300 {
                    others.push(format!("{name:?} stays: {removed:?}"));
                }
            }
            _ => others.push(format!("{name:?}: {answer:?}")),
        }
    }
    ensure!(others.is_empty(), "{}", others.join("\n"));
    Ok(())
}

#[test]
fn absurd_names_are_refused() -> Result<()> {
    let (machine, before) = furnished()?;
    let nothing = |_: &str, _: &str| String::new();
    let image = r#"{"Image":"busybox"}"#;
    each(
        &machine,
        false,
        |name| (format!("/containers/create?name={}", escaped(name)), image.to_owned()),
        nothing,
    )?;
    each(
        &machine,
        false,
        |name| (format!("/containers/idle/rename?name={}", escaped(name)), String::new()),
        nothing,
    )?;
    each(
        &machine,
        false,
        |name| (format!("/images/busybox/tag?repo={}", escaped(name)), String::new()),
        nothing,
    )?;
    each(
        &machine,
        false,
        |name| (format!("/images/busybox/tag?repo=fine&tag={}", escaped(name)), String::new()),
        nothing,
    )?;
    each(
        &machine,
        false,
        |name| ("/volumes/create".to_owned(), json!({ "Name": name }).to_string()),
        nothing,
    )?;
    // Docker takes most texts for a network's name.
    each(
        &machine,
        true,
        |name| ("/networks/create".to_owned(), json!({ "Name": name }).to_string()),
        |_, id| format!("/networks/{id}"),
    )?;
    unharmed(&machine, &before)
}
