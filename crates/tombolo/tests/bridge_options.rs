//! Options of bridge networks and endpoints, and where their addresses are, with packets.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::{Machine, OUTSIDE, Place, WIRE, until};

fn machine_with(flags: &[&str]) -> Result<Machine> {
    Machine::start_with(env!("CARGO_BIN_EXE_tombolo"), flags)
}

fn machine() -> Result<Machine> {
    machine_with(&[])
}

#[test]
fn subnets_of_links_of_the_host_are_refused() -> Result<()> {
    let machine = machine()?;
    machine
        .sh("ip link add vpn type bridge && ip link set vpn up && ip addr add 10.77.0.1/24 dev vpn
             ip route add 10.78.0.0/16 dev vpn && ip route add 10.79.0.0/16 via 198.51.100.2
             ip route add 0.0.0.0/1 dev vpn && ip route add 128.0.0.0/1 dev vpn
             ip -6 addr add fd77::1/64 dev vpn nodad")
        .ok()?;
    let text = "invalid pool request: Pool overlaps with other one on this address space";
    for subnet in ["10.77.0.0/25", "10.78.3.0/24", "10.0.0.0/8", "fd77::/64"] {
        let body =
            format!(r#"{{"Name":"net","EnableIPv6":true,"IPAM":{{"Config":[{{"Subnet":"{subnet}"}}]}}}}"#);
        let answer = machine.call("POST", "/networks/create", &body)?;
        ensure!(
            answer.status == 403 && answer.message().starts_with(text),
            "{subnet}: {} {}",
            answer.status,
            answer.body
        );
    }
    // Neither routes behind a gateway nor the halves of a VPN's default route say who is on a link.
    machine.docker("network create --subnet 10.79.1.0/24 behind").ok()?;
    machine.docker("network create --subnet 10.80.1.0/24 half").ok()?;
    machine.docker("network create any").ok()?;
    Ok(())
}

#[test]
fn what_appears_over_a_subnet_is_told_once() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create --subnet 10.77.1.0/24 site").ok()?;
    machine.docker("network create --subnet 10.77.2.0/24 other").ok()?;
    let events = |since: &str| -> Result<Vec<String>> {
        let format =
            "'{{.Actor.Attributes.name}} {{.Actor.Attributes.overlaps}} {{.Actor.Attributes.interface}}'";
        let words = format!("events --since {since} --until 0s --filter event=overlap --format {format}");
        let mut lines: Vec<_> = machine.docker(&words).ok()?.lines().map(str::to_owned).collect();
        lines.sort();
        Ok(lines)
    };
    let come = |count: usize| {
        let all = || events("10m").ok().filter(|lines| lines.len() >= count);
        until("events of overlaps", all)
            .with_context(|| format!("{:?}\n{}", events("10m"), machine.engine_log()))
    };
    machine
        .sh("ip link add vpn type bridge && ip link set vpn up && ip addr add 10.77.1.9/28 dev vpn")
        .ok()?;
    let lines = come(1)?;
    ensure!(lines == ["site 10.77.1.0/28 vpn"], "{lines:?}");
    machine.sh("ip route add 10.77.0.0/16 via 198.51.100.2 && ip route replace 10.77.0.0/16 via 198.51.100.2 metric 0").ok()?;
    let lines = come(3)?;
    ensure!(lines[0] == "other 10.77.0.0/16 wire" && lines[1] == "site 10.77.0.0/16 wire", "{lines:?}");
    // What is elsewhere, and what is ours, is not told.
    machine
        .sh("ip route add 10.88.0.0/16 via 198.51.100.2 && ip route add 0.0.0.0/1 via 198.51.100.2")
        .ok()?;
    machine.docker("network create --subnet 10.99.0.0/24 last").ok()?;
    machine.docker("run -d --name web --network site busybox sleep 1000").ok()?;
    machine.sh("ip addr add 10.99.0.64/26 dev vpn").ok()?;
    let lines = come(4)?;
    ensure!(lines.len() == 4 && lines[0] == "last 10.99.0.64/26 vpn", "{lines:?}");
    let log = machine.engine_log();
    ensure!(log.matches("overlaps a network's subnet").count() == 4, "{log}");
    Ok(())
}

#[test]
fn pools_avoid_what_the_user_says_and_bridges_of_others() -> Result<()> {
    let machine = machine_with(&[
        "--default-address-pool",
        "base=10.60.0.0/16,size=24",
        "--avoid-subnet",
        "10.60.1.0/24",
    ])?;
    machine.sh("ip link add docker0 type bridge && ip addr add 10.60.2.1/24 dev docker0").ok()?;
    machine.docker("network create one").ok()?;
    let subnet = machine.network("one")?["IPAM"]["Config"][0]["Subnet"].clone();
    ensure!(subnet == json!("10.60.3.0/24"), "{subnet}");
    machine.docker("network create --subnet 0.0.0.0/26 small").ok()?;
    let subnet = machine.network("small")?["IPAM"]["Config"][0]["Subnet"].clone();
    ensure!(subnet == json!("10.60.4.0/26"), "{subnet}");
    Ok(())
}

#[test]
fn a_network_may_have_several_subnets() -> Result<()> {
    let machine = machine()?;
    let pools = r#"[{"Subnet":"10.5.0.0/30"},{"Subnet":"10.6.0.0/24"}]"#;
    machine
        .call("POST", "/networks/create", &format!(r#"{{"Name":"two","IPAM":{{"Config":{pools}}}}}"#))?
        .ok()?;
    for name in ["aa", "bb"] {
        machine.docker(&format!("run -d --name {name} --network two busybox sleep 1000")).ok()?;
    }
    // The first subnet has room for one.
    let (first, second) = (machine.address("aa", "two")?, machine.address("bb", "two")?);
    ensure!((first.as_str(), second.as_str()) == ("10.5.0.2", "10.6.0.2"), "{first} {second}");
    let server = machine.listen(Place::In("bb"), "0.0.0.0:80")?;
    machine.tcp(Place::In("aa"), "10.6.0.2:80", &server)?;
    let outside = machine.listen(Place::Outside, "0.0.0.0:80")?;
    for from in ["aa", "bb"] {
        let seen = machine.tcp(Place::In(from), &format!("{OUTSIDE}:80"), &outside)?.to_string();
        ensure!(seen == WIRE, "{seen}");
    }
    let twice = machine.docker("network create --subnet 10.7.0.0/24 --subnet 10.7.0.0/25 bad");
    ensure!(twice.ok().is_err(), "one subnet twice");
    Ok(())
}

#[test]
fn traffic_leaves_with_the_address_that_was_named() -> Result<()> {
    let machine = machine()?;
    machine.sh("ip addr add 198.51.100.9/24 dev wire && ip addr add 2001:db8::9/64 dev wire nodad").ok()?;
    let options = "-o com.docker.network.host_ipv4=198.51.100.9 -o com.docker.network.host_ipv6=2001:db8::9";
    machine.docker(&format!("network create --ipv6 {options} net")).ok()?;
    machine.docker("run -d --name web --network net busybox sleep 1000").ok()?;
    let outside = machine.listen(Place::Outside, "[::]:80")?;
    let seen = machine.tcp(Place::In("web"), &format!("{OUTSIDE}:80"), &outside)?;
    ensure!(seen.to_string() == "198.51.100.9", "{seen}");
    let seen = machine.tcp(Place::In("web"), "[2001:db8::2]:80", &outside)?;
    ensure!(seen.to_string() == "2001:db8::9", "{seen}");
    Ok(())
}

#[test]
fn somebody_else_may_have_the_gateways_address() -> Result<()> {
    let machine = machine()?;
    let options = "-o com.docker.network.bridge.inhibit_ipv4=true -o com.docker.network.bridge.name=lab0";
    machine.docker(&format!("network create --subnet 10.5.0.0/24 {options} lab")).ok()?;
    let shown = machine.sh("ip -br addr show dev lab0").ok()?;
    ensure!(!shown.contains("10.5.0.1"), "{shown}");
    machine.docker("run -d --name web --network lab busybox sleep 1000").ok()?;
    machine
        .sh("ip netns add router && ip link add rt type veth peer name rt netns router
             ip link set rt master lab0 up && ip -n router link set rt up && ip -n router link set lo up
             ip -n router addr add 10.5.0.1/24 dev rt && ip -n router addr add 192.0.2.1/32 dev lo")
        .ok()?;
    let answer = machine.docker("exec web ping -c 1 -W 5 192.0.2.1").ok()?;
    ensure!(answer.contains("1 packets received"), "{answer}");
    Ok(())
}

#[test]
fn settings_of_an_endpoint_are_in_its_stack() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create --ipv6 net").ok()?;
    machine.docker("run -d --name web busybox sleep 1000").ok()?;
    let sysctls = "net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.accept_ra=0";
    let options = json!({
        "com.docker.network.endpoint.sysctls": sysctls,
        "com.docker.network.endpoint.ifname": "lan0",
    });
    let body = json!({"Container": "web", "EndpointConfig": {"DriverOpts": options}}).to_string();
    machine.call("POST", "/networks/net/connect", &body)?.ok()?;
    let shown = machine.inspect("web")?["NetworkSettings"]["Networks"]["net"]["DriverOpts"].clone();
    ensure!(shown == options, "{shown}");
    let read = "cat /proc/sys/net/ipv4/conf/lan0/log_martians /proc/sys/net/ipv6/conf/lan0/accept_ra";
    let values = machine.docker(&format!("exec web {read}")).ok()?;
    ensure!(values.split_whitespace().eq(["1", "0"]), "{values}");
    let body = r#"{"Container":"web","EndpointConfig":{"DriverOpts":{"com.docker.network.endpoint.colour":"blue"}}}"#;
    machine.docker("network create other").ok()?;
    let answer = machine.call("POST", "/networks/other/connect", body)?;
    ensure!(
        answer.status == 400 && answer.message().contains("unknown option"),
        "{} {}",
        answer.status,
        answer.body
    );
    Ok(())
}

#[test]
fn the_default_network_follows_the_flags() -> Result<()> {
    let machine = machine_with(&[
        "--bip=10.40.0.1/24",
        "--fixed-cidr=10.40.0.128/25",
        "--default-gateway=10.40.0.254",
        "--ipv6",
        "--bip6=fd40::1/64",
        "--fixed-cidr-v6=fd40::8000/113",
        "--mtu=1400",
        "--default-network-opt=bridge=com.docker.network.driver.mtu=1300",
    ])?;
    machine.docker("run -d --name web busybox sleep 1000").ok()?;
    let shown = machine.inspect("web")?["NetworkSettings"]["Networks"]["bridge"].clone();
    ensure!(shown["IPAddress"] == "10.40.0.128" && shown["Gateway"] == "10.40.0.254", "{shown}");
    ensure!(shown["GlobalIPv6Address"] == "fd40::8000" && shown["IPv6Gateway"] == "fd40::1", "{shown}");
    machine.docker("network create net").ok()?;
    machine.docker("network create -o com.docker.network.driver.mtu=1200 own").ok()?;
    let mtu = |network: &str| {
        Ok::<_, anyhow::Error>(machine.network(network)?["Options"]["com.docker.network.driver.mtu"].clone())
    };
    ensure!(mtu("net")? == "1300" && mtu("own")? == "1200");
    let link = machine.sh("cat /sys/class/net/p0/mtu").ok()?;
    ensure!(link.trim() == "1400", "{link}");
    Ok(())
}

/// Starts the engine again with other flags.
fn again(machine: &mut Machine, flags: &[&str]) -> Result<()> {
    machine.stop_engine()?;
    machine.set_flags(flags);
    machine.start_engine()
}

#[test]
fn changed_settings_count_at_the_next_start() -> Result<()> {
    let mut machine = machine_with(&["--fixed-cidr=10.41.0.0/24"])?;
    let subnet = |machine: &Machine| {
        Ok::<_, anyhow::Error>(machine.network("bridge")?["IPAM"]["Config"][0]["Subnet"].clone())
    };
    let id = machine.network("bridge")?["Id"].clone();
    ensure!(subnet(&machine)? == "10.41.0.0/24");
    again(&mut machine, &["--bip=10.42.0.1/24", "--icc=false"])?;
    ensure!(subnet(&machine)? == "10.42.0.0/24");
    ensure!(machine.network("bridge")?["Id"] == id, "the identity stays");
    machine.docker("run -d --name web busybox sleep 1000").ok()?;
    machine.docker("run -d --name near busybox sleep 1000").ok()?;
    let server = machine.listen(Place::In("web"), "0.0.0.0:80")?;
    machine.no_tcp(Place::In("near"), "10.42.0.2:80")?;
    // Who has an address keeps it; what needs no address changes under the running container.
    again(&mut machine, &["--bip=10.43.0.1/24", "--mtu=1400"])?;
    ensure!(subnet(&machine)? == "10.42.0.0/24");
    let log = machine.engine_log();
    let said =
        "the default network keeps 10.42.0.0/24 and does not become 10.43.0.0/24: addresses of near, web are";
    ensure!(log.contains(said), "{log}");
    machine.tcp(Place::In("near"), "10.42.0.2:80", &server).context("icc is on again")?;
    let mtu = machine.docker("exec web cat /sys/class/net/eth0/mtu").ok()?;
    ensure!(mtu.trim() == "1400", "{mtu}");
    machine.docker("rm -f web near").ok()?;
    again(&mut machine, &[])?;
    ensure!(subnet(&machine)? == "172.17.0.0/24", "{}", subnet(&machine)?);
    Ok(())
}

#[test]
fn five_hundred_networks_fit_on_one_host() -> Result<()> {
    let machine = machine()?;
    let mut subnets = std::collections::BTreeSet::new();
    for n in 0..500 {
        let body = format!(r#"{{"Name":"net{n}"}}"#);
        machine.call("POST", "/networks/create", &body)?.ok().with_context(|| format!("network {n}"))?;
    }
    for network in machine.call("GET", "/networks", "")?.ok()?.as_array().into_iter().flatten() {
        subnets.extend(network["IPAM"]["Config"][0]["Subnet"].as_str().map(str::to_owned));
    }
    ensure!(subnets.len() == 501, "{}", subnets.len());
    machine.docker("run -d --name last --network net499 -p 80:80 busybox sleep 1000").ok()?;
    let server = machine.listen(Place::In("last"), "0.0.0.0:80")?;
    machine.tcp(Place::Outside, &format!("{WIRE}:80"), &server)?;
    Ok(())
}

#[test]
fn forwarding_that_others_switch_off_is_on_again() -> Result<()> {
    let machine = machine()?;
    machine.docker("network create --ipv6 net").ok()?;
    machine.docker("run -d --name web --network net -p 80:80 busybox sleep 1000").ok()?;
    for setting in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"] {
        machine.sh(&format!("echo 0 > /proc/sys/{setting}")).ok()?;
        let is_on =
            || (machine.sh(&format!("cat /proc/sys/{setting}")).ok().ok()?.trim() == "1").then_some(());
        until(setting, is_on)?;
    }
    let server = machine.listen(Place::In("web"), "[::]:80")?;
    machine.tcp(Place::Outside, &format!("{WIRE}:80"), &server)?;
    machine.tcp(Place::Outside, "[2001:db8::1]:80", &server)?;
    Ok(())
}

#[test]
fn a_host_that_learns_its_routes_goes_on_learning_them() -> Result<()> {
    let machine = machine()?;
    machine.sh("ip link add quiet type bridge && ip link set quiet up").ok()?;
    let settings = "cd /proc/sys/net/ipv6/conf && cat wire/accept_ra quiet/accept_ra all/forwarding";
    machine.sh("cd /proc/sys/net/ipv6/conf && echo 1 > wire/accept_ra && echo 0 > quiet/accept_ra").ok()?;
    ensure!(machine.sh(settings).ok()?.split_whitespace().eq(["1", "0", "0"]), "the test begins otherwise");
    machine.docker("network create --ipv6 --internal closed").ok()?;
    ensure!(
        machine.sh(settings).ok()?.split_whitespace().eq(["1", "0", "0"]),
        "an internal network routes nothing"
    );
    machine.docker("network create --ipv6 -o com.docker.network.bridge.name=six0 six").ok()?;
    let now = machine.sh(settings).ok()?;
    ensure!(now.split_whitespace().eq(["2", "0", "1"]), "{now}");
    let own = machine.sh("cat /proc/sys/net/ipv6/conf/six0/accept_ra").ok()?;
    ensure!(own.trim() != "2", "a bridge of ours takes routes from containers: {own}");
    Ok(())
}
