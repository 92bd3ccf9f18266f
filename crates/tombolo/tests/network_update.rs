//! Networks that change while containers are on them.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

use anyhow::{Context, Result, ensure};
use testkit::{Machine, Place, until};

fn machine() -> Result<Machine> {
    Machine::start(env!("CARGO_BIN_EXE_tombolo"))
}

/// Changes a network and looks whether everybody agrees afterwards.
fn update(machine: &Machine, words: &str) -> Result<()> {
    machine.tombolo(&format!("network update {words}")).ok()?;
    machine.agree()
}

/// A connection between two containers that stays open.
struct Flow {
    client: TcpStream,
    server: TcpStream,
}

impl Flow {
    fn open(machine: &Machine, from: &str, to: &str, address: &str) -> Result<Self> {
        let listener = machine.at(Place::In(to), || TcpListener::bind("0.0.0.0:9000"))??;
        let target = format!("{address}:9000");
        let client = machine.at(Place::In(from), move || TcpStream::connect(target))??;
        let (server, _) = listener.accept()?;
        Ok(Self { client, server })
    }

    fn lives(&mut self) -> Result<()> {
        let mut heard = vec![0; 4000];
        self.client.write_all(&heard)?;
        self.server.read_exact(&mut heard)?;
        self.server.write_all(&heard)?;
        self.client.read_exact(&mut heard)?;
        Ok(())
    }
}

#[test]
fn a_network_changes_under_running_containers() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create --subnet 10.5.0.0/24 --label old=1 site").ok()?;
    for name in ["one", "two", "three"] {
        machine.docker(&format!("run -d --name {name} --network site -p 80 busybox sleep 1000")).ok()?;
    }
    machine.docker("stop -t 0 three").ok()?;
    let mut flow = Flow::open(&machine, "one", "two", &machine.address("two", "site")?)?;

    let plan = machine.tombolo("network update --plan --mtu 1400 --ipv6 site").ok()?;
    ensure!(plan.contains("mtu 1400") && plan.contains("-6") | plan.contains("fd"), "{plan}");
    ensure!(machine.network("site")?["EnableIPv6"] == false, "a plan changes nothing");

    update(&machine, "--mtu 1400 --ipv6 --subnet fd05::/64 --label-add new=2 --label-rm old site")?;
    let shown = machine.network("site")?;
    ensure!(shown["EnableIPv6"] == true && shown["Labels"] == serde_json::json!({"new": "2"}), "{shown:#}");
    ensure!(shown["Options"]["com.docker.network.driver.mtu"] == "1400", "{shown:#}");
    flow.lives().context("after MTU and IPv6")?;
    let inside = machine.docker("exec one sh -c 'ip addr show eth0; ip -6 route; cat /etc/hosts'").ok()?;
    for part in ["mtu 1400", "inet6 fd05::2/64", "default via fd05::1", "fd05::2\tone"] {
        ensure!(inside.contains(part) || part.contains('\t'), "{part}: {inside}");
    }
    ensure!(inside.lines().any(|line| line.starts_with("fd05::2")), "no line of /etc/hosts: {inside}");
    let answer = machine.docker("exec one nslookup -type=aaaa two 127.0.0.11").stdout;
    ensure!(answer.contains("fd05::4"), "{answer}");
    let server = machine.listen(Place::In("two"), "[::]:80")?;
    machine.tcp(Place::In("one"), "[fd05::4]:80", &server)?;
    drop(server);

    // A container that was stopped meanwhile has an address of the new family, too.
    machine.docker("start three").ok()?;
    let inside = machine.docker("exec three ip addr show eth0").ok()?;
    ensure!(inside.contains("inet6 fd05::3/64") && inside.contains("mtu 1400"), "{inside}");
    machine.agree()?;

    update(&machine, "--icc=false site")?;
    let server = machine.listen(Place::In("two"), "0.0.0.0:81")?;
    let two = machine.address("two", "site")?;
    machine.no_tcp(Place::In("one"), &format!("{two}:81"))?;
    update(&machine, "--icc --opt com.docker.network.bridge.enable_ip_masquerade=false site")?;
    machine.tcp(Place::In("one"), &format!("{two}:81"), &server)?;
    drop(server);
    flow.lives().context("after ICC")?;

    let events = "events --since 10m --until 0s --filter event=update --filter type=network";
    let told = || machine.docker(events).ok().ok().filter(|lines| lines.lines().count() == 3);
    until("an event for each update", told)?;

    machine.kill_engine()?;
    machine.start_engine()?;
    machine.agree()?;
    update(&machine, "--ipv6=false --opt-rm com.docker.network.driver.mtu site")?;
    let inside = machine.docker("exec one sh -c 'ip addr show eth0; cat /etc/hosts'").ok()?;
    ensure!(inside.contains("mtu 1500") && !inside.contains("fd05::"), "{inside}");
    flow.lives().context("after all")?;
    Ok(())
}

#[test]
fn what_cannot_change_is_refused() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create --subnet 10.5.0.0/24 site").ok()?;
    machine.docker("run -d --name web --network site --ip 10.5.0.9 busybox sleep 1000").ok()?;
    let before = machine.network("site")?;
    for (words, text) in [
        ("--opt com.docker.network.bridge.name=lan0 site", "interfaces keep their names"),
        ("--ipv4 --subnet 10.6.0.0/24 site", "it has IPv4 already"),
        ("--subnet 10.6.0.0/24 site", "the subnets of a network stay"),
        ("--ipv4=false site", "IPv4 or IPv6 must be enabled"),
        ("--ipv4=false --ipv6 site", "endpoint web has been given 10.5.0.9 by name"),
        ("--opt colour=blue site", "unknown option \"colour\""),
        ("--mtu 1400 bridge", "predefined"),
        ("--mtu 1400 nothing", "network nothing not found"),
    ] {
        for plan in ["--plan", ""] {
            let refused = machine.tombolo(&format!("network update {plan} {words}"));
            ensure!(refused.code != 0 && refused.stderr.contains(text), "{refused:?}");
        }
    }
    ensure!(machine.network("site")? == before);
    machine.agree()
}
