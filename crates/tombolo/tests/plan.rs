//! `--plan`: nothing changes, and what is shown is what the command then does.

use anyhow::{Result, ensure};
use testkit::Machine;

/// All that a plan could have touched; carriers and link-local addresses settle by themselves.
fn everything(machine: &Machine) -> Result<String> {
    let script = "ip -o link | sed 's/<[^>]*>//; s/state [A-Z]*//' | sort; ip -o addr | sed 's/valid_lft.*//' | grep -v fe80:; ip route | sed 's/ linkdown//'; nft -s list ruleset;
        docker network ls --no-trunc | sort; docker ps -a --no-trunc -q; ls \"$(dirname \"${DOCKER_HOST#unix://}\")\"/exec/netns";
    machine.sh(script).ok()
}

/// Ids, and MACs that are made of them, are drawn anew by every request.
fn without_ids(text: &str) -> String {
    let mut output = String::new();
    let mut digits = String::new();
    for letter in text.chars().chain(['\n']) {
        if letter.is_ascii_digit() || ('a'..='f').contains(&letter) || (letter == ':' && digits.len() >= 2) {
            digits.push(letter);
            continue;
        }
        let is_mac = digits.len() == 17 && digits.chars().filter(|digit| *digit == ':').count() == 5;
        let is_id = digits.len() >= 10 && !digits.contains(':');
        output.push_str(if is_mac || is_id { "ID" } else { &digits });
        digits.clear();
        output.push(letter);
    }
    output
}

/// What the engine has asked of the kernel since its log was so long.
fn asked(machine: &Machine, since: usize) -> String {
    let log = machine.engine_log();
    let lines = log[since..].lines().filter(|line| line.contains("the kernel is asked"));
    lines.filter_map(|line| Some(format!("{}\n", line.split_once("operation=")?.1))).collect()
}

#[test]
fn a_plan_changes_nothing_and_is_what_happens() -> Result<()> {
    let machine = Machine::start_with(env!("CARGO_BIN_EXE_tombolo"), &["--log-level", "debug"])?;
    let commands = [
        ("network create", "--subnet 10.9.0.0/24 site"),
        ("run", "-d --name web --network site -p 8080:80 -p 7000-7009:7000-7009 busybox sleep 1000"),
        ("run", "-d -p 8081:80 busybox sleep 1000"),
        ("network connect", "bridge web"),
        ("update", "--publish-add 8088:88 --publish-rm 7003-7005 web"),
        ("network disconnect", "bridge web"),
        ("network disconnect", "site web"),
        ("network rm", "site"),
    ];
    for (verb, words) in commands {
        let before = everything(&machine)?;
        let planned = machine.tombolo(&format!("{verb} --plan {words}")).ok()? + "\n";
        let after = everything(&machine)?;
        ensure!(after == before, "{verb} --plan {words} changed something:\n{before}\n{after}");
        let since = machine.engine_log().len();
        machine.tombolo(&format!("{verb} {words}")).ok()?;
        let done = asked(&machine, since);
        ensure!(
            without_ids(&planned) == without_ids(&done) && !done.is_empty(),
            "{verb} {words}\nplanned:\n{planned}\ndone:\n{done}"
        );
    }
    Ok(())
}

#[test]
fn a_plan_is_refused_as_the_command_would_be() -> Result<()> {
    let machine = Machine::start(env!("CARGO_BIN_EXE_tombolo"))?;
    machine.tombolo("run -d --name web busybox sleep 1000").ok()?;
    for command in [
        "network create --plan bridge",
        "network rm --plan host",
        "network connect --plan bridge nobody",
        "run --plan --network nowhere busybox true",
        "update --plan --publish-rm 81/tcp web",
    ] {
        let planned = machine.tombolo(command);
        let done = machine.tombolo(&command.replace(" --plan", ""));
        let said = planned.stderr.trim_start_matches("Error response from daemon: ");
        ensure!(planned.code != 0 && done.stderr.ends_with(said), "{planned:?}\n{done:?}");
    }
    let document = machine.tombolo("network create --plan=json site").ok()?;
    ensure!(document.contains("\"Operations\": [") && document.contains("ip link add br-"), "{document}");
    Ok(())
}
