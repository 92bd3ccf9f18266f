//! docs/compatibility.md says of every path of Docker's API what the engine answers: it is asked all of them.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, ensure};
use testkit::Machine;

/// Stands for `{id}` and `{name}`. A path that is served says itself that nobody has the name.
const NOBODY: &str = "nobody-has-this-name";
/// What the engine answers where it knows no path.
const NO_PATH: &str = "page not found";

/// The rows of the tables: method and path, then the answer.
fn rows(text: &str) -> BTreeMap<&str, &str> {
    let row = |line| -> Option<(&str, &str)> {
        let (path, rest) = str::strip_prefix(line, "| `")?.split_once("` | ")?;
        path.contains(" /").then_some((path, rest.split(" |").next()?))
    };
    text.lines().filter_map(row).collect()
}

/// A request to each path, answered by a line: method and path, status, message.
fn script(rows: &BTreeMap<&str, &str>) -> String {
    let ask = |path: &&str| {
        let (method, url) = path.split_once(' ').unwrap_or_default();
        let url = url.replace("{id}", NOBODY).replace("{name}", NOBODY);
        // Events would go on for ever.
        let url = if url == "/events" { "/events?until=1" } else { &url };
        let method = match method {
            "HEAD" => "--head".to_owned(),
            "GET" => String::new(),
            other => format!("--request {other} --header Content-Type:application/json --data {{}}"),
        };
        format!(
            "printf '%s\\n' \"{path}\t$(curl --silent --max-time 10 --unix-socket \"${{DOCKER_HOST#unix://}}\" --output body \
             --write-out '%{{http_code}}' {method} 'http://engine{url}')\t$(tr '\\n\\t' '  ' < body)\"; : > body\n"
        )
    };
    format!("cd \"$HOME\"\n{}", rows.keys().map(ask).collect::<String>())
}

#[test]
fn every_path_answers_as_documented() -> Result<()> {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md");
    let text = fs::read_to_string(document).context("no document")?;
    let rows = rows(&text);
    ensure!(rows.len() > 100, "only {} rows were found", rows.len());
    let machine = Machine::start(env!("CARGO_BIN_EXE_tombolo"))?;
    let answers = machine.sh(&script(&rows)).ok()?;
    let mut wrong = Vec::new();
    for line in answers.lines() {
        let [path, status, message] = line.splitn(3, '\t').collect::<Vec<_>>()[..] else { continue };
        let documented = rows.get(path).context("an answer to no question")?;
        let answered = match status {
            "501" | "503" => status,
            "404" if message.contains(NO_PATH) => "404",
            "000" => "nothing",
            _ => "served",
        };
        if answered != *documented {
            wrong.push(format!("{path}: {documented} in the document, {status} {message}"));
        }
    }
    ensure!(answers.lines().count() == rows.len(), "not all paths were asked:\n{answers}");
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn every_route_is_documented() -> Result<()> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(crates.join("../docs/compatibility.md")).context("no document")?;
    let routes = fs::read_dir(crates.join("daemon/src/route")).context("no routes")?;
    for file in routes {
        let path = file?.path();
        if path.is_dir() || path.ends_with("tests.rs") {
            continue;
        }
        let source = fs::read_to_string(&path)?;
        // A wildcard stands for several paths, which are asked above.
        let paths = source.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next());
        for route in paths.filter(|route| !route.contains("{*")) {
            ensure!(text.contains(&format!(" {route}`")), "{} is not documented", route);
        }
    }
    Ok(())
}
