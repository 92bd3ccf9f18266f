//! The commands that explain the data path: what they say is compared with packets and with the kernel.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::{Machine, Output, Place, WIRE};

fn machine() -> Result<Machine> {
    let machine = Machine::start(env!("CARGO_BIN_EXE_tombolo"))?;
    machine.docker("network create --ipv6 --subnet 10.9.0.0/24 site").ok()?;
    machine.docker("run -d --name web --network site -p 8080:80 busybox sleep 1000").ok()?;
    Ok(machine)
}

/// The answer to a command that ends with this exit code.
#[track_caller]
fn says(output: Output, code: i32, words: &[&str]) -> Result<Output> {
    let said = format!("{}\n{}", output.stdout, output.stderr);
    ensure!(output.code == code, "exit code {} instead of {code}:\n{said}", output.code);
    for word in words {
        ensure!(said.contains(word), "{word:?} is not in:\n{said}");
    }
    Ok(output)
}

fn document(output: &Output) -> Result<Value> {
    serde_json::from_str(&output.stdout).with_context(|| output.stdout.clone())
}

#[test]
fn a_check_finds_what_differs_and_a_repair_mends_it() -> Result<()> {
    let machine = machine()?;
    says(machine.tombolo("network check"), 0, &["the kernel is as it should be"])?;
    let key =
        machine.inspect("web")?["NetworkSettings"]["SandboxKey"].as_str().unwrap_or_default().to_owned();
    machine.sh(&format!("nsenter --net={key} ip link set eth0 mtu 1400")).ok()?;
    says(machine.tombolo("network check"), 1, &["is otherwise: MTU different at its ends"])?;
    says(machine.tombolo("network check bridge"), 0, &["the kernel is as it should be"])?;
    says(machine.tombolo("network check nobody"), 1, &["network nobody not found"])?;
    let found = document(&says(machine.tombolo("network check --format json site"), 1, &[])?)?;
    ensure!(
        found["Clean"] == false && found["Differences"].as_array().is_some_and(|all| all.len() == 1),
        "{found}"
    );
    says(machine.tombolo("network check --repair"), 0, &["changed: link veth"])?;
    says(machine.tombolo("network check"), 0, &["the kernel is as it should be"])?;
    let mtu = machine.sh(&format!("nsenter --net={key} ip link show eth0")).ok()?;
    ensure!(mtu.contains("mtu 1500"), "{mtu}");
    Ok(())
}

/// A firewall that lets nothing of ours pass, and what it is called in the answer.
fn is_named_and_can_be_told_to_let_pass(firewall: &str, words: &[&str]) -> Result<()> {
    let machine = machine()?;
    let server = machine.listen(Place::In("web"), "0.0.0.0:80")?;
    machine.tcp(Place::Outside, &format!("{WIRE}:8080"), &server)?;
    machine.sh(firewall).ok()?;
    machine.no_tcp(Place::Outside, &format!("{WIRE}:8080"))?;
    says(machine.tombolo("network check"), 1, words)?;
    let found = document(&says(machine.tombolo("network check --format json"), 1, &[])?)?;
    let commands =
        found["Foreign"].as_array().into_iter().flatten().filter_map(|drop| drop["Commands"].as_array());
    for command in commands.flatten().filter_map(Value::as_str) {
        machine.sh(command).ok()?;
    }
    machine.tcp(Place::Outside, &format!("{WIRE}:8080"), &server)?;
    says(machine.tombolo("network check"), 0, &["the kernel is as it should be"])?;
    Ok(())
}

#[test]
fn a_policy_of_others_is_named() -> Result<()> {
    is_named_and_can_be_told_to_let_pass(
        "nft 'add table inet fw; add chain inet fw forward { type filter hook forward priority 10; policy drop; }'",
        &["into network site", "chain forward of table inet fw (hook forward, priority 10)", "by its policy"],
    )
}

#[test]
fn a_rule_of_others_is_named() -> Result<()> {
    is_named_and_can_be_told_to_let_pass(
        "nft 'add table ip fw; add chain ip fw gate { type filter hook forward priority -5; }; add chain ip fw deep;
              add rule ip fw gate iifname wire jump deep; add rule ip fw deep reject'",
        &["into network site", "chain gate of table ip fw (hook forward, priority -5)", "of chain deep"],
    )
}

#[test]
fn what_drops_only_some_packets_is_no_verdict() -> Result<()> {
    let machine = machine()?;
    machine
        .sh("nft 'add table inet fw; add chain inet fw gate { type filter hook forward priority 0; };
                  add rule inet fw gate iifname p9 drop; add rule inet fw gate tcp dport 25 drop'")
        .ok()?;
    let said = says(machine.tombolo("network check"), 0, &["may be dropped", "by its rule with handle 3"])?;
    ensure!(!said.stdout.contains("handle 2"), "no packet of ours comes by p9: {}", said.stdout);
    Ok(())
}

#[test]
fn rules_are_those_of_the_kernel() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create --internal inner").ok()?;
    machine
        .docker("run -d --name many -p 7000-7009:7000-7009 -p 127.0.0.1:99:9/udp busybox sleep 1000")
        .ok()?;
    let table = machine.tombolo("network rules").ok()?;
    ensure!(table.contains("\t# internal networks: nothing is routed into or out of them"), "{table}");
    let check =
        "tombolo_rules | nft -c -f - && ip netns add copy && tombolo_rules | ip netns exec copy nft -f - &&
        nft -s list table inet tombolo > ours && ip netns exec copy nft -s list table inet tombolo > copied &&
        diff ours copied";
    let binary = env!("CARGO_BIN_EXE_tombolo");
    machine.sh(&format!("cd $HOME; tombolo_rules() {{ {binary} network rules; }}; {check}")).ok()?;
    let site = machine.tombolo("network rules site").ok()?;
    ensure!(site.contains("publish4 { tcp . 8080 : 10.9.0.2 . 80 }") && !site.contains("7000"), "{site}");
    let found = document(&machine.tombolo("network rules --format json"))?;
    ensure!(found["Networks"].as_array().is_some_and(|all| all.len() == 3), "{found}");
    Ok(())
}
