//! All that there is, to be compared with what there is later.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value;

use crate::Machine;

/// Paths that tell all the engine knows.
const LISTS: [&str; 4] = ["/networks", "/containers/json?all=1", "/images/json?all=1", "/volumes"];
/// What the kernel and the disk have, in lines whose order means nothing. What the kernel does by itself is left
/// out: whether a link has a carrier, link-local IPv6. Logs and databases grow: their names are there, their sizes not.
const COMMANDS: [(&str, &str); 6] = [
    ("links", "ip -o link | sed -E 's/qlen [0-9]*//; s/NO-CARRIER,//; s/,LOWER_UP//; s/ state [A-Z]+//'"),
    ("addresses", "ip -o addr | sed 's/valid_lft.*//' | grep -v fe80:"),
    ("routes", "ip route show table all | grep -Ev 'fe80:|ff00::/8' | sed 's/ linkdown//'"),
    ("rules", "nft list ruleset"),
    ("sockets", "ss -Hltun | awk '{print $1, $5}'"),
    ("files", "find data exec -not -name '*.tmp'"),
];

/// Lines by what they are about.
pub type Everything = BTreeMap<String, Vec<String>>;

impl Machine {
    /// What the engine, the kernel and the disk say there is.
    ///
    /// # Errors
    /// If one of them does not answer.
    pub fn everything(&self) -> Result<Everything> {
        let mut all = Everything::new();
        for path in LISTS {
            let listed = self.call("GET", path, "")?.ok()?;
            let listed = if path == "/volumes" { listed["Volumes"].clone() } else { listed };
            all.insert(path.to_owned(), lines(&listed));
        }
        for listed in self.call("GET", LISTS[1], "")?.ok()?.as_array().into_iter().flatten() {
            let id = listed["Id"].as_str().unwrap_or_default();
            all.insert(format!("container {id}"), vec![format!("{:#}", self.inspect(id)?)]);
        }
        for (what, command) in COMMANDS {
            let text = self.sh(&format!("cd \"$HOME\"; {command}")).ok()?;
            let mut lines: Vec<_> = text.lines().map(|line| line.trim_end().to_owned()).collect();
            lines.sort();
            all.insert(what.to_owned(), lines);
        }
        let left = self.leftovers();
        all.insert("mounts".to_owned(), left.mounts);
        all.insert("groups".to_owned(), left.cgroups);
        all.insert("processes".to_owned(), left.processes);
        Ok(all)
    }
}

/// A line for each element, without what changes by itself.
fn lines(list: &Value) -> Vec<String> {
    let line = |element: &Value| {
        let mut element = element.clone();
        // `Up 3 seconds`
        element.as_object_mut().map(|fields| fields.remove("Status"));
        element.to_string()
    };
    let mut lines: Vec<_> = list.as_array().into_iter().flatten().map(line).collect();
    lines.sort();
    lines
}

/// What one has and the other does not: lines that went with `-`, lines that came with `+`.
pub fn difference(before: &Everything, after: &Everything) -> Vec<String> {
    let flat = |all: &Everything| -> Vec<String> {
        let tell = |(what, lines): (&String, &Vec<String>)| -> Vec<String> {
            lines.iter().map(|line| format!("{what}: {line}")).collect()
        };
        all.iter().flat_map(tell).collect()
    };
    let (before, after) = (flat(before), flat(after));
    let gone = before.iter().filter(|line| !after.contains(line)).map(|line| format!("-{line}"));
    let come = after.iter().filter(|line| !before.contains(line)).map(|line| format!("+{line}"));
    gone.chain(come).collect()
}
