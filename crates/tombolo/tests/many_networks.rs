//! Many networks on one host, around the routes of a VPN: what the last costs is what the first did.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use testkit::{Machine, OUTSIDE, Place};

const NETWORKS: usize = 500;
/// What a network may cost the engine in memory, in bytes: a bridge's object, and all that is remembered of it.
const MEMORY: usize = 32 * 1024;
/// What may be open besides, whatever the number of networks.
const DESCRIPTORS: usize = 16;

/// What the engine holds: resident memory in bytes, and open descriptors.
fn held(machine: &Machine) -> Result<(usize, usize)> {
    let pid = machine.engine_pid().context("no engine")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no size")?;
    let kib: usize = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok((kib * 1024, std::fs::read_dir(format!("/proc/{pid}/fd"))?.count()))
}

/// How many operations another network would be.
fn operations(machine: &Machine) -> Result<usize> {
    Ok(machine.tombolo("network create --plan one-more").ok()?.lines().count())
}

#[test]
fn the_last_of_many_networks_costs_what_the_first_did() -> Result<()> {
    let machine = Machine::start(env!("CARGO_BIN_EXE_tombolo"))?;
    machine
        .sh("ip link add vpn type bridge && ip link set vpn up && ip addr add 10.8.0.2/24 dev vpn
             ip route add 0.0.0.0/1 via 10.8.0.1 && ip route add 128.0.0.0/1 via 10.8.0.1
             ip route add 172.20.0.0/16 via 10.8.0.1")
        .ok()?;
    machine.docker("network create first").ok()?;
    let (one, before) = (operations(&machine)?, held(&machine)?);
    let socket = machine.socket().display().to_string();
    let post = format!(
        "curl -sS --fail-with-body --unix-socket {socket} -H 'Content-Type: application/json' -o /dev/null \
         http://engine/networks/create -d"
    );
    machine
        .sh(&format!("set -e; for n in $(seq {NETWORKS}); do {post} '{{\"Name\":\"net'$n'\"}}'; done"))
        .ok()?;
    ensure!(operations(&machine)? == one, "the last takes more operations than the first");
    let after = held(&machine)?;
    ensure!(after.0 < before.0 + NETWORKS * MEMORY, "{} bytes, {} before", after.0, before.0);
    ensure!(after.1 < before.1 + DESCRIPTORS, "{} descriptors, {} before", after.1, before.1);

    let all = machine.call("GET", "/networks", "")?.ok()?;
    let subnets = all
        .as_array()
        .context("networks")?
        .iter()
        .filter_map(|network| network["IPAM"]["Config"][0]["Subnet"].as_str().map(str::to_owned));
    let subnets: BTreeSet<_> = subnets.collect();
    ensure!(subnets.len() == NETWORKS + 2, "{} subnets", subnets.len());
    ensure!(!subnets.iter().any(|subnet| subnet.starts_with("172.20.")), "a subnet of the VPN's");

    let last = format!("net{NETWORKS}");
    machine.docker(&format!("run -d --name web --network {last} -p 8080:80 busybox sleep 1000")).ok()?;
    let server = machine.listen(Place::In("web"), "0.0.0.0:80")?;
    machine.tcp(Place::Outside, &format!("{}:8080", testkit::WIRE), &server)?;
    let outside = machine.listen(Place::Outside, "0.0.0.0:90")?;
    machine.tcp(Place::In("web"), &format!("{OUTSIDE}:90"), &outside)?;
    machine.kill_engine()?;
    machine.start_engine()?;
    machine.tombolo("network check").ok()?;
    machine.tcp(Place::Outside, &format!("{}:8080", testkit::WIRE), &server)?;
    machine.docker("rm -f web").ok()?;
    machine.docker("network prune -f").ok()?;
    let links = machine.sh("ip -o link show type bridge").ok()?;
    ensure!(links.lines().count() == 2, "only vpn and p0 are left: {links}");
    Ok(())
}
