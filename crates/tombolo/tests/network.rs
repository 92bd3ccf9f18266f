//! Networks, and connecting containers to them whatever their state.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::{Machine, Place};

fn machine() -> Result<Machine> {
    Machine::start(env!("CARGO_BIN_EXE_tombolo"))
}

fn connection(machine: &Machine, container: &str, network: &str) -> Result<Value> {
    Ok(machine.inspect(container)?["NetworkSettings"]["Networks"][network].clone())
}

/// Does a thing to a container and looks whether everybody agrees afterwards.
fn docker(machine: &Machine, words: &str) -> Result<()> {
    machine.docker(words).ok()?;
    machine.agree()
}

#[test]
fn a_running_container_gets_all_that_was_asked_for() -> Result<()> {
    let machine = machine()?;
    docker(&machine, "network create --ipv6 --subnet 10.5.0.0/24 --subnet fd05::/64 site")?;
    docker(&machine, "run -d --name web busybox sleep 1000")?;
    let wish =
        "--ip 10.5.0.9 --ip6 fd05::9 --alias one --alias two --link-local-ip 169.254.7.7 --gw-priority 10";
    let ifname = "--driver-opt com.docker.network.endpoint.ifname=site0";
    docker(&machine, &format!("network connect {wish} {ifname} site web"))?;
    let shown = connection(&machine, "web", "site")?;
    let ipam = json!({"IPv4Address": "10.5.0.9", "IPv6Address": "fd05::9", "LinkLocalIPs": ["169.254.7.7"]});
    let expected = [
        ("IPAMConfig", ipam),
        ("Aliases", json!(["one", "two"])),
        ("GwPriority", json!(10)),
        ("Gateway", json!("10.5.0.1")),
        ("IPAddress", json!("10.5.0.9")),
        ("IPPrefixLen", json!(24)),
        ("IPv6Gateway", json!("fd05::1")),
        ("GlobalIPv6Address", json!("fd05::9")),
        ("GlobalIPv6PrefixLen", json!(64)),
        ("NetworkID", machine.network("site")?["Id"].clone()),
    ];
    for (key, value) in expected {
        ensure!(shown[key] == value, "{key}: {shown:#}");
    }
    let inside = machine.docker("exec web sh -c 'ip -o addr; ip route; ip -6 route'").ok()?;
    let facts = ["site0    inet 169.254.7.7/16", "site0    inet 10.5.0.9/24", "site0    inet6 fd05::9/64"];
    let routes = ["default via 10.5.0.1 dev site0", "default via fd05::1 dev site0"];
    for fact in facts.iter().chain(&routes) {
        ensure!(inside.contains(fact), "{fact}: {inside}");
    }
    let server = machine.listen(Place::In("web"), "[::]:80")?;
    machine.tcp(Place::Host, "10.5.0.9:80", &server)?;
    machine.tcp(Place::Host, "[fd05::9]:80", &server)?;
    docker(&machine, "network disconnect site web")?;
    let inside = machine.docker("exec web sh -c 'ip -o addr; ip route'").ok()?;
    ensure!(!inside.contains("site0") && inside.contains("default via 172.17.0.1"), "{inside}");
    docker(
        &machine,
        "network connect --driver-opt com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1 site web",
    )?;
    ensure!(machine.docker("exec web cat /proc/sys/net/ipv4/conf/eth1/log_martians").ok()? == "1");
    docker(&machine, "run -d --name own --network site --mac-address 02:11:22:33:44:55 busybox sleep 1000")?;
    ensure!(connection(&machine, "own", "site")?["MacAddress"] == "02:11:22:33:44:55");
    ensure!(machine.docker("exec own ip link show eth0").ok()?.contains("02:11:22:33:44:55"));
    Ok(())
}

#[test]
fn containers_are_connected_whatever_their_state() -> Result<()> {
    let machine = machine()?;
    for network in ["red", "green", "blue"] {
        docker(&machine, &format!("network create {network}"))?;
    }
    docker(&machine, "create --name web busybox sleep 1000")?;
    docker(&machine, "network connect red web")?;
    ensure!(connection(&machine, "web", "red")?["IPAddress"] == "", "it does not run yet");
    docker(&machine, "start web")?;
    let red = machine.address("web", "red")?;
    docker(&machine, "pause web")?;
    docker(&machine, "network connect green web")?;
    let green = machine.address("web", "green")?;
    docker(&machine, "network disconnect red web")?;
    docker(&machine, "unpause web")?;
    ensure!(connection(&machine, "web", "red")?.is_null());
    let server = machine.listen(Place::In("web"), "0.0.0.0:80")?;
    machine.tcp(Place::Host, &format!("{green}:80"), &server)?;
    machine.no_tcp(Place::Host, &format!("{red}:80"))?;
    drop(server);
    docker(&machine, "stop -t 0 web")?;
    docker(&machine, "network connect blue web")?;
    docker(&machine, "network disconnect green web")?;
    let refused = machine.docker("network disconnect green web");
    ensure!(refused.stderr.contains("is not connected to the network green"), "{refused:?}");
    docker(&machine, "start web")?;
    let networks = machine.inspect("web")?["NetworkSettings"]["Networks"].clone();
    let names: Vec<_> = networks.as_object().into_iter().flat_map(|all| all.keys()).collect();
    ensure!(names == ["blue", "bridge"], "{names:?}");
    Ok(())
}

#[test]
fn addresses_stay_until_the_container_is_removed() -> Result<()> {
    let machine = machine()?;
    docker(&machine, "network create --ipv6 --subnet 10.5.0.0/24 --subnet fd05::/64 site")?;
    docker(&machine, "run -d --name one --network site busybox sleep 1000")?;
    docker(&machine, "run -d --name two --network site busybox sleep 1000")?;
    let before = connection(&machine, "one", "site")?;
    docker(&machine, "stop -t 0 one")?;
    docker(&machine, "run -d --name three --network site busybox sleep 1000")?;
    ensure!(connection(&machine, "three", "site")?["IPAddress"] == "10.5.0.4", "one's is kept");
    docker(&machine, "start one")?;
    ensure!(connection(&machine, "one", "site")? == before, "before {before:#}");
    docker(&machine, "restart -t 0 one")?;
    ensure!(connection(&machine, "one", "site")? == before);
    docker(&machine, "rm -f one")?;
    docker(&machine, "run -d --name four --network site busybox sleep 1000")?;
    ensure!(connection(&machine, "four", "site")?["IPAddress"] == "10.5.0.2", "the lowest that is free");
    Ok(())
}

#[test]
fn whoever_gets_the_address_of_another_is_reached_at_once() -> Result<()> {
    let machine = machine()?;
    machine.docker("run -d --name web busybox httpd -f -p 8080 -h /var/www").ok()?;
    for _ in 0..5 {
        let fetch = "run --rm busybox curl -sS --max-time 3 http://172.17.0.2:8080/";
        ensure!(machine.docker(fetch).ok()?.contains("It works"));
        machine.docker("run --rm busybox ping -c 1 -W 2 172.17.0.1").ok()?;
    }
    Ok(())
}

#[test]
fn static_addresses_are_kept_from_the_beginning() -> Result<()> {
    let machine = machine()?;
    docker(&machine, "network create --subnet 10.5.0.0/24 site")?;
    docker(&machine, "create --name made --network site --ip 10.5.0.50 busybox sleep 1000")?;
    docker(&machine, "create --name wired busybox sleep 1000")?;
    docker(&machine, "network connect --ip 10.5.0.51 site wired")?;
    for taken in ["10.5.0.50", "10.5.0.51", "10.5.0.1", "10.5.0.0", "10.5.0.255"] {
        let refused = machine.docker(&format!("run --rm --network site --ip {taken} busybox true"));
        ensure!(refused.stderr.contains("Address already in use"), "{taken}: {refused:?}");
    }
    docker(&machine, "network connect --ip 10.5.0.52 site wired")?;
    docker(&machine, "run --rm --network site --ip 10.5.0.51 busybox true")?;
    docker(&machine, "start made wired")?;
    ensure!(machine.address("wired", "site")? == "10.5.0.52");
    ensure!(machine.address("made", "site")? == "10.5.0.50");
    Ok(())
}

#[test]
fn the_last_network_may_be_left_and_joined_again() -> Result<()> {
    let machine = machine()?;
    docker(&machine, "network create site")?;
    docker(&machine, "run -d --name web -p 80:8080 busybox httpd -f -p 8080 -h /var/www")?;
    docker(&machine, "network disconnect bridge web")?;
    let inside = machine.docker("exec web ip -o addr").ok()?;
    ensure!(!inside.contains("eth"), "{inside}");
    docker(&machine, "network connect site web")?;
    let page = machine.outside(&format!("curl -sS --max-time 5 http://{}/", testkit::WIRE)).ok()?;
    ensure!(page.contains("It works"), "published on the new network: {page}");
    docker(&machine, "network disconnect site web")?;
    docker(&machine, "restart -t 0 web")?;
    docker(&machine, "network connect bridge web")?;
    let page = machine.sh("curl -sS --max-time 5 http://127.0.0.1/").ok()?;
    ensure!(page.contains("It works"), "{page}");
    Ok(())
}

/// Settings for `POST /networks/site/connect`, the status, and the text.
const WRONG: &[(&str, u16, &str)] = &[
    (
        r#"{"IPAMConfig":{"IPv4Address":"10.6.0.1"}}"#,
        400,
        "invalid endpoint settings:\nno configured subnet contains IP address 10.6.0.1",
    ),
    (
        r#"{"IPAMConfig":{"IPv4Address":"x","IPv6Address":"y"}}"#,
        400,
        "invalid endpoint settings:\n* invalid IPv4 address: x\n* invalid IPv6 address: y",
    ),
    (
        r#"{"IPAMConfig":{"LinkLocalIPs":["x"]}}"#,
        400,
        "invalid endpoint settings:\ninvalid link-local IP address: x",
    ),
    (r#"{"IPAMConfig":{"IPv4Address":"10.5.0.2"}}"#, 403, "Address already in use"),
    (r#"{"MacAddress":"x"}"#, 400, "invalid endpoint settings:\ninvalid MAC address \"x\""),
    (
        r#"{"DriverOpts":{"no.such":"x"}}"#,
        400,
        "invalid endpoint settings:\nunknown option \"no.such\" of an endpoint",
    ),
];

#[test]
fn a_connection_that_is_refused_leaves_nothing() -> Result<()> {
    let machine = machine()?;
    docker(&machine, "network create --subnet 10.5.0.0/24 site")?;
    docker(&machine, "run -d --name taken --network site busybox sleep 1000")?;
    for state in ["run -d --name web busybox sleep 1000", "pause web", "stop -t 0 web"] {
        docker(&machine, state)?;
        let before = machine.inspect("web")?;
        for (settings, status, text) in WRONG {
            let body = format!(r#"{{"Container":"web","EndpointConfig":{settings}}}"#);
            let answer = machine.call("POST", "/networks/site/connect", &body)?;
            ensure!((answer.status, answer.message()) == (*status, *text), "{settings}: {answer:?}");
        }
        ensure!(machine.inspect("web")? == before, "{state}");
        machine.agree()?;
        if state.starts_with("pause") {
            docker(&machine, "unpause web")?;
        }
    }
    Ok(())
}

#[test]
fn twenty_connections_at_once_are_all_made() -> Result<()> {
    let machine = machine()?;
    machine.docker("run -d --name web busybox sleep 1000").ok()?;
    machine.sh("for n in $(seq 20); do docker network create net$n; done").ok()?;
    machine.sh("for n in $(seq 20); do docker network connect net$n web & done; wait").ok()?;
    machine.agree()?;
    let networks = machine.inspect("web")?["NetworkSettings"]["Networks"].clone();
    ensure!(networks.as_object().is_some_and(|all| all.len() == 21), "{networks:#}");
    machine.sh("for n in $(seq 20); do docker run -d --name on$n --network net$n busybox sleep 1000 & done; wait").ok()?;
    machine.agree()?;
    machine
        .sh("for n in $(seq 20); do docker network disconnect net$n web & docker rm -f on$n & done; wait")
        .ok()?;
    machine.agree()?;
    machine.sh("for n in $(seq 20); do docker network rm net$n & done; wait").ok()?;
    ensure!(machine.docker("network ls -q").ok()?.lines().count() == 3);
    Ok(())
}

#[test]
fn ipv6_networks_carry_ipv6() -> Result<()> {
    let machine = machine()?;
    docker(&machine, "network create --ipv6 both")?;
    docker(&machine, "network create --ipv6 --ipv4=false only")?;
    let pools = machine.network("both")?["IPAM"]["Config"].clone();
    ensure!(pools[1]["Subnet"].as_str().is_some_and(|pool| pool.starts_with("fd")), "{pools}");
    for network in ["both", "only"] {
        docker(
            &machine,
            &format!(
                "run -d --name web-{network} --network {network} busybox httpd -f -p [::]:8080 -h /var/www"
            ),
        )?;
        let address = connection(&machine, &format!("web-{network}"), network)?["GlobalIPv6Address"].clone();
        let address = address.as_str().unwrap_or_default();
        machine.docker(&format!("run --rm --network {network} busybox ping -6 -c 1 -W 5 {address}")).ok()?;
        for url in [format!("[{address}]:8080"), format!("web-{network}:8080")] {
            let fetch =
                format!("run --rm --network {network} busybox curl -6 -g -sS --max-time 5 http://{url}/");
            ensure!(machine.docker(&fetch).ok()?.contains("It works"), "{network} {url}");
        }
        let unreachable = format!("curl -g -sS --max-time 1 http://[{address}]:8080/");
        ensure!(machine.outside(&unreachable).code != 0, "not published");
        let out = format!("run --rm --network {network} busybox ping -6 -c 1 -W 5 {}", testkit::OUTSIDE6);
        machine.docker(&out).ok()?;
    }
    Ok(())
}
